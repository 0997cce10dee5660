package s3api

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"hash/crc32"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"sallyport/providers/driver"
)

// TestSignedOddities is regression H1 for those who have a key: what felled other servers, correctly signed, on every row. It is answered, and with
// nothing worse than a refusal.
func TestSignedOddities(t *testing.T) {
	s := newSite(t, siteOptions{})
	s.put("source", []byte("source"))
	id := s.createUpload("some/key")
	eachRow(t, func(t *testing.T, op *operation, p sample) {
		if op.name == "DeleteBucket" {
			return
		}
		p.target = strings.Replace(p.target, "an-upload", id, 1)
		answered := func(what string, r *http.Request) {
			t.Helper()
			if a := s.send(r); a.status == 0 || a.status >= 500 && a.status != 501 {
				t.Errorf("%s: %s", what, a)
			}
		}
		for _, f := range allForms() {
			for _, body := range [][]byte{nil, p.body, []byte("<"), []byte("0\r\n\r\n"), []byte("ffffffffffffffff;chunk-signature=0\r\n"), []byte("-1\r\n"), bytes.Repeat([]byte("<a>"), 10000)} {
				r := s.sampleRequest(p)
				s.signer.sign(r, f, p.body)
				r.Body, r.ContentLength, r.GetBody = io.NopCloser(bytes.NewReader(body)), -1, nil // chunked by HTTP, without a length
				answered(fmt.Sprintf("%s, no length, %.20q", f, body), r)
				r = s.sampleRequest(p)
				s.signer.sign(r, f, p.body)
				setBody(r, body)
				answered(fmt.Sprintf("%s, %.20q", f, body), r)
			}
		}
		for _, header := range []string{
			"X-Amz-Copy-Source: ", "X-Amz-Copy-Source: /", "X-Amz-Copy-Source: ?versionId", "X-Amz-Copy-Source: %", "X-Amz-Copy-Source-Range: bytes=9223372036854775807-9223372036854775808",
			"X-Amz-Decoded-Content-Length: -1", "X-Amz-Decoded-Content-Length: 9223372036854775808", "X-Amz-Trailer: ,", "X-Amz-Trailer: x-amz-trailer-signature",
			"Range: bytes=9223372036854775807-", "Range: bytes=-9223372036854775808", "Range: bytes=0-0,1-1,2-2", "Content-Md5: ", "X-Amz-Checksum-Crc32: ", "X-Amz-Checksum-Sha256: =",
			"X-Amz-Mp-Object-Size: 99999999999999999999", "X-Amz-Object-Attributes: ", "X-Amz-Max-Parts: -1", "X-Amz-Part-Number-Marker: 99999999999999999999",
			"If-Match: ", "If-None-Match: ,,,", "If-Modified-Since: ", "Expires: \xff", "X-Amz-Meta-: x", "X-Amz-Meta-\x7f: x", "X-Amz-Tagging: %zz=&&", "Content-Encoding: ,aws-chunked,,",
		} {
			name, value, _ := strings.Cut(header, ": ")
			if strings.ContainsAny(name, "\x7f") {
				continue // no client could send it
			}
			r := s.sampleRequest(p)
			r.Header.Set(name, value)
			s.signer.sign(r, formHashed, p.body)
			answered(header, r)
		}
		for _, value := range []string{"", "-", "%00", "99999999999999999999", strings.Repeat("9", 5000)} {
			for _, name := range op.selectors {
				query := slices.Clone(op.selectors)
				query[slices.Index(query, name)] += "=" + value
				address, _, _ := strings.Cut(p.target, "?")
				r := s.request(p.method, address+"?"+strings.Join(query, "&"), p.headers...)
				s.signer.sign(r, formHashed, p.body)
				answered(name+"="+value, r)
			}
		}
		p.target += map[bool]string{true: "&", false: "?"}[strings.Contains(p.target, "?")]
		for _, query := range []string{
			"max-keys=2147483648", "max-keys=99999999999999999999", "max-keys=1000000", "max-uploads=-0", "max-parts=1e9", "max-buckets=0", "part-number-marker=-1", "partNumber=99999999999999999999",
			"versionId=%00", "encoding-type=url&delimiter=%00", "marker=%ff", "prefix=" + strings.Repeat("%41", 5000), "delimiter=" + strings.Repeat("/", 2000), "continuation-token=" + strings.Repeat("A", 9000),
			"uploadId=", "uploadId=%2e%2e%2f%2e%2e", "x-amz-copy-source=%00", "X-Amz-Expires=1", "=&==&=a", "key-marker=a&upload-id-marker=" + strings.Repeat("z", 3000),
		} {
			r := s.request(p.method, p.target+query, p.headers...)
			s.signer.sign(r, formHashed, p.body)
			answered(query, r)
		}
	})
	if log := s.log.String(); strings.Contains(log, "panicked") {
		t.Errorf("a handler panicked:\n%.3000s", log[strings.Index(log, "panicked"):])
	}
	if a := s.ask(http.MethodGet, "/"+testBucket+"?list-type=2&max-keys=2147483647", nil); a.status != 200 || !strings.Contains(string(a.body), "<MaxKeys>1000</MaxKeys>") {
		t.Errorf("a page of at most a thousand: %s", a)
	}
}

