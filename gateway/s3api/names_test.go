package s3api

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"sallyport/gateway/auth"
)

// TestKeysAreBytes: what is put under a key is found under that key alone, and listed as it is.
func TestKeysAreBytes(t *testing.T) {
	s := newSite(t, siteOptions{})
	keys := []string{
		"a", "a/", "a//", "//a", "/", "//", ".", "..", "../x", "a/../b", "a/./b", "%2F", "%", "%25", "a%2Fb", "a/b", "a+b", "a b", "a%20b", "é", "é",
		"?", "a?b=c&d", "#", "a#b", "a\\b", "a;b", "\u2028", "~", "*", "'", "\"", "<>&", strings.Repeat("k", 1024), "日本/語",
	}
	for _, key := range keys {
		s.put("", nil) // the bucket itself, again: 200 in us-east-1
		a := s.ask(http.MethodPut, pathOf(key), []byte("body of "+key))
		s.want(a, 200, "")
	}
	for _, key := range keys {
		if a := s.ask(http.MethodGet, pathOf(key), nil); string(a.body) != "body of "+key {
			t.Errorf("%q: %s", key, a)
		}
		if a := s.ask(http.MethodGet, "/"+testBucket+"?list-type=2&encoding-type=url&prefix="+url.QueryEscape(key), nil); !strings.Contains(string(a.body), "<Key>"+urlEncode(key)+"</Key>") {
			t.Errorf("%q is not listed: %s", key, a)
		}
	}
	for _, key := range keys {
		s.want(s.ask(http.MethodDelete, pathOf(key), nil), 204, "")
		s.want(s.ask(http.MethodGet, pathOf(key), nil), 404, "NoSuchKey")
	}
}

