package integration

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

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
	config  string // path of the configuration file
	keyFile string // holds the recovery key of its first vault
	root    string // of its first vault; empty if that is not a folder
	stored  func(testing.TB) []string
}

// left returns the names of what is stored of objects, whatever it is stored in.
func (s *server) left(t testing.TB) []string {
	t.Helper()
	return s.stored(t)
}

// newServer makes one vault of its own and serves it, with everything logged.
func newServer(t testing.TB) *server {
	t.Helper()
	return newServerIn(t, t.TempDir(), false)
}

// newTLSServer is newServer with HTTPS, by a certificate for loopback and under s3.test.
func newTLSServer(t testing.TB) *server {
	t.Helper()
	return newServerIn(t, t.TempDir(), true)
}

// newServerIn keeps everything below dir: root/ and state/ of the gateway, tmp/ for its temporaries, secrets/ for what it is given.
func newServerIn(t testing.TB, dir string, withTLS bool) *server {
	t.Helper()
	root := filepath.Join(dir, "root")
	if err := os.Mkdir(root, 0o700); err != nil {
		t.Fatal(err)
	}
	s := newServerOver(t, dir, withTLS, fmt.Sprintf("{type: local, path: %q}", root), "")
	s.root = root
	s.stored = func(t testing.TB) []string { return objectFiles(t, root) }
	return s
}

// newServerOver is newServerIn with a vault in any storage, and with more settings of the vault.
func newServerOver(t testing.TB, dir string, withTLS bool, provider, more string) *server {
	t.Helper()
	secrets := filepath.Join(dir, "secrets")
	keyFile := filepath.Join(secrets, "vault.key")
	cli := command(t)
	writeFile(t, keyFile, []byte(cli.run(t, "key", "new")))
	s := &server{config: filepath.Join(secrets, "config.yaml"), keyFile: keyFile}
	if err := os.Mkdir(filepath.Join(dir, "tmp"), 0o700); err != nil {
		t.Fatal(err)
	}
	tls := ""
	if withTLS {
		s.CACert = filepath.Join(secrets, "certificate.pem")
		writeCertificate(t, s.CACert, filepath.Join(secrets, "certificate.key"), 1)
		tls = fmt.Sprintf(", tls: {cert_file: %q, key_file: %q}", s.CACert, filepath.Join(secrets, "certificate.key"))
	}
	// JSON is YAML, and spares the quoting of paths.
	writeFile(t, s.config, fmt.Appendf(nil, `
state_dir: %q
listen: {address: "127.0.0.1:0"%s}
admin: {address: "127.0.0.1:0"}
limits: {drain_delay: 0s}
domains: [s3.test]
providers: {storage: %s}
vaults: [{name: main, provider: storage, buckets: ["*"], unlock: {key_file: %q}%s}]
credentials:
  - {access_key: %s, secret_key: %s, allow: [{buckets: ["*"], ops: [read, write, list, delete, create-bucket]}]}
log: {level: debug, format: json}
`, filepath.Join(dir, "state"), tls, provider, keyFile, more, serverAccessKey, serverSecretKey))
	cli.run(t, "vault", "create", "--config", s.config, "--key-file", keyFile)
	s.Dir, s.RecoveryKey = dir, strings.TrimSpace(string(readFile(t, keyFile)))
	s.serve(t)
	return s
}

// serve starts the gateway, for the first time or again.
func (s *server) serve(t testing.TB) {
	t.Helper()
	g := serve(t, s.config, "TMPDIR="+filepath.Join(s.Dir, "tmp"))
	s.process, s.Endpoint, s.Region = g.process, g.Endpoint, g.Region
	s.AccessKey, s.SecretKey = serverAccessKey, serverSecretKey
}

// writeCertificate makes a certificate for loopback that is its own authority.
func writeCertificate(t testing.TB, certFile, keyFile string, serial int64) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: "integration test"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		DNSNames: []string{"localhost", "s3.test", "*.s3.test"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true, IsCA: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, certFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	writeFile(t, keyFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}))
}

// serve starts serve --config and waits until it says where. Keys are the caller's business.
func serve(t testing.TB, config string, environ ...string) *gateway {
	t.Helper()
	return serveBuild(t, sallyport(t, false), config, environ...)
}

// serveBuild is serve with a certain build.
func serveBuild(t testing.TB, binary, config string, environ ...string) *gateway {
	t.Helper()
	cmd := exec.Command(binary, "serve", "--config", config)
	cmd.Env = append(toolchain.Environ(), environ...)
	g := &gateway{process: spawn(t, cmd), Region: "us-east-1"}
	eventually(t, patience, "serving", func() bool { return strings.Contains(g.stdout.String(), "\n") || g.ended() })
	line, _, _ := strings.Cut(g.stdout.String(), "\n")
	endpoint, ok := strings.CutPrefix(line, "serving ")
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

// noServerErrors fails the test if any request ended in a 5xx. Being told to come later is none: clients with more workers than a key's share of places
// meet it on a busy machine, and come again by themselves.
func (g *gateway) noServerErrors(t testing.TB) {
	t.Helper()
	later := 0
	defer func() {
		if later > 0 {
			t.Logf("%d requests were told to come later", later)
		}
	}()
	for line := range bytes.Lines([]byte(g.stderr.String())) {
		var r request
		if err := json.Unmarshal(line, &r); err == nil && r.Message == "request" && r.Status >= 500 && r.Status != http.StatusNotImplemented {
			if r.Code == "SlowDown" {
				later++
				continue
			}
			t.Errorf("a request failed in the gateway: %s", line)
		}
	}
}

// adminAddress is where the second listener says it is.
func (s *server) adminAddress(t testing.TB) string {
	t.Helper()
	var address string
	eventually(t, patience, "the address of the second listener", func() bool {
		_, after, _ := strings.Cut(s.stdout.String(), "health and metrics at ")
		line, _, whole := strings.Cut(after, "\n")
		address = line
		return whole
	})
	return address
}

// metrics reads the second listener.
func (s *server) metrics(t testing.TB) string {
	t.Helper()
	resp, err := http.Get(s.adminAddress(t) + "/metrics") //nolint:noctx // a test on loopback
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
