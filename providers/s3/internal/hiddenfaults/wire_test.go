package hiddenfaults

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"sallyport/providers/s3/internal/awslike"
)

// fault is what goes wrong with one request on the wire. The zero value is nothing.
type fault struct {
	name string

	status     int    // answered with this, or with the Code in a document behind it
	code       string // "" = no document
	page       string // what is sent in place of a document of the service's
	retryAfter string
	carriedOut bool // the service does what it was asked before all this

	drop    bool  // the connection ends instead of an answer
	unread  bool  // the request's body is not read
	partial int64 // with drop: so many bytes of the request's body are read

	cut   int // so many thousandths of the answer are sent, and then the connection ends…
	stall bool
	// …or, with stall, is silent. Stall alone: nothing is sent, ever.

	twice     int  // the request arrives twice; which answer is sent
	wrongETag bool // the answer tells another ETag
	wrongSum  bool // the answer tells another checksum
	flip      bool // a bit of an object's bytes is changed on its way here
	leave     int  // the client leaves when the request has arrived (1), or when it has been carried out (2)
}

// wire is a service behind connections in memory, so that all of it can live in a synctest bubble.
type wire struct {
	service *awslike.Service
	server  *http.Server
	serving sync.WaitGroup
	pipes   *pipes
	ended   chan struct{}

	mu    sync.Mutex
	plan  func(label string, nth int) *fault
	leave context.CancelFunc // of the client
	seen  map[string]int     // requests by their labels
	trace []string           // "label #n" of each request, and its fault
}

func newWire(service *awslike.Service) *wire {
	w := &wire{service: service, pipes: &pipes{waiting: make(chan net.Conn), closed: make(chan struct{})}, ended: make(chan struct{}), seen: map[string]int{}}
	w.server = &http.Server{Handler: w}
	w.serving.Go(func() { _ = w.server.Serve(w.pipes) })
	return w
}

// close ends everything on the service's side.
func (w *wire) close() {
	close(w.ended)
	_ = w.server.Close()
	w.serving.Wait()
	time.Sleep(time.Second) // of the bubble's: net/http's server stays half a second on a connection that it ends early
}

// fails sets what goes wrong from now on, and who leaves.
func (w *wire) fails(plan func(label string, nth int) *fault, leave context.CancelFunc) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.plan, w.leave, w.seen, w.trace = plan, leave, map[string]int{}, nil
}

// requests returns what came since fails, in an order that does not depend on how goroutines were scheduled.
func (w *wire) requests() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Sorted(slices.Values(w.trace))
}

var randomName = regexp.MustCompile(`-[0-9a-f]{16}\b`)

// labelOf names a request alike in every run.
func labelOf(r *http.Request) string {
	return strings.TrimSpace(randomName.ReplaceAllString(r.Method+" "+r.URL.RequestURI(), "-*") + " " + r.Header.Get("Range"))
}

// next says what happens to a request, and when: no two of those under way at the same time are answered at the same time, so that it is not the
// goroutines that decide which of them fails first.
func (w *wire) next(r *http.Request) (f fault, leave context.CancelFunc, after time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	label := labelOf(r)
	w.seen[label]++
	entry := fmt.Sprintf("%s #%d", label, w.seen[label])
	h := fnv.New64a()
	_, _ = io.WriteString(h, entry)
	after = time.Microsecond + time.Duration(h.Sum64()%uint64(time.Millisecond))
	if w.plan != nil {
		if planned := w.plan(label, w.seen[label]); planned != nil {
			f, entry = *planned, entry+": "+planned.name
		}
	}
	w.trace = append(w.trace, entry)
	return f, w.leave, after
}

