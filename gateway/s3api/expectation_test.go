package s3api

import (
	"errors"
	"io"
	"net/http"
	"testing"
)

// TestEmptyBodyIsAskedFor: botocore waits for "100 Continue" before it sends the nothing that an empty file holds. A final answer in its place makes it
// misread the answer to its next upload on the same connection. Found by TestAWSCLI on a busy machine.
func TestEmptyBodyIsAskedFor(t *testing.T) {
	s := newSite(t, siteOptions{})
	for _, f := range []form{formUnsigned, formHashed, formPresigned} {
		r := s.request(http.MethodPut, "/"+testBucket+"/empty", "Expect: 100-continue")
		s.signer.sign(r, f, nil)
		conn := dial(t, s, r, nil)
		const want = "HTTP/1.1 100 Continue\r\n\r\n" // and no headers
		got := make([]byte, len(want))
		if _, err := io.ReadFull(conn, got); err != nil || string(got) != want {
			t.Fatalf("%s: %q, %v", f, got, err)
		}
		a := readAnswer(t, conn)
		if a.status != 200 || a.header.Get("Etag") != `"d41d8cd98f00b204e9800998ecf8427e"` || a.header.Get("X-Amz-Request-Id") == "" || a.header.Get("Connection") != "" {
			t.Errorf("%s: %s %v", f, a, a.header)
		}
	}
	// A refusal is final at once, and nothing else may come on that connection.
	for _, path := range []string{"/no-such-bucket/empty", "/" + testBucket + "?tagging", "/" + testBucket + "/empty?acl"} {
		r := s.request(http.MethodPut, path, "Expect: 100-continue")
		s.signer.sign(r, formUnsigned, nil)
		conn := dial(t, s, r, nil)
		a := readAnswer(t, conn)
		if a.status == http.StatusContinue {
			continue // it was let in, and what comes then is no surprise
		}
		if a.status < 400 {
			t.Errorf("%s: %s", path, a)
		}
		if _, err := conn.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
			t.Errorf("%s: the connection stays open: %v", path, err)
		}
	}
}