// openFiles returns how many descriptors this process holds, or 0 where that cannot be told.
func openFiles() int {
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return 0
	}
	return len(entries)
}

// TestPeersThatVanishLeaveNothing is regression H2: hundreds of connections that end at the worst moment, by a close or a reset. Their goroutines,
// descriptors and places among the streams come back.
func TestPeersThatVanishLeaveNothing(t *testing.T) {
	const rounds, places = 60, 8 // of which one key gets three quarters
	s := newSite(t, siteOptions{limits: Limits{Streams: places, AdmissionWait: 10 * time.Second}})
	body := pattern(4 << 20)
	s.put("large", body)
	s.ask(http.MethodGet, "/"+testBucket+"/large", nil)
	s.server.Client().CloseIdleConnections()
	goroutines, files := runtime.NumGoroutine(), openFiles()
	vanish := func(conn net.Conn, round int) {
		t.Helper()
		if round%2 == 0 {
			if err := conn.(*net.TCPConn).SetLinger(0); err != nil { // a reset, and no farewell
				t.Fatal(err)
			}
		}
		_ = conn.Close()
	}
	for round := range rounds {
		for _, f := range []form{formUnsigned, formStreaming} {
			r := s.request(http.MethodPut, "/"+testBucket+"/vanished")
			s.signer.sign(r, f, body[:200_000])
			sent := bodyOfRequest(t, r)
			vanish(dial(t, s, r, sent[:len(sent)*(round%5)/5]), round)
		}
		r := s.request(http.MethodGet, "/"+testBucket+"/large")
		s.signer.sign(r, formHashed, nil)
		conn := dial(t, s, r, nil)
		if _, err := io.CopyN(io.Discard, conn, int64(1+round*1000)); err != nil {
			t.Fatal(err)
		}
		vanish(conn, round)
		bare, err := net.Dial("tcp", s.server.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := bare.Write([]byte("PUT /bucket/k HTTP/1.1\r\nHost: x\r\nContent-Le"[:round%40])); err != nil {
			t.Fatal(err)
		}
		vanish(bare, round)
	}
	deadline := time.Now().Add(30 * time.Second)
	for {
		// Each look is a request that needs a place of its own, so that a lost one is noticed.
		if a := s.ask(http.MethodGet, "/"+testBucket+"/large", nil, "Range: bytes=0-9"); a.status != 206 {
			t.Fatalf("%s", a)
		}
		s.server.Client().CloseIdleConnections()
		nowGoroutines, nowFiles := runtime.NumGoroutine(), openFiles()
		if nowGoroutines <= goroutines+3 && nowFiles <= files+3 {
			break
		}
		if time.Now().After(deadline) {
			stacks := make([]byte, 1<<16)
			t.Fatalf("%d goroutines, before %d; %d descriptors, before %d\n%s", nowGoroutines, goroutines, nowFiles, files, stacks[:runtime.Stack(stacks, true)])
		}
	}
	// All places are free: that many uploads begin at once and none is put off.
	var conns []net.Conn
	for i := range places * 3 / 4 {
		r := s.request(http.MethodPut, fmt.Sprintf("/%s/place-%d", testBucket, i))
		s.signer.sign(r, formUnsigned, body[:1000])
		r.Header.Set("Expect", "100-continue")
		conn := dial(t, s, r, nil)
		line := make([]byte, len("HTTP/1.1 100"))
		if _, err := io.ReadFull(conn, line); err != nil || !strings.HasSuffix(string(line), " 100") {
			t.Fatalf("upload %d of %d: %q %v", i+1, places, line, err)
		}
		conns = append(conns, conn)
	}
	for _, conn := range conns {
		_ = conn.Close()
	}
	s.want(s.ask(http.MethodHead, "/"+testBucket+"/vanished", nil), 404, "")
}

// discarding is a backend that throws large bodies away, so that what is measured is the gateway's memory.
type discarding struct {
	driver.Driver
	stored int64
}

// Put reads large bodies to their end.
func (d *discarding) Put(ctx context.Context, key string, body io.Reader, size int64, opts *driver.PutOptions) (*driver.Info, error) {
	if size < 1<<20 {
		return d.Driver.Put(ctx, key, body, size, opts)
	}
	n, err := io.Copy(io.Discard, driver.ExactBody(body, size))
	d.stored += n
	return &driver.Info{Key: key, Size: size, ETag: "1"}, err
}

// block repeats itself to any length.
type block struct {
	bytes []byte
	at    int
}

// Read fills p.
func (b *block) Read(p []byte) (n int, err error) {
	for n < len(p) {
		m := copy(p[n:], b.bytes[b.at:])
		n, b.at = n+m, (b.at+m)%len(b.bytes)
	}
	return n, nil
}

// TestBodiesAreNeverHeldWhole is regression A15 and H3: neither a hash of the whole body that must match, nor one chunk as large as the object, makes
// the gateway keep the body.
func TestBodiesAreNeverHeldWhole(t *testing.T) {
	const size = 64 << 20
	s := newSite(t, siteOptions{})
	sink := &discarding{Driver: s.backend.Driver}
	s.backend.Driver = sink
	content := func() io.Reader { return io.LimitReader(&block{bytes: pattern(1 << 16)}, size) }
	sum, crc := sha256.New(), crc32.NewIEEE()
	if _, err := io.Copy(io.MultiWriter(sum, crc), content()); err != nil {
		t.Fatal(err)
	}
	digest, trailer := hex.EncodeToString(sum.Sum(nil)), "x-amz-checksum-crc32:"+base64.StdEncoding.EncodeToString(crc.Sum(nil))
	framed := func(r *http.Request, f form) (head, tail string) {
		r.Header.Set("Content-Encoding", "aws-chunked")
		r.Header.Set("X-Amz-Decoded-Content-Length", strconv.Itoa(size))
		if f == formUnsignedTrailer {
			r.Header.Set("X-Amz-Trailer", "x-amz-checksum-crc32")
			s.signer.signHeader(r, sentinelOf(f))
			return fmt.Sprintf("%x\r\n", size), "\r\n0\r\n" + trailer + "\r\n\r\n"
		}
		previous := s.signer.signHeader(r, sentinelOf(f))
		sign := func(digest string) string {
			previous = s.signer.mac(strings.Join([]string{"AWS4-HMAC-SHA256-PAYLOAD", s.signer.stamp(), s.signer.scope(), previous, hexSHA(nil), digest}, "\n"))
			return previous
		}
		return fmt.Sprintf("%x;chunk-signature=%s\r\n", size, sign(digest)), "\r\n0;chunk-signature=" + sign(hexSHA(nil)) + "\r\n\r\n"
	}
	for _, f := range []form{formHashed, formStreaming, formUnsignedTrailer} {
		for _, good := range []bool{true, true, false} { // the first fills what is kept between requests
			r := s.request(http.MethodPut, "/"+testBucket+"/large")
			head, tail := "", ""
			if f == formHashed {
				s.signer.signHeader(r, digest)
			} else {
				head, tail = framed(r, f)
			}
			body := []io.Reader{strings.NewReader(head), content(), strings.NewReader(tail)}
			if !good { // the last byte is another
				body = slices.Replace(body, 1, 2, io.LimitReader(content(), size-1), io.Reader(strings.NewReader("\x00")))
			}
			r.Body, r.ContentLength = io.NopCloser(io.MultiReader(body...)), int64(len(head)+size+len(tail))
			r.RequestURI, r.RemoteAddr = r.URL.RequestURI(), "127.0.0.1:1"
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			w := httptest.NewRecorder()
			s.handler.ServeHTTP(w, r)
			runtime.ReadMemStats(&after)
			if (w.Code == 200) != good {
				t.Fatalf("%s, right %v: %d %s", f, good, w.Code, w.Body)
			}
			if each := after.TotalAlloc - before.TotalAlloc; each > 4<<20 {
				t.Errorf("%s, right %v: a body of %d bytes allocates %d", f, good, size, each)
			}
		}
	}
	if sink.stored < 6*size {
		t.Errorf("the backend was given %d bytes: this measured something else", sink.stored)
	}
}
