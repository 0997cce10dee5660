package s3api

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"sallyport/config/secret"
	"sallyport/gateway/auth"
	"sallyport/gateway/awschunked"
	"sallyport/gateway/checksum"
	"sallyport/gateway/objects"
	"sallyport/gateway/sigv4"
)

// dial opens a connection and sends the head of r with so much of its body.
func dial(t *testing.T, s *site, r *http.Request, body []byte) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", s.server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	var head bytes.Buffer
	fmt.Fprintf(&head, "%s %s HTTP/1.1\r\nHost: %s\r\nContent-Length: %d\r\n", r.Method, r.URL.RequestURI(), r.URL.Host, r.ContentLength)
	if err := r.Header.Write(&head); err != nil {
		t.Fatal(err)
	}
	head.WriteString("\r\n")
	head.Write(body)
	if _, err := conn.Write(head.Bytes()); err != nil {
		t.Fatal(err)
	}
	if err := conn.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return conn
}

func readAnswer(t *testing.T, conn net.Conn) *answer {
	t.Helper()
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatalf("no answer: %v", err)
	}
	a := &answer{status: response.StatusCode, header: response.Header}
	a.body, a.err = io.ReadAll(response.Body)
	return a
}

func TestSlowSenderIsCut(t *testing.T) {
	s := newSite(t, siteOptions{limits: Limits{ProgressTime: 100 * time.Millisecond}})
	body := pattern(100_000)
	r := s.request(http.MethodPut, "/"+testBucket+"/slow")
	s.signer.sign(r, formUnsigned, body)
	a := readAnswer(t, dial(t, s, r, body[:20_000]))
	s.want(a, 400, "RequestTimeout")
	s.want(s.ask(http.MethodHead, "/"+testBucket+"/slow", nil), 404, "")
}

func TestCutConnectionStoresNothing(t *testing.T) {
	s := newSite(t, siteOptions{})
	s.put("cut", []byte("old"))
	body := pattern(100_000)
	for _, f := range []form{formUnsigned, formStreaming} {
		r := s.request(http.MethodPut, "/"+testBucket+"/cut")
		s.signer.sign(r, f, body)
		conn := dial(t, s, r, bodyOfRequest(t, r)[:50_000])
		if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
			t.Fatal(err)
		}
		s.want(readAnswer(t, conn), 400, "IncompleteBody")
		if a := s.ask(http.MethodGet, "/"+testBucket+"/cut", nil); string(a.body) != "old" {
			t.Errorf("%s: %s", f, a)
		}
	}
}

func TestRefusedBodyClosesTheConnection(t *testing.T) {
	s := newSite(t, siteOptions{limits: Limits{DrainTime: 50 * time.Millisecond}})
	body := pattern(4 << 20)
	r := s.request(http.MethodPut, "/"+testBucket+"/k")
	wrong := s.signer
	wrong.secretKey = testSecret + "x"
	wrong.sign(r, formUnsigned, body)
	conn := dial(t, s, r, nil)
	a := readAnswer(t, conn)
	s.want(a, 403, "SignatureDoesNotMatch")
	if _, err := conn.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("the connection stays open: %v", err)
	}
	// A client that sends everything before it reads gets its answer too.
	r = s.request(http.MethodPut, "/"+testBucket+"/k")
	wrong.sign(r, formUnsigned, body[:200_000])
	s.want(s.send(r), 403, "SignatureDoesNotMatch")
}

func TestProgressReaderCountsOnlyWaiting(t *testing.T) {
	control := http.NewResponseController(httptest.NewRecorder())
	for _, c := range []struct {
		err  error
		code string
	}{{os.ErrDeadlineExceeded, "RequestTimeout"}, {io.ErrUnexpectedEOF, "IncompleteBody"}, {errors.New("reset"), "IncompleteBody"}} {
		p := &progressReader{body: io.MultiReader(strings.NewReader("abc"), failingReader{c.err}), control: control, interval: time.Second, step: 2}
		_, err := io.ReadAll(p)
		if f := describe(err); f.code != c.code || !errors.Is(err, c.err) || p.ended || !p.failed || p.total != 3 {
			t.Errorf("%v: %v", c.err, err)
		}
	}
	p := &progressReader{body: strings.NewReader("abc"), control: control, interval: time.Second, step: 1 << 20}
	p.waited = time.Hour
	if b, err := io.ReadAll(p); err != nil || string(b) != "abc" {
		t.Errorf("%q %v", b, err)
	}
}

