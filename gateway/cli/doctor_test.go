package cli

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"io/fs"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"sallyport/providers/local"
)

// clinic is a configuration that the doctor finds nothing wrong with.
type clinic struct {
	*console
	dir, config, key string
}

func newClinic(t *testing.T) *clinic {
	t.Helper()
	k := &clinic{console: newConsole(t), dir: t.TempDir(), key: keyFile(t)}
	if err := os.Mkdir(k.path("data"), 0o700); err != nil {
		t.Fatal(err)
	}
	k.writeCertificate(time.Now().Add(-time.Hour), time.Now().Add(365*24*time.Hour), "s3.example.test", "*.s3.example.test")
	k.config = fmt.Sprintf(`
listen: {address: "127.0.0.1:0", tls: {cert_file: %[1]s/cert.pem, key_file: %[1]s/tlskey.pem}}
domains: [s3.example.test]
state_dir: %[1]s/state
providers: {nas: {type: local, path: %[1]s/data}}
vaults: [{name: home, provider: nas, buckets: ["*"], unlock: {key_file: %[2]s}}]
credentials: [{access_key: AKIDTEST, secret_key: secretsecret, allow: [{buckets: ["*"], ops: [read]}]}]
`, k.dir, k.key)
	k.write("config.yaml", k.config)
	k.want(0, "is made", "vault", "create", "--config", k.path("config.yaml"), "--key-file", k.key)
	return k
}

func (k *clinic) path(name string) string { return filepath.Join(k.dir, name) }

func (k *clinic) write(name, content string) {
	k.t.Helper()
	if err := os.WriteFile(k.path(name), []byte(content), 0o600); err != nil {
		k.t.Fatal(err)
	}
}

func (k *clinic) writeCertificate(from, until time.Time, names ...string) {
	k.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		k.t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: from, NotAfter: until, DNSNames: names}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		k.t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		k.t.Fatal(err)
	}
	k.write("cert.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})))
	k.write("tlskey.pem", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})))
}

func (k *clinic) files() (all []string) {
	k.t.Helper()
	if err := filepath.WalkDir(k.path("data"), func(path string, e fs.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			all = append(all, path)
		}
		return err
	}); err != nil {
		k.t.Fatal(err)
	}
	return all
}

func TestDoctorFindsNothing(t *testing.T) {
	k := newClinic(t)
	before := k.files()
	out := k.want(0, "opens; vault file number 1", "doctor", "--config", k.path("config.yaml"))
	if strings.Contains(out, "FAILED") || !strings.Contains(out, "one of many creators wins") || !strings.Contains(out, "the certificate is valid until") {
		t.Errorf("says:\n%s", out)
	}
	if after := k.files(); len(after) != len(before) {
		t.Errorf("%d files became %d: %q", len(before), len(after), after)
	}
}

// TestDoctorFindsFaults makes one thing wrong at a time; the doctor names it, says what follows, and fails.
func TestDoctorFindsFaults(t *testing.T) {
	year := 365 * 24 * time.Hour
	for name, tc := range map[string]struct {
		spoil func(k *clinic)
		want  string
	}{
		"certificate expired": {func(k *clinic) {
			k.writeCertificate(time.Now().Add(-2*year), time.Now().Add(-time.Hour), "s3.example.test", "*.s3.example.test")
		}, "the certificate was valid until"},
		"certificate of tomorrow": {func(k *clinic) {
			k.writeCertificate(time.Now().Add(24*time.Hour), time.Now().Add(year), "s3.example.test", "*.s3.example.test")
		}, "on only"},
		"certificate without buckets": {func(k *clinic) {
			k.writeCertificate(time.Now().Add(-time.Hour), time.Now().Add(year), "s3.example.test")
		}, "it must name both s3.example.test and *.s3.example.test"},
		"certificate of another key": {func(k *clinic) {
			cert, err := os.ReadFile(k.path("cert.pem"))
			if err != nil {
				k.t.Fatal(err)
			}
			k.writeCertificate(time.Now().Add(-time.Hour), time.Now().Add(year), "s3.example.test", "*.s3.example.test")
			k.write("cert.pem", string(cert))
		}, "private key does not match"},
		"no certificate in its file":     {func(k *clinic) { k.write("cert.pem", "x") }, "cert.pem and key"},
		"no key for the certificate":     {func(k *clinic) { mustRename(k.t, k.path("tlskey.pem"), k.path("elsewhere.pem")) }, "the gateway does not start"},
		"no folder and what follows":     {func(k *clinic) { mustRename(k.t, k.path("data"), k.path("elsewhere")) }, "the gateway does not start, and no vault"},
		"no vault file and what follows": {func(k *clinic) { mustRename(k.t, k.path("data/.sallyport/vault"), k.path("vault")) }, "the gateway does not start; make the vault"},
		"no folder":                      {func(k *clinic) { mustRename(k.t, k.path("data"), k.path("elsewhere")) }, "no such file"},
		"no vault file":                  {func(k *clinic) { mustRename(k.t, k.path("data/.sallyport/vault"), k.path("vault")) }, "there is no vault file"},
		"another key":                    {func(k *clinic) { mustRename(k.t, keyFile(k.t), k.key) }, "opens none"},
		"state dir is a file":            {func(k *clinic) { mustRename(k.t, k.path("state"), k.path("old")); k.write("state", "") }, "not a directory"},
	} {
		t.Run(name, func(t *testing.T) {
			k := newClinic(t)
			tc.spoil(k)
			out := k.want(1, "need attention", "doctor", "--config", k.path("config.yaml"))
			if !strings.Contains(out, tc.want) || !strings.Contains(out, "FAILED") {
				t.Errorf("does not say %q:\n%s", tc.want, out)
			}
		})
	}
}

