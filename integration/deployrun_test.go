package integration

import (
	"bytes"
	"debug/elf"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"sallyport/integration/internal/toolchain"
)

// isStatic: an image without anything else has no loader and no libraries.
func isStatic(t *testing.T, path string) {
	t.Helper()
	if runtime.GOOS != "linux" {
		return
	}
	f, err := elf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP {
			t.Error("the program asks for a dynamic loader")
		}
	}
}

// installed returns the path of a program of the system. One that is not there fails the test: the README says what to install.
func installed(t testing.TB, name, debian string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Fatalf("%s is not there (Debian: apt-get install %s): %v", name, debian, err)
	}
	return path
}

// deployed is a copy of deploy/ whose services run as processes: same commands, other addresses and paths.
type deployed struct {
	clone   string // holds deploy/ as a clone of the repository does
	compose *composeFile
	minio   string // host:port
	bin     string // holds the stand-in for docker
	env     []string
}

func newDeployed(t *testing.T) *deployed {
	t.Helper()
	d := &deployed{clone: t.TempDir()}
	if err := os.CopyFS(d.dir(), os.DirFS(deployFolder(t))); err != nil {
		t.Fatal(err)
	}
	for _, left := range []string{"secrets", "data", ".env"} { // of somebody who uses the clone
		if err := os.RemoveAll(filepath.Join(d.dir(), left)); err != nil {
			t.Fatal(err)
		}
	}
	d.compose = readCompose(t, d.dir())
	d.minio = freeAddress(t)
	d.bin = filepath.Join(d.clone, "bin")
	d.env = append(toolchain.Environ(), "HOME="+t.TempDir(), "PATH="+d.bin+string(os.PathListSeparator)+pathWithTools(t))
	// A stand-in for docker that knows what first-run.sh calls, and runs what the compose file says.
	script := "#!/bin/sh\ncase \"$*\" in\n'compose build gateway') ;;\n"
	for _, service := range []string{"new-key", "create-vault"} {
		script += fmt.Sprintf("'compose run --rm -T %s') exec '%s' %s ;;\n", service, sallyport(t, false), shellWords(d.command(t, service)))
	}
	writeFile(t, filepath.Join(d.bin, "docker"), []byte(script+"*) echo \"not known: $*\" >&2; exit 99 ;;\nesac\n"))
	if err := os.Chmod(filepath.Join(d.bin, "docker"), 0o700); err != nil {
		t.Fatal(err)
	}
	return d
}

func (d *deployed) dir() string { return filepath.Join(d.clone, "deploy") }

func shellWords(args []string) string {
	var b strings.Builder
	for _, a := range args {
		b.WriteString(" '" + strings.ReplaceAll(a, "'", `'\''`) + "'")
	}
	return b.String()
}