type failingReader struct{ err error }

func (f failingReader) Read([]byte) (int, error) { return 0, f.err }

func TestAdmission(t *testing.T) {
	s := newSite(t, siteOptions{limits: Limits{Streams: 1, AdmissionWait: time.Millisecond}})
	body := pattern(10)
	r := s.request(http.MethodPut, "/"+testBucket+"/first")
	s.signer.sign(r, formUnsigned, body)
	conn := dial(t, s, r, nil)
	// The first request holds the only place while it waits for its body; the second is told to come later, and other requests have their own lane.
	for {
		a := s.ask(http.MethodGet, "/"+testBucket+"/x", nil)
		if a.status == 503 {
			if a.code() != "SlowDown" || a.header.Get("Retry-After") == "" {
				t.Errorf("%s", a)
			}
			break
		}
		s.want(a, 404, "NoSuchKey")
	}
	s.want(s.ask(http.MethodHead, "/"+testBucket+"/x", nil), 404, "")
	if _, err := conn.Write(body); err != nil {
		t.Fatal(err)
	}
	s.want(readAnswer(t, conn), 200, "")
	s.want(s.ask(http.MethodGet, "/"+testBucket+"/first", nil), 200, "")
}

// panicking is a Credentials that panics, as any code behind the handler might.
type panicking struct{ value any }

func (p panicking) Lookup(string) (secret.String, *auth.Principal) { panic(p.value) }

func TestPanicIsAnsweredWithoutDetail(t *testing.T) {
	s := newSite(t, siteOptions{})
	h := New(&Options{Objects: s.handler.(*handler).objects, Credentials: panicking{"secret-detail"}})
	r := s.request(http.MethodGet, "/")
	s.signer.sign(r, formHashed, nil)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	if w.Code != 500 || !strings.Contains(w.Body.String(), "<Code>InternalError</Code>") || strings.Contains(w.Body.String(), "secret-detail") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	h = New(&Options{Objects: s.handler.(*handler).objects, Credentials: panicking{http.ErrAbortHandler}})
	func() {
		defer func() {
			if err, ok := recover().(error); !ok || !errors.Is(err, http.ErrAbortHandler) {
				t.Errorf("recovered %v", err)
			}
		}()
		h.ServeHTTP(httptest.NewRecorder(), r)
	}()
}

// TestFailureAfterTheFirstByteCutsTheConnection damages the middle of a stored object: the client must not see a clean end.
func TestFailureAfterTheFirstByteCutsTheConnection(t *testing.T) {
	s := newSite(t, siteOptions{})
	s.put("big", pattern(2<<20))
	s.backend.damage = true
	a := s.ask(http.MethodGet, "/"+testBucket+"/big", nil)
	if a.status == 200 && a.err == nil {
		t.Errorf("a damaged object came back as a clean answer of %d bytes", len(a.body))
	}
	if a.status == 200 && !bytes.HasPrefix(pattern(2<<20), a.body) {
		t.Error("bytes came out that do not verify")
	}
	if !strings.Contains(s.log.String(), "ObjectDamaged") {
		t.Error("the log does not say so")
	}
	if a := s.ask(http.MethodHead, "/"+testBucket+"/big", nil); a.status != 200 {
		t.Errorf("the end of the file is whole: %s", a)
	}
}