func TestBadAddresses(t *testing.T) {
	s := newSite(t, siteOptions{})
	for target, want := range map[string]string{
		"/" + testBucket + "/" + strings.Repeat("k", 1025): "KeyTooLongError",
		"/" + testBucket + "/a%00b":                        "InvalidArgument",
		"/" + testBucket + "/a%ffb":                        "InvalidURI",
		"//key":                                            "InvalidBucketName",
		"/ab/key":                                          "InvalidBucketName",
		"/../key":                                          "InvalidBucketName",
		"/.sallyport/key":                                  "InvalidBucketName",
		"/UPPER/key":                                       "InvalidBucketName",
		"/under_score/key":                                 "InvalidBucketName",
		"/192.168.0.1/key":                                 "InvalidBucketName",
		"/a..b/key":                                        "InvalidBucketName",
		"/-abc/key":                                        "InvalidBucketName",
		"/abc-/key":                                        "InvalidBucketName",
		"/" + strings.Repeat("b", 64) + "/key":             "InvalidBucketName",
		"/xn--abc/key":                                     "InvalidBucketName",
		"/abc%2Fdef":                                       "NoSuchBucket", // %2F is a slash: bucket abc, key def
		"/other-bucket/key":                                "NoSuchBucket",
		"/" + testBucket + "?prefix=a&prefix=b":            "InvalidArgument",
		"/" + testBucket + "?list-type=1":                  "InvalidArgument",
		"/" + testBucket + "?max-keys=-1":                  "InvalidArgument",
		"/" + testBucket + "?max-keys=99999999999999999999":      "InvalidArgument",
		"/" + testBucket + "?max-keys=x":                         "InvalidArgument",
		"/" + testBucket + "?encoding-type=base64":               "InvalidArgument",
		"/" + testBucket + "?list-type=2&continuation-token=":    "InvalidArgument",
		"/" + testBucket + "?list-type=2&continuation-token=xyz": "InvalidArgument",
		"/" + testBucket + "?prefix=%ff":                         "InvalidArgument",
		"/" + testBucket + "?versions&version-id-marker=null":    "InvalidArgument",
		"/" + testBucket + "?versioning&acl":                     "NotImplemented",
		"/" + testBucket + "/k?versionId=":                       "InvalidArgument",
		"/" + testBucket + "/k?versionId=abc":                    "NoSuchVersion",
		"/" + testBucket + "?versionId=null":                     "InvalidArgument",
		"/" + testBucket + "/k?partNumber=0":                     "InvalidArgument",
		"/" + testBucket + "/k?partNumber=10001":                 "InvalidArgument",
		"/" + testBucket + "/k?partNumber=+1":                    "InvalidArgument",
		"/" + testBucket + "/k?uploadId=forged":                  "NoSuchUpload",
		"/" + testBucket + "?x-amz-acl=public-read":              "NotImplemented",
	} {
		if a := s.ask(http.MethodGet, target, nil); a.code() != want || a.status < 400 || a.status >= 500 && want != "NotImplemented" {
			t.Errorf("%s: %s, want %s", target, a, want)
		}
	}
	s.put("k", []byte("x"))
	s.want(s.ask(http.MethodGet, "/"+testBucket+"/k?versionId=null", nil), 200, "")
	s.want(s.ask(http.MethodHead, "/"+testBucket+"/k?versionId=null", nil), 200, "")
	s.want(s.ask(http.MethodDelete, "/"+testBucket+"/k?versionId=other", nil), 400, "InvalidArgument")
	s.want(s.ask(http.MethodPut, "/"+testBucket+"/k?versionId=null", []byte("y")), 400, "InvalidArgument")
	for _, method := range []string{http.MethodPut, http.MethodDelete} {
		for _, query := range []string{"new-subresource", "new-subresource=1", "annotation&annotationName=a", "metadata=true"} {
			s.want(s.ask(method, "/"+testBucket+"/k?"+query, []byte("y")), 501, "NotImplemented")
		}
		s.want(s.ask(method, "/"+testBucket+"?new-subresource", nil), 501, "NotImplemented")
	}
	s.want(s.ask(http.MethodGet, "/"+testBucket+"/k?new-subresource", nil), 501, "NotImplemented")
	s.want(s.ask(http.MethodGet, "/"+testBucket+"/k?cache-buster=1&x-id=GetObject", nil), 200, "")
	s.want(s.ask(http.MethodPatch, "/"+testBucket+"/k", nil), 405, "MethodNotAllowed")
	s.want(s.ask(http.MethodPost, "/"+testBucket+"/k", nil), 405, "MethodNotAllowed")
	s.want(s.ask(http.MethodGet, "/"+testBucket+"/k", nil), 200, "")
	a := s.ask(http.MethodDelete, "/"+testBucket+"/k?versionId=null", nil)
	if s.want(a, 204, ""); a.header.Get("X-Amz-Version-Id") != "null" {
		t.Errorf("deleted version %q", a.header.Get("X-Amz-Version-Id"))
	}
}

func TestVirtualHostedStyle(t *testing.T) {
	s := newSite(t, siteOptions{domains: []string{"S3.Example.test", "example.test"}})
	on := func(host, method, target string, body []byte) *answer {
		t.Helper()
		r := s.request(method, target)
		r.Host = host
		s.signer.sign(r, formHashed, body)
		return s.send(r)
	}
	s.want(on("bucket.s3.example.test:9710", http.MethodPut, "/dir/key", []byte("virtual")), 200, "")
	for _, c := range [][2]string{
		{"bucket.s3.example.test", "/dir/key"},
		{"BUCKET.S3.EXAMPLE.TEST", "/dir/key"},
		{"bucket.example.test", "/dir/key"},
		{"s3.example.test", "/bucket/dir/key"},
		{"other.test", "/bucket/dir/key"},
		{"bucket.s3.example.test.", "/dir/key"},
	} {
		if a := on(c[0], http.MethodGet, c[1], nil); string(a.body) != "virtual" {
			t.Errorf("%s%s: %s", c[0], c[1], a)
		}
	}
	s.want(on("bucket.s3.example.test", http.MethodGet, "/bucket/dir/key", nil), 404, "NoSuchKey")
	s.want(on("..s3.example.test", http.MethodGet, "/dir/key", nil), 400, "InvalidBucketName")
	s.want(on("bucket.s3.example.test", http.MethodGet, "//dir/key", nil), 404, "NoSuchKey") // another key: it begins with a slash
	if a := on("bucket.s3.example.test", http.MethodGet, "/", nil); !strings.Contains(string(a.body), "<Key>dir/key</Key>") {
		t.Errorf("list: %s", a)
	}
	s.want(on("no-bucket.s3.example.test", http.MethodGet, "/", nil), 404, "NoSuchBucket")
}

