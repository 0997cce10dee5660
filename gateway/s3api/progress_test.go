package s3api

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// deadlineWriter is a connection that remembers until when it may write.
type deadlineWriter struct {
	*httptest.ResponseRecorder
	until time.Time
	full  bool // a write lasts until the deadline
}

func (d *deadlineWriter) SetWriteDeadline(t time.Time) error {
	d.until = t
	return nil
}

func (d *deadlineWriter) Write(b []byte) (int, error) {
	if d.full {
		<-time.After(time.Until(d.until))
		return len(b) / 2, os.ErrDeadlineExceeded
	}
	return d.ResponseRecorder.Write(b)
}

// TestProgressWriterGivesTimeByBytes: each write has its time, 30 s and as much for every 16 KiB of it, whatever earlier ones took.
func TestProgressWriterGivesTimeByBytes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		limits := Limits{}
		limits.setDefaults()
		conn := &deadlineWriter{ResponseRecorder: httptest.NewRecorder()}
		p := &progressWriter{ResponseWriter: conn, control: http.NewResponseController(conn), interval: limits.ProgressTime, step: limits.ProgressStep}
		var all int64
		for _, c := range []struct {
			bytes int
			want  time.Duration
		}{{0, 30 * time.Second}, {1, 30 * time.Second}, {16<<10 - 1, 30 * time.Second}, {16 << 10, time.Minute}, {transferSize - 1, 2 * time.Minute}, {transferSize, 150 * time.Second}} {
			n, err := p.Write(make([]byte, c.bytes))
			if all += int64(n); n != c.bytes || err != nil || p.written != all || time.Until(conn.until) != c.want {
				t.Errorf("%d bytes: %d written of %d in all, %s to write them, want %s, %v", c.bytes, n, p.written, time.Until(conn.until), c.want, err)
			}
			<-time.After(time.Hour) // the gateway's own time between two writes does not count
		}
		conn.full = true
		began := time.Now()
		n, err := p.Write(make([]byte, transferSize))
		if took := time.Since(began); took != 150*time.Second || n != transferSize/2 || p.written != all+int64(n) {
			t.Errorf("a write that does not end: %d bytes, cut after %s", n, took)
		}
		if f := describe(err); f.code != "RequestTimeout" || !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%v", err)
		}
	})
}

// pipeListener hands one end of pipes to a server.
type pipeListener struct {
	conns chan net.Conn
	done  chan struct{}
}

// Accept implements net.Listener.
func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener.
func (l *pipeListener) Close() error {
	close(l.done)
	return nil
}

// Addr implements net.Listener.
func (l *pipeListener) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1} }

// slowLine is a connection to the site's handler in a bubble, where waiting takes no time.
type slowLine struct {
	*site
	net.Conn
	answers *bufio.Reader
}

// inSlowTime runs a test with a line to a site that holds one object.
func inSlowTime(t *testing.T, content []byte, test func(l *slowLine)) {
	t.Helper()
	s := newSite(t, siteOptions{})
	s.put("object", content)
	synctest.Test(t, func(t *testing.T) {
		l := &pipeListener{make(chan net.Conn), make(chan struct{})}
		server := &http.Server{Handler: s.handler, ReadHeaderTimeout: time.Minute}
		ended := make(chan error, 1)
		go func() { ended <- server.Serve(l) }()
		ours, theirs := net.Pipe()
		l.conns <- theirs
		inner := *s
		inner.t, inner.signer.at = t, time.Now()
		defer func() {
			_ = ours.Close()
			_ = server.Close()
			<-ended
		}()
		test(&slowLine{&inner, ours, bufio.NewReaderSize(ours, 16)})
	})
}

// ask sends a request with its body in pieces of so many bytes, and so long before each.
func (l *slowLine) ask(method, target string, body []byte, piece int, pause time.Duration) {
	l.t.Helper()
	r, err := http.NewRequestWithContext(l.t.Context(), method, "http://127.0.0.1:1"+target, bytes.NewReader(body))
	if err != nil {
		l.t.Fatal(err)
	}
	l.signer.at = time.Now()
	l.signer.sign(r, formUnsigned, body)
	var whole bytes.Buffer
	if err := r.Write(&whole); err != nil {
		l.t.Fatal(err)
	}
	rest := whole.Bytes()
	for next := len(rest) - len(body); len(rest) > 0; next = min(piece, len(rest)) {
		if len(rest) <= len(body) {
			<-time.After(pause)
		}
		if _, err := l.Write(rest[:next]); err != nil {
			return // the answer says why
		}
		rest = rest[next:]
	}
}

// answer reads a response's head.
func (l *slowLine) answer() *http.Response {
	l.t.Helper()
	response, err := http.ReadResponse(l.answers, nil)
	if err != nil {
		l.t.Fatalf("no answer: %v", err)
	}
	return response
}

