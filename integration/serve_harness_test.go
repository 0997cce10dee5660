package integration

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"sallyport/integration/internal/toolchain"
)

// Keys of the one full access key that newServer configures.
const (
	serverAccessKey = "integration-owner"
	serverSecretKey = "integration-secret-0d6f1b"
)

// server is a gateway started by serve, with its configuration and its second listener. Its request log is on stderr as JSON.
type server struct {
	gateway
	admin   string // address of the second listener
	config  string // path of the configuration file
	keyFile string // holds the recovery key of its first vault
	root    string // of its first vault
}

// newServer makes one vault of its own and serves it, with everything logged.
func newServer(t testing.TB, extra ...string) *server {
	t.Helper()
	dir := t.TempDir()
	keyFile := filepath.Join(dir, "vault.key")
	cli := command(t)
	writeFile(t, keyFile, []byte(cli.run(t, "key", "new")))
	s := &server{admin: freeAddress(t), config: filepath.Join(dir, "config.yaml"), keyFile: keyFile, root: filepath.Join(dir, "root")}
	if err := os.Mkdir(s.root, 0o700); err != nil {
		t.Fatal(err)
	}
	// JSON is YAML, and spares the quoting of paths.
	writeFile(t, s.config, fmt.Appendf(nil, `
state_dir: %q
listen: {address: "127.0.0.1:0"}
admin: {address: %q}
domains: [s3.test]
providers: {disk: {type: local, path: %q}}
vaults: [{name: main, provider: disk, buckets: ["*"], unlock: {key_file: %q}}]
credentials:
  - {access_key: %s, secret_key: %s, allow: [{buckets: ["*"], ops: [read, write, list, delete, create-bucket]}]}
log: {level: debug, format: json}
%s
`, filepath.Join(dir, "state"), s.admin, s.root, keyFile, serverAccessKey, serverSecretKey, strings.Join(extra, "\n")))
	cli.run(t, "vault", "create", "--config", s.config, "--key-file", keyFile)
	s.gateway = *serve(t, s.config)
	s.AccessKey, s.SecretKey, s.Dir = serverAccessKey, serverSecretKey, dir
	s.RecoveryKey = strings.TrimSpace(string(readFile(t, keyFile)))
	return s
}

// serve starts serve --config and waits until it says where. Keys are the caller's business.
func serve(t testing.TB, config string) *gateway {
	t.Helper()
	cmd := exec.Command(sallyport(t, false), "serve", "--config", config)
	cmd.Env = toolchain.Environ()
	g := &gateway{process: spawn(t, cmd), Region: "us-east-1"}
	eventually(t, patience, "serving", func() bool { return strings.Contains(g.stdout.String(), "\n") || g.ended() })
	endpoint, ok := strings.CutPrefix(strings.TrimSpace(g.stdout.String()), "serving ")
	if !ok {
		t.Fatalf("serve says %q; standard error:\n%s", g.stdout.String(), g.stderr.String())
	}
	g.Endpoint = endpoint
	return g
}

// request is a line of the request log.
type request struct {
	Message   string `json:"msg"`
	Operation string `json:"operation"`
	Bucket    string `json:"bucket"`
	Status    int    `json:"status"`
	Code      string `json:"code"`
	BytesIn   int64  `json:"bytes_in"`
}

// mark returns a point in the log, for requests since then.
func (g *gateway) mark() int { return len(g.stderr.String()) }

// requests reads the log from a mark on.
func (g *gateway) requests(t testing.TB, mark int) []request {
	t.Helper()
	var found []request
	for line := range strings.Lines(g.stderr.String()[mark:]) {
		var r request
		if err := json.Unmarshal([]byte(line), &r); err == nil && r.Message == "request" {
			found = append(found, r)
		}
	}
	return found
}

// count says how many requests of these operations succeeded since the mark.
func (g *gateway) count(t testing.TB, mark int, operations ...string) int {
	t.Helper()
	n := 0
	for _, r := range g.requests(t, mark) {
		for _, o := range operations {
			if r.Operation == o && r.Status < 300 {
				n++
			}
		}
	}
	return n
}

// transfers are the operations that carry an object's content to the gateway.
func transfers() []string {
	return []string{"PutObject", "CopyObject", "CreateMultipartUpload", "UploadPart", "UploadPartCopy", "CompleteMultipartUpload"}
}

// noServerErrors fails the test if any request ended in a 5xx.
func (g *gateway) noServerErrors(t testing.TB) {
	t.Helper()
	for line := range bytes.Lines([]byte(g.stderr.String())) {
		var r request
		if err := json.Unmarshal(line, &r); err == nil && r.Message == "request" && r.Status >= 500 && r.Status != http.StatusNotImplemented {
			t.Errorf("a request failed in the gateway: %s", line)
		}
	}
}

// freeAddress finds a port that was free a moment ago: the log does not say which one the second listener got for port 0.
func freeAddress(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// metrics reads the second listener.
func (s *server) metrics(t testing.TB) string {
	t.Helper()
	resp, err := http.Get("http://" + s.admin + "/metrics") //nolint:noctx // a test on loopback
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("metrics: %s, %v", resp.Status, err)
	}
	return string(text)
}