// TestCopySourceIsTheOneThatWasAuthorised is regression B2, B3 and D1.
func TestCopySourceIsTheOneThatWasAuthorised(t *testing.T) {
	s := newSite(t, siteOptions{grants: []auth.Grant{
		{Buckets: []string{testBucket}, Prefixes: []string{"mine/"}, Actions: everything()[0].Actions},
		{Buckets: []string{testBucket}, Prefixes: []string{"secret"}, Actions: []auth.Action{auth.Write}},
	}})
	s.put("secret", []byte("canary"))
	s.want(s.ask(http.MethodPut, pathOf("mine/a+b %2F?c"), []byte("source")), 200, "")
	id := s.createUpload("mine/upload")
	for _, source := range []string{
		"/bucket/secret", "bucket/secret", "%2Fbucket%2Fsecret", "bucket%2fsecret", "bucket/mine/../secret", "/bucket/mine/..%2Fsecret",
		"bucket/secret?versionId=null", "bucket/secret%3FversionId=null", "other-bucket/mine/x", "/bucket/secret?versionId=null&x=y", "bucket", "/", "", "//",
		"bucket/", "/bucket//", "bucket/%", "bucket/%zz", "bucket/mine/%00", "arn:aws:s3:::bucket/secret", "bucket/secret?x=y", "../bucket/secret",
	} {
		for _, target := range []string{"/" + testBucket + "/mine/copy", "/" + testBucket + "/mine/upload?partNumber=1&uploadId=" + id} {
			if a := s.ask(http.MethodPut, target, nil, "x-amz-copy-source: "+source); a.status < 400 || a.status >= 500 {
				t.Errorf("%q to %s: %s", source, target, a)
			}
		}
	}
	s.want(s.ask(http.MethodHead, "/"+testBucket+"/mine/copy", nil), 404, "")
	for _, source := range []string{"/bucket/mine/a+b%20%252F%3Fc", "bucket/mine/a%2Bb %252F%3Fc?versionId=null", "%2Fbucket%2Fmine%2Fa%2Bb%20%252F%3Fc"} {
		s.want(s.ask(http.MethodPut, "/"+testBucket+"/mine/copy", nil, "x-amz-copy-source: "+source), 200, "")
		if a := s.ask(http.MethodGet, "/"+testBucket+"/mine/copy", nil); string(a.body) != "source" {
			t.Errorf("%q: %s", source, a)
		}
	}
	s.want(s.ask(http.MethodPut, "/"+testBucket+"/mine/copy", nil, "x-amz-copy-source: /bucket/mine/copy?versionId=abc"), 404, "NoSuchVersion")
	s.want(s.ask(http.MethodGet, "/"+testBucket+"?list-type=2&prefix=mine/", nil), 200, "")
	s.want(s.ask(http.MethodGet, "/"+testBucket+"?list-type=2&prefix=min", nil), 403, "AccessDenied")
	s.want(s.ask(http.MethodGet, "/"+testBucket+"?list-type=2", nil), 403, "AccessDenied")
	s.want(s.ask(http.MethodHead, "/"+testBucket, nil), 200, "")
	s.want(s.ask(http.MethodDelete, "/"+testBucket, nil), 403, "AccessDenied")
	body := []byte("<Delete><Object><Key>secret</Key></Object><Object><Key>mine/copy</Key></Object><Object><Key>mine</Key></Object></Delete>")
	a := s.ask(http.MethodPost, "/"+testBucket+"?delete", body, "Content-Md5: "+base64MD5(body))
	if got := string(a.body); a.status != 200 || strings.Count(got, "<Code>AccessDenied</Code>") != 2 || !strings.Contains(got, "<Deleted><Key>mine/copy</Key></Deleted>") {
		t.Errorf("delete: %s", a)
	}
}

