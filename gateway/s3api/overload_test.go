package s3api

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"
)

// begin opens a connection with a PUT of size bytes by the key, of which nothing but the head was sent, and returns it when the gateway asks for the body.
func (s *site) begin(t *testing.T, who signer, path string, size int) net.Conn {
	t.Helper()
	r := s.request(http.MethodPut, path, "Expect: 100-continue")
	who.sign(r, formUnsigned, make([]byte, size))
	conn := dial(t, s, r, nil)
	line := make([]byte, len("HTTP/1.1 100"))
	if _, err := io.ReadFull(conn, line); err != nil || !strings.HasSuffix(string(line), " 100") {
		t.Fatalf("%s: %q %v", path, line, err)
	}
	return conn
}

// TestMemoryBoundsBodies is invariant 5: what does not fit is refused with SlowDown before its body is read, and what is small still gets through.
func TestMemoryBoundsBodies(t *testing.T) {
	const large = 8 << 20
	each := int64(requestMemory + 192<<10 + 64<<10 + 16<<10 + 512<<10) // and the tail, which is below the rounding here
	s := newSite(t, siteOptions{second: true, limits: Limits{Memory: each * 8 * 4 / 3, AdmissionWait: time.Millisecond}})
	second := s.signer
	second.accessKey, second.secretKey = secondAccess, secondSecret
	var open []net.Conn
	for i := range 5 { // three quarters of eight, less the tails
		open = append(open, s.begin(t, s.signer, fmt.Sprintf("/%s/first-%d", testBucket, i), large))
	}
	refused := func(who signer) {
		t.Helper()
		r := s.request(http.MethodPut, "/"+testBucket+"/refused", "Expect: 100-continue")
		who.sign(r, formUnsigned, make([]byte, large))
		conn := dial(t, s, r, nil)
		defer func() { _ = conn.Close() }()
		all, err := io.ReadAll(conn) // to its end: the connection is closed, for the body was not read
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{"HTTP/1.1 503 ", "\r\nRetry-After: 1\r\n", "\r\nConnection: close\r\n", "<Code>SlowDown</Code>"} {
			if !bytes.Contains(all, []byte(want)) {
				t.Errorf("%q is missing in:\n%s", want, all)
			}
		}
	}
	refused(s.signer)
	// Another key finds room, until there is none.
	for i := range 2 {
		open = append(open, s.begin(t, second, fmt.Sprintf("/%s/second-%d", testBucket, i), large))
	}
	refused(second)
	// Requests without an object's bytes have room of their own.
	s.want(s.ask(http.MethodHead, "/"+testBucket+"/absent", nil), 404, "")
	s.want(s.ask(http.MethodGet, "/"+testBucket+"?list-type=2", nil), 200, "")
	s.want(s.ask(http.MethodDelete, "/"+testBucket+"/absent", nil), 204, "")
	if a := s.ask(http.MethodHead, "/"+testBucket+"/refused", nil); a.status != 404 {
		t.Errorf("what was refused: %s", a)
	}
	for _, conn := range open {
		_ = conn.Close()
	}
	s.allGivenBack()
}

// allGivenBack waits until no request holds anything.
func (s *site) allGivenBack() {
	s.t.Helper()
	h := s.handler.(*handler)
	deadline := time.Now().Add(30 * time.Second)
	for _, l := range []*lane{h.streams, h.requests} {
		for {
			l.mu.Lock()
			used := l.used
			l.mu.Unlock()
			if used == (amount{}) {
				break
			}
			if time.Now().After(deadline) {
				s.t.Fatalf("%s: %v is still held", l.name, used)
			}
			s.want(s.ask(http.MethodGet, "/", nil), 200, "") // something to wait by
		}
	}
}

// TestUnsignedRequestsReserveNothing: a request gets to the lanes after its signature, so that strangers can fill none.
func TestUnsignedRequestsReserveNothing(t *testing.T) {
	s := newSite(t, siteOptions{})
	h := s.handler.(*handler)
	// Nobody can enter any more, so whoever is not refused before would be answered with SlowDown.
	h.streams.limit, h.requests.limit = amount{}, amount{}
	hold, err := h.streams.enter(t.Context(), "other", 1)
	if err != nil {
		t.Fatal(err)
	}
	defer hold.leave()
	wrong := s.signer
	wrong.secretKey = "not the secret"
	for _, f := range allForms() {
		r := s.request(http.MethodPut, "/"+testBucket+"/k")
		wrong.sign(r, f, []byte("body"))
		s.want(s.send(r), 403, "SignatureDoesNotMatch")
	}
	s.want(s.send(s.request(http.MethodPut, "/"+testBucket+"/k")), 403, "AccessDenied")
	s.want(s.ask(http.MethodPut, "/"+testBucket+"/k", []byte("body")), 503, "SlowDown")
}

