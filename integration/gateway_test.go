package integration

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"sallyport/integration/internal/toolchain"
)

// gateway is a running Sallyport with what a client has to know about it. The JSON names are those of quickstart --json.
type gateway struct {
	*process
	Endpoint    string `json:"endpoint"`
	Region      string `json:"region"`
	AccessKey   string `json:"access_key"`
	SecretKey   string `json:"secret_key"`
	RecoveryKey string `json:"recovery_key"`
	Dir         string `json:"dir"`
	CACert      string `json:"ca_cert"`
}

// quickstart is how to start one.
type quickstart struct {
	dir   string
	args  []string // more arguments
	plain bool     // without the race detector
	bound bool     // by permission bits, also if the test is run by root
}

func (q quickstart) command(t testing.TB) *exec.Cmd {
	t.Helper()
	return q.commandFor(t, append([]string{"quickstart", "--dir", q.dir, "--listen", "127.0.0.1:0"}, q.args...)...)
}

// commandFor is any call of the same build.
func (q quickstart) commandFor(t testing.TB, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(sallyport(t, q.plain), args...)
	cmd.Env = toolchain.Environ()
	return cmd
}

// start serves the folder and returns once the port accepts.
func (q quickstart) start(t testing.TB) *gateway {
	t.Helper()
	q.args = append([]string{"--json"}, q.args...)
	var prepare []func() error
	if q.bound {
		prepare = append(prepare, obeyPermissions)
	}
	g := &gateway{process: spawn(t, q.command(t), prepare...)}
	eventually(t, patience, "the line of JSON of quickstart", func() bool {
		return strings.Contains(g.stdout.String(), "\n") || g.ended()
	})
	line, _, _ := strings.Cut(g.stdout.String(), "\n")
	if err := json.Unmarshal([]byte(line), g); err != nil {
		t.Fatalf("first line of quickstart --json: %v: %q, standard error:\n%s", err, line, g.stderr.String())
	}
	if g.RecoveryKey != "" {
		theSuite().keep("a vault's key", g.RecoveryKey)
	}
	theSuite().keep("an S3 secret", g.SecretKey)
	return g
}

// newGateway makes a vault in a new folder and serves it.
func newGateway(t testing.TB, args ...string) *gateway {
	t.Helper()
	return quickstart{dir: filepath.Join(t.TempDir(), "sallyport-data"), args: args}.start(t)
}

// restart stops the gateway and serves the same folder again.
func (g *gateway) restart(t testing.TB, args ...string) *gateway {
	t.Helper()
	if code := g.stop(); code != 0 {
		t.Fatalf("stop: exit %d\n%s", code, g.stderr.String())
	}
	again := quickstart{dir: g.Dir, args: append([]string{"--key-file", g.keyFile(t)}, args...)}.start(t)
	again.RecoveryKey = g.RecoveryKey
	return again
}

func (g *gateway) keyFile(t testing.TB) string {
	t.Helper()
	return secretFile(t, g.RecoveryKey)
}

// secretFile writes a secret to a file that only this user can read.
func secretFile(t testing.TB, text string) string {
	t.Helper()
	theSuite().keep("a secret in a file", text)
	path := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(path, []byte(text+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// host is the endpoint without its scheme.
func (g *gateway) host() string {
	_, host, _ := strings.Cut(g.Endpoint, "://")
	return host
}

// data is the vault's root.
func (g *gateway) data() string { return filepath.Join(g.Dir, "data") }

// httpClient trusts the gateway's certificate authority, if it has one.
func (g *gateway) httpClient(t testing.TB) *http.Client {
	t.Helper()
	transport := &http.Transport{MaxIdleConnsPerHost: 64}
	t.Cleanup(transport.CloseIdleConnections)
	if g.CACert != "" {
		text, err := os.ReadFile(g.CACert)
		if err != nil {
			t.Fatal(err)
		}
		pool := x509.NewCertPool()
		if !pool.AppendCertsFromPEM(text) {
			t.Fatalf("%s holds no certificate", g.CACert)
		}
		transport.TLSClientConfig = &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
	}
	return &http.Client{Transport: transport}
}

// environ is the environment of a client: nothing of this machine's user, a home of its own, trust in the gateway's authority.
func (g *gateway) environ(t testing.TB, more ...string) []string {
	t.Helper()
	env := append(toolchain.Environ(), "HOME="+t.TempDir())
	if g.CACert != "" {
		env = append(env, "SSL_CERT_FILE="+g.CACert)
	}
	return append(env, more...)
}

// awsEnviron adds the keys in the variables that most clients read.
func (g *gateway) awsEnviron(t testing.TB, more ...string) []string {
	t.Helper()
	return append(g.environ(t, "AWS_ACCESS_KEY_ID="+g.AccessKey, "AWS_SECRET_ACCESS_KEY="+g.SecretKey, "AWS_DEFAULT_REGION="+g.Region,
		"AWS_REGION="+g.Region), more...)
}

// command is the product's own command line.
func command(t testing.TB) *program {
	t.Helper()
	return &program{path: sallyport(t, false), env: toolchain.Environ(), dir: t.TempDir()}
}