func freeAddress(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// adapt turns what is true inside of a service's container into what is true here.
func (d *deployed) adapt(t testing.TB, service, text string) string {
	t.Helper()
	s := d.compose.Services[service]
	for _, v := range s.Volumes {
		host := v.Source
		if strings.HasSuffix(v.Target, ".yaml") {
			host = d.config()
		}
		if strings.HasPrefix(text, v.Target) || strings.Contains(text, " "+v.Target) {
			text = strings.ReplaceAll(text, v.Target, host)
		}
	}
	text = strings.ReplaceAll(text, "/run/secrets/", filepath.Join(d.dir(), "secrets")+"/")
	return strings.NewReplacer("minio:9000", d.minio, "/tmp/mc", filepath.Join(d.clone, "mc")).Replace(text)
}

func (d *deployed) command(t testing.TB, service string) []string {
	t.Helper()
	var args []string
	for _, a := range d.compose.Services[service].Command {
		if a == ":9000" {
			a = d.minio
		}
		args = append(args, d.adapt(t, service, a))
	}
	return args
}

// config is where the shipped configuration lies once its addresses and paths are those of this machine.
func (d *deployed) config() string { return filepath.Join(d.clone, "adapted.yaml") }

func (d *deployed) writeConfig(t testing.TB) {
	t.Helper()
	text := d.adapt(t, "gateway", string(readFile(t, filepath.Join(d.dir(), "sallyport.yaml"))))
	for _, address := range []string{"0.0.0.0:9710", "0.0.0.0:9711"} {
		if strings.Count(text, address) != 1 {
			t.Fatalf("%s stands not once in the shipped configuration", address)
		}
		text = strings.Replace(text, address, "127.0.0.1:0", 1)
	}
	writeFile(t, d.config(), []byte(text))
}

func (d *deployed) shell(line string) *exec.Cmd {
	cmd := exec.Command("/bin/sh", "-e", "-u", "-c", line)
	cmd.Dir, cmd.Env = d.clone, d.env
	return cmd
}

// startStorage runs the services minio and bucket.
func (d *deployed) startStorage(t *testing.T) {
	t.Helper()
	cmd := exec.Command(tool(t, "minio"), d.command(t, "minio")...)
	cmd.Env = append(d.env, "MINIO_CI_CD=1") // lets it serve from the root disk
	for name, value := range d.compose.Services["minio"].Environment {
		cmd.Env = append(cmd.Env, name+"="+d.adapt(t, "minio", value))
	}
	spawn(t, cmd)
	bucket := d.compose.Services["bucket"]
	made := exec.Command(bucket.Entrypoint[0], append(bucket.Entrypoint[1:], d.command(t, "bucket")...)...)
	made.Env, made.Dir = d.env, d.clone
	if said, err := made.CombinedOutput(); err != nil {
		t.Fatalf("bucket: %v\n%s", err, said)
	}
}

// composeLines are the README's lines for compose.
func composeLines(t *testing.T) []string {
	t.Helper()
	_, rest, found := strings.Cut(string(readFile(t, filepath.Join(filepath.Dir(deployFolder(t)), "README.md"))), "\n## In containers\n")
	_, rest, open := strings.Cut(rest, "\n```\n")
	block, _, closed := strings.Cut(rest, "\n```\n")
	if !found || !open || !closed {
		t.Fatal("README.md has no lines for containers")
	}
	var lines []string
	for line := range strings.Lines(block) {
		lines = append(lines, strings.TrimSpace(strings.TrimPrefix(line, "$ ")))
	}
	return lines
}

// TestComposeAsProcesses types the README's lines for containers, with processes in the place of containers: first-run.sh as it is, each
// service's own command, the shipped configuration, and the mc lines. Containers are not run.
func TestComposeAsProcesses(t *testing.T) {
	needsPrograms(t)
	t.Parallel()
	lines := composeLines(t)
	if len(lines) != 4 || !strings.HasPrefix(lines[0], "deploy/first-run.sh") || !strings.HasPrefix(lines[1], "docker compose -f deploy/compose.yaml up --detach") {
		t.Fatalf("the README's lines are not the four that this test knows: %q", lines)
	}
	d := newDeployed(t)

	// The first time MinIO is not there yet, as if the run was interrupted. What was made stays.
	if said, err := d.shell(lines[0]).CombinedOutput(); err == nil {
		t.Fatalf("the first run went through without a configuration to create the vault from:\n%s", said)
	}
	made := d.secrets(t)
	d.writeConfig(t)
	d.startStorage(t)
	for range 2 {
		said, err := d.shell(lines[0]).CombinedOutput()
		if err != nil || !bytes.Contains(said, []byte("secrets/vault_key holds the only key")) {
			t.Fatalf("%v\n%s", err, said)
		}
		for name, text := range d.secrets(t) {
			if made[name] != text {
				t.Errorf("another run changed %s", name)
			}
			if strings.Contains(string(said), strings.TrimSpace(text)) {
				t.Errorf("first-run.sh prints %s", name)
			}
		}
	}
	if owner := fmt.Sprintf("SALLYPORT_USER=%d:%d\n", os.Getuid(), os.Getgid()); os.Getuid() != 0 && string(readFile(t, filepath.Join(d.dir(), ".env"))) != owner {
		t.Errorf("the containers are not run as the owner: %s", readFile(t, filepath.Join(d.dir(), ".env")))
	}

	g := serve(t, d.command(t, "gateway")[2], "TMPDIR="+t.TempDir())
	report := bytes.Repeat([]byte("a report that nobody but its owner may read\n"), 3000)
	writeFile(t, filepath.Join(d.clone, "report.pdf"), report)
	_, host, _ := strings.Cut(g.Endpoint, "://")
	export := strings.Replace(lines[2], "127.0.0.1:9710", host, 1)
	if said, err := d.shell(export + "\n" + lines[3] + "\nmc cat sallyport/backup/report.pdf > back.pdf").CombinedOutput(); err != nil {
		t.Fatalf("%s\n%s: %v\n%s", export, lines[3], err, said)
	}
	sameBytes(t, "what mc reads back", report, readFile(t, filepath.Join(d.clone, "back.pdf")))
	d.holdsNothing(t, "nobody but its owner")
	s := &server{gateway: *g}
	admin := strings.TrimPrefix(s.adminAddress(t), "http://")
	d.monitor(t, admin)
	if code := g.stop(); code != 0 {
		t.Errorf("stop: exit %d", code)
	}
	for name, text := range made {
		if strings.Contains(g.stderr.String()+g.stdout.String(), strings.TrimSpace(text)) {
			t.Errorf("the gateway logs %s", name)
		}
	}
	g.noServerErrors(t)
}

// secrets are the files that first-run.sh makes, which only their owner can read.
func (d *deployed) secrets(t *testing.T) map[string]string {
	t.Helper()
	all := map[string]string{}
	for name := range d.compose.Secrets {
		path := filepath.Join(d.dir(), "secrets", name)
		info, err := os.Stat(path)
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Fatalf("%s: %v %v", name, info, err)
		}
		all[name] = string(readFile(t, path))
		if len(all[name]) < 41 {
			t.Errorf("%s is short: %d bytes", name, len(all[name]))
		}
	}
	return all
}

