package s3api

import (
	"bytes"
	"net/http"
	"strings"
	"testing"
)

// TestPostFormsAreRefusedUnread is regression C1, C2 and C3: there is no upload by form, so no policy is believed for another bucket, none is half
// enforced, and none can crash its parser. The body is not looked at.
func TestPostFormsAreRefusedUnread(t *testing.T) {
	s := newSite(t, siteOptions{})
	form := func(fields ...string) []byte {
		var b bytes.Buffer
		for i := 0; i < len(fields); i += 2 {
			b.WriteString("--x\r\nContent-Disposition: form-data; name=\"" + fields[i] + "\"\r\n\r\n" + fields[i+1] + "\r\n")
		}
		b.WriteString("--x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"f\"\r\n\r\nbytes\r\n--x--\r\n")
		return b.Bytes()
	}
	for id, bodies := range map[string][][]byte{
		"C1 policy of another bucket": {form("key", "k", "bucket", "another-bucket", "policy", "eyJjb25kaXRpb25zIjpbeyJidWNrZXQiOiJhbm90aGVyIn1dfQ==", "x-amz-signature", strings.Repeat("0", 64))},
		"C2 conditions unmet":         {form("key", "not/allowed", "policy", "eyJjb25kaXRpb25zIjpbWyJzdGFydHMtd2l0aCIsIiRrZXkiLCJhbGxvd2VkLyJdXX0="), form("key", "k", "acl", "public-read")},
		"C3 conditions malformed":     {form("policy", "bnVsbA=="), form("policy", "eyJjb25kaXRpb25zIjpbbnVsbCxbXSxbMV0se31dfQ=="), form("policy", "!!"), form("policy"[:0], ""), []byte("--x"), []byte("no form"), nil},
	} {
		t.Run(id, func(t *testing.T) {
			for _, body := range bodies {
				for _, target := range []string{"/" + testBucket, "/" + testBucket + "/", "/" + testBucket + "/key", "/"} {
					for _, kind := range []string{"multipart/form-data; boundary=x", "Multipart/Form-Data", "multipart/form-data; boundary=\"", "MULTIPART/FORM-DATA;"} {
						r := s.request(http.MethodPost, target, "Content-Type: "+kind)
						setBody(r, body)
						s.want(s.send(r), 501, "NotImplemented")
					}
				}
				// Signed as a request, to the address of forms, it is no other operation either.
				s.want(s.ask(http.MethodPost, "/"+testBucket, body, "Content-Type: multipart/form-data; boundary=x"), 501, "NotImplemented")
			}
			if s.backend.touched() {
				t.Error("the backend was touched")
			}
		})
	}
}

// TestLocksCannotBeAskedAway is regression D3: nothing of retention, legal hold or policy status has effect, so that none can be reached with another's
// permission, and the header that skips retention is refused and not ignored.
func TestLocksCannotBeAskedAway(t *testing.T) {
	s := newSite(t, siteOptions{})
	s.put("k", []byte("x"))
	for _, c := range [][2]string{
		{http.MethodDelete, "/k"}, {http.MethodDelete, "/k?versionId=null"}, {http.MethodPut, "/k"}, {http.MethodPost, "?delete"},
	} {
		body := []byte("<Delete><Object><Key>k</Key></Object></Delete>")
		a := s.ask(c[0], "/"+testBucket+c[1], body, "Content-Md5: "+base64MD5(body), "x-amz-bypass-governance-retention: true")
		if a.status != 501 && a.status != 400 {
			t.Errorf("%v: %s", c, a)
		}
		if a := s.ask(http.MethodGet, "/"+testBucket+"/k", nil); string(a.body) != "x" {
			t.Fatalf("%v: the object is gone or changed: %s", c, a)
		}
	}
	for _, query := range []string{"retention", "legal-hold"} {
		s.want(s.ask(http.MethodPut, "/"+testBucket+"/k?"+query, []byte("<X/>")), 501, "NotImplemented")
		s.want(s.ask(http.MethodGet, "/"+testBucket+"/none?"+query, nil), 404, "")
	}
	s.want(s.ask(http.MethodPut, "/"+testBucket+"?object-lock", []byte("<X/>")), 501, "NotImplemented")
	s.want(s.ask(http.MethodPut, "/"+testBucket+"?policy", []byte("{}")), 501, "NotImplemented")
}

// TestKeyTriplesOfACopy is regression E10: both keys of a copy are whole or refused, none stands in for the other, and an empty header is no absence.
func TestKeyTriplesOfACopy(t *testing.T) {
	s := newSite(t, siteOptions{})
	s.put("source", []byte("canary"), append(sse(1), "x-amz-meta-note: canary-metadata")...)
	s.put("plain", []byte("plain"))
	id := s.createUpload("upload")
	keyed := s.createUpload("upload", sse(1)...)
	targets := map[string]string{
		"CopyObject": "/" + testBucket + "/copy", "UploadPartCopy": "/" + testBucket + "/upload?partNumber=1&uploadId=" + id,
		"UploadPartCopy under a key": "/" + testBucket + "/upload?partNumber=1&uploadId=" + keyed,
	}
	empty := []string{"x-amz-server-side-encryption-customer-key: ", "x-amz-server-side-encryption-customer-key-md5: "}
	source, own := sourceSSE(1), sse(1)
	for name, target := range targets {
		for what, headers := range map[string][]string{
			"no source key": nil, "the key for the copy alone": own, "another source key": sourceSSE(2), "source algorithm only": source[:1],
			"source without algorithm": source[1:], "source without MD5": source[:2], "source key and the other's MD5": append(source[:2:2], sourceSSE(2)[2]),
			"source whole, own half": append(source[:3:3], own[:2]...), "own whole, source half": append(own[:3:3], source[:2]...),
			"mixed": {source[0], own[1], source[2]}, "source whole, own empty": append(source[:3:3], empty...),
		} {
			if a := s.ask(http.MethodPut, target, nil, append(headers, "x-amz-copy-source: bucket/source")...); a.status < 400 || a.status >= 500 {
				t.Errorf("%s, %s: %s", name, what, a)
			} else if strings.Contains(a.String(), "canary") {
				t.Errorf("%s, %s: the answer shows the source: %s", name, what, a)
			}
		}
		if a := s.ask(http.MethodPut, target, nil, append(source[:3:3], "x-amz-copy-source: bucket/plain")...); a.status < 400 || a.status >= 500 {
			t.Errorf("%s, a key for a source that has none: %s", name, a)
		}
	}
	s.want(s.ask(http.MethodHead, "/"+testBucket+"/copy", nil), 404, "")
	for _, upload := range []string{id, keyed} {
		if a := s.ask(http.MethodGet, "/"+testBucket+"/upload?uploadId="+upload, nil); strings.Contains(string(a.body), "<Part>") {
			t.Errorf("a part was kept: %s", a)
		}
	}
	for _, target := range []string{"/" + testBucket + "/empty", "/" + testBucket + "/upload?partNumber=1&uploadId=" + id} {
		s.want(s.ask(http.MethodPut, target, []byte("x"), empty...), 400, "")
		s.want(s.ask(http.MethodPut, target, []byte("x"), empty[0]), 400, "")
		s.want(s.ask(http.MethodPut, target, []byte("x"), empty[1]), 400, "")
	}
	s.want(s.ask(http.MethodHead, "/"+testBucket+"/empty", nil), 404, "")
}