// TestUploadsBelongToWhoBeganThem is regression D2.
func TestUploadsBelongToWhoBeganThem(t *testing.T) {
	s := newSite(t, siteOptions{second: true, grants: []auth.Grant{{Buckets: []string{"*"}, Actions: []auth.Action{auth.Read, auth.Write, auth.List}}}})
	id := s.createUpload("theirs")
	mine := s.signer
	s.signer.accessKey, s.signer.secretKey = secondAccess, secondSecret
	target := "/" + testBucket + "/theirs?uploadId=" + id
	s.want(s.ask(http.MethodPut, target+"&partNumber=1", []byte("x")), 404, "NoSuchUpload")
	s.want(s.ask(http.MethodGet, target, nil), 404, "NoSuchUpload")
	s.want(s.ask(http.MethodDelete, target, nil), 404, "NoSuchUpload")
	s.want(s.ask(http.MethodPost, target, []byte("<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>e</ETag></Part></CompleteMultipartUpload>")), 404, "NoSuchUpload")
	s.signer = mine
	s.want(s.ask(http.MethodGet, target, nil), 200, "")
	s.want(s.ask(http.MethodGet, "/"+testBucket+"/other?uploadId="+id, nil), 404, "NoSuchUpload")
}

// TestUploadsOfAFormerKeyCanBeAborted: an upload does not expire, so who may delete the key removes it for an access key that is no more; nothing else
// is possible with somebody else's upload.
func TestUploadsOfAFormerKeyCanBeAborted(t *testing.T) {
	all := everything()[0].Actions
	s := newSite(t, siteOptions{second: true, grants: []auth.Grant{
		{Buckets: []string{testBucket}, Prefixes: []string{"mine/"}, Actions: all},
		{Buckets: []string{testBucket}, Prefixes: []string{"theirs/"}, Actions: []auth.Action{auth.Read, auth.Write, auth.List}},
	}})
	mine, theirs := s.createUpload("mine/k"), s.createUpload("theirs/k")
	target := "/" + testBucket + "/mine/k?uploadId=" + mine
	s.signer.accessKey, s.signer.secretKey = secondAccess, secondSecret
	s.want(s.ask(http.MethodPut, target+"&partNumber=1", []byte("x")), 404, "NoSuchUpload")
	s.want(s.ask(http.MethodGet, target, nil), 404, "NoSuchUpload")
	s.want(s.ask(http.MethodPost, target, []byte("<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>e</ETag></Part></CompleteMultipartUpload>")), 404, "NoSuchUpload")
	s.want(s.ask(http.MethodDelete, "/"+testBucket+"/mine/k?uploadId="+theirs, nil), 404, "NoSuchUpload")
	s.want(s.ask(http.MethodDelete, "/"+testBucket+"/theirs/k?uploadId="+theirs, nil), 404, "NoSuchUpload")
	s.want(s.ask(http.MethodDelete, target, nil), 204, "")
	s.want(s.ask(http.MethodDelete, target, nil), 404, "NoSuchUpload")
	if a := s.ask(http.MethodGet, "/"+testBucket+"?uploads&prefix=mine/", nil); strings.Contains(string(a.body), "<Upload>") {
		t.Errorf("still listed: %s", a)
	}
}
