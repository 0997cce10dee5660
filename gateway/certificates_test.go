package gateway

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func writePair(t *testing.T, dir string, leaf *tls.Certificate) (certFile, keyFile string) {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(leaf.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	var certs bytes.Buffer
	for _, c := range leaf.Certificate {
		if err := pem.Encode(&certs, &pem.Block{Type: "CERTIFICATE", Bytes: c}); err != nil {
			t.Fatal(err)
		}
	}
	certFile, keyFile = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	if err := os.WriteFile(certFile, certs.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(keyFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return certFile, keyFile
}

func TestAuthorityIsKept(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "tls")
	first, err := OpenAuthority(dir)
	if err != nil {
		t.Fatal(err)
	}
	again, err := OpenAuthority(dir)
	if err != nil || !again.certificate.Equal(first.certificate) {
		t.Fatalf("opened again: another authority, %v", err)
	}
	if info, err := os.Stat(filepath.Join(dir, "ca.key")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the authority's key: %v, %v", info.Mode(), err)
	}
	leaf, err := again.Issue(time.Now(), "backup.example", "192.0.2.7")
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := x509.ParseCertificate(leaf.Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(first.certificate)
	for _, name := range []string{"localhost", "127.0.0.1", "::1", "backup.example", "192.0.2.7", "bucket.localhost"} {
		if _, err := parsed.Verify(x509.VerifyOptions{DNSName: name, Roots: pool}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := parsed.Verify(x509.VerifyOptions{DNSName: "other.example", Roots: pool}); err == nil {
		t.Error("the certificate is good for any name")
	}
	if err := os.WriteFile(filepath.Join(dir, "ca.pem"), []byte("damaged"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenAuthority(dir); err == nil || !strings.Contains(err.Error(), dir) {
		t.Errorf("a damaged authority: %v", err)
	}
}

func TestCertificateFilesReload(t *testing.T) {
	dir := t.TempDir()
	authority, err := OpenAuthority(filepath.Join(dir, "ca"))
	if err != nil {
		t.Fatal(err)
	}
	issue := func() *tls.Certificate {
		leaf, err := authority.Issue(time.Now())
		if err != nil {
			t.Fatal(err)
		}
		return leaf
	}
	first, second := issue(), issue()
	certFile, keyFile := writePair(t, dir, first)
	var log bytes.Buffer
	files, err := loadCertificateFiles(certFile, keyFile, slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	serves := func(want *tls.Certificate) bool {
		t.Helper()
		files.nextLook = time.Time{}
		got, err := files.certificate(nil)
		if err != nil {
			t.Fatal(err)
		}
		return bytes.Equal(got.Certificate[0], want.Certificate[0])
	}
	if !serves(first) {
		t.Fatal("not the certificate of the files")
	}
	touch := func(seconds int) {
		when := time.Now().Add(time.Duration(seconds) * time.Second)
		for _, f := range []string{certFile, keyFile} {
			if err := os.Chtimes(f, when, when); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := os.WriteFile(certFile, []byte("half written"), 0o600); err != nil {
		t.Fatal(err)
	}
	touch(10)
	for range 2 {
		if !serves(first) {
			t.Error("a broken file took the working certificate away")
		}
	}
	if n := strings.Count(log.String(), "does not load"); n != 1 {
		t.Errorf("the broken file is reported %d times", n)
	}
	writePair(t, dir, second)
	touch(20)
	if !serves(second) {
		t.Error("a renewed certificate is not taken up")
	}
	if err := os.Remove(keyFile); err != nil {
		t.Fatal(err)
	}
	if !serves(second) {
		t.Error("a removed file took the working certificate away")
	}
}

func TestBind(t *testing.T) {
	s, err := Bind("127.0.0.1:0", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	if !strings.HasPrefix(s.URL(), "http://127.0.0.1:") || strings.HasSuffix(s.URL(), ":0") {
		t.Errorf("URL %s", s.URL())
	}
	if _, err := Bind(s.Addr().String(), nil); err == nil || !strings.Contains(err.Error(), s.Addr().String()) {
		t.Errorf("a taken port: %v", err)
	}
	if _, _, err := net.SplitHostPort(s.Addr().String()); err != nil {
		t.Error(err)
	}
}
