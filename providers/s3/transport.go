package s3

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/netip"
	"net/url"
	"sync/atomic"
	"syscall"
	"time"
)

const (
	dialTimeout    = 10 * time.Second
	tlsTimeout     = 10 * time.Second
	headerTimeout  = time.Minute     // from the last byte of a request to the first of its answer
	stallTimeout   = 2 * time.Minute // without one byte in either direction
	idleTimeout    = time.Minute
	maxConnections = 384 // above what Store's lanes let through, so that it is never the limit by accident
	maxHeaderBytes = 64 << 10
)

// errForbiddenAddress says that a name led to an address that no backend has.
var errForbiddenAddress = errors.New("link-local, multicast and metadata addresses are never connected to")

// forbidden reports whether address, as resolved, is one that only an attack or a mistake leads to: link-local ones, where clouds keep the metadata
// service with credentials, its fixed addresses elsewhere, and those that name no host at all.
func forbidden(address netip.Addr) bool {
	address = address.Unmap().WithZone("")
	if address.IsLinkLocalUnicast() || address.IsMulticast() || address.IsUnspecified() || !address.IsValid() {
		return true
	}
	switch address.String() {
	case "fd00:ec2::254", "fd20:ce::254", "100.100.100.200", "192.0.0.192", "168.63.129.16", "255.255.255.255":
		return true
	}
	return false
}

// checkAddress is a net.Dialer's Control: it sees what a name resolved to, so that no name server can lead elsewhere after a check.
func checkAddress(_, address string, _ syscall.RawConn) error {
	at, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("parse address %s: %w", address, err)
	}
	if forbidden(at.Addr()) {
		return fmt.Errorf("connect to %s: %w", address, errForbiddenAddress)
	}
	return nil
}

// stallConn fails a read or write that makes no progress. Each step in one direction extends both, because the connection reads all the time
// for an early answer while a long body is written.
type stallConn struct {
	net.Conn
	after time.Duration
}

func (c *stallConn) Read(p []byte) (int, error) {
	if err := c.SetDeadline(time.Now().Add(c.after)); err != nil {
		return 0, err
	}
	return c.Conn.Read(p)
}

func (c *stallConn) Write(p []byte) (int, error) {
	if err := c.SetDeadline(time.Now().Add(c.after)); err != nil {
		return 0, err
	}
	return c.Conn.Write(p)
}

// timeouts are shortened by tests.
type timeouts struct{ header, stall time.Duration }

type dialFunc = func(ctx context.Context, network, address string) (net.Conn, error)

// newTransport returns the driver's own connection pool. HTTP/1.1 only: a hostile or broken HTTP/2 peer costs more than it gains here.
func newTransport(tlsConfig *tls.Config, proxy *url.URL, limits timeouts, dial dialFunc) *http.Transport {
	if dial == nil {
		dialer := &net.Dialer{Timeout: dialTimeout, KeepAlive: 30 * time.Second, Control: checkAddress}
		dial = dialer.DialContext
	}
	t := &http.Transport{
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			conn, err := dial(ctx, network, address)
			if err != nil {
				return nil, err
			}
			return &stallConn{Conn: conn, after: limits.stall}, nil
		},
		TLSClientConfig:        tlsConfig,
		TLSHandshakeTimeout:    tlsTimeout,
		ResponseHeaderTimeout:  limits.header,
		IdleConnTimeout:        idleTimeout,
		MaxConnsPerHost:        maxConnections,
		MaxIdleConnsPerHost:    maxConnections,
		MaxIdleConns:           maxConnections,
		MaxResponseHeaderBytes: maxHeaderBytes,
		DisableCompression:     true,
		WriteBufferSize:        64 << 10,
		ReadBufferSize:         64 << 10,
		Protocols:              new(http.Protocols),
	}
	t.Protocols.SetHTTP1(true)
	if proxy != nil {
		t.Proxy = http.ProxyURL(proxy)
	}
	return t
}

