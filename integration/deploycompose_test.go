package integration

import (
	"encoding/json"
	"net"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"sallyport/integration/internal/toolchain"
)

// composeFile is deploy/compose.yaml as the reference implementation of the Compose Specification reads it, with everything resolved.
type composeFile struct {
	Services map[string]composeService
	Secrets  map[string]struct{ File string }
	Networks map[string]struct{ Internal bool }
}

type composeService struct {
	Image       string
	User        string
	Entrypoint  []string
	Command     []string
	Environment map[string]string
	Privileged  bool
	CapDrop     []string `json:"cap_drop"`
	SecurityOpt []string `json:"security_opt"`
	ReadOnly    bool     `json:"read_only"`
	StopGrace   string   `json:"stop_grace_period"`
	Profiles    []string
	PullPolicy  string         `json:"pull_policy"`
	Networks    map[string]any `json:"networks"`
	NetworkMode string         `json:"network_mode"`
	DependsOn   map[string]struct{ Condition string }
	Build       *struct{ Context, Dockerfile string }
	Secrets     []struct{ Source, Target string }
	Volumes     []struct {
		Type, Source, Target string
		ReadOnly             bool `json:"read_only"`
	}
	Ports []struct {
		HostIP    string `json:"host_ip"`
		Published string
		Target    int
	}
}

// deployFolder is the repository's deploy/.
func deployFolder(t testing.TB) string {
	t.Helper()
	root, err := toolchain.Root()
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(root, "deploy")
}

// composeUser is the one variable of the compose file; without it nothing starts, and the message says what to do.
const composeUser = "${SALLYPORT_USER:?run ./first-run.sh first}"

// readCompose has the specification's own implementation check and resolve the compose file in dir. Variables are replaced here: the command
// line of that implementation does not hand its environment on.
func readCompose(t testing.TB, dir string) *composeFile {
	t.Helper()
	p := &program{path: tool(t, "compose-go"), dir: dir, env: toolchain.Environ()}
	text := strings.ReplaceAll(p.run(t, "-no-interpolation", "-format", "json", "compose.yaml"), composeUser, "1234:1234")
	if rest := strings.ReplaceAll(text, "$$", ""); strings.Contains(rest, "$") {
		t.Errorf("the compose file has variables that this test does not know: %s", rest)
	}
	var c composeFile
	if err := json.Unmarshal([]byte(strings.ReplaceAll(text, "$$", "$")), &c); err != nil {
		t.Fatal(err)
	}
	return &c
}

// shippedConfig is what other files must agree with.
type shippedConfig struct {
	Listen    struct{ Address string }
	Admin     struct{ Address string }
	StateDir  string `yaml:"state_dir"`
	Providers map[string]struct{ Endpoint, Bucket, Path string }
	Vaults    []struct {
		Name   string
		Unlock struct {
			KeyFile string `yaml:"key_file"`
		}
	}
	Credentials []struct {
		AccessKey     string `yaml:"access_key"`
		SecretKeyFile string `yaml:"secret_key_file"`
	}
	Limits struct {
		DrainDelay time.Duration `yaml:"drain_delay"`
		Drain      time.Duration
	}
}

func readShipped(t testing.TB, name string) *shippedConfig {
	t.Helper()
	var c shippedConfig
	if err := yaml.Unmarshal(readFile(t, filepath.Join(deployFolder(t), name)), &c); err != nil {
		t.Fatal(err)
	}
	return &c
}

func portOf(t testing.TB, address string) int {
	t.Helper()
	_, text, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	port, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	return port
}

// TestShippedConfigurationsAreValid: the program itself finds nothing wrong with them.
func TestShippedConfigurationsAreValid(t *testing.T) {
	needsPrograms(t)
	for _, name := range []string{"sallyport.yaml", "systemd/sallyport.yaml"} {
		r := command(t).try(t, "config", "check", "--config", filepath.Join(deployFolder(t), name))
		if r.code != 0 || !strings.Contains(r.stdout, "is valid: 1 provider(s), 1 vault(s), 1 credential(s)") || r.stderr != "" {
			t.Errorf("%s: exit %d\n%s", name, r.code, r.both())
		}
	}
}

