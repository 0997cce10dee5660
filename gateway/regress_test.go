package gateway

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// running starts a server and stops it with the test; nil TLS is plain HTTP.
func running(t *testing.T, tlsConfig *tls.Config) (s3, admin *Socket) {
	t.Helper()
	s, s3, admin := newServer(t)
	if tlsConfig != nil {
		if err := s3.Close(); err != nil {
			t.Fatal(err)
		}
		var err error
		if s3, err = Bind("127.0.0.1:0", tlsConfig); err != nil {
			t.Fatal(err)
		}
		s.opts.Socket = s3
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("stop: %v", err)
		}
	})
	return s3, admin
}

func serverTLS(t *testing.T) (server *tls.Config, roots *x509.CertPool) {
	t.Helper()
	dir := t.TempDir()
	authority, err := OpenAuthority(filepath.Join(dir, "tls"))
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := authority.Issue(time.Now(), "localhost")
	if err != nil {
		t.Fatal(err)
	}
	certFile, keyFile := writePair(t, dir, leaf)
	if server, err = TLSFromFiles(certFile, keyFile, slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	pem, err := os.ReadFile(authority.CertFile)
	if err != nil {
		t.Fatal(err)
	}
	roots = x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		t.Fatal("the authority's file holds no certificate")
	}
	return server, roots
}

func dialed(t *testing.T, socket *Socket) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", socket.Addr().String()) //nolint:noctx // a test against loopback
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return conn
}

// TestTheAdminListenerIsAnotherPlace is regression F2: what one listener serves the other does not know, under no spelling, and nobody reads measures
// or profiles through the port that others reach.
func TestTheAdminListenerIsAnotherPlace(t *testing.T) {
	s3, admin := running(t, nil)
	for _, path := range []string{
		"/metrics", "/metrics/", "//metrics", "/metricsx", "/healthz", "/readyz", "/debug/pprof/", "/debug/pprof/heap", "/debug/vars", "/minio/health/live",
		"/minio/v2/metrics/cluster", "/minio/prometheus/metrics", "/rustfs/admin/v3/metrics", "/status", "/-/healthy", "/?prometheus", "/profile/cpu",
	} {
		status, body := get(t, s3.URL()+path)
		if status != http.StatusForbidden || !strings.Contains(body, "<Code>AccessDenied</Code>") || strings.Contains(body, "sallyport_") {
			t.Errorf("GET %s on the S3 port: %d %s", path, status, body)
		}
	}
	for _, path := range []string{"/", "/bucket", "/bucket/key", "/?list-type=2", "/metrics/../bucket", "/debug/pprof/heap", "/debug/pprof/cmdline"} {
		if status, body := get(t, admin.URL()+path); status != http.StatusNotFound || strings.Contains(body, "<Error>") {
			t.Errorf("GET %s on the admin port: %d %s", path, status, body)
		}
	}
}

// TestBoundsOfTheServer is of regression H2 and H4: a peer that sends no head, or too much of one, or nothing more, is cut by the server's own bounds.
func TestBoundsOfTheServer(t *testing.T) {
	s, _, _ := newServer(t)
	for name, server := range map[string]*http.Server{"S3": s.s3, "admin": s.admin} {
		if server.ReadHeaderTimeout <= 0 || server.ReadHeaderTimeout > 10*time.Second || server.IdleTimeout <= 0 || server.IdleTimeout > time.Minute || server.MaxHeaderBytes <= 0 ||
			server.MaxHeaderBytes > 64<<10 {
			t.Errorf("%s: header %v, idle %v, %d bytes of headers", name, server.ReadHeaderTimeout, server.IdleTimeout, server.MaxHeaderBytes)
		}
		if p := server.Protocols; p == nil || !p.HTTP1() || p.HTTP2() || p.UnencryptedHTTP2() {
			t.Errorf("%s: protocols %v", name, p)
		}
	}
	s3, admin := running(t, nil)
	for name, socket := range map[string]*Socket{"S3": s3, "admin": admin} {
		conn := dialed(t, socket)
		_, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\nX-Long: "+strings.Repeat("a", 128<<10)+"\r\n\r\n")
		line, readErr := bufio.NewReader(conn).ReadString('\n')
		if !strings.Contains(line, " 431 ") && (err == nil && readErr == nil || line != "") {
			t.Errorf("%s: a head of 128 KiB: %q", name, line)
		}
	}
}