// holdsNothing reads MinIO's own files.
func (d *deployed) holdsNothing(t *testing.T, secret string) {
	t.Helper()
	files := 0
	err := filepath.WalkDir(filepath.Join(d.dir(), "data", "minio", "sealed"), func(path string, e os.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		files++
		if bytes.Contains(readFile(t, path), []byte(secret)) {
			t.Errorf("%s holds plaintext", path)
		}
		return nil
	})
	if err != nil || files < 3 {
		t.Errorf("%d files in MinIO's folder, %v", files, err)
	}
}

// monitor runs Prometheus with the shipped configuration, and every query of the board and of the rules on what it gathers.
func (d *deployed) monitor(t *testing.T, admin string) {
	t.Helper()
	config := filepath.Join(d.dir(), "prometheus", "prometheus.yml")
	text := string(readFile(t, config))
	for old, replacement := range map[string]string{"gateway:9711": admin, "scrape_interval: 15s": "scrape_interval: 250ms", "evaluation_interval: 15s": "evaluation_interval: 250ms"} {
		if strings.Count(text, old) != 1 {
			t.Fatalf("%q stands not once in the shipped configuration of Prometheus", old)
		}
		text = strings.Replace(text, old, replacement, 1)
	}
	writeFile(t, config, []byte(text))
	address := freeAddress(t)
	var args []string
	for _, a := range d.compose.Services["prometheus"].Command {
		a = strings.Replace(a, "=/etc/prometheus/", "="+filepath.Join(d.dir(), "prometheus")+"/", 1)
		args = append(args, strings.Replace(a, "=/prometheus", "="+t.TempDir(), 1))
	}
	cmd := exec.Command(installed(t, "prometheus", "prometheus"), append(args, "--web.listen-address="+address)...)
	cmd.Env = d.env
	p := spawn(t, cmd)
	ask := func(path string, into any) bool {
		resp, err := http.Get("http://" + address + path) //nolint:noctx // a test on loopback
		if err != nil {
			return false
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if err != nil || resp.StatusCode == http.StatusServiceUnavailable { // it is still starting
			return false
		}
		if resp.StatusCode != http.StatusOK {
			t.Logf("%s: %s: %s", path, resp.Status, body)
			return false
		}
		return json.Unmarshal(body, into) == nil
	}
	type answer struct {
		Data struct{ Result []struct{ Value []any } }
	}
	query := func(expr string) (values []string, ok bool) {
		var a answer
		ok = ask("/api/v1/query?query="+url.QueryEscape(expr), &a)
		for _, r := range a.Data.Result {
			values = append(values, fmt.Sprint(r.Value[1]))
		}
		return values, ok
	}
	eventually(t, patience, "Prometheus has seen the object come in", func() bool {
		got, _ := query(`sallyport_requests_total{job="sallyport",operation="PutObject",status="200"}`)
		twice, _ := query(`rate(sallyport_requests_total{job="sallyport",operation="PutObject"}[1m])`) // says something after two looks
		return len(got) == 1 && got[0] == "1" && len(twice) == 1 || p.ended()
	})
	for _, expr := range []string{"sallyport_vault_open", "up"} {
		if got, _ := query(expr); len(got) != 1 || got[0] != "1" {
			t.Errorf("%s is %q", expr, got)
		}
	}
	if got, _ := query("sallyport_open_uploads"); len(got) != 1 || got[0] != "0" {
		t.Errorf("open uploads: %q", got)
	}
	var board struct {
		Panels []struct {
			Title   string
			Targets []struct{ Expr string }
		}
	}
	if err := yaml.Unmarshal(readFile(t, filepath.Join(d.dir(), "grafana", "dashboards", "sallyport.json")), &board); err != nil {
		t.Fatal(err)
	}
	shown := 0
	for _, panel := range board.Panels {
		for _, target := range panel.Targets {
			expr := strings.NewReplacer("$instance", ".+", "$__rate_interval", "1m").Replace(target.Expr)
			got, ok := query(expr)
			if !ok {
				t.Errorf("panel %q: Prometheus refuses %s", panel.Title, expr)
			}
			if len(got) > 0 {
				shown++
			}
		}
	}
	if shown < 20 {
		t.Errorf("only %d queries of the board show anything", shown)
	}
	var rules struct {
		Data struct {
			Groups []struct {
				Rules []struct{ Name, Health, State string }
			}
		}
	}
	eventually(t, patience, "every rule has been evaluated, without an error", func() bool {
		if !ask("/api/v1/rules", &rules) || len(rules.Data.Groups) != 1 {
			return p.ended()
		}
		for _, r := range rules.Data.Groups[0].Rules {
			if r.Health != "ok" {
				return false
			}
		}
		return true
	})
	for _, g := range rules.Data.Groups {
		for _, r := range g.Rules {
			if r.State != "inactive" {
				t.Errorf("%s is %s though nothing is wrong", r.Name, r.State)
			}
		}
	}
}

// TestAlertRules has promtool judge configuration and rules, and run the rules' own tests.
func TestAlertRules(t *testing.T) {
	needsPrograms(t)
	p := &program{path: installed(t, "promtool", "prometheus"), env: toolchain.Environ(), dir: filepath.Join(deployFolder(t), "prometheus")}
	p.run(t, "check", "config", "prometheus.yml")
	p.run(t, "check", "rules", "rules.yml")
	p.run(t, "test", "rules", "rules_test.yml")
}

// TestUnit reads the systemd unit, and serves with the configuration that goes with it.
func TestUnit(t *testing.T) {
	needsPrograms(t)
	t.Parallel()
	dir := filepath.Join(deployFolder(t), "systemd")
	unit := map[string][]string{}
	section := ""
	setting := regexp.MustCompile(`^([A-Za-z]+)=(.*)$`)
	for line := range strings.Lines(string(readFile(t, filepath.Join(dir, "sallyport.service")))) {
		line = strings.TrimSpace(line)
		found := setting.FindStringSubmatch(line)
		switch {
		case line == "" || strings.HasPrefix(line, "#"):
		case strings.HasPrefix(line, "["):
			section = line
		case found == nil:
			t.Errorf("neither section nor setting: %q", line)
		default:
			unit[section+found[1]] = append(unit[section+found[1]], found[2])
		}
	}
	config := readShipped(t, "systemd/sallyport.yaml")
	seconds := int((config.Limits.DrainDelay + config.Limits.Drain).Seconds())
	for name, want := range map[string]string{
		"ExecStart": "/usr/local/bin/sallyport serve --config /etc/sallyport/sallyport.yaml", "User": "sallyport", "NoNewPrivileges": "yes", "ProtectSystem": "strict",
		"ProtectHome": "yes", "LimitNOFILE": "65536", "LimitCORE": "0", "CapabilityBoundingSet": "", "UMask": "0077", "StateDirectory": "sallyport",
		"TimeoutStopSec": fmt.Sprint(seconds + 25), "RestartPreventExitStatus": "2", "MemoryDenyWriteExecute": "yes",
	} {
		if got := unit["[Service]"+name]; len(got) != 1 || got[0] != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	if config.StateDir != "/var/lib/sallyport" || "-"+config.Providers["disk"].Path != unit["[Service]ReadWritePaths"][0] {
		t.Errorf("%s and %s are not what the unit lets it write", config.StateDir, config.Providers["disk"].Path)
	}
	credentials := "/run/credentials/sallyport.service/"
	for _, path := range []string{config.Vaults[0].Unlock.KeyFile, config.Credentials[0].SecretKeyFile} {
		name, _ := strings.CutPrefix(path, credentials)
		if !strings.Contains(strings.Join(unit["[Service]LoadCredential"], " "), name+":/etc/sallyport/"+name) {
			t.Errorf("the unit does not load %s", path)
		}
	}
	here := t.TempDir()
	if path, err := exec.LookPath("systemd-analyze"); err == nil {
		text := strings.Replace(string(readFile(t, filepath.Join(dir, "sallyport.service"))), "/usr/local/bin/sallyport", sallyport(t, false), 1)
		(&program{path: path, env: toolchain.Environ()}).run(t, "verify", "--man=no", writeFile(t, filepath.Join(here, "sallyport.service"), []byte(text)))
	}

	text := string(readFile(t, filepath.Join(dir, "sallyport.yaml")))
	text = strings.NewReplacer(credentials, here+"/", "/var/lib/sallyport", here+"/state", "/srv/sallyport", here+"/root", ":9710", ":0", ":9711", ":0").Replace(text)
	adapted := writeFile(t, filepath.Join(here, "sallyport.yaml"), []byte(text))
	for _, folder := range []string{"state", "root"} {
		if err := os.Mkdir(filepath.Join(here, folder), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	writeFile(t, filepath.Join(here, "client_secret"), []byte("c1e0f2b3a4958677\n"))
	// As documented: the key comes in by a descriptor, since the service's user cannot read its file.
	create := command(t)
	create.stdin = create.run(t, "key", "new")
	create.run(t, "vault", "create", "--config", adapted, "--key-fd", "0")
	writeFile(t, filepath.Join(here, "vault_key"), []byte(create.stdin))
	g := serve(t, adapted)
	g.AccessKey, g.SecretKey = "sallyport", "c1e0f2b3a4958677"
	makeBucket(t, g, "kept")
	putObject(t, g, "kept", "object", []byte("by the unit's configuration"))
	sameBytes(t, "object", []byte("by the unit's configuration"), getObject(t, g, "kept", "object"))
}