// TestSlowReceiverIsCut: whoever takes each write just in time gets everything, and whoever takes nothing is cut after 150 s.
func TestSlowReceiverIsCut(t *testing.T) {
	content := pattern(1 << 20)
	inSlowTime(t, content, func(l *slowLine) {
		l.ask(http.MethodGet, "/bucket/object", nil, 1, 0)
		response := l.answer()
		var got bytes.Buffer
		began := time.Now()
		for size := int64(16 << 10); got.Len() < len(content); size = min(transferSize, int64(len(content)-got.Len())) {
			if got.Len() == 16<<10 {
				size = 48 << 10 // the first three writes are of 16, 48 and 64 KiB
			}
			<-time.After(30*time.Second*time.Duration(1+size>>14) - time.Second)
			if _, err := io.CopyN(&got, response.Body, size); err != nil {
				l.t.Fatalf("cut after %d bytes and %s: %v", got.Len(), time.Since(began), err)
			}
		}
		if !bytes.Equal(got.Bytes(), content) || time.Since(began) < 15*149*time.Second {
			l.t.Errorf("%d bytes in %s, and they are not the object's", got.Len(), time.Since(began))
		}
	})
	inSlowTime(t, content, func(l *slowLine) {
		l.ask(http.MethodGet, "/bucket/object", nil, 1, 0)
		response := l.answer()
		if _, err := io.CopyN(io.Discard, response.Body, transferSize); err != nil {
			l.t.Fatal(err)
		}
		began := time.Now()
		synctest.Wait()
		<-time.After(150*time.Second + time.Millisecond)
		synctest.Wait()
		rest, err := io.ReadAll(response.Body)
		if err == nil || len(rest) > transferSize || time.Since(began) > 151*time.Second {
			l.t.Errorf("it gets another %d bytes after %s of taking none, %v", len(rest), time.Since(began), err)
		}
		if log := l.log.String(); !strings.Contains(log, "RequestTimeout") {
			l.t.Errorf("the log does not say why:\n%s", log)
		}
	})
}

// TestAnswersWithoutABodyHaveTheirTime: a client that asks and does not listen holds nothing for ever, with a right signature or a wrong one.
func TestAnswersWithoutABodyHaveTheirTime(t *testing.T) {
	for wait, cut := range map[time.Duration]bool{29 * time.Second: false, 31 * time.Second: true} {
		for _, secret := range []string{testSecret, "wrong"} {
			inSlowTime(t, []byte("content"), func(l *slowLine) {
				l.signer.secretKey = secret
				l.ask(http.MethodHead, "/bucket/object", nil, 1, 0)
				<-time.After(wait)
				_, err := http.ReadResponse(l.answers, &http.Request{Method: http.MethodHead})
				if (err != nil) != cut {
					l.t.Errorf("listening after %s: %v", wait, err)
				}
			})
		}
	}
}

// TestSendersTimeIsTheOnePromised: 16 KiB in every 30 s are enough, and less is not.
func TestSendersTimeIsTheOnePromised(t *testing.T) {
	body := pattern(100_000)
	inSlowTime(t, body, func(l *slowLine) {
		l.ask(http.MethodPut, "/bucket/slow", body, 16<<10, 29*time.Second)
		if a := l.answer(); a.StatusCode != http.StatusOK {
			l.t.Errorf("a sender that is quick enough: %s", a.Status)
		}
	})
	inSlowTime(t, body, func(l *slowLine) {
		sent := make(chan struct{})
		go func() {
			l.ask(http.MethodPut, "/bucket/slow", body[:32<<10], 1<<10, 2*time.Second)
			close(sent)
		}()
		defer func() {
			_ = l.Close()
			<-sent
		}()
		began := time.Now()
		if a := l.answer(); a.StatusCode != http.StatusBadRequest || time.Since(began) > 31*time.Second {
			l.t.Errorf("a sender that is not: %s after %s", a.Status, time.Since(began))
		}
	})
}

// TestTimeOfOneAnswerDoesNotEndTheNext: a connection is used again, and an upload may take longer than the answer before it was allowed to.
func TestTimeOfOneAnswerDoesNotEndTheNext(t *testing.T) {
	body := pattern(100_000)
	inSlowTime(t, body, func(l *slowLine) {
		l.ask(http.MethodGet, "/bucket?list-type=2", nil, 1, 0)
		list := l.answer()
		if b, err := io.ReadAll(list.Body); err != nil || !strings.Contains(string(b), "<Key>object</Key>") {
			l.t.Fatalf("%s %v", b, err)
		}
		l.ask(http.MethodPut, "/bucket/slow", body, 16<<10, 29*time.Second)
		if a := l.answer(); a.StatusCode != http.StatusOK || a.ContentLength != 0 {
			l.t.Errorf("the upload: %s, %d bytes", a.Status, a.ContentLength)
		}
		l.ask(http.MethodHead, "/bucket/slow", nil, 1, 0)
		if a := l.answer(); a.StatusCode != http.StatusOK || a.ContentLength != int64(len(body)) {
			l.t.Errorf("a look at it: %s, %d bytes", a.Status, a.ContentLength)
		}
	})
}