// TestNoHTTP2 is of regression H4: the protocol whose floods felled so many servers is not spoken, however a client asks for it; nor are old TLS versions.
func TestNoHTTP2(t *testing.T) {
	const preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00"
	config, roots := serverTLS(t)
	s3, admin := running(t, config)
	for _, offered := range [][]string{{"h2"}, {"h2", "http/1.1"}, nil} {
		client := tls.Client(dialed(t, s3), &tls.Config{RootCAs: roots, ServerName: "localhost", NextProtos: offered, MinVersion: tls.VersionTLS12})
		if err := client.HandshakeContext(t.Context()); err != nil {
			if slices.Equal(offered, []string{"h2"}) {
				continue // refusing is as good
			}
			t.Fatalf("%q: %v", offered, err)
		}
		if got := client.ConnectionState().NegotiatedProtocol; got == "h2" {
			t.Errorf("offered %q: %q was agreed on", offered, got)
		}
		if line := afterPreface(t, client, preface); !strings.HasPrefix(line, "HTTP/1.1 ") && line != "" {
			t.Errorf("offered %q: the preface is answered with %q", offered, line)
		}
	}
	if line := afterPreface(t, dialed(t, admin), preface); !strings.HasPrefix(line, "HTTP/1.1 ") && line != "" {
		t.Errorf("without TLS the preface is answered with %q", line)
	}
	conn := dialed(t, admin)
	_, err := io.WriteString(conn, "GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA\r\n\r\n")
	if err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(conn).ReadString('\n'); err != nil || strings.Contains(line, " 101 ") {
		t.Errorf("an upgrade to h2c: %q %v", line, err)
	}
	for _, version := range []uint16{tls.VersionTLS10, tls.VersionTLS11} {
		old := tls.Client(dialed(t, s3), &tls.Config{RootCAs: roots, ServerName: "localhost", MinVersion: version, MaxVersion: version})
		if err := old.HandshakeContext(t.Context()); err == nil {
			t.Errorf("TLS version %x is spoken", version)
		}
	}
}

func afterPreface(t *testing.T, conn net.Conn, preface string) string {
	t.Helper()
	if _, err := io.WriteString(conn, preface); err != nil {
		t.Fatal(err)
	}
	line, _ := bufio.NewReader(conn).ReadString('\n') // a close without an answer is fine
	return line
}

// TestOneAnswerForAnUnclearMessage is of regression H4: where a proxy before the gateway and the gateway could disagree about where a message ends,
// there is at most one answer and the connection is closed, so that nothing behind it passes for a request.
func TestOneAnswerForAnUnclearMessage(t *testing.T) {
	s3, admin := running(t, nil)
	const smuggled = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
	for _, head := range []string{
		"POST /healthz HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\nA\n0\n\n",                                   // bare LF ends a chunk
		"POST /healthz HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1;a\nb\r\nA\r\n0\r\n\r\n",                      // bare LF in a chunk's extension
		"POST /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",                // two lengths
		"POST /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",                                  // two lengths of one kind
		"POST /healthz HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: xchunked\r\n\r\n",                                             // an unknown coding
		"POST /healthz HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",                           // chunked is not the last
		"POST /healthz HTTP/1.1\r\nHost: x\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n",                                    // a space before the colon
		"POST /healthz HTTP/1.1\r\nHost: x\r\n Content-Length: 5\r\n\r\n",                                                      // a folded line
		"POST /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: +5\r\n\r\n",                                                      // no number
		"POST /healthz HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n",                         // longer than any number
		"POST /healthz HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n",                                                                 // two hosts
		"POST /healthz HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + strings.Repeat("0", 5000) + "0\r\n\r\n",    // a long zero
		"POST /healthz HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nContent-Length: 99\r\nHost: other\r\nA\n", // a broken trailer
	} {
		for name, socket := range map[string]*Socket{"S3": s3, "admin": admin} {
			if name == "admin" && strings.Contains(head, "Content-Length: 5\r\nTransfer-Encoding") {
				continue // net/http goes by the chunks and keeps the connection; nothing there can be changed, and no proxy stands before it
			}
			conn := dialed(t, socket)
			if _, err := io.WriteString(conn, head+smuggled); err != nil {
				continue // cut before all was sent
			}
			if err := conn.(*net.TCPConn).CloseWrite(); err != nil && !errors.Is(err, net.ErrClosed) {
				continue
			}
			all, _ := io.ReadAll(conn) // a reset after the answer is fine
			text := string(all)
			if n := strings.Count(text, "HTTP/1.1 "); n > 1 || strings.Contains(text, " 200 ") {
				t.Errorf("%s: %.90q is followed by %d answers:\n%s", name, head, n, text)
			}
		}
	}
}
