package gateway

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"time"

	"golang.org/x/sync/semaphore"
)

// Bounds of the HTTP server. There is no total time limit on a request, because restores are long; package s3api cuts peers that make
// no progress.
const (
	readHeaderTimeout = 10 * time.Second
	idleTimeout       = 60 * time.Second
	maxHeaderBytes    = 32 << 10
)

// Socket is an open port; connections wait in it until a server takes them.
type Socket struct {
	net.Listener
	scheme string
}

// Bind opens address; with a tlsConfig, for TLS only.
func Bind(address string, tlsConfig *tls.Config) (*Socket, error) {
	socket, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", address, err)
	}
	if tlsConfig != nil {
		return &Socket{tls.NewListener(socket, tlsConfig), "https"}, nil
	}
	return &Socket{socket, "http"}, nil
}

// URL returns the address that is listened on, with the port that was picked. No client can use it where that is every address: see LocalURL.
func (s *Socket) URL() string { return s.scheme + "://" + s.Addr().String() }

// Everywhere reports whether the socket listens on all addresses of this machine.
func (s *Socket) Everywhere() bool {
	tcp, ok := s.Addr().(*net.TCPAddr)
	return ok && tcp.IP.IsUnspecified()
}

// LocalURL returns an address that clients on this machine can use: as URL, but of a socket that listens on all addresses the loopback one.
func (s *Socket) LocalURL() string {
	tcp, ok := s.Addr().(*net.TCPAddr)
	if !ok || !tcp.IP.IsUnspecified() {
		return s.URL()
	}
	return s.scheme + "://" + net.JoinHostPort("127.0.0.1", strconv.Itoa(tcp.Port)) // [::] takes IPv4 too
}

// newHTTPServer returns a server with our bounds. HTTP/2 stays off: S3 clients speak HTTP/1.1, and one connection per stream is what makes
// backpressure exact.
func newHTTPServer(handler http.Handler, log *slog.Logger) *http.Server {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	return &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: readHeaderTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
		Protocols:         protocols,
		// OPTIONS * would be answered with 200 before authentication.
		DisableGeneralOptionsHandler: true,
	}
}

// serve answers on socket until shutdown; it returns nil then.
func serve(server *http.Server, socket *Socket) error {
	if err := server.Serve(socket); err != nil && !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve on %s: %w", socket.Addr(), err)
	}
	return nil
}

// underWay is a handler that knows when its last request has ended. http.Server does not tell that of the requests it cut.
type underWay struct {
	http.Handler
	requests *semaphore.Weighted
}

const mostUnderWay = 1 << 40 // more than can be

func newUnderWay(h http.Handler) *underWay {
	return &underWay{Handler: h, requests: semaphore.NewWeighted(mostUnderWay)}
}

// ServeHTTP implements http.Handler.
func (u *underWay) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !u.requests.TryAcquire(1) {
		panic(http.ErrAbortHandler) // it came while the last ones were being waited for
	}
	defer u.requests.Release(1)
	u.Handler.ServeHTTP(w, r)
}

// wait returns when no request is under way, or with an error when ctx ends.
func (u *underWay) wait(ctx context.Context) error { return u.requests.Acquire(ctx, mostUnderWay) }

// shutdown stops accepting, waits for requests under way until ctx ends, then cuts them: an upload cut this way leaves the old object.
func shutdown(ctx context.Context, server *http.Server) error {
	err := server.Shutdown(ctx)
	if err != nil {
		err = errors.Join(err, server.Close())
	}
	return err
}
