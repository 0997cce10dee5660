package s3api

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// TestNothingIsAcceptedAndIgnored sends what cannot be honoured to every write: it is refused, and nothing is written.
func TestNothingIsAcceptedAndIgnored(t *testing.T) {
	s := newSite(t, siteOptions{})
	s.put("source", []byte("x"))
	id := s.createUpload("u")
	targets := map[string][]string{
		"PutObject":             {http.MethodPut, "/" + testBucket + "/new"},
		"CopyObject":            {http.MethodPut, "/" + testBucket + "/new", "x-amz-copy-source: bucket/source"},
		"CreateMultipartUpload": {http.MethodPost, "/" + testBucket + "/new?uploads"},
		"UploadPart":            {http.MethodPut, "/" + testBucket + "/u?partNumber=1&uploadId=" + id},
		"CreateBucket":          {http.MethodPut, "/new-bucket"},
	}
	for header, want := range map[string]string{
		"x-amz-acl: public-read":                                    "NotImplemented",
		"x-amz-acl: nonsense":                                       "InvalidArgument",
		"x-amz-grant-read: id=1":                                    "NotImplemented",
		"x-amz-grant-full-control: id=1":                            "NotImplemented",
		"x-amz-storage-class: GLACIER":                              "InvalidStorageClass",
		"x-amz-server-side-encryption: aws:kms":                     "NotImplemented",
		"x-amz-server-side-encryption: rot13":                       "InvalidArgument",
		"x-amz-server-side-encryption-aws-kms-key-id: k":            "NotImplemented",
		"x-amz-server-side-encryption-context: e30=":                "NotImplemented",
		"x-amz-server-side-encryption-bucket-key-enabled: true":     "NotImplemented",
		"x-amz-website-redirect-location: /x":                       "NotImplemented",
		"x-amz-object-lock-mode: GOVERNANCE":                        "NotImplemented",
		"x-amz-object-lock-retain-until-date: 2030-01-01T00:00:00Z": "NotImplemented",
		"x-amz-object-lock-legal-hold: ON":                          "NotImplemented",
		"x-amz-write-offset-bytes: 0":                               "NotImplemented",
		"x-amz-expected-bucket-owner: 123456789012":                 "AccessDenied",
		"x-amz-security-token: abc":                                 "InvalidToken",
		"x-amz-something-new: 1":                                    "NotImplemented",
		"Content-Range: bytes 5-9/10":                               "NotImplemented",
		"Content-Range: ":                                           "NotImplemented",
		"x-sallyport-anything: 1":                                   "InvalidArgument",
		"X-SALLYPORT-Key: 1":                                        "InvalidArgument",
	} {
		for name, target := range targets {
			if a := s.ask(target[0], target[1], nil, append(target[2:], header)...); a.code() != want || a.status != statusOf(want) {
				t.Errorf("%s with %s: %s", name, header, a)
			}
		}
	}
	for header, names := range map[string][]string{
		"x-amz-checksum-type: COMPOSITE": {"PutObject", "CopyObject"},
		"x-amz-checksum-type: ":          {"PutObject", "CopyObject"},
		"x-amz-checksum-type: nonsense":  {"PutObject", "CopyObject", "CreateMultipartUpload"},
	} {
		for _, name := range names {
			s.want(s.ask(targets[name][0], targets[name][1], nil, append(targets[name][2:], header)...), 400, "InvalidRequest")
		}
	}
	s.want(s.ask(http.MethodPut, "/"+testBucket+"/new", nil, "x-amz-checksum-algorithm: SHA256", "x-amz-checksum-crc32: AAAAAA=="), 400, "InvalidRequest")
	for _, name := range []string{"PutObject", "CopyObject", "CreateMultipartUpload"} {
		target := targets[name]
		for header, want := range map[string]string{
			"x-amz-tagging: a=b":                                 "NotImplemented",
			"x-amz-tagging: %zz":                                 "NotImplemented",
			"x-amz-meta-sallyport-key: 1":                        "InvalidArgument",
			"X-AMZ-META-Sallyport-Salt: 1":                       "InvalidArgument",
			"x-amz-meta-big: " + strings.Repeat("v", 2<<10):      "MetadataTooLarge",
			"Content-Disposition: " + strings.Repeat("v", 8<<10): "MetadataTooLarge",
		} {
			headers := append(target[2:], header, "x-amz-metadata-directive: REPLACE")
			if name != "CopyObject" {
				headers = headers[:len(headers)-1]
			}
			if a := s.ask(target[0], target[1], nil, headers...); a.code() != want {
				t.Errorf("%s with %.60s: %s", name, header, a)
			}
		}
	}
	for _, key := range []string{"/new", "/u"} {
		s.want(s.ask(http.MethodHead, "/"+testBucket+key, nil), 404, "")
	}
	s.want(s.ask(http.MethodHead, "/new-bucket", nil), 404, "")
	if a := s.ask(http.MethodGet, "/"+testBucket+"?uploads", nil); strings.Count(string(a.body), "<Upload>") != 1 {
		t.Errorf("an upload was begun: %s", a)
	}
}

