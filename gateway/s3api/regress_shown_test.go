package s3api

import (
	"encoding/base64"
	"net/http"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"sallyport/gateway/auth"
)

// requestIdentity is what differs between two answers that say the same.
var requestIdentity = regexp.MustCompile(`[0-9A-F]{16}|\d\d:\d\d:\d\d`)

// TestConditionsTellStrangersNothing is regression F5: to whoever may not read it, an object that is there looks like one that is not, under
// every condition, range and way of signing, and nothing is looked up to find out.
func TestConditionsTellStrangersNothing(t *testing.T) {
	s := newSite(t, siteOptions{grants: []auth.Grant{{Buckets: []string{testBucket}, Actions: []auth.Action{auth.Write}}}})
	etag := s.put("there", []byte("content")).header.Get("Etag")
	past, future := "Mon, 02 Jan 2006 15:04:05 GMT", time.Now().Add(time.Hour).UTC().Format(http.TimeFormat)
	s.backend.reads.Store(0)
	s.backend.writes.Store(0)
	wrong := s.signer
	wrong.secretKey += "x"
	stranger := s.signer
	stranger.accessKey = "AKIANOBODYNOBODYNOBO"
	for who, signer := range map[string]*signer{"not allowed": &s.signer, "wrong secret": &wrong, "unknown": &stranger, "anonymous": nil} {
		for _, header := range []string{
			"If-None-Match: *", "If-None-Match: " + etag, `If-None-Match: "x"`, "If-Match: " + etag, "If-Match: *", `If-Match: "x"`, "If-Modified-Since: " + past,
			"If-Modified-Since: " + future, "If-Unmodified-Since: " + past, "If-Unmodified-Since: " + future, "Range: bytes=0-0", "Range: bytes=99-", "Accept: */*",
		} {
			for _, query := range []string{"", "?attributes", "?partNumber=1", "?acl", "?tagging", "?versionId=null"} {
				for _, method := range []string{http.MethodGet, http.MethodHead} {
					if method == http.MethodHead && (query == "?attributes" || query == "?acl" || query == "?tagging") {
						continue // no row, and 405 for everybody
					}
					var answers []string
					for _, key := range []string{"there", "gone!"} {
						r := s.request(method, "/"+testBucket+"/"+key+query, header)
						if signer != nil {
							signer.sign(r, formHashed, nil)
						}
						a := s.send(r)
						if a.status != 403 || a.header.Get("Etag")+a.header.Get("Last-Modified")+a.header.Get("Content-Range") != "" {
							t.Errorf("%s, %s %s with %s: %s", who, method, key+query, header, a)
						}
						answers = append(answers, requestIdentity.ReplaceAllString(strings.ReplaceAll(a.String(), "gone!", "there"), "-"))
					}
					if answers[0] != answers[1] {
						t.Errorf("%s, %s %s with %s: an object that is there and one that is not are told apart:\n%s\n%s", who, method, query, header, answers[0], answers[1])
					}
				}
			}
		}
	}
	if s.backend.touched() {
		t.Error("the backend was asked")
	}
}

// telltale finds what an answer must not show: where the program lies, what it was built with, its stack, the machine's names.
var telltale = regexp.MustCompile(`(?i)goroutine \d|runtime error|\.go:\d|go1\.\d|/tmp/|/home/|sallyport/(gateway|providers|crypto)|panic|0xc0[0-9a-f]{6}|v\d+\.\d+\.\d+|<html`)

// TestAnswersShowNothingOfTheProgram is regression F6, on every row and on what no row takes.
func TestAnswersShowNothingOfTheProgram(t *testing.T) {
	s := newSite(t, siteOptions{})
	look := func(what string, a *answer) {
		t.Helper()
		if found := telltale.FindString(a.String()); found != "" {
			t.Errorf("%s: %q in\n%s", what, found, a)
		}
		if a.header.Get("Server") != "Sallyport" || a.header.Get("X-Powered-By") != "" {
			t.Errorf("%s: %v", what, a.header)
		}
		if len(a.body) > 0 && a.status >= 300 && a.header.Get("Content-Type") != "application/xml" {
			t.Errorf("%s: an error as %s", what, a.header.Get("Content-Type"))
		}
	}
	eachRow(t, func(t *testing.T, op *operation, p sample) {
		if op.name == "DeleteBucket" {
			return
		}
		for _, f := range allForms() {
			r := s.sampleRequest(p)
			s.signer.sign(r, f, p.body)
			look(string(f), s.send(r))
		}
		look("anonymous", s.send(s.sampleRequest(p)))
		p.target += map[bool]string{true: "&", false: "?"}[strings.Contains(p.target, "?")]
		for _, query := range []string{"%zz", "prefix=%ff", "max-keys=x", "X-Amz-Expires=x", "x-amz-meta-a=%00", "marker=%00&marker=1", "uploadId"} {
			q := p
			q.target += query
			look(query, s.send(s.sampleRequest(q)))
			if query != "%zz" {
				look("signed "+query, s.ask(p.method, q.target, p.body, p.headers...))
			}
		}
	})
	for _, method := range []string{"PATCH", "OPTIONS", "TRACE", "PROPFIND", "BREW"} {
		look(method, s.ask(method, "/"+testBucket+"/k", nil))
		look(method+" anonymous", s.send(s.request(method, "/"+testBucket+"/k")))
	}
	s.put("damaged", pattern(3<<20))
	s.backend.damage = true
	look("damaged", s.ask(http.MethodGet, "/"+testBucket+"/damaged", nil, "Range: bytes=1048000-1050000"))
}

