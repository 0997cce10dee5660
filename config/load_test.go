package config_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"time"

	"sallyport/config"
)

// folderConfig plays a driver's own struct.
type folderConfig struct {
	Path       string `yaml:"path"`
	Durability string `yaml:"durability"`
	Depth      int    `yaml:"depth"`
	Nested     struct {
		Word string `yaml:"word"`
	} `yaml:"nested"`
	List []struct {
		N int `yaml:"n"`
	} `yaml:"list"`
}

func knownTypes() config.ProviderTypes {
	return config.ProviderTypes{
		"local": func(decode func(into any) error) error {
			var c folderConfig
			if err := decode(&c); err != nil {
				return err
			}
			var problems []error
			if c.Path == "" {
				problems = append(problems, errors.New("path: is empty"))
			}
			if c.Depth < 0 {
				problems = append(problems, errors.New("depth: is negative"))
			}
			return errors.Join(problems...)
		},
		"mem": nil,
	}
}

const good = `region: eu-west-1
domains: [s3.example.test]
listen: {address: "0.0.0.0:9710", tls: {cert_file: cert.pem, key_file: key.pem}, trusted_proxies: [10.0.0.0/8, "fd00::/8"]}
admin: {address: "127.0.0.1:9711"}
state_dir: state
providers:
  nas: {type: local, path: /srv/backup, depth: 3, nested: {word: x}, list: [{n: 1}]}
  ram: {type: mem}
vaults:
  - {name: archive, provider: ram, buckets: ["archive-*"], etag: opaque, unlock: {password_file: p}, single_gateway: true}
  - {name: home, provider: nas, buckets: ["*"], unlock: {key_file: k}}
credentials:
  - access_key: AKIDEXAMPLE
    secret_key: wJalrXUtnFEMI
    allow: [{buckets: ["b-*"], prefixes: ["x/"], ops: [read, write, list, delete, create-bucket]}]
  - {access_key: OTHER, secret_key_file: s, allow: [{buckets: ["*"], ops: [read]}]}
limits: {drain: 90s}
log: {level: debug, format: json}
`

func TestParseGood(t *testing.T) {
	c, err := config.Parse([]byte(good), knownTypes())
	if err != nil {
		t.Fatal(err)
	}
	if c.Region != "eu-west-1" || c.Listen.TLS.KeyFile != "key.pem" || c.Limits.Drain != 90*time.Second || c.Log.Format != "json" || c.StateDir != "state" {
		t.Errorf("%+v", c)
	}
	if c.Vaults[0].ETag != "opaque" || c.Vaults[1].ETag != "md5" || c.Vaults[1].SSEC != "allow" || !c.Vaults[0].SingleGateway || c.Vaults[1].Unlock.KeyFile != "k" {
		t.Errorf("%+v", c.Vaults)
	}
	if c.Credentials[0].SecretKey.Reveal() != "wJalrXUtnFEMI" || c.Credentials[1].SecretKeyFile != "s" || c.Credentials[0].Allow[0].Prefixes[0] != "x/" {
		t.Errorf("%+v", c.Credentials)
	}
	var folder folderConfig
	if err := c.Providers["nas"].Decode(&folder); err != nil || folder.Path != "/srv/backup" || folder.Depth != 3 || folder.Nested.Word != "x" || folder.List[0].N != 1 {
		t.Errorf("%+v, %v", folder, err)
	}
	if strings.Contains(fmt.Sprintf("%+v %#v %s", c, c, c.Credentials), "wJalrXUtnFEMI") {
		t.Error("printing the configuration shows a secret")
	}
}

func TestDefaults(t *testing.T) {
	minimal := "state_dir: s\nproviders: {a: {type: mem}}\nvaults: [{name: v, provider: a, buckets: ['*']}]\n" +
		"credentials: [{access_key: AKI, secret_key_file: f, allow: [{buckets: ['*'], ops: [read]}]}]\n"
	c, err := config.Parse([]byte(minimal), knownTypes())
	if err != nil {
		t.Fatal(err)
	}
	if c.Region != "us-east-1" || c.Listen.Address != "127.0.0.1:9710" || c.Limits.Drain != 30*time.Second || c.Limits.DrainDelay != 5*time.Second || c.Log.Level != "info" || c.Log.Format != "text" || c.Admin.Address != "" {
		t.Errorf("%+v", c)
	}
}

