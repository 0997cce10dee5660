package s3api

import (
	"bytes"
	"crypto/md5"
	"crypto/tls"
	"encoding/base64"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"testing"
)

// keyHeaders is the header triple for a key of 32 equal bytes.
func keyHeaders(prefix string, fill byte) []string {
	key := bytes.Repeat([]byte{fill}, 32)
	sum := md5.Sum(key)
	return []string{
		prefix + "algorithm: AES256", prefix + "key: " + base64.StdEncoding.EncodeToString(key),
		prefix + "key-md5: " + base64.StdEncoding.EncodeToString(sum[:]),
	}
}

func sse(fill byte) []string { return keyHeaders("x-amz-server-side-encryption-customer-", fill) }

func sourceSSE(fill byte) []string {
	return keyHeaders("x-amz-copy-source-server-side-encryption-customer-", fill)
}

// TestCustomerKeyOnEveryRead is regression E2: each way to an object under a customer key wants that key, the empty object included.
func TestCustomerKeyOnEveryRead(t *testing.T) {
	s := newSite(t, siteOptions{tls: true})
	for _, size := range []int{0, 1, 70_000} {
		body := pattern(size)
		put := s.put("k", body, sse(1)...)
		if put.header.Get("X-Amz-Server-Side-Encryption-Customer-Algorithm") != "AES256" || put.header.Get("X-Amz-Server-Side-Encryption-Customer-Key-Md5") == "" {
			t.Errorf("no echo: %v", put.header)
		}
		if put.header.Get("Etag") == `"`+md5Hex(body)+`"` {
			t.Error("the ETag under a customer key is the MD5 of the plaintext")
		}
		reads := map[string]func(headers ...string) *answer{
			"GET":        func(h ...string) *answer { return s.ask(http.MethodGet, "/"+testBucket+"/k", nil, h...) },
			"HEAD":       func(h ...string) *answer { return s.ask(http.MethodHead, "/"+testBucket+"/k", nil, h...) },
			"partNumber": func(h ...string) *answer { return s.ask(http.MethodGet, "/"+testBucket+"/k?partNumber=1", nil, h...) },
			"attributes": func(h ...string) *answer {
				return s.ask(http.MethodGet, "/"+testBucket+"/k?attributes", nil, append(h, "x-amz-object-attributes: ETag")...)
			},
		}
		if size > 0 {
			reads["range"] = func(h ...string) *answer {
				return s.ask(http.MethodGet, "/"+testBucket+"/k", nil, append(h, "Range: bytes=0-0")...)
			}
		}
		for name, read := range reads {
			if a := read(sse(1)...); a.status >= 300 {
				t.Errorf("%s of %d bytes with the key: %s", name, size, a)
			}
			for what, c := range map[string]struct {
				headers []string
				status  int
			}{"no key": {nil, 400}, "wrong key": {sse(2), 403}} {
				if a := read(c.headers...); a.status != c.status || name == "HEAD" && len(a.body) > 0 {
					t.Errorf("%s of %d bytes with %s: %s", name, size, what, a)
				}
			}
		}
		for what, c := range map[string]struct {
			headers []string
			status  int
		}{"key": {sourceSSE(1), 200}, "no key": {nil, 400}, "wrong key": {sourceSSE(2), 403}} {
			a := s.ask(http.MethodPut, "/"+testBucket+"/copy", nil, append(c.headers, "x-amz-copy-source: bucket/k")...)
			if a.status != c.status {
				t.Errorf("copy of %d bytes with %s: %s", size, what, a)
			}
		}
		if a := s.ask(http.MethodGet, "/"+testBucket+"/copy", nil); a.status != 200 || !bytes.Equal(a.body, body) {
			t.Errorf("the copy needs a key: %s", a)
		}
		s.want(s.ask(http.MethodGet, "/"+testBucket+"/copy", nil, sse(1)...), 400, "InvalidRequest")
		rekeyed := s.ask(http.MethodPut, "/"+testBucket+"/k", nil, slices.Concat(sourceSSE(1), sse(3), []string{"x-amz-copy-source: bucket/k"})...)
		if s.want(rekeyed, 200, ""); rekeyed.header.Get("X-Amz-Server-Side-Encryption-Customer-Algorithm") != "AES256" {
			t.Error("a copy does not echo")
		}
		s.want(s.ask(http.MethodGet, "/"+testBucket+"/k", nil, sse(1)...), 403, "AccessDenied")
		s.want(s.ask(http.MethodGet, "/"+testBucket+"/k", nil, sse(3)...), 200, "")
	}
	s.want(s.ask(http.MethodGet, "/"+testBucket+"/k?tagging", nil), 200, "")
}

