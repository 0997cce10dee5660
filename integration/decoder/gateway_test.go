package decoder

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"sallyport/integration/internal/toolchain"
)

// gateway is a running Sallyport; the names are those of quickstart --json.
type gateway struct {
	Endpoint    string `json:"endpoint"`
	Region      string `json:"region"`
	AccessKey   string `json:"access_key"`
	SecretKey   string `json:"secret_key"`
	RecoveryKey string `json:"recovery_key"`
	Dir         string `json:"dir"`
	CACert      string `json:"ca_cert"`
}

// startGateway makes a vault in a new folder and serves it over TLS, which SSE-C needs, until the test ends.
func startGateway(t *testing.T) *gateway {
	t.Helper()
	binary, err := toolchain.Sallyport(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "vault")
	cmd := exec.CommandContext(t.Context(), binary, "quickstart", "--json", "--yes", "--tls", "--listen", "127.0.0.1:0", "--dir", dir)
	cmd.Env, cmd.Cancel, cmd.WaitDelay = toolchain.Environ(), func() error { return cmd.Process.Signal(os.Interrupt) }, 10*time.Second
	diesWithTest(cmd)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Wait() }) // the context of the test has ended by then, which stopped it
	lines := bufio.NewScanner(stdout)
	g := &gateway{}
	if !lines.Scan() {
		_ = cmd.Wait()
		t.Fatalf("quickstart said nothing: %v\n%s", lines.Err(), stderr.String())
	}
	if err := json.Unmarshal(lines.Bytes(), g); err != nil {
		t.Fatalf("first line of quickstart --json: %v", err)
	}
	go func() {
		for lines.Scan() { // what else it prints must not block it
		}
	}()
	return g
}

func (g *gateway) client(t *testing.T) *minio.Core {
	t.Helper()
	authority, err := os.ReadFile(g.CACert)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(authority)
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}, DisableCompression: true}
	t.Cleanup(transport.CloseIdleConnections)
	core, err := minio.NewCore(strings.TrimPrefix(g.Endpoint, "https://"), &minio.Options{
		Creds: credentials.NewStaticV4(g.AccessKey, g.SecretKey, ""), Secure: true, Region: g.Region, Transport: transport, BucketLookup: minio.BucketLookupPath, TrailingHeaders: true, MaxRetries: 1,
	})
	if err != nil {
		t.Fatal(err)
	}
	return core
}

// openVault opens the newest vault file with the key that quickstart showed.
func (g *gateway) openVault(t *testing.T) *openedVault {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(g.Dir, "data", ".sallyport", "vault", "*.json"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("no vault file: %v", err)
	}
	newest := paths[len(paths)-1] // ten digits sort as numbers
	file, err := os.ReadFile(newest)
	if err != nil {
		t.Fatal(err)
	}
	vault, err := openVault(file, g.RecoveryKey, "")
	if err != nil {
		t.Fatalf("%s: %v", newest, err)
	}
	if name := fmt.Sprintf("%010d.json", vault.generation); filepath.Base(newest) != name {
		t.Errorf("%s is of generation %d", newest, vault.generation)
	}
	return vault
}

// checkBucketRecord opens the record of the bucket, section 8.
func (g *gateway) checkBucketRecord(t *testing.T, vault *openedVault) {
	t.Helper()
	key := ".sallyport/buckets/" + freshBucket
	sealed, err := os.ReadFile(filepath.Join(g.Dir, "data", filepath.FromSlash(key)))
	if err != nil {
		t.Fatal(err)
	}
	content, err := vault.openRecord("B", key, sealed)
	if err != nil {
		t.Fatalf("record of the bucket: %v", err)
	}
	var record struct {
		Created int64  `json:"created"`
		Vault   string `json:"vault"`
	}
	if err := json.Unmarshal(content, &record); err != nil || record.Vault != fmt.Sprintf("%x", vault.id) || record.Created == 0 {
		t.Errorf("record of the bucket: %s, %v", content, err)
	}
}
