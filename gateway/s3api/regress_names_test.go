package s3api

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"sallyport/gateway/auth"
	"sallyport/gateway/objects"
)

// TestAuthorisedPathIsTheStoredPath is regression B1, B4, B5 and B6: what the permission is asked for is, byte for byte, what is read and
// written. A principal of one prefix walks out of it in every spelling.
func TestAuthorisedPathIsTheStoredPath(t *testing.T) {
	all := everything()[0].Actions
	s := newSite(t, siteOptions{grants: []auth.Grant{
		{Buckets: []string{testBucket}, Prefixes: []string{"mine/"}, Actions: all},
		{Buckets: []string{testBucket}, Prefixes: []string{"theirs/secret", "secret"}, Actions: []auth.Action{auth.Write}}, // to plant what must not be read
		{Buckets: []string{"other-bucket"}, Actions: []auth.Action{auth.CreateBucket, auth.Write}},
	}})
	s.want(s.ask(http.MethodPut, "/other-bucket", nil), 200, "")
	for _, target := range []string{"/bucket/secret", "/bucket/theirs/secret", "/other-bucket/secret"} {
		s.want(s.ask(http.MethodPut, target, []byte("canary")), 200, "")
	}
	// Inside of the prefix by its bytes: a name like any other.
	inside := map[string]string{
		"mine/../secret": "mine/../secret", "mine/..%2Fsecret": "mine/../secret", "mine/%2e%2e/secret": "mine/../secret", "mine/%2E%2E%2Fsecret": "mine/../secret",
		"mine/./../theirs/secret": "mine/./../theirs/secret", "mine//../../secret": "mine//../../secret", "mine/..%5Csecret": `mine/..\secret`,
		"mine/../../other-bucket/secret": "mine/../../other-bucket/secret", "mine/..%252Fsecret": "mine/..%2Fsecret", "mine/..;/secret": "mine/..;/secret",
	}
	for raw, key := range inside {
		if a := s.ask(http.MethodGet, "/bucket/"+raw, nil); a.status != 404 || a.code() != "NoSuchKey" || !strings.Contains(string(a.body), "<Key>"+key+"</Key>") {
			t.Errorf("GET %s before it is there: %s", raw, a)
		}
		s.want(s.ask(http.MethodPut, "/bucket/"+raw, []byte("of "+key)), 200, "")
		if a := s.ask(http.MethodGet, "/bucket/"+raw, nil); string(a.body) != "of "+key {
			t.Errorf("GET %s: %s", raw, a)
		}
		if a := s.ask(http.MethodGet, "/bucket?list-type=2&prefix=mine/", nil); !strings.Contains(string(a.body), "<Key>"+key+"</Key>") {
			t.Errorf("%s is not listed as %s: %s", raw, key, a)
		}
		s.want(s.ask(http.MethodDelete, "/bucket/"+raw, nil), 204, "")
	}
	// Outside of it by their bytes, whatever cleaning would make of them.
	for _, raw := range []string{
		"../bucket/mine/x", "./mine/x", "%2e/mine/x", "theirs/../mine/x", "x/../mine/x", "%2e%2e/mine/x", "mine%5cx", "MINE/x", "%6dine", "/mine/x", "%2Fmine/x", "mine",
	} {
		for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodDelete} {
			if a := s.ask(method, "/bucket/"+raw, nil); a.status != 403 {
				t.Errorf("%s %s: %s", method, raw, a)
			}
		}
	}
	for _, target := range []string{"/mine/x", "//bucket/mine/x", "/./bucket/mine/x", "/other-bucket/../bucket/mine/x", "/bucket%2Fmine%2Fx/../../other-bucket/secret"} {
		if a := s.ask(http.MethodGet, target, nil); a.status < 400 || a.status >= 500 || strings.Contains(string(a.body), "canary") {
			t.Errorf("GET %s: %s", target, a)
		}
	}
	// The absolute form of a request line names no other object than the path it holds.
	r := s.request(http.MethodGet, "/bucket/mine/x")
	s.signer.sign(r, formHashed, nil)
	for _, other := range []string{s.server.URL + "/bucket/secret", "http://other-bucket/secret", "http://" + r.URL.Host + "@x/bucket/mine/x"} {
		var head strings.Builder
		head.WriteString("GET " + other + " HTTP/1.1\r\nHost: " + r.URL.Host + "\r\nConnection: close\r\n")
		if err := r.Header.Write(&head); err != nil {
			t.Fatal(err)
		}
		status, err := exchangeRaw(s, []byte(head.String()+"\r\n"))
		if err != nil || status != 403 && status != 400 {
			t.Errorf("GET %s: %d %v", other, status, err)
		}
	}
	for _, at := range [][2]string{{testBucket, "secret"}, {testBucket, "theirs/secret"}, {"other-bucket", "secret"}} {
		out, err := s.handler.(*handler).objects.Get(t.Context(), &objects.GetInput{Bucket: at[0], Key: at[1]})
		if err != nil {
			t.Fatal(err)
		}
		if b, err := io.ReadAll(out.Body); string(b) != "canary" || err != nil {
			t.Errorf("%v is now %q, %v", at, b, err)
		}
		_ = out.Body.Close()
	}
}