// TestFailedAnswerIsAborted: once the status is out, a failure ends in an abort, which cuts the connection whatever the head of the answer said about its
// length; to return would leave that to the length.
func TestFailedAnswerIsAborted(t *testing.T) {
	s := newSite(t, siteOptions{})
	s.put("big", pattern(2<<20))
	ended := make(chan any, 1)
	s.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			v := recover()
			ended <- v
			if v != nil {
				panic(v)
			}
		}()
		s.handler.ServeHTTP(w, r)
	}))
	t.Cleanup(s.server.Close)
	if a := s.ask(http.MethodGet, "/"+testBucket+"/big", nil); a.err != nil {
		t.Fatal(a.err)
	}
	if v := <-ended; v != nil {
		t.Errorf("a whole answer ended with %v", v)
	}
	s.backend.damage = true
	if a := s.ask(http.MethodGet, "/"+testBucket+"/big", nil); a.status != 200 || a.err == nil {
		t.Errorf("status %d, %v", a.status, a.err)
	}
	if v := <-ended; v != http.ErrAbortHandler { //nolint:errorlint // the server compares it in the same way.
		t.Errorf("an answer that failed in the middle ended with %v", v)
	}
}

func TestLogLineOfEachRequest(t *testing.T) {
	s := newSite(t, siteOptions{})
	s.put("logged-key-canary", []byte("body-canary"), "x-amz-meta-a: meta-canary")
	s.ask(http.MethodGet, "/"+testBucket+"/logged-key-canary?response-content-type=query-canary", nil)
	log := s.log.String()
	for _, want := range []string{"operation=PutObject", "operation=GetObject", "bucket=bucket", "status=200", "bytes_in=11", "bytes_out=11", "access_key=" + testAccess + " "} {
		if !strings.Contains(log, want) {
			t.Errorf("the log has no %s:\n%s", want, log)
		}
	}
	for _, canary := range []string{"canary", testSecret, "Signature"} {
		if strings.Contains(log, canary) {
			t.Errorf("the log has %q:\n%s", canary, log)
		}
	}
}

// TestLogNamesConfiguredKeysOnly: whose request it was is told by the whole id, because ids may begin alike; what is not configured may be a secret that
// somebody put in the wrong place.
func TestLogNamesConfiguredKeysOnly(t *testing.T) {
	s := newSite(t, siteOptions{second: true})
	for _, f := range allForms() {
		s.signer.accessKey, s.signer.secretKey = secondAccess, secondSecret
		s.want(s.do(f, http.MethodPut, "/"+testBucket+"/k", []byte("x")), 200, "")
		s.signer.accessKey = testAccess // with the other's secret
		s.want(s.do(f, http.MethodPut, "/"+testBucket+"/k", []byte("x")), 403, "SignatureDoesNotMatch")
		s.signer.accessKey, s.signer.secretKey = testSecret, testAccess
		s.want(s.do(f, http.MethodPut, "/"+testBucket+"/k", []byte("x")), 403, "InvalidAccessKeyId")
		s.signer.accessKey = strings.ToLower(testAccess)
		s.want(s.do(f, http.MethodPut, "/"+testBucket+"/k", []byte("x")), 403, "InvalidAccessKeyId")
	}
	s.server.Close() // waits for the last line, which comes after the answer
	forms := len(allForms())
	log := s.log.String()
	for text, times := range map[string]int{
		"access_key=" + secondAccess + " status=200": forms, "access_key=" + testAccess + " status=403": forms, "access_key=(unknown) status=403": 2 * forms,
		testSecret: 0, secondSecret: 0, strings.ToLower(testAccess): 0,
	} {
		if n := strings.Count(log, text); n != times {
			t.Errorf("%q is in the log %d times, want %d:\n%s", text, n, times, log)
		}
	}
}