// TestEveryRowGivesBack sends every row of the table, well and badly, and wants nothing to be held afterwards.
func TestEveryRowGivesBack(t *testing.T) {
	s := newSite(t, siteOptions{})
	s.put("source", []byte("source"))
	eachRow(t, func(t *testing.T, op *operation, p sample) {
		if op.name == "DeleteBucket" {
			return
		}
		for _, f := range allForms() {
			r := s.sampleRequest(p)
			s.signer.sign(r, f, p.body)
			if a := s.send(r); a.status >= 500 && a.status != 501 {
				t.Errorf("%s", a)
			}
		}
	})
	s.allGivenBack()
}

// TestDownloadsHoldWhatTheyReserve measures downloads whose clients have stopped reading.
func TestDownloadsHoldWhatTheyReserve(t *testing.T) {
	const streams = 24
	s := newSite(t, siteOptions{quiet: true})
	s.put("large", bytes.Repeat([]byte("0123456789abcdef"), 2<<20)) // more than the kernel's buffers take
	heap := func() int64 {
		runtime.GC()
		runtime.GC() // twice, for what pools keep over one
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc + m.StackInuse)
	}
	s.server.Client().CloseIdleConnections()
	before := heap()
	var open []net.Conn
	for range streams {
		r := s.request(http.MethodGet, "/"+testBucket+"/large")
		s.signer.sign(r, formHashed, nil)
		conn := dial(t, s, r, nil)
		if _, err := io.CopyN(io.Discard, conn, 200<<10); err != nil {
			t.Fatal(err)
		}
		open = append(open, conn)
	}
	each := (heap() - before) / streams
	l := s.handler.(*handler).streams
	l.mu.Lock()
	used := l.used
	l.mu.Unlock()
	t.Logf("holds %d KiB, reserved %d KiB", each>>10, used.bytes/streams>>10)
	if used.places != streams || each > used.bytes/streams {
		t.Errorf("each of %d downloads holds %d bytes; all reserved %v", streams, each, used)
	}
	for _, conn := range open {
		_ = conn.Close()
	}
	s.allGivenBack()
}

// TestDocumentsHoldWhatTheyReserve measures the trees of documents that are as large, and as full of elements, as they may be.
func TestDocumentsHoldWhatTheyReserve(t *testing.T) {
	var parts strings.Builder
	for i := range maxParts {
		fmt.Fprintf(&parts, "<Part><PartNumber>%d</PartNumber><ETag>&quot;%032d&quot;</ETag><ChecksumCRC64NVME>AAAAAAAAAAA=</ChecksumCRC64NVME></Part>", i+1, i)
	}
	for name, text := range map[string]string{
		"parts":        "<CompleteMultipartUpload>" + parts.String() + "</CompleteMultipartUpload>",
		"small":        "<a>" + strings.Repeat("<b>1</b>", 8*maxParts-2) + "</a>", // no document with smaller elements is parsed
		"deletions":    "<Delete>" + strings.Repeat("<Object><Key>"+strings.Repeat("&#x41;", 1000)+"</Key></Object>", maxDeletes) + "</Delete>",
		"one long key": "<Delete><Object><Key>" + strings.Repeat("k", 4<<20) + "</Key></Object></Delete>",
	} {
		data := []byte(text)
		heap := func() int64 {
			runtime.GC()
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			return int64(m.HeapAlloc)
		}
		before := heap()
		root, err := parseXML(data, xmlLimits{depth: 3, elements: 8 * maxParts})
		if err != nil {
			t.Fatal(err)
		}
		listed, _ := parseComplete(data)
		held := heap() - before + int64(len(data))
		t.Logf("%s: %d bytes hold %d, reserved %d", name, len(data), held, documentMemory(int64(len(data))))
		if held > documentMemory(int64(len(data))) {
			t.Errorf("%s: %d bytes hold %d and reserve %d", name, len(data), held, documentMemory(int64(len(data))))
		}
		runtime.KeepAlive([]any{root, listed, data})
	}
}