// TestDoctorFindsOpenFiles: what other users of the machine can read or write and should not is a finding in the report, and no failure.
func TestDoctorFindsOpenFiles(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Log("permissions are no bits here: nothing to look for")
		return
	}
	for file, tc := range map[string]struct {
		mode fs.FileMode
		want string
	}{
		"config.yaml": {0o644, "holds secret keys and other users of this machine can read it"},
		"tlskey.pem":  {0o640, "other users of this machine can read the private key in"},
		"vault key":   {0o604, "other users of this machine can read the secret in"},
		"state":       {0o777, "others can write in"},
	} {
		t.Run(file, func(t *testing.T) {
			k := newClinic(t)
			path := k.path(file)
			if file == "vault key" {
				path = k.key
			}
			if err := os.Chmod(path, tc.mode); err != nil {
				t.Fatal(err)
			}
			k.out.Reset()
			k.want(0, "opens; vault file number 1", "doctor", "--config", k.path("config.yaml"))
			report := k.out.String()
			if strings.Count(report, "permissions          no ") != 1 || !strings.Contains(report, tc.want) || !strings.Contains(report, "so: ") {
				t.Errorf("does not say once %q:\n%s", tc.want, report)
			}
		})
	}
}

func mustRename(t *testing.T, from, to string) {
	t.Helper()
	if err := os.Rename(from, to); err != nil {
		t.Fatal(err)
	}
}

// TestDoctorBesideAGateway: what a running gateway holds is looked at and not touched.
func TestDoctorBesideAGateway(t *testing.T) {
	k := newClinic(t)
	folder, err := local.Open(t.Context(), &local.Config{Path: k.path("data")}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = folder.Close() }()
	out := k.want(0, "in use by a running gateway", "doctor", "--config", k.path("config.yaml"))
	if strings.Contains(out, "creators") || !strings.Contains(out, "opens; vault file number 1") {
		t.Errorf("says:\n%s", out)
	}
}

// TestDoctorOnAServiceInConflict: only folders are held by a gateway; a service that answers a write with 409 has refused it.
func TestDoctorOnAServiceInConflict(t *testing.T) {
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		switch r.Method {
		case http.MethodGet:
			_, _ = io.WriteString(w, `<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>`)
		case http.MethodHead:
			w.WriteHeader(http.StatusNotFound)
		default:
			w.WriteHeader(http.StatusConflict)
			_, _ = io.WriteString(w, `<Error><Code>Conflict</Code><Message>not now</Message></Error>`)
		}
	}))
	defer service.Close()
	t.Setenv("AWS_ACCESS_KEY_ID", "AKIDTEST")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "secretsecret")
	k := newClinic(t)
	k.write("config.yaml", strings.Replace(k.config, "type: local, path: "+k.path("data"), "type: s3, bucket: backup, endpoint: '"+service.URL+"'", 1))
	out := k.want(1, "409 Conflict: not now", "doctor", "--config", k.path("config.yaml"))
	if strings.Contains(out, "in use by a running gateway") {
		t.Errorf("says:\n%s", out)
	}
}

// TestDoctorReportsMistakes: a configuration that is wrong is reported as config check does.
func TestDoctorReportsMistakes(t *testing.T) {
	k := newClinic(t)
	k.write("config.yaml", fiveMistakes)
	k.want(2, "problem", "doctor", "--config", k.path("config.yaml"))
}