// TestOneNameForEveryWayIn is regression B12: header, query, path and host style mean the same object.
func TestOneNameForEveryWayIn(t *testing.T) {
	s := newSite(t, siteOptions{domains: []string{"s3.example.test"}})
	for _, raw := range []string{"plain", "a%20b", "a+b", "a%2Fb", "//x", "%C3%A9", "a/../b", "%25", "x?y", "trailing/"} {
		raw = strings.ReplaceAll(raw, "?", "%3F")
		want := "of " + raw
		s.want(s.ask(http.MethodPut, "/"+testBucket+"/"+raw, []byte(want)), 200, "")
		for _, f := range []form{formHashed, formUnsigned, formPresigned} {
			for _, hosted := range []bool{false, true} {
				target := "/" + testBucket + "/" + raw
				if hosted {
					target = "/" + raw
				}
				r := s.request(http.MethodGet, target)
				if hosted {
					r.Host = testBucket + ".s3.example.test"
				}
				s.signer.sign(r, f, nil)
				if a := s.send(r); string(a.body) != want {
					t.Errorf("%s, %s, host style %v: %s", raw, f, hosted, a)
				}
			}
		}
		// Nobody in particular finds nothing at all, under any name.
		if a := s.send(s.request(http.MethodGet, "/"+testBucket+"/"+raw)); a.status != 403 || a.code() != "AccessDenied" {
			t.Errorf("%s, anonymous: %s", raw, a)
		}
	}
}