// TestNoOriginIsFavoured is regression F7: no answer lets a page of another origin read anything, none carries cookies, and no value of a client
// becomes a header of the answer of its own.
func TestNoOriginIsFavoured(t *testing.T) {
	s := newSite(t, siteOptions{})
	s.put("k", []byte("content"))
	origins := []string{"Origin: https://evil.example", "Access-Control-Request-Method: GET", "Access-Control-Request-Headers: authorization", "Cookie: session=1"}
	look := func(what string, a *answer) {
		t.Helper()
		for name, values := range a.header {
			if strings.HasPrefix(name, "Access-Control-") || name == "Set-Cookie" || strings.HasPrefix(name, "Injected") || strings.Contains(strings.Join(values, ""), "evil") {
				t.Errorf("%s: %s: %q", what, name, values)
			}
		}
	}
	eachRow(t, func(t *testing.T, op *operation, p sample) {
		if op.name != "DeleteBucket" {
			look("signed", s.ask(p.method, p.target, p.body, append(slices.Clone(p.headers), origins...)...))
		}
		look("anonymous", s.send(s.request(p.method, p.target, origins...)))
		preflight := s.send(s.request(http.MethodOptions, p.target, origins...))
		look("preflight", preflight)
		if preflight.status < 400 {
			t.Errorf("preflight: %s", preflight)
		}
	})
	for _, breaks := range []string{"%0d%0a", "%0a", "%0d", "%00", "%e2%80%a8%0d%0a"} {
		value := "x" + breaks + "Injected:%20yes" + breaks + "Set-Cookie:%20a=b"
		for _, name := range []string{
			"response-content-type", "response-content-language", "response-expires", "response-cache-control", "response-content-disposition", "response-content-encoding",
		} {
			a := s.ask(http.MethodGet, "/"+testBucket+"/k?"+name+"="+value, nil)
			s.want(a, 400, "InvalidArgument")
			look(name, a)
		}
		for _, query := range []string{"x-amz-meta-a=" + value, "X-Amz-Meta-a=" + value, "x-amz-checksum-crc32=" + value, "x-amz-storage-class=" + value} {
			a := s.ask(http.MethodPut, "/"+testBucket+"/injected?"+query, []byte("x"))
			if a.status < 400 || a.status >= 500 {
				t.Errorf("%s: %s", query, a)
			}
			look(query, a)
		}
		for _, target := range []string{"/" + testBucket + "/k" + value, "/" + testBucket + "?delimiter=" + value, "/" + testBucket + "?list-type=2&prefix=" + value} {
			look(target, s.ask(http.MethodGet, target, nil))
		}
	}
	s.want(s.ask(http.MethodHead, "/"+testBucket+"/injected", nil), 404, "")
	for _, header := range []string{"x-amz-meta-a: x\tInjected: yes", "x-amz-meta-a: x Set-Cookie: a=b"} {
		s.put("meta", []byte("x"), header)
		look(header, s.ask(http.MethodGet, "/"+testBucket+"/meta", nil))
	}
}

// TestForwardedNamesAreNotBelieved is regression F8: nothing but X-Forwarded-Proto is read of what proxies write, and that only from the ones listed; the
// peer is who is connected, not who a header says.
func TestForwardedNamesAreNotBelieved(t *testing.T) {
	forwarded := http.Header{
		"X-Forwarded-For": {"127.0.0.1"}, "X-Real-Ip": {"127.0.0.1"}, "Forwarded": {"for=127.0.0.1;proto=https"}, "X-Forwarded-Proto": {"https"},
		"X-Forwarded-Ssl": {"on"}, "X-Client-Ip": {"127.0.0.1"}, "True-Client-Ip": {"127.0.0.1"}, "Front-End-Https": {"on"}, "X-Forwarded-Scheme": {"https"},
	}
	for _, remote := range []string{"192.0.2.1:443", "10.9.0.1:443", "[2001:db8::1]:443"} {
		if secureTransport(&http.Request{RemoteAddr: remote, Header: forwarded}, []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16")}) {
			t.Errorf("%s is believed to be somebody else", remote)
		}
	}
	only := forwarded.Clone()
	only.Del("X-Forwarded-Proto")
	if secureTransport(&http.Request{RemoteAddr: "10.1.0.1:443", Header: only}, []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16")}) {
		t.Error("a listed proxy is believed in headers that nobody reads")
	}
	s := newSite(t, siteOptions{domains: []string{"s3.example.test"}, grants: []auth.Grant{{Buckets: []string{testBucket}, Actions: []auth.Action{auth.Read, auth.Write}}}})
	s.put("k", []byte("right"))
	s.want(s.ask(http.MethodGet, "/other-bucket/k", nil, "X-Forwarded-Host: bucket.s3.example.test", "X-Original-Url: /bucket/k", "X-Rewrite-Url: /bucket/k"), 403, "AccessDenied")
	a := s.ask(http.MethodGet, "/"+testBucket+"/k", nil, "X-Forwarded-Host: other-bucket.s3.example.test", "X-Forwarded-Prefix: /other", "X-Http-Method-Override: DELETE",
		"X-Forwarded-Uri: /bucket/other", "X-Original-Url: /bucket/other")
	if string(a.body) != "right" {
		t.Errorf("%s", a)
	}
	for _, claim := range []string{"X-Forwarded-For: 127.0.0.1", "X-Real-Ip: 127.0.0.1", "Forwarded: for=127.0.0.1"} {
		s.want(s.send(s.request(http.MethodGet, "/"+testBucket+"/k", claim)), 403, "AccessDenied")
	}
}