// requireProblems compares "line path" of all problems, in order.
func requireProblems(t *testing.T, err error, want ...string) {
	t.Helper()
	var problems config.Problems
	if !errors.As(err, &problems) {
		t.Fatalf("got %v, want problems %q", err, want)
	}
	var got []string
	for _, p := range problems {
		got = append(got, fmt.Sprintf("%d %s", p.Line, p.Path))
		if p.Message == "" {
			t.Errorf("no message at %s", p.Path)
		}
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %q\nwant %q\n%v", got, want, err)
	}
}

func TestFiveMistakesAreAllReported(t *testing.T) {
	broken := `region: eu-west-1
lisen: {address: x}
listen: {address: "0.0.0.0:9710"}
state_dir: state
providers:
  nas: {type: local, path: /srv, dept: 3}
  bad: {type: ftp}
vaults:
  - {name: home, provider: nsa, buckets: ["*"]}
credentials:
  - {access_key: A, secret_key: wJalrXUtnFEMI, allow: [{buckets: ["*"], ops: [raed]}]}
limits: {drain: soon}
`
	_, err := config.Parse([]byte(broken), knownTypes())
	requireProblems(t, err,
		"2 lisen", "3 listen.address", "6 providers.nas.dept", "7 providers.bad.type", "9 vaults[0].provider",
		"11 credentials[0].access_key", "11 credentials[0].allow[0].ops[0]", "12 limits.drain")
	for _, want := range []string{"line 2: lisen: unknown field", `"nsa" is not among the providers`, "limits.drain: expected a duration such as 30s, found a text", "this program knows: local, mem"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not in\n%v", want, err)
		}
	}
}