// TestComposeFile holds what the parts of the deployment say of each other, and what each container may.
func TestComposeFile(t *testing.T) {
	needsPrograms(t)
	dir := deployFolder(t)
	c, config := readCompose(t, dir), readShipped(t, "sallyport.yaml")
	if len(c.Services) != 7 {
		t.Errorf("%d services", len(c.Services))
	}
	r := (&program{path: tool(t, "compose-go"), dir: dir, env: toolchain.Environ()}).try(t, "compose.yaml")
	if r.code == 0 || !strings.Contains(r.both(), "SALLYPORT_USER is missing a value: run ./first-run.sh first") {
		t.Errorf("before the first run: exit %d\n%s", r.code, r.both())
	}
	for name, s := range c.Services {
		c.holdsNoSecret(t, name, &s)
		if s.Privileged || !slices.Equal(s.CapDrop, []string{"ALL"}) || !slices.Contains(s.SecurityOpt, "no-new-privileges:true") {
			t.Errorf("%s may more than it needs", name)
		}
		for _, p := range s.Ports {
			if p.HostIP != "127.0.0.1" {
				t.Errorf("%s publishes port %s on %q", name, p.Published, p.HostIP)
			}
		}
		if len(s.Secrets) > 0 && s.User != "1234:1234" {
			t.Errorf("%s reads secrets as %q, not as their owner", name, s.User)
		}
		if s.Build == nil && s.Image == c.Services["gateway"].Image && s.PullPolicy != "never" {
			t.Errorf("%s might fetch %s from somewhere", name, s.Image)
		}
		if s.Image == "" || strings.HasSuffix(s.Image, ":latest") || !strings.Contains(s.Image, ":") {
			t.Errorf("%s: image %q is not pinned", name, s.Image)
		}
		for _, v := range s.Volumes {
			if v.Type != "bind" || strings.HasPrefix(v.Source, filepath.Join(dir, "data")+"/") {
				continue // first-run.sh makes the folders of data
			}
			if _, err := os.Stat(v.Source); err != nil || !v.ReadOnly {
				t.Errorf("%s mounts %s (read-only %v): %v", name, v.Source, v.ReadOnly, err)
			}
		}
	}
	gateway := c.Services["gateway"]
	if p := gateway.Ports; len(p) != 1 || p[0].Target != portOf(t, config.Listen.Address) || p[0].Published != strconv.Itoa(p[0].Target) {
		t.Errorf("published are %+v, served is %s", p, config.Listen.Address)
	}
	if grace, err := time.ParseDuration(gateway.StopGrace); err != nil || grace < config.Limits.DrainDelay+config.Limits.Drain+20*time.Second {
		t.Errorf("a stop is cut after %s, and draining takes %s and %s: %v", gateway.StopGrace, config.Limits.DrainDelay, config.Limits.Drain, err)
	}
	if !gateway.ReadOnly || !slices.Equal(gateway.Command, []string{"serve", "--config", "/etc/sallyport/sallyport.yaml"}) {
		t.Errorf("the gateway: read-only %v, %q", gateway.ReadOnly, gateway.Command)
	}
	c.secretsReach(t, config)
	storage := config.Providers["minio"]
	if want := "http://minio:" + strconv.Itoa(portOf(t, after(c.Services["minio"].Command, "--address"))); storage.Endpoint != want {
		t.Errorf("the gateway looks for MinIO at %s, it is at %s", storage.Endpoint, want)
	}
	if !strings.Contains(c.Services["bucket"].Command[0], "store/"+storage.Bucket+"\n") {
		t.Errorf("the bucket that is made is not %s", storage.Bucket)
	}
	for network, members := range map[string][]string{
		"storage": {"bucket", "create-vault", "gateway", "minio"}, "metrics": {"gateway", "grafana", "prometheus"}, "front": {"gateway"},
	} {
		for name, s := range c.Services {
			if _, in := s.Networks[network]; in != slices.Contains(members, name) {
				t.Errorf("%s in network %s: %v", name, network, in)
			}
		}
		if c.Networks[network].Internal != (network == "storage") {
			t.Errorf("network %s: internal %v", network, c.Networks[network].Internal)
		}
	}
	c.monitoringAgrees(t, config)
}

func after(args []string, flag string) string {
	if i := slices.Index(args, flag); i >= 0 && i+1 < len(args) {
		return args[i+1]
	}
	return ""
}