// TestNothingRedirects is the server's half of regression E8: no answer sends a client elsewhere, so that no key or signature can follow it there.
func TestNothingRedirects(t *testing.T) {
	s := newSite(t, siteOptions{domains: []string{"s3.example.test"}})
	look := func(what string, a *answer) {
		t.Helper()
		if a.status >= 300 && a.status < 400 || a.header.Get("Refresh") != "" || a.header.Get("Location") != "" && !strings.HasPrefix(a.header.Get("Location"), "/") {
			t.Errorf("%s: %s", what, a)
		}
	}
	eachRow(t, func(t *testing.T, op *operation, p sample) {
		if op.name == "DeleteBucket" {
			return
		}
		for _, host := range []string{"", "elsewhere.test", "s3.example.test", "other-bucket.s3.example.test"} {
			for _, region := range []string{testRegion, "eu-west-9"} {
				r := s.sampleRequest(p)
				r.Host = host
				signer := s.signer
				signer.region = region
				signer.sign(r, formHashed, p.body)
				look(host+" "+region, s.send(r))
			}
		}
		p.target = strings.Replace(p.target, "/"+testBucket, "//"+testBucket, 1)
		look("two slashes", s.ask(p.method, p.target, p.body, p.headers...))
	})
}

// TestNoSecretIsLogged is regression E7: with everything logged, on every row, in every form, whether it goes well or not, the log holds no secret, signature,
// token, key, name or content that a client sent.
func TestNoSecretIsLogged(t *testing.T) {
	s := newSite(t, siteOptions{})
	s.put("source", []byte("canary-content"))
	canaries := []string{testSecret, "canary"}
	own, source := keyHeaders("x-amz-server-side-encryption-customer-", 'k'), keyHeaders("x-amz-copy-source-server-side-encryption-customer-", 's')
	for _, line := range append(own[1:3:3], source[1:3]...) {
		_, value, _ := strings.Cut(line, ": ")
		canaries = append(canaries, value)
	}
	canaries = append(canaries, strings.Repeat("k", 32), strings.Repeat("s", 32), base64.URLEncoding.EncodeToString([]byte(strings.Repeat("k", 32))))
	eachRow(t, func(t *testing.T, op *operation, p sample) {
		if op.name == "DeleteBucket" || op.handle == nil {
			return
		}
		p.target = strings.Replace(p.target, "some/key", "canary-key", 1)
		if p.body == nil {
			p.body = []byte("canary body")
		}
		for _, f := range allForms() {
			for _, headers := range [][]string{nil, own, append(own[:2:2], source...), {"x-amz-meta-canary: canary-value"}, {"Content-Md5: canary"}, {"Range: canary"}, {"If-Match: canary"}} {
				if headers != nil && f != formHashed && f != formPresigned {
					continue // how the body is framed makes no difference to them
				}
				for _, good := range []bool{true, false} {
					r := s.sampleRequest(p)
					for _, line := range headers {
						name, value, _ := strings.Cut(line, ": ")
						r.Header.Set(name, value)
					}
					r.Header.Set("User-Agent", "canary-agent")
					signer := s.signer
					if !good {
						signer.secretKey = "canary-of-a-wrong-secret"
					}
					signer.sign(r, f, p.body)
					canaries = append(canaries, signatureOf(r))
					s.send(r)
				}
			}
		}
	})
	log := s.log.String()
	if strings.Count(log, "\n") < 500 || !strings.Contains(log, "operation=PutObject") {
		t.Fatalf("this is not the log of what was done: %d bytes", len(log))
	}
	for _, canary := range canaries {
		if i := strings.Index(log, canary); i >= 0 {
			t.Errorf("%q is in the log: …%s…", canary, log[max(0, i-200):min(len(log), i+100)])
			return
		}
	}
}

// signatureOf returns the signature that a request carries.
func signatureOf(r *http.Request) string {
	if q := r.URL.Query().Get("X-Amz-Signature"); q != "" {
		return q
	}
	_, signature, _ := strings.Cut(r.Header.Get("Authorization"), "Signature=")
	return signature
}