// ServeHTTP implements http.Handler.
func (w *wire) ServeHTTP(out http.ResponseWriter, r *http.Request) {
	f, leave, after := w.next(r)
	time.Sleep(after)
	if f.leave == 1 {
		leave()
	}
	if f.unread || f.partial > 0 {
		_, _ = io.CopyN(io.Discard, r.Body, f.partial)
		if f.stall {
			w.silence(r)
		}
		if f.drop {
			panic(http.ErrAbortHandler)
		}
		out.Header().Set("Connection", "close")
		w.send(out, r, errorAnswer(&f), &f)
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler) // the client did not send it all
	}
	carriedOut := f.carriedOut || f.status == 0 && !f.drop && !(f.stall && f.cut == 0)
	var a *httptest.ResponseRecorder
	for n := 1; carriedOut && n <= max(1, f.twice); n++ {
		again := r.Clone(r.Context())
		again.Body = io.NopCloser(bytes.NewReader(body))
		answer := httptest.NewRecorder()
		w.service.ServeHTTP(answer, again)
		if n == 1 || f.twice == 2 {
			a = answer
		}
	}
	if f.twice == 1 { // the second arrival's answer goes nowhere
		again := r.Clone(r.Context())
		again.Body = io.NopCloser(bytes.NewReader(body))
		w.service.ServeHTTP(httptest.NewRecorder(), again)
	}
	if f.leave == 2 {
		leave()
	}
	switch {
	case f.drop:
		panic(http.ErrAbortHandler)
	case f.stall && f.cut == 0:
		w.silence(r)
	case f.status != 0:
		a = errorAnswer(&f)
	}
	w.send(out, r, a, &f)
}

// silence ends with the client's connection.
func (w *wire) silence(r *http.Request) {
	select {
	case <-r.Context().Done():
	case <-w.ended:
	}
	panic(http.ErrAbortHandler)
}

func errorAnswer(f *fault) *httptest.ResponseRecorder {
	a := httptest.NewRecorder()
	if f.retryAfter != "" {
		a.Header().Set("Retry-After", f.retryAfter)
	}
	if f.code != "" {
		a.Header().Set("X-Amz-Request-Id", "TEST") // the service's own
	}
	a.WriteHeader(f.status)
	_, _ = io.WriteString(a, f.page)
	if f.code != "" {
		_, _ = fmt.Fprintf(a, `<?xml version="1.0" encoding="UTF-8"?>`+"\n<Error><Code>%s</Code><Message>as planned</Message></Error>", f.code)
	}
	return a
}

func (w *wire) send(out http.ResponseWriter, r *http.Request, a *httptest.ResponseRecorder, f *fault) {
	body := a.Body.Bytes()
	maps.Copy(out.Header(), a.Header())
	isObject := r.Method == http.MethodGet && a.Code < 300 && a.Header().Get("Content-Type") == ""
	if f.flip && isObject && len(body) > 0 {
		body = bytes.Clone(body)
		body[len(body)/2] ^= 4
	}
	if f.wrongETag {
		if out.Header().Get("ETag") != "" {
			out.Header().Set("ETag", `"00000000000000000000000000000000"`)
		}
		if r.Method == http.MethodPost {
			body = regexp.MustCompile(`<ETag>[^<]*</ETag>`).ReplaceAll(body, []byte(`<ETag>"00000000000000000000000000000000-9"</ETag>`))
		}
	}
	if f.wrongSum && out.Header().Get("X-Amz-Checksum-Crc64nvme") != "" {
		out.Header().Set("X-Amz-Checksum-Crc64nvme", "AAAAAAAAAAA=")
	}
	out.Header().Del("X-Head-Length")
	if r.Method != http.MethodHead {
		out.Header().Set("Content-Length", fmt.Sprint(len(body)))
	}
	out.WriteHeader(a.Code)
	if r.Method == http.MethodHead || len(body) == 0 {
		return
	}
	if f.cut == 0 {
		_, _ = out.Write(body)
		return
	}
	_, _ = out.Write(body[:len(body)*f.cut/1000])
	_ = http.NewResponseController(out).Flush()
	if f.stall {
		w.silence(r)
	}
	panic(http.ErrAbortHandler)
}

// pipes are the connections, which it counts.
type pipes struct {
	waiting   chan net.Conn
	closed    chan struct{}
	closeOnce sync.Once
	open      atomic.Int64 // on the client's side
	made      atomic.Int64
}

var errNoService = errors.New("nobody listens")

func (p *pipes) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	client, service := net.Pipe()
	select {
	case p.waiting <- service:
	case <-p.closed:
		return nil, errNoService
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	p.open.Add(1)
	p.made.Add(1)
	return &countedConn{Conn: client, pipes: p}, nil
}

type countedConn struct {
	net.Conn
	pipes *pipes
	once  sync.Once
}

func (c *countedConn) Close() error {
	c.once.Do(func() { c.pipes.open.Add(-1) })
	return c.Conn.Close()
}

// Accept implements net.Listener.
func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.waiting:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener.
func (p *pipes) Close() error {
	p.closeOnce.Do(func() { close(p.closed) })
	return nil
}

// Addr implements net.Listener.
func (p *pipes) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 9} }