// Each mutation of the good file gives exactly the named problems.
func TestSingleMistakes(t *testing.T) {
	for _, test := range []struct {
		old, new string
		want     []string
	}{
		{"region: eu-west-1", "region: EU West", []string{"1 region"}},
		{"region: eu-west-1", "region: ''", []string{"1 region"}},
		{"region: eu-west-1", "region: [a]", []string{"1 region"}},
		{"region: eu-west-1", "region: a\nregion: b", []string{"2 region"}},
		{"[s3.example.test]", "[https://s3]", []string{"2 domains[0]"}},
		{"[s3.example.test]", "[a..b, ok, -x]", []string{"2 domains[0]", "2 domains[2]"}},
		{"[s3.example.test]", "yes", []string{"2 domains"}},
		{"0.0.0.0:9710", "9710", []string{"3 listen.address"}},
		{"0.0.0.0:9710", "0.0.0.0:http", []string{"3 listen.address"}},
		{"0.0.0.0:9710", "0.0.0.0:65536", []string{"3 listen.address"}},
		{"0.0.0.0:9710", "0.0.0.0:+1", []string{"3 listen.address"}},
		{"0.0.0.0:9710", "127.0.0.1:9711", []string{"4 admin.address"}},
		{", tls: {cert_file: cert.pem, key_file: key.pem}", "", []string{"3 listen.address"}},
		{"cert_file: cert.pem, ", "", []string{"3 listen.tls.cert_file"}},
		{", key_file: key.pem", "", []string{"3 listen.tls.key_file"}},
		{"10.0.0.0/8", "10.0.0.1", []string{"3 listen.trusted_proxies[0]"}},
		{"127.0.0.1:9711", "0.0.0.0:9711", []string{"4 admin.address"}},
		{"127.0.0.1:9711", "localhost.example.test:9711", []string{"4 admin.address"}},
		{`admin: {address: "127.0.0.1:9711"}`, `admin: {address: "0.0.0.0:9711", allow_plain_http: true, pprof: true}`, []string{"4 admin.pprof"}},
		{"state_dir: state", "state_dir: ''", []string{"5 state_dir"}},
		{"state_dir: state\n", "", []string{"0 state_dir"}},
		{"type: local, ", "", []string{"7 providers.nas.type"}},
		{"type: local", "type: [local]", []string{"7 providers.nas.type"}},
		{"path: /srv/backup", "path: ''", []string{"7 providers.nas.path"}},
		{"path: /srv/backup, depth: 3", "depth: -1", []string{"7 providers.nas.depth", "7 providers.nas.path"}},
		{"depth: 3", "depth: three", []string{"7 providers.nas.depth"}},
		{"word: x", "wrod: x", []string{"7 providers.nas.nested.wrod"}},
		{"{n: 1}", "{m: 1}", []string{"7 providers.nas.list[0].m"}},
		{"ram: {type: mem}", "ram: mem", []string{"8 providers.ram"}},
		{"ram: {type: mem}", "RAM: {type: mem}", []string{"8 providers.RAM", "10 vaults[0].provider"}},
		{"name: home", "name: archive", []string{"11 vaults[1].name"}},
		{"name: home", "name: ../up", []string{"11 vaults[1].name"}},
		{"provider: nas", "provider: ram", []string{"11 vaults[1].provider"}},
		{"provider: nas, ", "", []string{"11 vaults[1].provider"}},
		{"etag: opaque", "etag: sha1", []string{"10 vaults[0].etag"}},
		{"single_gateway: true", "single_gateway: maybe", []string{"10 vaults[0].single_gateway"}},
		{"single_gateway: true", "sse_c: refuse", []string{"10 vaults[0].sse_c"}},
		{`["archive-*"]`, `["[a"]`, []string{"10 vaults[0].buckets[0]"}},
		{`["archive-*"]`, `[]`, []string{"10 vaults[0].buckets"}},
		{`["archive-*"]`, `["*"]`, []string{"11 vaults[1].buckets"}},
		{"{key_file: k}", "{key_file: k, password_file: p}", []string{"11 vaults[1].unlock"}},
		{"AKIDEXAMPLE", "a/b", []string{"13 credentials[0].access_key"}},
		{"AKIDEXAMPLE", "OTHER", []string{"16 credentials[1].access_key"}},
		{"wJalrXUtnFEMI", "short", []string{"14 credentials[0].secret_key"}},
		{"    secret_key: wJalrXUtnFEMI\n", "", []string{"13 credentials[0].secret_key_file"}},
		{"secret_key_file: s", "secret_key_file: s, secret_key: wJalrXUtnFEMI", []string{"16 credentials[1]"}},
		{", allow: [{buckets: [\"*\"], ops: [read]}]", "", []string{"16 credentials[1].allow"}},
		{"ops: [read]", "ops: []", []string{"16 credentials[1].allow[0].ops"}},
		{`buckets: ["*"], ops: [read]`, `ops: [read]`, []string{"16 credentials[1].allow[0].buckets"}},
		{"drain: 90s", "drain: -1s", []string{"17 limits.drain"}},
		{"drain: 90s", "drain_delay: -1s", []string{"17 limits.drain_delay"}},
		{"drain: 90s", "drain_delay: 61m", []string{"17 limits.drain_delay"}},
		{"drain: 90s", "drain: 25h", []string{"17 limits.drain"}},
		{"drain: 90s", "memory: 127MiB", []string{"17 limits.memory"}},
		{"drain: 90s", "memory: 512MB", []string{"17 limits.memory"}},
		{"drain: 90s", "memory: -1", []string{"17 limits.memory"}},
		{"drain: 90s", "memory: [1GiB]", []string{"17 limits.memory"}},
		{"drain: 90s", "memory: 1.5GiB", []string{"17 limits.memory"}},
		{"drain: 90s", "memory: 99999999999GiB", []string{"17 limits.memory"}},
		{"level: debug", "level: loud", []string{"18 log.level"}},
		{"format: json", "format: xml", []string{"18 log.format"}},
		{"access_key: OTHER", "access_key: example-CHANGE-ME", []string{"16 credentials[1].access_key"}},
		{"path: /srv/backup", "path: /srv/example-CHANGE-ME", []string{"7 providers.nas.path"}},
	} {
		if strings.Count(good, test.old) == 0 {
			t.Fatalf("%q is not in the good file", test.old)
		}
		_, err := config.Parse([]byte(strings.Replace(good, test.old, test.new, 1)), knownTypes())
		t.Run(test.new, func(t *testing.T) { requireProblems(t, err, test.want...) })
	}
}

