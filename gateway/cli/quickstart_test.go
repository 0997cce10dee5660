package cli

import (
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestQuickstartEndpointVerifies: the address that is printed is one a client can verify with the certificate file that is printed, also when
// it listens on every address.
func TestQuickstartEndpointVerifies(t *testing.T) {
	for _, listen := range []string{"127.0.0.1:0", "localhost:0", "0.0.0.0:0", "[::]:0", ":0"} {
		c := newConsole(t)
		said, stop := c.quickstart("--dir", filepath.Join(t.TempDir(), "vault"), "--tls", "--listen", listen)
		endpoint, err := url.Parse(said.Endpoint)
		if err != nil {
			t.Fatal(err)
		}
		if ip := net.ParseIP(endpoint.Hostname()); ip == nil || ip.IsUnspecified() {
			t.Errorf("--listen %s: the endpoint is %s", listen, said.Endpoint)
		}
		authority, err := os.ReadFile(said.CACert)
		if err != nil {
			t.Fatal(err)
		}
		pool := x509.NewCertPool()
		pool.AppendCertsFromPEM(authority)
		dialer := &net.Dialer{}
		host, err := os.Hostname()
		if err != nil {
			t.Fatal(err)
		}
		// By its address, by names, and by a bucket's name.
		for _, name := range []string{endpoint.Hostname(), "localhost", "bucket.s3.localhost", host} {
			conn, err := dialer.DialContext(t.Context(), "tcp", endpoint.Host)
			if err != nil {
				t.Fatal(err)
			}
			client := tls.Client(conn, &tls.Config{RootCAs: pool, ServerName: name, MinVersion: tls.VersionTLS12})
			if err := client.HandshakeContext(t.Context()); err != nil {
				t.Errorf("--listen %s as %s: %v", listen, name, err)
			}
			_ = client.Close()
		}
		transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}}
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, said.Endpoint, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		response, err := transport.RoundTrip(request)
		if err != nil {
			t.Errorf("--listen %s: %v", listen, err)
		} else {
			_ = response.Body.Close()
		}
		transport.CloseIdleConnections()
		if code, stderr := stop(); code != 0 {
			t.Errorf("stop: exit %d\n%s", code, stderr)
		}
	}
}

func TestReadyLinesSpeakOfOtherMachinesWhereTheyCanConnect(t *testing.T) {
	c := newConsole(t)
	for endpoint, says := range map[string]bool{"https://192.0.2.7:9710": true, "https://127.0.0.1:9710": false, "https://[::1]:9710": false} {
		c.out.Reset()
		if err := printReadyLines(&Stdio{In: c.in, Out: &c.out, Err: c.err}, &quickstartResult{Endpoint: endpoint, CACert: "/x/ca.pem"}); err != nil {
			t.Fatal(err)
		}
		if strings.Contains(c.out.String(), "Other machines") != says {
			t.Errorf("%s:\n%s", endpoint, c.out.String())
		}
	}
}

// TestEachClientsLinesStandAlone: one block is pasted, not all; a client that is not told what to trust tries again for minutes.
func TestEachClientsLinesStandAlone(t *testing.T) {
	c := newConsole(t)
	for endpoint, ca := range map[string]string{"https://127.0.0.1:9710": "/x/ca.pem", "http://127.0.0.1:9710": ""} {
		c.out.Reset()
		if err := printReadyLines(&Stdio{In: c.in, Out: &c.out, Err: c.err}, &quickstartResult{Endpoint: endpoint, CACert: ca}); err != nil {
			t.Fatal(err)
		}
		for client, variable := range map[string]string{"mc": "SSL_CERT_FILE", "aws cli": "AWS_CA_BUNDLE", "rclone": "SSL_CERT_FILE", "restic": "SSL_CERT_FILE"} {
			_, from, _ := strings.Cut(c.out.String(), "\n# "+client)
			block, _, ended := strings.Cut(from, "\n\n")
			if !ended || strings.Contains(block, "export "+variable+"='/x/ca.pem'\n") != (ca != "") || ca == "" && strings.Contains(block, variable) {
				t.Errorf("%s, %s:\n%s", endpoint, client, c.out.String())
			}
		}
	}
}

// TestPathsInReadyLinesAreOneWord: a folder may be called anything.
func TestPathsInReadyLinesAreOneWord(t *testing.T) {
	c := newConsole(t)
	path := "/x/it's $(a) \"dir\"/ca.pem"
	if err := printReadyLines(&Stdio{In: c.in, Out: &c.out, Err: c.err}, &quickstartResult{Endpoint: "https://127.0.0.1:9710", CACert: path}); err != nil {
		t.Fatal(err)
	}
	line := `='/x/it'\''s $(a) "dir"/ca.pem'` + "\n"
	if n := strings.Count(c.out.String(), line); n != 4 {
		t.Errorf("%d of 4 lines have %s:\n%s", n, line, c.out.String())
	}
}