// TestReservedNamesOnEveryRoute is regression E1: no route takes from a client what looks like the gateway's own, in any spelling, as header
// or in the URL; and names under which the vault keeps its own files are, in a bucket, names of objects.
func TestReservedNamesOnEveryRoute(t *testing.T) {
	s := newSite(t, siteOptions{})
	s.put("source", []byte("source"))
	before := s.ask(http.MethodGet, "/"+testBucket+"?list-type=2", nil)
	eachRow(t, func(t *testing.T, op *operation, p sample) {
		if op.handle == nil {
			return
		}
		try := func(what string, r *http.Request) {
			t.Helper()
			if op.name == "DeleteObjects" {
				r.Header.Set("Content-Md5", base64MD5(p.body))
			}
			s.signer.sign(r, formHashed, p.body)
			if a := s.send(r); a.status != 400 && a.status != 501 || op.method != http.MethodHead && a.code() != "InvalidArgument" && a.code() != "NotImplemented" {
				t.Errorf("%s: %s", what, a)
			}
		}
		for _, name := range []string{
			"X-Sallyport-Key", "x-sallyport-mode", "X-SALLYPORT-", "X-Amz-Meta-Sallyport-Key", "x-amz-meta-sallyport-salt", "X-AMZ-META-SALLYPORT-ETAG",
			"X-Minio-Internal-Server-Side-Encryption-Sealed-Key", "X-Minio-Replication-Server-Side-Encryption-Sealed-Key",
		} {
			lower := strings.ToLower(name)
			if op.headers&metadataHeaders == 0 && strings.HasPrefix(lower, "x-amz-meta-") || !strings.HasPrefix(lower, "x-minio-") {
				r := s.sampleRequest(p)
				if op.copies {
					r.Header.Set("X-Amz-Metadata-Directive", "REPLACE")
				}
				r.Header.Set(name, "value")
				if op.name == "UploadPartCopy" {
					r.Header.Del("X-Amz-Metadata-Directive")
				}
				try("header "+name, r)
			}
			if strings.HasPrefix(lower, "x-amz-") {
				joint := "?"
				if strings.Contains(p.target, "?") {
					joint = "&"
				}
				q := p
				q.target += joint + name + "=value"
				r := s.sampleRequest(q)
				if op.name == "CopyObject" {
					r.Header.Set("X-Amz-Metadata-Directive", "REPLACE")
				}
				try("query "+name, r)
			}
		}
	})
	if after := s.ask(http.MethodGet, "/"+testBucket+"?list-type=2", nil); string(after.body) != string(before.body) {
		t.Errorf("something was written: %s", after)
	}
	// What MinIO believes from its replicas is here a header like any other that nobody knows: nothing is made of it.
	s.put("minio", []byte("body"), "X-Minio-Replication-Server-Side-Encryption-Sealed-Key: AAAA", "X-Minio-Internal-Actual-Size: 1")
	if a := s.ask(http.MethodGet, "/"+testBucket+"/minio", nil); string(a.body) != "body" {
		t.Errorf("%s", a)
	} else {
		for name := range a.header {
			if strings.Contains(strings.ToLower(name), "minio") {
				t.Errorf("%s came back", name)
			}
		}
	}
	for _, key := range []string{".sallyport/vault", ".sallyport/buckets/bucket", ".sallyport/local.json", "../.sallyport/vault", ".sallyport/uploads/x/0"} {
		s.put(key, []byte("of a client"))
		if a := s.ask(http.MethodGet, "/"+testBucket+"/"+key, nil); string(a.body) != "of a client" {
			t.Errorf("%s: %s", key, a)
		}
		s.want(s.ask(http.MethodDelete, "/"+testBucket+"/"+key, nil), 204, "")
	}
	s.want(s.ask(http.MethodGet, "/"+testBucket+"/source", nil), 200, "")
	for _, bucket := range []string{".sallyport", "..sallyport", "%2esallyport"} {
		for _, method := range []string{http.MethodGet, http.MethodPut, http.MethodDelete} {
			s.want(s.ask(method, "/"+bucket+"/vault", nil), 400, "InvalidBucketName")
		}
	}
}

// TestNoBucketNameIsTaken is of regression F2: no name that elsewhere belongs to a route of the server's own is one here; it is a bucket as any other,
// and who signs nothing learns nothing from it.
func TestNoBucketNameIsTaken(t *testing.T) {
	s := newSite(t, siteOptions{})
	for _, name := range []string{"metrics", "healthz", "readyz", "debug", "minio", "admin", "console", "api", "status", "favicon.ico", "robots.txt", "login", "profile"} {
		for _, target := range []string{"/" + name, "/" + name + "/", "/" + name + "/prometheus/metrics", "/" + name + "?prometheus"} {
			s.want(s.send(s.request(http.MethodGet, target)), 403, "AccessDenied")
		}
		s.want(s.ask(http.MethodGet, "/"+name, nil), 404, "NoSuchBucket")
		s.want(s.ask(http.MethodPut, "/"+name, nil), 200, "")
		s.want(s.ask(http.MethodPut, "/"+name+"/pprof/heap", []byte("of "+name)), 200, "")
		if a := s.ask(http.MethodGet, "/"+name+"/pprof/heap", nil); string(a.body) != "of "+name {
			t.Errorf("%s: %s", name, a)
		}
		s.want(s.send(s.request(http.MethodGet, "/"+name+"/pprof/heap")), 403, "AccessDenied")
	}
}