// TestEveryErrorHasItsPlace: the map covers every kind and reason, and its default shows nothing.
func TestEveryErrorHasItsPlace(t *testing.T) {
	for k := objects.Internal; k <= objects.NoRoom; k++ {
		f := describe(fmt.Errorf("wrapped: %w", &objects.Error{Kind: k, Bucket: "b", Key: "k", Message: "told", Err: errors.New("private-cause")}))
		if (f.code == "InternalError") != (k == objects.Internal) {
			t.Errorf("kind %d: %s", k, f.code)
		}
		// What a backend says of the gateway's rights is for its operator; the client learns that it may try again.
		own := k == objects.BackendDenied || k == objects.ReadOnly
		if own && (f.code != "ServiceUnavailable" || !strings.Contains(f.message, "denies the gateway")) {
			t.Errorf("a backend that denies access: %s: %s", f.code, f.message)
		}
		if (k == objects.Internal || own) && strings.Contains(f.message, "told") {
			t.Errorf("kind %d shows a message", k)
		}
		if strings.Contains(f.message, "private-cause") {
			t.Errorf("kind %d shows its cause", k)
		}
		if status := statusOf(f.code); status == 500 && f.code != "InternalError" && !strings.HasPrefix(f.code, "Object") {
			t.Errorf("%s has no status", f.code)
		}
	}
	for r := sigv4.Anonymous; r <= sigv4.SignatureMismatch; r++ {
		if f := describe(&sigv4.Error{Reason: r, Message: "told"}); statusOf(f.code) >= 500 && r != sigv4.NotImplemented || f.message != "told" {
			t.Errorf("%v: %v", r, f)
		}
	}
	if f := describe(&sigv4.Error{Reason: 99}); f.code != "AccessDenied" {
		t.Errorf("an unknown reason: %v", f)
	}
	for r := awschunked.MissingDecodedLength; r <= awschunked.MalformedTrailer; r++ {
		if f := describe(&objects.Error{Kind: objects.Internal, Err: &awschunked.Error{Reason: r}}); statusOf(f.code) >= 500 {
			t.Errorf("%v: %v", r, f)
		}
	}
	for r := checksum.BadContentMD5; r <= checksum.TooLong; r++ {
		if f := describe(&objects.Error{Kind: objects.Unavailable, Err: &checksum.Error{Reason: r}}); statusOf(f.code) >= 500 && r != checksum.UnsupportedAlgorithm {
			t.Errorf("%v: %v", r, f)
		}
	}
	if f := describe(errors.New("private")); f.code != "InternalError" || strings.Contains(f.message, "private") {
		t.Errorf("default: %v", f)
	}
}

func TestCountsAreBounded(t *testing.T) {
	s := newSite(t, siteOptions{limits: Limits{HeaderCount: 20, QueryCount: 5}})
	var many []string
	for i := range 30 {
		many = append(many, fmt.Sprintf("X-Other-%d: 1", i))
	}
	s.want(s.ask(http.MethodGet, "/"+testBucket, nil, many...), 400, "RequestHeaderSectionTooLarge")
	s.want(s.ask(http.MethodGet, "/"+testBucket+"?a=1&b=2&c=3&d=4&e=5&f=6", nil), 400, "InvalidRequest")
	s.want(s.ask(http.MethodGet, "/"+testBucket+"?a=1&b=2&c=3&d=4", nil), 200, "")
	// Counted before anybody takes the trouble to read them for a signature.
	s.want(s.send(s.request(http.MethodGet, "/"+testBucket+"?a=1&b=2&c=3&d=4&e=5&f=6")), 400, "InvalidRequest")
	s.want(s.send(s.request(http.MethodGet, "/"+testBucket, many...)), 400, "RequestHeaderSectionTooLarge")
}

func TestEntityTooLarge(t *testing.T) {
	s := newSite(t, siteOptions{limits: Limits{MaxObjectUpload: 10}})
	s.want(s.ask(http.MethodPut, "/"+testBucket+"/k", pattern(10)), 200, "")
	for _, f := range allForms() {
		a := s.do(f, http.MethodPut, "/"+testBucket+"/k", pattern(11))
		s.want(a, 400, "EntityTooLarge")
	}
}

func TestPostFormIsSaidToBeMissing(t *testing.T) {
	s := newSite(t, siteOptions{})
	s.want(s.send(s.request(http.MethodPost, "/"+testBucket, "Content-Type: multipart/form-data; boundary=x")), 501, "NotImplemented")
	if s.backend.touched() {
		t.Error("the backend was touched")
	}
}
