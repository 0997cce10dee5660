package s3api

import (
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"time"
)

// progressReader cuts a client that sends too slowly: every step bytes it may keep us waiting for interval. Only time spent waiting for the
// client counts, so that a slow backend does not condemn a quick client.
type progressReader struct {
	body     io.Reader
	control  *http.ResponseController
	interval time.Duration
	step     int64

	waited   time.Duration
	received int64
	total    int64
	ended    bool // the whole body was read
	failed   bool // the connection failed, or the client was too slow
}

// sourceFailure says what an error of the connection means to the client, where it is still known to be one: further up it could be taken for an error
// of the backend.
func sourceFailure(err error) error {
	switch {
	case err == io.EOF: //nolint:errorlint // only the bare value is a clean end.
		return err
	case errors.Is(err, os.ErrDeadlineExceeded):
		return refuse("RequestTimeout", "Your socket connection to the server was not read from or written to within the timeout period.").because(err)
	case errors.Is(err, net.ErrClosed):
		// It was closed on this side, which only a stop does that waited for long enough. The client has done nothing wrong and will hear of it by the
		// connection; the log must not blame it.
		return refuse("ServiceUnavailable", "The gateway is stopping. Please try again.").because(err)
	}
	return refuse("IncompleteBody", "You did not provide the number of bytes specified by the Content-Length HTTP header.").because(err)
}

func (p *progressReader) Read(b []byte) (int, error) {
	began := time.Now()
	p.setDeadline(began.Add(p.interval - p.waited))
	n, err := p.body.Read(b)
	p.waited += time.Since(began)
	p.total += int64(n)
	if p.received += int64(n); p.received >= p.step {
		p.received, p.waited = 0, 0
	}
	if err != nil {
		p.ended = err == io.EOF
		p.failed = !p.ended
		// The server goes on reading in the background, to notice a client that leaves; it must not take our deadline for that.
		p.setDeadline(time.Time{})
		return n, sourceFailure(err)
	}
	return n, nil
}

// setDeadline ignores a connection that has none to set (a test recorder): there is then no client to wait for.
func (p *progressReader) setDeadline(t time.Time) { _ = p.control.SetReadDeadline(t) }

// progressWriter cuts a client that takes too slowly: every write may take interval, and interval for each step bytes of it, and so may an answer
// without a body. The server lifts the deadline when the answer is out.
type progressWriter struct {
	http.ResponseWriter
	control  *http.ResponseController
	interval time.Duration
	step     int64

	status  int
	written int64
}

func (p *progressWriter) WriteHeader(status int) {
	if p.status == 0 {
		p.status = status
	}
	_ = p.control.SetWriteDeadline(time.Now().Add(p.interval))
	p.ResponseWriter.WriteHeader(status)
}

func (p *progressWriter) Write(b []byte) (int, error) {
	if p.status == 0 {
		p.status = http.StatusOK
	}
	steps := 1 + int64(len(b))/p.step
	_ = p.control.SetWriteDeadline(time.Now().Add(p.interval * time.Duration(steps)))
	n, err := p.ResponseWriter.Write(b)
	p.written += int64(n)
	if err != nil {
		err = refuse("RequestTimeout", "The client left, or took the answer too slowly.").because(err)
	}
	return n, err
}

// Unwrap lets http.ResponseController find the connection.
func (p *progressWriter) Unwrap() http.ResponseWriter { return p.ResponseWriter }