// TestSettingsOfAnObjectUnderACustomerKey: what has nothing of the content in it is told without the key, but never with a wrong one.
func TestSettingsOfAnObjectUnderACustomerKey(t *testing.T) {
	s := newSite(t, siteOptions{tls: true})
	s.put("k", nil, sse(1)...)
	for _, setting := range []string{"acl", "tagging"} {
		for what, c := range map[string]struct {
			headers []string
			status  int
		}{"the key": {sse(1), 200}, "no key": {nil, 200}, "a wrong key": {sse(2), 403}} {
			if a := s.ask(http.MethodGet, "/"+testBucket+"/k?"+setting, nil, c.headers...); a.status != c.status {
				t.Errorf("%s with %s: %s", setting, what, a)
			}
		}
	}
}

// TestListPartsTakesTheCustomerKey: the key is optional and is looked at if it is there.
func TestListPartsTakesTheCustomerKey(t *testing.T) {
	s := newSite(t, siteOptions{tls: true})
	id := s.createUpload("k", append(sse(1), "x-amz-checksum-algorithm: SHA256")...)
	target := "/" + testBucket + "/k?uploadId=" + id
	s.want(s.ask(http.MethodPut, target+"&partNumber=1", []byte("guessed"), sse(1)...), 200, "")
	list := func(headers ...string) *answer { return s.ask(http.MethodGet, target, nil, headers...) }
	a := list()
	if s.want(a, 200, ""); strings.Contains(string(a.body), "ChecksumSHA256") || !strings.Contains(string(a.body), "<PartNumber>1<") {
		t.Errorf("without the key: %s", a)
	}
	a = list(sse(1)...)
	if s.want(a, 200, ""); !strings.Contains(string(a.body), "<ChecksumSHA256>") {
		t.Errorf("with the key: %s", a)
	}
	s.want(list(sse(2)...), 403, "AccessDenied")
	s.want(list(sse(1)[:2]...), 400, "InvalidArgument")
	s.want(list(append(sse(1)[:2], sse(2)[2])...), 400, "InvalidArgument")
	plain := s.createUpload("p")
	s.want(s.ask(http.MethodGet, "/"+testBucket+"/p?uploadId="+plain, nil, sse(1)...), 400, "InvalidRequest")
	if uploads := s.ask(http.MethodGet, "/"+testBucket+"?uploads", nil); strings.Contains(string(uploads.body), "ChecksumSHA256") {
		t.Errorf("list of uploads: %s", uploads)
	}
}

