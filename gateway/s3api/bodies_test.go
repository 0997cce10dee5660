package s3api

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"hash/crc32"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
)

// setBody replaces the bytes of a signed request, with their true length.
func setBody(r *http.Request, b []byte) {
	r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(b)), int64(len(b))
	r.GetBody = nil
}

func bodyOfRequest(t *testing.T, r *http.Request) []byte {
	t.Helper()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestChosenAlgorithm: a checksum that is asked for and not sent is computed, as copies and uploads compute it.
func TestChosenAlgorithm(t *testing.T) {
	s := newSite(t, siteOptions{})
	body := []byte("some bytes")
	s.want(s.ask(http.MethodPut, "/"+testBucket+"/k", body, "x-amz-checksum-algorithm: CRC99"), 400, "InvalidRequest")
	s.want(s.ask(http.MethodPut, "/"+testBucket+"/k", body, "x-amz-checksum-algorithm: MD5"), 501, "NotImplemented")
	put := s.ask(http.MethodPut, "/"+testBucket+"/k", body, "x-amz-checksum-algorithm: crc32")
	head := s.ask(http.MethodHead, "/"+testBucket+"/k", nil, "x-amz-checksum-mode: ENABLED")
	for _, a := range []*answer{put, head} {
		if a.status != 200 || a.header.Get("X-Amz-Checksum-Crc32") != crc32Base64(body) || a.header.Get("X-Amz-Checksum-Crc64nvme") != "" {
			t.Errorf("%s: %v", a, a.header)
		}
	}
}

func crc32Base64(b []byte) string {
	sum := crc32.ChecksumIEEE(b)
	return base64.StdEncoding.EncodeToString([]byte{byte(sum >> 24), byte(sum >> 16), byte(sum >> 8), byte(sum)})
}

// bodyRoutes are the two places where an object's bytes come in. check fails the test if the bytes of a refused request were kept.
func bodyRoutes(t *testing.T, s *site, run func(t *testing.T, target string, check func(t *testing.T))) {
	t.Run("PutObject", func(t *testing.T) {
		s.put("kept", []byte("the old object"))
		run(t, "/"+testBucket+"/kept", func(t *testing.T) {
			t.Helper()
			if a := s.ask(http.MethodGet, "/"+testBucket+"/kept", nil); string(a.body) != "the old object" {
				t.Errorf("the old object was harmed: %s", a)
			}
		})
		run(t, "/"+testBucket+"/new", func(t *testing.T) {
			t.Helper()
			s.want(s.ask(http.MethodGet, "/"+testBucket+"/new", nil), 404, "NoSuchKey")
		})
	})
	t.Run("UploadPart", func(t *testing.T) {
		id := s.createUpload("upload")
		run(t, "/"+testBucket+"/upload?partNumber=1&uploadId="+id, func(t *testing.T) {
			t.Helper()
			a := s.ask(http.MethodGet, "/"+testBucket+"/upload?uploadId="+id, nil)
			if a.status != 200 || strings.Contains(string(a.body), "<Part>") {
				t.Errorf("a part was kept: %s", a)
			}
		})
	})
}

func (s *site) createUpload(key string, headers ...string) string {
	s.t.Helper()
	a := s.ask(http.MethodPost, "/"+testBucket+"/"+key+"?uploads", nil, headers...)
	s.want(a, 200, "")
	return between(string(a.body), "<UploadId>", "</UploadId>")
}

func between(s, from, to string) string {
	_, rest, _ := strings.Cut(s, from)
	value, _, _ := strings.Cut(rest, to)
	return value
}

// TestBrokenPromisesStoreNothing covers digests in headers: what does not match is not kept.
func TestBrokenPromisesStoreNothing(t *testing.T) {
	s := newSite(t, siteOptions{})
	body, other := []byte("what is sent"), []byte("what was meant")
	bodyRoutes(t, s, func(t *testing.T, target string, check func(*testing.T)) {
		for _, c := range []struct {
			name, header string
			status       int
			code         string
		}{
			{"Content-MD5", "Content-Md5: " + base64MD5(other), 400, "BadDigest"},
			{"malformed Content-MD5", "Content-Md5: abc", 400, "InvalidDigest"},
			{"empty Content-MD5", "Content-Md5: ", 400, "InvalidDigest"},
			{"CRC32", "x-amz-checksum-crc32: " + crc32Base64(other), 400, "BadDigest"},
			{"malformed CRC32", "x-amz-checksum-crc32: AAAA", 400, "InvalidRequest"},
			{"checksum announced and not sent", "x-amz-sdk-checksum-algorithm: CRC32", 400, "InvalidRequest"},
			{"unknown algorithm", "x-amz-checksum-crc99: AAAA", 501, "NotImplemented"},
			{"trailer without framing", "x-amz-trailer: x-amz-checksum-crc32", 400, "InvalidRequest"},
		} {
			a := s.do(formUnsigned, http.MethodPut, target, body, c.header)
			if a.status != c.status || a.code() != c.code {
				t.Errorf("%s: %s", c.name, a)
			}
			check(t)
		}
		r := s.request(http.MethodPut, target)
		s.signer.sign(r, formHashed, other)
		setBody(r, body)
		if a := s.send(r); a.status != 400 || a.code() != "XAmzContentSHA256Mismatch" {
			t.Errorf("payload hash: %s", a)
		}
		check(t)
		r = s.request(http.MethodPut, target)
		s.signer.sign(r, formUnsigned, body)
		setBody(r, body)
		r.ContentLength = -1
		if a := s.send(r); a.status != 411 || a.code() != "MissingContentLength" {
			t.Errorf("no length: %s", a)
		}
		check(t)
	})
}

// TestTamperedChunksStoreNothing is regression A6 to A9 on the wire.
func TestTamperedChunksStoreNothing(t *testing.T) {
	s := newSite(t, siteOptions{})
	plain := pattern(3*testChunk + 100)
	frame := func(f form, n int) int { // bytes of one full chunk with its framing
		header := fmt.Sprintf("%x\r\n", n)
		if f != formUnsignedTrailer {
			header = fmt.Sprintf("%x;chunk-signature=%064d\r\n", n, 0)
		}
		return len(header) + n + 2
	}
	bodyRoutes(t, s, func(t *testing.T, target string, check func(*testing.T)) {
		for _, f := range []form{formStreaming, formStreamTrailer, formUnsignedTrailer} {
			one := frame(f, testChunk)
			mutations := map[string]func(b []byte) []byte{
				"byte of the first chunk": func(b []byte) []byte { b[one/2] ^= 1; return b },
				"byte of the last chunk":  func(b []byte) []byte { b[bytes.Index(b, plain[3*testChunk:])+50] ^= 1; return b },
				"framing cut off":         func(b []byte) []byte { return b[:len(b)-testChunk] },
				"final chunk missing":     func(b []byte) []byte { return b[:bytes.LastIndex(b, []byte("\r\n0"))+2] },
				"chunk dropped":           func(b []byte) []byte { return append(bytes.Clone(b[:one]), b[2*one:]...) },
				"chunk repeated":          func(b []byte) []byte { return append(bytes.Clone(b[:2*one]), b[one:]...) },
				"something behind":        func(b []byte) []byte { return append(b, "more"...) },
				"no framing":              func([]byte) []byte { return plain },
				"nothing":                 func([]byte) []byte { return nil },
			}
			if f != formUnsignedTrailer {
				mutations["chunks swapped"] = func(b []byte) []byte {
					return bytes.Join([][]byte{b[one : 2*one], b[:one], b[2*one:]}, nil)
				}
				mutations["signature"] = func(b []byte) []byte {
					i := bytes.Index(b, []byte("chunk-signature=")) + 20
					b[i] = map[bool]byte{true: '0', false: '1'}[b[i] != '0']
					return b
				}
			}
			if f != formStreaming {
				mutations["trailer"] = func(b []byte) []byte {
					i := bytes.Index(b, []byte("x-amz-checksum-crc32:")) + 22
					b[i] = map[bool]byte{true: 'A', false: 'B'}[b[i] != 'A']
					return b
				}
				mutations["trailer missing"] = func(b []byte) []byte {
					return append(b[:bytes.Index(b, []byte("x-amz-checksum-crc32:"))], "\r\n"...)
				}
			}
			for name, mutate := range mutations {
				r := s.request(http.MethodPut, target)
				s.signer.sign(r, f, plain)
				setBody(r, mutate(bodyOfRequest(t, r)))
				if a := s.send(r); a.status < 400 || a.status >= 500 {
					t.Errorf("%s, %s: %s", f, name, a)
				}
				check(t)
			}
		}
	})
}

// TestCutBodiesStoreNothing cuts a signed body at many offsets: always a refusal, and nothing kept.
func TestCutBodiesStoreNothing(t *testing.T) {
	s := newSite(t, siteOptions{})
	plain := pattern(300)
	for _, f := range []form{formStreaming, formStreamTrailer, formUnsignedTrailer} {
		whole := s.request(http.MethodPut, "/"+testBucket+"/cut")
		s.signer.sign(whole, f, plain)
		b := bodyOfRequest(t, whole)
		for n := range b {
			if bytes.Equal(b[n:], []byte("\r\n")) || bytes.Equal(b[n:], []byte("\n")) {
				continue // the last blank line may be missing: minio-go's own framing is whole without it
			}
			r := s.request(http.MethodPut, "/"+testBucket+"/cut")
			r.Header = whole.Header.Clone()
			setBody(r, b[:n])
			if a := s.send(r); a.status < 400 || a.status >= 500 {
				t.Fatalf("%s cut at %d of %d: %s", f, n, len(b), a)
			}
		}
		s.want(s.ask(http.MethodHead, "/"+testBucket+"/cut", nil), 404, "")
	}
}

// TestFramingNeverReachesTheObject is regression A10: every route that takes bytes, in every form, gives back the bytes and no framing.
func TestFramingNeverReachesTheObject(t *testing.T) {
	s := newSite(t, siteOptions{})
	body := pattern(5 << 20)
	for _, f := range allForms() {
		id := s.createUpload("framed")
		part := s.do(f, http.MethodPut, "/"+testBucket+"/framed?partNumber=1&uploadId="+id, body)
		s.want(part, 200, "")
		list := fmt.Sprintf("<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>%s</ETag></Part></CompleteMultipartUpload>", part.header.Get("Etag"))
		s.want(s.do(f, http.MethodPost, "/"+testBucket+"/framed?uploadId="+id, []byte(list)), 200, "")
		get := s.ask(http.MethodGet, "/"+testBucket+"/framed", nil)
		if !bytes.Equal(get.body, body) {
			t.Errorf("%s: %d bytes came back, want %d", f, len(get.body), len(body))
		}
		gz := s.do(f, http.MethodPut, "/"+testBucket+"/gz", []byte("zipped"), "Content-Encoding: gzip")
		s.want(gz, 200, "")
	}
	r := s.request(http.MethodPut, "/"+testBucket+"/gz")
	s.signer.sign(r, formStreaming, []byte("zipped"))
	r.Header.Set("Content-Encoding", "aws-chunked,gzip")
	s.want(s.send(r), 200, "")
	if a := s.ask(http.MethodHead, "/"+testBucket+"/gz", nil); a.header.Get("Content-Encoding") != "gzip" {
		t.Errorf("Content-Encoding %q", a.header.Get("Content-Encoding"))
	}
}

// TestFramingWithoutStreamingIsRefused: whoever says that the body is framed, and not so in x-amz-content-sha256, would find the framing in the object.
func TestFramingWithoutStreamingIsRefused(t *testing.T) {
	s := newSite(t, siteOptions{})
	framed := []byte("3;chunk-signature=0\r\nabc\r\n0;chunk-signature=0\r\n\r\n")
	bodyRoutes(t, s, func(t *testing.T, target string, check func(t *testing.T)) {
		for _, f := range []form{formHashed, formUnsigned, formPresigned} {
			for _, header := range []string{
				"x-amz-decoded-content-length: 3", "x-amz-decoded-content-length: ", "x-amz-decoded-content-length: -1", "Content-Encoding: aws-chunked", "Content-Encoding: gzip, AWS-chunked",
			} {
				if a := s.do(f, http.MethodPut, target, framed, header); a.status != 400 {
					t.Errorf("%s, %s: %s", f, header, a)
				}
				check(t)
			}
		}
		presigned := target + map[bool]string{true: "&", false: "?"}[strings.Contains(target, "?")] + "x-amz-decoded-content-length=3"
		if a := s.do(formPresigned, http.MethodPut, presigned, framed); a.status != 400 {
			t.Errorf("in the URL: %s", a)
		}
		check(t)
	})
	// Needless and true.
	s.put("k", framed, fmt.Sprintf("x-amz-decoded-content-length: %d", len(framed)))
	if a := s.ask(http.MethodGet, "/"+testBucket+"/k", nil); !bytes.Equal(a.body, framed) {
		t.Errorf("have %q", a.body)
	}
}

func TestChecksumsAreReplayed(t *testing.T) {
	s := newSite(t, siteOptions{})
	body := pattern(200000)
	crc := crc32Base64(body)
	for _, f := range []form{formHashed, formStreamTrailer, formUnsignedTrailer} {
		var headers []string
		if f == formHashed {
			headers = []string{"x-amz-checksum-crc32: " + crc}
		}
		put := s.do(f, http.MethodPut, "/"+testBucket+"/sum", body, headers...)
		s.want(put, 200, "")
		head := s.ask(http.MethodHead, "/"+testBucket+"/sum", nil, "x-amz-checksum-mode: ENABLED")
		for name, a := range map[string]*answer{"PUT": put, "HEAD": head} {
			if a.header.Get("X-Amz-Checksum-Crc32") != crc || a.header.Get("X-Amz-Checksum-Type") != "FULL_OBJECT" {
				t.Errorf("%s, %s: %v", f, name, a.header)
			}
		}
		if a := s.ask(http.MethodHead, "/"+testBucket+"/sum", nil); a.header.Get("X-Amz-Checksum-Crc32") != "" {
			t.Errorf("a checksum nobody asked for: %v", a.header)
		}
		if a := s.ask(http.MethodGet, "/"+testBucket+"/sum", nil, "x-amz-checksum-mode: ENABLED", "Range: bytes=0-9"); a.status != 206 || a.header.Get("X-Amz-Checksum-Crc32") != "" {
			t.Errorf("a range with the checksum of the whole: %s", strconv.Itoa(a.status))
		}
	}
}