// holdsNoSecret: what is told by environment and command line everybody can see who may look at containers.
func (c *composeFile) holdsNoSecret(t *testing.T, name string, s *composeService) {
	t.Helper()
	secret := regexp.MustCompile(`(?i)secret|password|token|key`)
	for variable, value := range s.Environment {
		if secret.MatchString(variable) && !strings.HasSuffix(variable, "_FILE") {
			t.Errorf("%s has a secret in its environment: %s", name, variable)
		}
		if strings.HasSuffix(variable, "_FILE") && !strings.HasPrefix(value, "/run/secrets/") {
			t.Errorf("%s: %s is %s", name, variable, value)
		}
	}
	for _, used := range s.Secrets {
		if _, ok := c.Secrets[used.Source]; !ok {
			t.Errorf("%s uses the secret %s, which is not declared", name, used.Source)
		}
	}
	for _, file := range c.Secrets {
		if filepath.Base(filepath.Dir(file.File)) != "secrets" {
			t.Errorf("a secret lies in %s, which git does not ignore", file.File)
		}
	}
}

// secretsReach: what configuration and commands read is mounted.
func (c *composeFile) secretsReach(t *testing.T, config *shippedConfig) {
	t.Helper()
	var needed []string
	for _, found := range regexp.MustCompile(`/run/secrets/(\w+)`).FindAllSubmatch(readFile(t, filepath.Join(deployFolder(t), "sallyport.yaml")), -1) {
		needed = append(needed, string(found[1]))
	}
	for name, s := range c.Services {
		want := slices.Clone(needed)
		if name != "gateway" && name != "create-vault" {
			want = nil
		}
		said := strings.Join(append(slices.Concat(s.Command, s.Entrypoint), s.Environment["MINIO_ROOT_USER_FILE"], s.Environment["MINIO_ROOT_PASSWORD_FILE"]), " ")
		for _, found := range regexp.MustCompile(`/run/secrets/(\w+)`).FindAllStringSubmatch(said, -1) {
			want = append(want, found[1])
		}
		var got []string
		for _, used := range s.Secrets {
			got = append(got, used.Source)
		}
		slices.Sort(want)
		slices.Sort(got)
		if !slices.Equal(slices.Compact(want), got) {
			t.Errorf("%s reads the secrets %q and is given %q", name, want, got)
		}
	}
	if config.Vaults[0].Unlock.KeyFile != "/run/secrets/vault_key" {
		t.Errorf("the vault's key is %s", config.Vaults[0].Unlock.KeyFile)
	}
}