// TestTruthsAreAccepted sends what is so anyway.
func TestTruthsAreAccepted(t *testing.T) {
	s := newSite(t, siteOptions{})
	for _, header := range []string{
		"x-amz-acl: private", "x-amz-acl: bucket-owner-full-control", "x-amz-storage-class: STANDARD", "x-amz-server-side-encryption: AES256",
		"x-amz-tagging: ", "x-amz-request-payer: requester", "x-amz-checksum-type: FULL_OBJECT", "Cache-Control: no-cache", "Expires: Wed, 21 Oct 2026 07:28:00 GMT", "x-amz-meta-leer: ",
	} {
		a := s.put("k", []byte("x"), header)
		if echo := a.header.Get("X-Amz-Server-Side-Encryption"); (echo == "AES256") != strings.Contains(header, "AES256") {
			t.Errorf("%s: echo %q", header, echo)
		}
	}
	r := s.request(http.MethodPut, "/"+testBucket+"/k", "x-amz-storage-class: STANDARD")
	r.Header["X-Amz-Acl"] = []string{"private", "public-read"}
	s.signer.sign(r, formHashed, nil) // signs the first value only, as one that is fooled would
	s.want(s.send(r), 403, "SignatureDoesNotMatch")
	for name, values := range map[string][]string{"X-Amz-Acl": {"private", "public-read"}, "Content-Type": {"a/b", "c/d"}, "Range": {"bytes=0-0", "bytes=1-1"}} {
		err := checkHeaders(http.Header{name: values}, &operation{method: http.MethodPut, headers: contentGroup})
		if err == nil || describe(err).code != "InvalidArgument" {
			t.Errorf("%s twice: %v", name, err)
		}
	}
	s.want(s.put("k", []byte("x"), "x-amz-meta-a: 1"), 200, "")
	r = s.request(http.MethodPut, "/"+testBucket+"/framed", "Content-Encoding: aws-chunked")
	s.signer.sign(r, formUnsigned, []byte("3\r\nabc\r\n0\r\n\r\n"))
	s.want(s.send(r), 400, "InvalidRequest") // framing that no signature vouches for would be stored as data
}

func TestCreateBucketConfiguration(t *testing.T) {
	s := newSite(t, siteOptions{region: "eu-west-1"})
	for i, c := range []struct{ document, code string }{
		{"", ""},
		{"<CreateBucketConfiguration/>", ""},
		{"<CreateBucketConfiguration><LocationConstraint>eu-west-1</LocationConstraint></CreateBucketConfiguration>", ""},
		{`<CreateBucketConfiguration xmlns="x"><LocationConstraint></LocationConstraint></CreateBucketConfiguration>`, ""},
		{"<CreateBucketConfiguration><LocationConstraint>us-west-2</LocationConstraint></CreateBucketConfiguration>", "InvalidLocationConstraint"},
		{"<CreateBucketConfiguration><Tags><Tag/></Tags></CreateBucketConfiguration>", "NotImplemented"},
		{"<CreateBucketConfiguration><Bucket/></CreateBucketConfiguration>", "NotImplemented"},
		{"<CreateBucketConfiguration><Other/></CreateBucketConfiguration>", "MalformedXML"},
		{"<Other/>", "MalformedXML"},
		{"nonsense", "MalformedXML"},
	} {
		a := s.ask(http.MethodPut, fmt.Sprintf("/bucket-%d", i), []byte(c.document))
		if a.code() != c.code || (c.code == "") != (a.status == 200) {
			t.Errorf("%s: %s", c.document, a)
		}
		if c.code != "" {
			s.want(s.ask(http.MethodHead, fmt.Sprintf("/bucket-%d", i), nil), 404, "")
		}
	}
}
