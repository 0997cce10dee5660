package s3api

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"
)

const malformedRequests = 3000

// TestMalformedRequests is T8: mutated requests over raw sockets. Each is answered 4xx (or 501 by the table, or 2xx where the mutation changed nothing
// that counts) or the connection is closed; never 5xx, never a panic, and nothing is stored that was not signed for.
func TestMalformedRequests(t *testing.T) {
	s := newSite(t, siteOptions{limits: Limits{ProgressTime: 200 * time.Millisecond, DrainTime: 20 * time.Millisecond}})
	s.put("source", []byte("source"))
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 1))
	originals := signedSamples(t, s)
	for n := range malformedRequests {
		raw := mutate(random, originals[random.IntN(len(originals))])
		status, err := exchangeRaw(s, raw)
		if err != nil {
			t.Fatalf("request %d of seed %d: %v\n%q", n, seed, err, raw)
		}
		if status >= 500 && status != http.StatusNotImplemented && status != http.StatusHTTPVersionNotSupported {
			t.Fatalf("request %d of seed %d: status %d\n%q\n%s", n, seed, status, raw, s.log)
		}
	}
	if log := s.log.String(); strings.Contains(log, "panic") {
		t.Errorf("seed %d: a handler panicked:\n%s", seed, log)
	}
	a := s.ask(http.MethodGet, "/"+testBucket+"?list-type=2", nil)
	for rest := string(a.body); ; {
		_, after, ok := strings.Cut(rest, "<Key>")
		if !ok {
			break
		}
		key, tail, _ := strings.Cut(after, "</Key>")
		if rest = tail; key != "source" && key != "some/key" {
			t.Errorf("seed %d: %q was stored", seed, key)
		}
	}
}

// TestMalformedRequestsKnownBad are the ones that felled others (regression H1).
func TestMalformedRequestsKnownBad(t *testing.T) {
	s := newSite(t, siteOptions{limits: Limits{ProgressTime: 200 * time.Millisecond, DrainTime: 20 * time.Millisecond}})
	for _, raw := range []string{
		"GET GET HTTP/1.1\r\nHost: x\r\n\r\n",
		"GET  / HTTP/1.1\r\nHost: x\r\n\r\n",
		"GET / HTTP/1.1\r\n\r\n",
		"GET / HTTP/9.9\r\nHost: x\r\n\r\n",
		"PUT /bucket/key HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n",
		"PUT /bucket/key HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\nabc",
		"PUT /bucket/key HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabc",
		"PUT /bucket/key HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
		"PUT /bucket/key HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999\r\n\r\n",
		"PUT /bucket/key HTTP/1.1\r\nHost: x\r\nx-amz-copy-source:\r\n\r\n",
		"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n",
		"CONNECT x:1 HTTP/1.1\r\nHost: x\r\n\r\n",
		"GET http://other/bucket/key HTTP/1.1\r\nHost: x\r\n\r\n",
		"GET /bucket/%zz HTTP/1.1\r\nHost: x\r\n\r\n",
		"GET /bucket/key?%zz HTTP/1.1\r\nHost: x\r\nAuthorization: AWS4-HMAC-SHA256\r\n\r\n",
		"GET /bucket HTTP/1.1\r\nHost: x\r\nAuthorization: AWS4-HMAC-SHA256 Credential=,SignedHeaders=,Signature=\r\n\r\n",
		"GET /bucket?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Expires=abc HTTP/1.1\r\nHost: x\r\n\r\n",
		"GET /bucket HTTP/1.1\r\nHost: x\r\nAuthorization: \r\n\r\n",
		"GET /bucket HTTP/1.1\r\nHost: x\nAuthorization: x\n\n",
		"GET /bucket HTTP/1.1\r\nHost: x\r\n bad-continuation: x\r\n\r\n",
		"\r\n\r\n", "\x00\x01\x02\r\n\r\n", "\x16\x03\x01\x00\xa5\x01\x00", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
	} {
		status, err := exchangeRaw(s, []byte(raw))
		if err != nil || status < 400 && status != 0 || status >= 500 && status != 501 && status != 505 {
			t.Errorf("%q: %d %v", raw, status, err)
		}
	}
	if s.backend.touched() {
		t.Error("the backend was touched")
	}
}