// monitoringAgrees: Prometheus asks the gateway's admin port, which nobody else reaches, and Grafana asks Prometheus.
func (c *composeFile) monitoringAgrees(t *testing.T, config *shippedConfig) {
	t.Helper()
	dir := deployFolder(t)
	var scraped struct {
		Rules  []string `yaml:"rule_files"`
		Scrape []struct {
			Job    string                       `yaml:"job_name"`
			Static []struct{ Targets []string } `yaml:"static_configs"`
		} `yaml:"scrape_configs"`
	}
	var source struct {
		Sources []struct {
			Name, UID, Type, URL string
		} `yaml:"datasources"`
	}
	var boards struct {
		Providers []struct{ Options struct{ Path string } }
	}
	var board struct {
		UID    string
		Panels []struct {
			Title      string
			Type       string
			Datasource struct{ UID, Type string }
		}
	}
	for file, into := range map[string]any{
		"prometheus/prometheus.yml": &scraped, "grafana/provisioning/datasources/prometheus.yaml": &source,
		"grafana/provisioning/dashboards/sallyport.yaml": &boards, "grafana/dashboards/sallyport.json": &board, // JSON is YAML
	} {
		if err := yaml.Unmarshal(readFile(t, filepath.Join(dir, file)), into); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
	}
	target := "gateway:" + strconv.Itoa(portOf(t, config.Admin.Address))
	if s := scraped.Scrape; len(s) != 1 || s[0].Job != "sallyport" || len(s[0].Static) != 1 || !slices.Equal(s[0].Static[0].Targets, []string{target}) {
		t.Errorf("Prometheus asks %+v, metrics are at %s", s, target)
	}
	if !slices.Equal(scraped.Rules, []string{"rules.yml"}) {
		t.Errorf("rules are %q", scraped.Rules)
	}
	web := c.Services["prometheus"].Ports
	if len(source.Sources) != 1 || len(web) != 1 || source.Sources[0].URL != "http://prometheus:"+strconv.Itoa(web[0].Target) {
		t.Fatalf("Grafana asks %+v, Prometheus listens at %+v", source.Sources, web)
	}
	mounted := map[string]string{}
	for _, v := range c.Services["grafana"].Volumes {
		mounted[v.Target] = v.Source
	}
	home := c.Services["grafana"].Environment["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
	if len(boards.Providers) != 1 || mounted[boards.Providers[0].Options.Path] != filepath.Join(dir, "grafana", "dashboards") || path.Dir(home) != boards.Providers[0].Options.Path {
		t.Errorf("boards are looked for in %+v, the first at %s; mounted are %v", boards.Providers, home, mounted)
	}
	if board.UID == "" || len(board.Panels) < 20 {
		t.Errorf("the board is %q with %d panels", board.UID, len(board.Panels))
	}
	for _, p := range board.Panels {
		if p.Type != "row" && (p.Datasource.UID != source.Sources[0].UID || p.Datasource.Type != source.Sources[0].Type) {
			t.Errorf("panel %q asks %+v", p.Title, p.Datasource)
		}
	}
}

// TestDockerfile: the image is the program and nothing else, run by nobody in particular, and what the builder is sent is enough to build it.
func TestDockerfile(t *testing.T) {
	needsPrograms(t)
	t.Parallel()
	dir := deployFolder(t)
	var stages []string
	last := map[string]string{}
	build := ""
	for line := range strings.Lines(string(readFile(t, filepath.Join(dir, "Dockerfile")))) {
		word, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		switch word {
		case "", "#":
		case "FROM":
			stages, last = append(stages, rest), map[string]string{}
		case "RUN", "WORKDIR", "COPY", "USER", "EXPOSE", "STOPSIGNAL", "ENTRYPOINT", "CMD":
			last[word] = rest
			if word == "RUN" {
				build = rest
			}
		default:
			t.Errorf("unknown instruction %s", word)
		}
	}
	if len(stages) != 2 || stages[1] != "scratch" || last["USER"] != "65532:65532" || last["ENTRYPOINT"] != `["/sallyport"]` || last["RUN"] != "" {
		t.Errorf("stages %q, the last one: %q", stages, last)
	}
	config := readShipped(t, "sallyport.yaml")
	if want := strconv.Itoa(portOf(t, config.Listen.Address)) + " " + strconv.Itoa(portOf(t, config.Admin.Address)); last["EXPOSE"] != want {
		t.Errorf("exposed are %s, served are %s", last["EXPOSE"], want)
	}
	root := filepath.Dir(dir)
	needs := regexp.MustCompile(`(?m)^go (1\.\d+)`).FindSubmatch(readFile(t, filepath.Join(root, "go.mod")))
	if needs == nil || !strings.HasPrefix(stages[0], "golang:"+string(needs[1])+"-") {
		t.Errorf("built by %s, go.mod wants %s", stages[0], needs)
	}

	source, out := sentToBuilder(t, root), t.TempDir()
	command := exec.Command("/bin/sh", "-e", "-c", strings.Replace(build, "/out/", out+"/", 1))
	command.Dir, command.Env = source, append(toolchain.Environ(), "GOFLAGS=", "GOWORK=off")
	if said, err := command.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", build, err, said)
	}
	isStatic(t, filepath.Join(out, "sallyport"))
	if said := (&program{path: filepath.Join(out, "sallyport")}).run(t, "version"); !strings.HasPrefix(said, "sallyport ") {
		t.Errorf("version: %q", said)
	}
}

// sentToBuilder copies what the ignore file lets through. It knows the few shapes of lines that are in it.
func sentToBuilder(t *testing.T, root string) string {
	t.Helper()
	to := t.TempDir()
	var let, dropped []string
	for line := range strings.Lines(string(readFile(t, filepath.Join(root, "deploy", "Dockerfile.dockerignore")))) {
		line = strings.TrimSpace(line)
		name, back := strings.CutPrefix(line, "!")
		inner, anywhere := strings.CutPrefix(line, "**/")
		switch {
		case line == "" || line == "*" || strings.HasPrefix(line, "#"):
		case back:
			let = append(let, name)
		case anywhere:
			dropped = append(dropped, inner)
		default:
			t.Fatalf("this test does not know what %q means", line)
		}
	}
	for _, name := range let {
		err := filepath.WalkDir(filepath.Join(root, name), func(at string, e os.DirEntry, err error) error {
			if err != nil {
				return err
			}
			for _, pattern := range dropped {
				if hit, _ := filepath.Match(pattern, e.Name()); hit && e.IsDir() {
					return filepath.SkipDir
				} else if hit {
					return nil
				}
			}
			relative, err := filepath.Rel(root, at)
			if err != nil || e.IsDir() {
				return err
			}
			writeFile(t, filepath.Join(to, relative), readFile(t, at))
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return to
}