func TestCustomerKeyTripleMustBeWhole(t *testing.T) {
	s := newSite(t, siteOptions{})
	whole := sse(1)
	canary := between(whole[1]+"|", "key: ", "|")
	for name, c := range map[string]struct {
		headers []string
		code    string
	}{
		"algorithm only":    {whole[:1], "InvalidArgument"},
		"no algorithm":      {whole[1:], "InvalidArgument"},
		"no key":            {[]string{whole[0], whole[2]}, "InvalidArgument"},
		"no MD5":            {whole[:2], "InvalidArgument"},
		"key only":          {whole[1:2], "InvalidArgument"},
		"MD5 only":          {whole[2:], "InvalidArgument"},
		"other algorithm":   {append([]string{strings.Replace(whole[0], "256", "128", 1)}, whole[1:]...), "InvalidEncryptionAlgorithmError"},
		"MD5 of another":    {append(slices.Clone(whole[:2]), sse(2)[2]), "InvalidArgument"},
		"short key":         {[]string{whole[0], "x-amz-server-side-encryption-customer-key: AAAA", whole[2]}, "InvalidArgument"},
		"no base64":         {[]string{whole[0], "x-amz-server-side-encryption-customer-key: !!", whole[2]}, "InvalidArgument"},
		"with AES256":       {append(slices.Clone(whole), "x-amz-server-side-encryption: AES256"), "InvalidArgument"},
		"copy source alone": {sourceSSE(1), "NotImplemented"},
	} {
		a := s.ask(http.MethodPut, "/"+testBucket+"/k", []byte("x"), c.headers...)
		if a.status != 400 && a.status != 501 || a.code() != c.code || strings.Contains(string(a.body), canary) {
			t.Errorf("%s: %s, want %s", name, a, c.code)
		}
	}
	s.want(s.ask(http.MethodHead, "/"+testBucket+"/k", nil), 404, "")
	s.want(s.ask(http.MethodPut, "/"+testBucket+"/k?x-amz-server-side-encryption-customer-key=AAAA", []byte("x")), 400, "InvalidRequest")
	s.want(s.ask(http.MethodPut, "/"+testBucket+"/k?X-Amz-Copy-Source-Server-Side-Encryption-Customer-Key=AAAA", []byte("x")), 400, "InvalidRequest")
	if strings.Contains(s.log.String(), canary) {
		t.Error("a key is in the log")
	}
}

// TestKeysTravelSafely is regression E9.
func TestKeysTravelSafely(t *testing.T) {
	proxies := []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16"), netip.MustParsePrefix("fd00::/8")}
	for _, c := range []struct {
		remote    string
		forwarded []string
		tls, want bool
	}{
		{"192.0.2.1:1", nil, true, true},
		{"192.0.2.1:1", nil, false, false},
		{"192.0.2.1:1", []string{"https"}, false, false},
		{"127.0.0.1:1", nil, false, true},
		{"[::1]:1", nil, false, true},
		{"[::ffff:127.0.0.1]:1", nil, false, true},
		{"10.1.2.3:1", []string{"https"}, false, true},
		{"10.1.2.3:1", []string{"HTTPS "}, false, true},
		{"10.1.2.3:1", []string{"http"}, false, false},
		{"10.1.2.3:1", nil, false, false},
		{"10.1.2.3:1", []string{"https", "http"}, false, false},
		{"10.1.2.3:1", []string{"http,https"}, false, false},
		{"10.2.2.3:1", []string{"https"}, false, false},
		{"[fd00::1]:1", []string{"https"}, false, true},
		{"[fd00::1%eth0]:1", []string{"https"}, false, true},
		{"nonsense", []string{"https"}, false, false},
		{"@", nil, false, false},
	} {
		r := &http.Request{RemoteAddr: c.remote, Header: http.Header{}}
		if c.forwarded != nil {
			r.Header["X-Forwarded-Proto"] = c.forwarded
		}
		if c.tls {
			r.TLS = &tls.ConnectionState{}
		}
		if got := secureTransport(r, proxies); got != c.want {
			t.Errorf("%s %v TLS %v: %v", c.remote, c.forwarded, c.tls, got)
		}
	}
	loopbackProxy := []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	if secureTransport(&http.Request{RemoteAddr: "127.0.0.1:1", Header: http.Header{}}, loopbackProxy) {
		t.Error("a listed proxy on loopback is believed without saying https")
	}
	s := newSite(t, siteOptions{proxies: loopbackProxy})
	s.want(s.ask(http.MethodPut, "/"+testBucket+"/k", []byte("x"), sse(1)...), 400, "InvalidRequest")
	s.want(s.ask(http.MethodPut, "/"+testBucket+"/k", []byte("x"), append(sse(1), "X-Forwarded-Proto: https")...), 200, "")
}
