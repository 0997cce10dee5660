package s3api

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"sallyport/config/secret"
	"sallyport/gateway/auth"
	"sallyport/gateway/checksum"
	"sallyport/gateway/objects"
)

// TestHeaderNamesInTheURL: a name that no header can have would get past the checks of names and then be dropped or stored as it is.
func TestHeaderNamesInTheURL(t *testing.T) {
	for name, ok := range map[string]bool{
		"x-amz-meta-a": true, "X-Amz-Meta-A_b": true, "x-amz-meta-a b": false, "X-Amz-Meta-a\r\nx": false, "x-amz-meta-ü": false,
	} {
		_, err := hoistedHeaders(http.Header{}, parameters{name: "v"})
		if (err == nil) != ok {
			t.Errorf("%q: %v", name, err)
		}
	}
}

// TestBodyWithoutLength: to HTTP such a request has no body, and what follows is the next request; an empty object must not take the place of what was meant.
func TestBodyWithoutLength(t *testing.T) {
	s := newSite(t, siteOptions{})
	bodyRoutes(t, s, func(t *testing.T, target string, check func(*testing.T)) {
		for _, version := range []string{"HTTP/1.0", "HTTP/1.1"} {
			for _, f := range []form{formUnsigned, formPresigned} {
				r := s.request(http.MethodPut, target)
				s.signer.sign(r, f, nil)
				r.Body, r.ContentLength = nil, 0
				conn := dialWithoutLength(t, s, r, version, "what is sent")
				a := readAnswer(t, conn)
				if a.status != 411 || a.code() != "MissingContentLength" {
					t.Errorf("%s, %s: %s", version, f, a)
				}
				if _, err := conn.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
					t.Errorf("%s, %s: the connection stays open: %v", version, f, err)
				}
				check(t)
			}
		}
	})
	s.want(s.ask(http.MethodPut, "/"+testBucket+"/empty", nil), 200, "")
}

// dialWithoutLength opens a connection and sends r with a body whose length its head does not say.
func dialWithoutLength(t *testing.T, s *site, r *http.Request, version, body string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", s.server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	var text strings.Builder
	fmt.Fprintf(&text, "%s %s %s\r\nHost: %s\r\n", r.Method, r.URL.RequestURI(), version, r.URL.Host)
	if err := r.Header.Write(&text); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(conn, text.String()+"\r\n"+body); err != nil {
		t.Fatal(err)
	}
	if err := conn.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return conn
}

// TestEmptySourceCondition: a condition that says nothing must not be taken for none.
func TestEmptySourceCondition(t *testing.T) {
	for _, name := range []string{
		"X-Amz-Copy-Source-If-Match", "X-Amz-Copy-Source-If-None-Match", "X-Amz-Copy-Source-If-Modified-Since", "X-Amz-Copy-Source-If-Unmodified-Since",
	} {
		for _, value := range []string{"", `""`, " , "} {
			if _, err := sourceConditions(http.Header{name: {value}}); err == nil {
				t.Errorf("%s: %q is taken for no condition", name, value)
			}
		}
	}
}

// TestEmptyConditionOfARead: a client whose variable was empty must not get just any revision.
func TestEmptyConditionOfARead(t *testing.T) {
	s := newSite(t, siteOptions{})
	s.put("k", []byte("content"))
	for _, method := range []string{http.MethodGet, http.MethodHead} {
		for _, header := range []string{"If-Match: ", `If-Match: ""`, "If-None-Match: "} {
			if a := s.ask(method, "/"+testBucket+"/k", nil, header); a.status != 400 {
				t.Errorf("%s with %s: %s", method, header, a)
			}
		}
		if a := s.ask(method, "/"+testBucket+"/k", nil, "If-Match: *"); a.status != 200 {
			t.Errorf("%s with a star: %s", method, a)
		}
	}
}

// TestEmptyHeadersOfUploads: a range, size or checksum that came out empty was meant to be one, and must not be taken for none.
func TestEmptyHeadersOfUploads(t *testing.T) {
	s := newSite(t, siteOptions{})
	s.put("source", []byte("the whole source"))
	id := s.createUpload("u")
	target := "/" + testBucket + "/u?uploadId=" + id
	s.want(s.ask(http.MethodPut, target+"&partNumber=1", nil, "x-amz-copy-source: bucket/source", "x-amz-copy-source-range: "), 400, "InvalidArgument")
	if a := s.ask(http.MethodGet, target, nil); a.status != 200 || strings.Contains(string(a.body), "<Part>") {
		t.Errorf("a part was kept: %s", a)
	}
	part := s.ask(http.MethodPut, target+"&partNumber=1", []byte("x"))
	list := []byte("<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>" + part.header.Get("Etag") + "</ETag></Part></CompleteMultipartUpload>")
	s.want(s.ask(http.MethodPost, target, list, "x-amz-mp-object-size: "), 400, "InvalidArgument")
	s.want(s.ask(http.MethodPost, target, list, "x-amz-checksum-crc64nvme: "), 400, "InvalidRequest")
	s.want(s.ask(http.MethodHead, "/"+testBucket+"/u", nil), 404, "")
	s.want(s.ask(http.MethodPost, target, list), 200, "")
}

// TestMetadataNamesComeBackInLowerCase: boto3 would give its caller another name than S3 does.
func TestMetadataNamesComeBackInLowerCase(t *testing.T) {
	s := newSite(t, siteOptions{})
	s.put("k", []byte("x"), "X-Amz-Meta-Two-Words: value")
	for _, method := range []string{http.MethodGet, http.MethodHead} {
		r := s.request(method, "/"+testBucket+"/k")
		s.signer.sign(r, formHashed, nil)
		head := make([]byte, 4<<10)
		n, err := dial(t, s, r, nil).Read(head)
		if err != nil || !strings.Contains(string(head[:n]), "\r\nx-amz-meta-two-words: value\r\n") {
			t.Errorf("%s: %v\n%s", method, err, head[:n])
		}
	}
}

// TestDamagedSourceIsNotTheClientsFault: the digests of a damaged source stand in the error's tree.
func TestDamagedSourceIsNotTheClientsFault(t *testing.T) {
	err := &objects.Error{Kind: objects.Damaged, Message: "the source does not match its own checksum", Err: &checksum.Error{Reason: checksum.ChecksumMismatch}}
	if f := describe(errors.Join(err)); f.code != "ObjectDamaged" {
		t.Errorf("told as %s", f.code)
	}
}

// TestLongestDomainWins: of two domains that end alike the longer one is meant, in whatever order they are configured.
func TestLongestDomainWins(t *testing.T) {
	for _, domains := range [][]string{{"example.com", "s3.example.com"}, {"s3.example.com", "example.com"}} {
		h, ok := New(&Options{Objects: &objects.Service{}, Credentials: noCredentials{}, Domains: domains}).(*handler)
		if !ok {
			t.Fatal("New returns something else than a handler")
		}
		if bucket, found := hostBucket("b.s3.example.com", h.domains); !found || bucket != "b" {
			t.Errorf("%v: bucket %q", domains, bucket)
		}
	}
}

type noCredentials struct{}

// Lookup knows nobody.
func (noCredentials) Lookup(string) (secret.String, *auth.Principal) { return secret.String{}, nil }