// TestVaultWithoutBucketsIsOneMistake: that another vault has every bucket is no second one.
func TestVaultWithoutBucketsIsOneMistake(t *testing.T) {
	text := strings.Replace(strings.Replace(good, `["archive-*"]`, `["*"]`, 1), `provider: nas, buckets: ["*"]`, `provider: nas, buckets: []`, 1)
	_, err := config.Parse([]byte(text), knownTypes())
	requireProblems(t, err, "11 vaults[1].buckets")
	if problems, ok := errors.AsType[config.Problems](err); !ok || len(problems) != 1 || strings.Contains(err.Error(), "already owns") {
		t.Errorf("want one problem: %v", err)
	}
}

func TestPlainHTTPIsForLoopback(t *testing.T) {
	tls := ", tls: {cert_file: cert.pem, key_file: key.pem}"
	for address, allowed := range map[string]bool{
		"127.0.0.1:1": true, "127.9.9.9:1": true, "[::1]:1": true, "localhost:1": true, "[::ffff:127.0.0.1]:1": true,
		"0.0.0.0:1": false, ":1": false, "[::]:1": false, "10.0.0.1:1": false, "127.0.0.1.example.test:1": false,
	} {
		plain := strings.Replace(strings.Replace(good, tls, "", 1), "0.0.0.0:9710", address, 1)
		if _, err := config.Parse([]byte(plain), knownTypes()); (err == nil) != allowed {
			t.Errorf("%s without TLS: %v", address, err)
		}
		if _, err := config.Parse([]byte(strings.Replace(plain, "listen: {", "listen: {allow_plain_http: true, ", 1)), knownTypes()); err != nil {
			t.Errorf("%s with allow_plain_http: %v", address, err)
		}
	}
}

func TestNotAConfiguration(t *testing.T) {
	for name, text := range map[string]string{
		"empty": "", "comment": "# nothing\n", "scalar": "hello", "list": "- a", "syntax": "a: [", "tab": "a:\n\t- b", "second": good + "---\nregion: x\n",
		"second broken": good + "---\na: [", "binary": "\x00\x01\xff", "recursive": "a: &x [*x]\n", "null": "null", "key": "{[a]: b}",
	} {
		c, err := config.Parse([]byte(text), knownTypes())
		var problems config.Problems
		if c != nil || !errors.As(err, &problems) || len(problems) == 0 {
			t.Errorf("%s: %v, %v", name, c, err)
		}
	}
	if _, err := config.Parse(make([]byte, config.MaxFileSize+1), nil); err == nil || !strings.Contains(err.Error(), "larger than") {
		t.Errorf("too large: %v", err)
	}
}

// A secret in a place of another type must not come back in the error.
func TestErrorsShowNoValues(t *testing.T) {
	const canary = "c4n4ry"
	for _, text := range []string{
		"limits: {drain: " + canary + "}", "domains: " + canary, "listen: " + canary, "credentials: " + canary, "credentials: [" + canary + "]",
		"providers: {nas: " + canary + "}", "providers: {nas: {type: local, depth: " + canary + "}}", "vaults: [{single_gateway: " + canary + "}]",
		"credentials: [{secret_key: [" + canary + "]}]", "credentials: [{secret_key: {a: " + canary + "}}]", "credentials: [{secret_key: " + canary + "}]",
		"region: '" + canary + " *'", "listen: {address: " + canary + "}", "log: {level: " + canary + "}", "a: *" + canary, "? " + canary + "\n? " + canary,
		"credentials: [{secret_key: !!binary " + canary + "}]", "credentials: [{access_key: '" + canary + "/'}]", "credentials: [{secret_key: \"" + canary,
		canary + ": 1\n" + canary + ": 2", "vaults: [{name: " + canary + "!}]", "vaults: [{buckets: ['[" + canary + "']}]",
	} {
		_, err := config.Parse([]byte(text), knownTypes())
		if err == nil {
			t.Errorf("%s: no error", text)
			continue
		}
		for line := range strings.SplitSeq(err.Error(), "\n") {
			if strings.Contains(line, canary) && !strings.Contains(line, canary+": ") {
				t.Errorf("%s: the error shows the value: %s", text, line)
			}
		}
	}
}

