package s3api

import (
	"bufio"
	"bytes"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
)

const (
	mutatedRequests = 200_000 // applied, not counting those that changed nothing
	mutatedSeed     = 20261123
)

// original is a signed request that is accepted, and what the oracle makes of it.
type original struct {
	name    string
	request *mutable
	wire    []byte
	claim   claim
	payload string
	content []byte
	trailer string
	etag    string // of the answer
}

// mutator sends mutated requests to the handler itself: the bytes are parsed as the HTTP server parses them, and there is no connection.
type mutator struct {
	s         *site
	originals []*original
}

func newMutator(t *testing.T) *mutator {
	s := newSite(t, siteOptions{quiet: true})
	s.signer.chunk = 40
	x := &mutator{s: s}
	kept := []byte("what is kept")
	s.put("kept", kept)
	s.want(s.ask(http.MethodPut, pathOf("a key/with signs+and%"), kept), http.StatusOK, "")
	meta := []string{"X-Amz-Meta-A: one two", listHeader + ": first", listHeader + ": second, third", "Content-Type: text/plain"}
	body := []byte(strings.Repeat("the body of a request ", 5)) // three chunks
	odd := pathOf("a key/with signs+and%")
	x.add("header, GET", formHashed, http.MethodGet, odd+"?response-content-type=text%2Fhtml&partNumber=1", nil)
	x.add("header, list", formHashed, http.MethodGet, "/"+testBucket+"?list-type=2&prefix=a%20key%2F&delimiter=%2F&max-keys=7", nil)
	x.add("header, DELETE", formHashed, http.MethodDelete, "/"+testBucket+"/never-there", nil)
	x.add("header, PUT", formHashed, http.MethodPut, "/"+testBucket+"/put-hashed", body, meta...)
	x.add("header, unsigned payload", formUnsigned, http.MethodPut, "/"+testBucket+"/put-unsigned", body, meta...)
	x.add("presigned GET", formPresigned, http.MethodGet, odd+"?response-content-disposition=attachment%3B%20filename%3D%22x%20y%22", nil)
	x.add("presigned PUT", formPresigned, http.MethodPut, "/"+testBucket+"/put-presigned", body, meta...)
	x.add("signed chunks", formStreaming, http.MethodPut, "/"+testBucket+"/put-chunks", body, meta...)
	x.add("signed trailer", formStreamTrailer, http.MethodPut, "/"+testBucket+"/put-trailer", body, meta...)
	return x
}

// add signs a request and takes it apart. The signer joins the values of a repeated header into one line for signing, so here they are signed as
// they will be read.
func (x *mutator) add(name string, f form, method, target string, body []byte, headers ...string) {
	x.s.t.Helper()
	r := x.s.request(method, target, headers...)
	r.Host = r.URL.Host
	split := map[string][]string{}
	for header, values := range r.Header {
		if len(values) > 1 {
			split[header] = values
			r.Header.Set(header, strings.Join(values, ","))
		}
	}
	x.s.signer.sign(r, f, body)
	m := &mutable{method: method, path: r.URL.EscapedPath(), presigned: f == formPresigned, headers: [][2]string{{"Host", r.Host}}}
	if r.URL.RawQuery != "" {
		m.query = strings.Split(r.URL.RawQuery, "&")
	}
	for _, header := range slices.Sorted(maps.Keys(r.Header)) {
		values := r.Header[header]
		if split[header] != nil {
			values = split[header]
		}
		for _, v := range values {
			m.headers = append(m.headers, [2]string{header, v})
		}
	}
	var raw bytes.Buffer
	if r.Body != nil {
		_, _ = raw.ReadFrom(r.Body)
	}
	if m.body = raw.Bytes(); f == formStreaming || f == formStreamTrailer {
		m.chunks, m.body = splitChunks(m.body), nil
	}
	s := &original{name: name, request: m, wire: m.wire()}
	read := readWire(s.wire)
	c, payloads, ok := read.canonical()
	if !ok || len(payloads) != 1 {
		x.s.t.Fatalf("%s: the oracle cannot read it", name)
	}
	s.claim, s.payload = c, payloads[0]
	if s.content, s.trailer, ok = read.content(x.s.signer, c.signature, s.payload); !ok || !bytes.Equal(s.content, body) {
		x.s.t.Fatalf("%s: the oracle reads another body: %q", name, s.content)
	}
	// The oracle's canonical form is the one that was signed.
	text := strings.Join([]string{"AWS4-HMAC-SHA256", c.date, c.scope, hexSHA([]byte(c.request + "\n" + s.payload))}, "\n")
	if x.s.signer.mac(text) != c.signature {
		x.s.t.Fatalf("%s: the oracle's canonical form is not what was signed:\n%s", name, c.request)
	}
	answer := x.send(s.wire)
	if answer == nil || answer.Code >= 300 {
		x.s.t.Fatalf("%s: not accepted as it is: %v", name, answer)
	}
	s.etag = answer.Header().Get("Etag")
	x.originals = append(x.originals, s)
}

