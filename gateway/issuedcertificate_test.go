package gateway

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

func newAuthorityForTest(t *testing.T) (*Authority, *x509.CertPool) {
	t.Helper()
	a, err := OpenAuthority(filepath.Join(t.TempDir(), "tls"))
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(a.certificate)
	return a, pool
}

// TestIssuedCertificateNamesThisMachine: whatever address or name of this machine a client uses, it can verify it.
func TestIssuedCertificateNamesThisMachine(t *testing.T) {
	a, pool := newAuthorityForTest(t)
	config, err := a.TLS(slog.New(slog.DiscardHandler), "backup.example", "0.0.0.0", "")
	if err != nil {
		t.Fatal(err)
	}
	served, err := config.GetCertificate(nil)
	if err != nil {
		t.Fatal(err)
	}
	names := MachineNames()
	if !slices.Contains(names, "127.0.0.1") {
		t.Errorf("this machine is %q", names)
	}
	for _, name := range append(names, "localhost", "bucket.localhost", "s3.localhost", "bucket.s3.localhost", "::1", "backup.example") {
		if _, err := served.Leaf.Verify(x509.VerifyOptions{DNSName: name, Roots: pool}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if ips := served.Leaf.IPAddresses; slices.ContainsFunc(ips, net.IP.IsUnspecified) {
		t.Errorf("it names no address at all: %v", ips)
	}
}

// TestIssuedCertificateIsRenewedInTime: a process that runs for years never serves a certificate near its end.
func TestIssuedCertificateIsRenewedInTime(t *testing.T) {
	a, _ := newAuthorityForTest(t)
	clock := time.Now()
	var log bytes.Buffer
	c := &issuedCertificate{
		authority: a, names: func() []string { return nil }, now: func() time.Time { return clock }, log: slog.New(slog.NewTextHandler(&log, nil)),
	}
	if err := c.issue(); err != nil {
		t.Fatal(err)
	}
	issued := map[*tls.Certificate]bool{}
	for day := range 3 * 365 {
		got, err := c.certificate(nil)
		if err != nil {
			t.Fatal(err)
		}
		issued[got] = true
		if left := got.Leaf.NotAfter.Sub(clock); left < 30*24*time.Hour || got.Leaf.NotBefore.After(clock) {
			t.Fatalf("day %d: valid from %v to %v", day, got.Leaf.NotBefore, got.Leaf.NotAfter)
		}
		clock = clock.Add(24 * time.Hour)
	}
	if len(issued) != 6 {
		t.Errorf("%d certificates in three years", len(issued))
	}
	// A name that cannot be put into one: the last good certificate stays.
	c.names = func() []string { return []string{"n\u00f6t ascii"} }
	before := c.current
	clock = c.renewAt
	if got, err := c.certificate(nil); err != nil || got != before || !strings.Contains(log.String(), "cannot be issued") {
		t.Errorf("after a failure: %v, the same %v, log %s", err, got == before, log.String())
	}
}

// connection is one from an address that the machine got after the certificate was issued.
type connection struct {
	net.Conn
	local net.TCPAddr
}

func (c *connection) LocalAddr() net.Addr { return &c.local }

func TestIssuedCertificateFollowsANewAddress(t *testing.T) {
	a, _ := newAuthorityForTest(t)
	c := &issuedCertificate{authority: a, names: func() []string { return nil }, now: time.Now, log: slog.New(slog.DiscardHandler)}
	if err := c.issue(); err != nil {
		t.Fatal(err)
	}
	first := c.current
	for address, same := range map[string]bool{"127.0.0.1": true, "::1": true, "192.0.2.9": false, "2001:db8::9": false} {
		c.current = first
		got, err := c.certificate(&tls.ClientHelloInfo{Conn: &connection{local: net.TCPAddr{IP: net.ParseIP(address)}}})
		if err != nil || (got == first) != same || got.Leaf.VerifyHostname(address) != nil {
			t.Errorf("%s: the same %v, %v", address, got == first, err)
		}
	}
}

func TestReachable(t *testing.T) {
	for want, names := range map[string][]string{
		"192.0.2.7":   {"host", "fe80::1", "2001:db8::1", "169.254.3.4", "192.0.2.7", "192.0.2.8", "127.0.0.1"},
		"2001:db8::1": {"fe80::1", "2001:db8::1", "2001:db8::2", "::1"},
		"127.0.0.1":   {"host", "127.0.0.1", "::1"},
	} {
		if got := reachable(names); got != want {
			t.Errorf("of %q: %s, want %s", names, got, want)
		}
	}
}