// exchange is what one request and its answer looked like on the wire, which a client library does not tell.
type exchange struct {
	body   *sentBody   // nil for a request without one
	wrote  atomic.Bool // the request's head went out on a connection
	status int         // 0 = there was no answer
	header http.Header
	err    error // the transport's

	permission string // what the request needs to be allowed
	temporary  bool   // it was signed with a session token
	object     bool   // the answer is an object; all others are documents, which are bounded
}

// complete reports whether the service may have had the whole request, so that it may have acted on it.
func (x *exchange) complete() bool {
	return x.wrote.Load() && (x.body == nil || x.body.handed())
}

type exchangeKey struct{}

// record returns a ctx whose next request is recorded in the exchange.
func record(ctx context.Context, body *sentBody) (context.Context, *exchange) {
	x := &exchange{body: body}
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{WroteHeaders: func() { x.wrote.Store(true) }})
	return context.WithValue(ctx, exchangeKey{}, x), x
}

// redirectError is a redirect that was not followed.
type redirectError struct {
	status           int
	location, region string
}

func (e *redirectError) Error() string {
	s := fmt.Sprintf("the service redirects (%d", e.status)
	if e.location != "" {
		s += " to " + e.location
	}
	s += "), which is never followed"
	if e.region != "" {
		return s + fmt.Sprintf(": the bucket is in region %q, set region and endpoint to it", e.region)
	}
	return s + ": check endpoint, region and bucket"
}

// recorder fills the exchange of each request. It turns redirects into errors before anybody could follow them with a signed request, and answers that are
// not the service's before anybody could believe them.
type recorder struct {
	base          http.RoundTripper
	lastSuccess   *atomic.Int64
	namesRequests *atomic.Bool // the service gives each answer an id, as Amazon S3 and MinIO do
	now           func() time.Time
}

func (r recorder) RoundTrip(request *http.Request) (*http.Response, error) {
	x, _ := request.Context().Value(exchangeKey{}).(*exchange)
	if x != nil {
		x.permission, x.temporary = permissionOf(request), request.Header.Get("X-Amz-Security-Token") != ""
	}
	response, err := r.base.RoundTrip(request)
	if err == nil && response.StatusCode >= 300 && response.StatusCode < 400 {
		err = &redirectError{status: response.StatusCode, location: hostOf(response.Header.Get("Location")), region: response.Header.Get("X-Amz-Bucket-Region")}
		_ = response.Body.Close()
		if x != nil {
			x.status, x.header, x.err = response.StatusCode, response.Header, err
		}
		return nil, err
	}
	if err == nil {
		if foreign := r.refuseForeign(request, response); foreign != nil {
			_ = response.Body.Close()
			if x != nil {
				x.status, x.header, x.err = response.StatusCode, response.Header, foreign
			}
			return nil, foreign
		}
	}
	if err == nil && response.StatusCode < 300 {
		r.lastSuccess.Store(r.now().UnixNano())
	}
	if x != nil {
		x.err = err
		if response != nil {
			x.status, x.header = response.StatusCode, response.Header
			if !x.object || x.status >= 300 {
				response.Body = &bounded{ReadCloser: response.Body, left: maxAnswer}
			}
		}
	}
	return response, err
}

// bounded fails an answer that is longer than any document: whoever reads it holds it in memory.
type bounded struct {
	io.ReadCloser
	left int64
}

func (b *bounded) Read(p []byte) (int, error) {
	if b.left < 0 {
		return 0, fmt.Errorf("%w: its answer is longer than %d bytes", errContradiction, maxAnswer)
	}
	if int64(len(p)) > b.left+1 {
		p = p[:b.left+1]
	}
	n, err := b.ReadCloser.Read(p)
	b.left -= int64(n)
	return n, err
}

// hostOf keeps of a Location only what an operator needs, and no key or signature.
func hostOf(location string) string {
	u, err := url.Parse(location)
	if err != nil {
		return ""
	}
	return u.Host
}