// splitChunks cuts a framed body after each chunk; the last piece is the empty chunk with what follows it.
func splitChunks(body []byte) (chunks [][]byte) {
	for len(body) > 0 {
		next := len(body)
		if !bytes.HasPrefix(body, []byte("0;")) {
			head := bytes.Index(body, []byte("\r\n")) + 2
			next = head + 40 + 2
			if at := bytes.Index(body[head:], []byte(";chunk-signature=")); at < 42 {
				next = head + bytes.LastIndex(body[head:head+at], []byte("\r\n")) + 2
			}
		}
		chunks, body = append(chunks, body[:next]), body[next:]
	}
	return chunks
}

// send has the handler answer; nil if the bytes are no request.
func (x *mutator) send(wire []byte) *httptest.ResponseRecorder {
	r, err := http.ReadRequest(bufio.NewReaderSize(bytes.NewReader(wire), 512))
	if err != nil {
		return nil
	}
	r.RemoteAddr = "192.0.2.1:1234"
	w := httptest.NewRecorder()
	x.s.handler.ServeHTTP(w, r.WithContext(x.s.t.Context()))
	return w
}

// same reports whether a mutated request is still the original to whoever signed it.
func (x *mutator) same(s *original, wire []byte) bool {
	r := readWire(wire)
	if r == nil {
		return false
	}
	c, payloads, ok := r.canonical()
	if !ok || c != s.claim {
		return false
	}
	// An unsigned digest that a presigned request carries is held to all the same.
	for _, p := range payloads {
		if content, trailer, ok := r.content(x.s.signer, c.signature, p); !ok || s.payload != "UNSIGNED-PAYLOAD" && (!bytes.Equal(content, s.content) || trailer != s.trailer) {
			return false
		}
	}
	return slices.Contains(payloads, s.payload)
}

// TestMutatedSignedRequests changes one thing in a signed request, many times over. It is accepted only if it is byte for byte the same to whoever
// signed it, by an oracle that shares no code with the gateway; and always if the change is one of those that the rules make meaningless.
func TestMutatedSignedRequests(t *testing.T) {
	x := newMutator(t)
	all := mutations()
	n := mutatedRequests
	if testing.Short() {
		n = 5000
	}
	rnd := rand.New(rand.NewPCG(mutatedSeed, 0))
	accepted, refused := map[string]int{}, map[string]int{}
	failures := 0
	fail := func(s *original, m mutation, wire []byte, format string, args ...any) {
		t.Errorf("%s, %s: "+format+"\n%q", append(append([]any{s.name, m.name}, args...), wire)...)
		if failures++; failures == 20 {
			t.FailNow()
		}
	}
	for done := 0; done < n; {
		s, m := x.originals[rnd.IntN(len(x.originals))], all[rnd.IntN(len(all))]
		if m.harmless && rnd.IntN(8) > 0 { // those that are accepted take the longest and show the least
			continue
		}
		changed := s.request.clone()
		if !m.apply(rnd, changed) {
			continue
		}
		wire := changed.wire()
		if bytes.Equal(wire, s.wire) {
			continue
		}
		done++
		status, etag := http.StatusBadRequest, ""
		if answer := x.send(wire); answer != nil {
			status, etag = answer.Code, answer.Header().Get("Etag")
		}
		switch {
		case status < 400 && !x.same(s, wire):
			fail(s, m, wire, "accepted with %d", status)
		case status >= 500 && status != http.StatusNotImplemented:
			fail(s, m, wire, "answered with %d", status)
		case status >= 400 && m.harmless:
			fail(s, m, wire, "refused with %d, and nothing that is signed changed", status)
		case status < 400 && etag != s.etag && s.payload != "UNSIGNED-PAYLOAD":
			fail(s, m, wire, "the ETag is %s, want %s", etag, s.etag)
		}
		if status < 400 {
			accepted[m.name]++
		} else {
			refused[m.name]++
		}
	}
	for _, m := range all {
		t.Logf("%-32s %7d refused, %7d accepted", m.name, refused[m.name], accepted[m.name])
		if m.harmless && accepted[m.name] == 0 || !m.harmless && refused[m.name] == 0 {
			t.Errorf("%s was never tried", m.name)
		}
	}
	x.keptIsKept()
}

// keptIsKept sees that nothing was written but what the originals write.
func (x *mutator) keptIsKept() {
	x.s.t.Helper()
	list := x.s.ask(http.MethodGet, "/"+testBucket+"?"+url.Values{"list-type": {"2"}}.Encode(), nil)
	for _, key := range []string{"kept", "a key/with signs+and%", "put-hashed", "put-unsigned", "put-presigned", "put-chunks", "put-trailer"} {
		if !bytes.Contains(list.body, []byte("<Key>"+key+"</Key>")) {
			x.s.t.Errorf("%s is gone", key)
		}
	}
	if n := bytes.Count(list.body, []byte("<Key>")); n != 7 {
		x.s.t.Errorf("%d objects, want 7:\n%s", n, list.body)
	}
	for _, s := range x.originals {
		if s.request.method == http.MethodPut && s.payload != "UNSIGNED-PAYLOAD" {
			if got := x.s.ask(http.MethodGet, s.request.path, nil); !bytes.Equal(got.body, s.content) {
				x.s.t.Errorf("%s holds %q", s.request.path, got.body)
			}
		}
	}
}