// signedSamples are requests as bytes, for every row and form.
func signedSamples(t *testing.T, s *site) [][]byte {
	t.Helper()
	var all [][]byte
	rows := operations()
	for i := range rows {
		if rows[i].name == "DeleteBucket" {
			continue
		}
		p := sampleFor(&rows[i])
		for _, f := range allForms() {
			r := s.sampleRequest(p)
			s.signer.sign(r, f, p.body)
			body := bodyOfRequest(t, r)
			var raw bytes.Buffer
			fmt.Fprintf(&raw, "%s %s HTTP/1.1\r\nHost: %s\r\nContent-Length: %d\r\n", r.Method, r.URL.RequestURI(), r.URL.Host, len(body))
			if err := r.Header.Write(&raw); err != nil {
				t.Fatal(err)
			}
			raw.WriteString("\r\n")
			raw.Write(body)
			all = append(all, raw.Bytes())
		}
	}
	return all
}

func mutate(random *rand.Rand, original []byte) []byte {
	b := bytes.Clone(original)
	for range 1 + random.IntN(3) {
		at := random.IntN(len(b))
		switch random.IntN(7) {
		case 0:
			b[at] = byte(random.IntN(256))
		case 1:
			b[at] ^= 1 << random.IntN(8)
		case 2: // drop a piece
			b = append(b[:at], b[min(len(b), at+1+random.IntN(20)):]...)
		case 3: // repeat a piece
			piece := bytes.Clone(b[at:min(len(b), at+1+random.IntN(40))])
			b = append(b[:at], append(piece, b[at:]...)...)
		case 4:
			insert := []string{"\r\n", "\n", "\x00", "%00", "%2f", "../", "//", ";", "&", "=", "chunked", "99999999999999999999", "\xff", ": ", "x-amz-acl: public-read\r\n"}
			b = append(b[:at], append([]byte(insert[random.IntN(len(insert))]), b[at:]...)...)
		case 5: // drop a line
			lines := bytes.SplitAfter(b, []byte("\r\n"))
			i := random.IntN(len(lines))
			b = bytes.Join(append(lines[:i], lines[i+1:]...), nil)
		default: // cut
			b = b[:at]
		}
		if len(b) == 0 {
			return []byte("\r\n")
		}
	}
	return b
}

// exchangeRaw sends bytes and returns the status of the first answer that is not 100 Continue; 0 if the server closed without one.
func exchangeRaw(s *site, raw []byte) (int, error) {
	conn, err := net.Dial("tcp", s.server.Listener.Addr().String())
	if err != nil {
		return 0, err
	}
	defer func() { _ = conn.Close() }()
	if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		return 0, err
	}
	// The server may close before all is written, which is its right.
	_, _ = conn.Write(raw)
	_ = conn.(*net.TCPConn).CloseWrite()
	answers := bufio.NewReader(conn)
	for {
		line, err := answers.ReadString('\n')
		if errors.Is(err, io.EOF) || err != nil && !isTimeout(err) {
			return 0, nil
		}
		if err != nil {
			return 0, fmt.Errorf("not closed in time: %w", err)
		}
		fields := strings.Fields(line)
		if len(fields) < 2 || !strings.HasPrefix(fields[0], "HTTP/") {
			continue
		}
		status, err := strconv.Atoi(fields[1])
		if err != nil {
			return 0, fmt.Errorf("status line %q", line)
		}
		if status != http.StatusContinue {
			return status, nil
		}
	}
}

func isTimeout(err error) bool {
	n, ok := errors.AsType[net.Error](err)
	return ok && n.Timeout()
}