func TestAnchorsAndMergesAreRefused(t *testing.T) {
	for _, text := range []string{
		"a: &x 1", "a: &x {}\nb: *x", "providers: {a: &x {type: mem}, b: {<<: *x}}", "&x {a: 1}",
	} {
		if _, err := config.Parse([]byte(text), nil); err == nil || !strings.Contains(err.Error(), "aliases") {
			t.Errorf("%s: %v", text, err)
		}
	}
	merged := strings.Replace(good, "{type: mem}", "{<<: {type: mem}}", 1)
	if _, err := config.Parse([]byte(merged), knownTypes()); err == nil {
		t.Error("a type that only a merge brings was taken")
	}
}

func TestOutlandishDocumentsAreCheapToRefuse(t *testing.T) {
	for name, text := range map[string]string{
		"nested deeper":    "a: " + strings.Repeat("[", 9000) + strings.Repeat("]", 9000),
		"name longer":      strings.Repeat("k", 1000) + ": 1",
		"more values than": "a: [" + strings.Repeat("1,", 60_000) + "1]",
	} {
		allocated := testing.AllocsPerRun(1, func() {
			if _, err := config.Parse([]byte(text), nil); err == nil || !strings.Contains(err.Error(), name) {
				t.Errorf("%s: %v", name, err)
			}
		})
		if allocated > 1e6 {
			t.Errorf("%s: %v allocations", name, allocated)
		}
	}
}

func TestProviderDecodeKeepsDefaults(t *testing.T) {
	c, err := config.Parse([]byte(good), knownTypes())
	if err != nil {
		t.Fatal(err)
	}
	folder := folderConfig{Durability: "full", Depth: 9}
	for range 2 {
		if err := c.Providers["nas"].Decode(&folder); err != nil || folder.Durability != "full" || folder.Depth != 3 {
			t.Errorf("%+v, %v", folder, err)
		}
	}
	var narrow struct {
		Path string `yaml:"path"`
	}
	err = c.Providers["nas"].Decode(&narrow)
	requireProblems(t, err, "7 depth", "7 list", "7 nested")
	if err := (config.Provider{Type: "mem"}).Decode(&narrow); err != nil {
		t.Errorf("a provider without settings: %v", err)
	}
}

func TestLoad(t *testing.T) {
	path := filepath.Join(t.TempDir(), "config.yaml")
	if err := os.WriteFile(path, []byte(good), 0o600); err != nil {
		t.Fatal(err)
	}
	c, warnings, err := config.Load(path, knownTypes(), nil)
	if err != nil || len(warnings) != 0 || c.Region != "eu-west-1" {
		t.Errorf("%+v, %v, %v", c, warnings, err)
	}
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, warnings, err = config.Load(path, knownTypes(), nil); err != nil || runtime.GOOS != "windows" && len(warnings) != 1 {
		t.Errorf("a file that all can read and that holds a secret: %v, %v", warnings, err)
	}
	if _, _, err := config.Load(filepath.Join(t.TempDir(), "absent"), nil, nil); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("absent: %v", err)
	}
}

func TestExampleIsRefusedUntilItIsFilledIn(t *testing.T) {
	data, err := os.ReadFile("../config.example.yaml")
	if err != nil {
		t.Fatal(err)
	}
	_, err = config.Parse(data, knownTypes())
	var problems config.Problems
	if !errors.As(err, &problems) || len(problems) != 10 {
		t.Fatalf("got %v", err)
	}
	for _, p := range problems {
		if !strings.Contains(p.Message, "placeholder") {
			t.Errorf("the example has another problem: %v", p)
		}
	}
	if _, err := config.Parse([]byte(strings.ReplaceAll(string(data), "CHANGE-ME", "mine")), knownTypes()); err != nil {
		t.Errorf("the filled-in example: %v", err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(good))
	f.Add([]byte("a: &a [*a]"))
	f.Add([]byte("providers: {a: {<<: {type: local}}}"))
	f.Add([]byte("vaults: [{<<: [{name: a}, {name: b}]}]"))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := config.Parse(data, knownTypes())
		if (c == nil) == (err == nil) {
			t.Errorf("%v, %v", c, err)
		}
		if c != nil {
			if err := c.Validate(knownTypes()); err != nil {
				t.Errorf("parsed and not valid: %v", err)
			}
		}
	})
}
