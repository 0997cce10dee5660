package s3

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/minio/minio-go/v7"

	"sallyport/providers/driver"
)

func TestStrictNames(t *testing.T) {
	n := names{prefix: "p/", strict: true, maxKey: 1000}
	for key, want := range map[string]bool{
		"a": true, "a/b": true, "a/": true, "...": true, "a..b": true, ".a": true, `a\b`: true, "a b": true, "%2e": true, strings.Repeat("x", 255): true, ".sallyport/x": true,
		"": false, "/": false, "/a": false, "a//b": false, "a//": false, "//": false, ".": false, "..": false, "./a": false, "a/..": false, "a/../b": false, "a/./": false,
		`..\a`: false, `a\..`: false, `a\ . \b`: false, " ..": false, "a/.. ": false, "\x01.": false, strings.Repeat("x", 256): false, strings.Repeat("x", 256) + "/a": false,
		"a__XLDIR__": false, "a__XLDIR__/b": false, "xl.meta": false, "a/xl.meta": false, "a/xl.meta/b": false, ".sallyport": false, ".sallyport/lock": false, "a\x00": false,
	} {
		name, ok := n.of(key)
		if ok != want || ok && name != "p/"+key {
			t.Errorf("%q: %q, %v", key, name, ok)
		}
	}
	for prefix, want := range map[string]string{"": "", "a": "a", "a/": "a/", "a/.": "a/", "..": "", "a/b\\.": "a/", "a/" + strings.Repeat("x", 300): "a/"} {
		if got, ok := n.listable(prefix); !ok || got != want {
			t.Errorf("listable(%q) = %q, %v", prefix, got, ok)
		}
	}
	for _, prefix := range []string{"/", "a//", "a//b", "../", "a/./b", strings.Repeat("x", 300) + "/"} {
		if got, ok := n.listable(prefix); ok {
			t.Errorf("listable(%q) = %q", prefix, got)
		}
	}
	for after, want := range map[string]string{"": "", "a": "a", "a/b/": "a/b/", "a//b": "a/", "/a": "", "a/../b": "a/", "a/b/..": "a/b/"} {
		if got := n.startable(after); got != want {
			t.Errorf("startable(%q) = %q, want %q", after, got, want)
		}
	}
}

func FuzzStrictNames(f *testing.F) {
	for _, s := range []string{"a/b", "a/../b", "//", `a\ .. \b`, "x__XLDIR__/"} {
		f.Add(s)
	}
	n := names{strict: true, maxKey: maxName}
	f.Fuzz(func(t *testing.T, key string) {
		if _, ok := n.of(key); ok {
			if strings.HasPrefix(key, "/") || strings.Contains(key, "//") || strings.Contains("/"+key+"/", "/../") || strings.Contains("/"+key+"/", "/./") {
				t.Fatalf("%q passes", key)
			}
			// Whatever can be written can be listed, by any beginning of it.
			for i := range key {
				asked, possible := n.listable(key[:i])
				if !possible || !strings.HasPrefix(key, asked) {
					t.Fatalf("%q is not found by %q: %q, %v", key, key[:i], asked, possible)
				}
			}
		}
		if start := n.startable(key); start > key || !strings.HasPrefix(key, start) {
			t.Fatalf("startable(%q) = %q", key, start)
		}
	})
}

func TestForbiddenAddresses(t *testing.T) {
	for address, want := range map[string]bool{
		"169.254.169.254": true, "169.254.0.1": true, "::ffff:169.254.169.254": true, "fe80::1": true, "fe80::1%eth0": true, "fd00:ec2::254": true, "100.100.100.200": true,
		"::ffff:100.100.100.200": true, "::ffff:168.63.129.16": true, "::ffff:0.0.0.0": true,
		"0.0.0.0": true, "::": true, "224.0.0.1": true, "ff02::1": true, "168.63.129.16": true,
		"127.0.0.1": false, "::1": false, "10.0.0.1": false, "192.168.1.1": false, "52.216.1.1": false, "fd00::1": false, "2600::1": false,
	} {
		if got := forbidden(netip.MustParseAddr(address)); got != want {
			t.Errorf("%s: %v", address, got)
		}
	}
	if err := checkAddress("tcp", "169.254.169.254:80", nil); !errors.Is(err, errForbiddenAddress) {
		t.Error(err)
	}
	if err := checkAddress("tcp", "nonsense", nil); err == nil {
		t.Error("nonsense passes")
	}
}

func TestTransportIsOurs(t *testing.T) {
	p := newTransport(nil, nil, timeouts{header: time.Minute, stall: time.Hour}, nil)
	if p.ResponseHeaderTimeout != time.Minute || p.TLSHandshakeTimeout == 0 || p.IdleConnTimeout == 0 || p.MaxResponseHeaderBytes == 0 {
		t.Errorf("a service may keep us waiting: %+v", p)
	}
	if p.Proxy != nil || p.ForceAttemptHTTP2 || p.Protocols.HTTP2() || !p.Protocols.HTTP1() || p.MaxConnsPerHost == 0 || p.MaxIdleConnsPerHost != p.MaxConnsPerHost || !p.DisableCompression {
		t.Errorf("%+v", p)
	}
}

func FuzzContentRange(f *testing.F) {
	for _, s := range []string{"bytes 0-9/10", "bytes 0--1/0", "bytes */5", "bytes 5-2/9", "bytes 0-9/9", "bytes -1-2/9", "bytes 00-+1/9"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		first, last, total, err := parseContentRange(text)
		if err == nil && (first < 0 || first > last || last >= total) {
			t.Fatalf("%q gives %d-%d/%d", text, first, last, total)
		}
	})
}

func TestLocateRefusesOtherRanges(t *testing.T) {
	for name, c := range map[string]struct {
		opts   driver.GetOptions
		status int
		text   string
		length int64
	}{
		"whole for a range":     {driver.GetOptions{Offset: 1}, http.StatusOK, "", 10},
		"range for the whole":   {driver.GetOptions{}, http.StatusPartialContent, "bytes 0-9/10", 10},
		"another range":         {driver.GetOptions{Offset: 1, Length: 2}, http.StatusPartialContent, "bytes 2-3/10", 2},
		"shorter":               {driver.GetOptions{Offset: 1, Length: 5}, http.StatusPartialContent, "bytes 1-3/10", 3},
		"not the end":           {driver.GetOptions{Suffix: 2}, http.StatusPartialContent, "bytes 7-8/10", 2},
		"other length":          {driver.GetOptions{Offset: 1, Length: 2}, http.StatusPartialContent, "bytes 1-2/10", 3},
		"no range":              {driver.GetOptions{Offset: 1}, http.StatusPartialContent, "", 9},
		"length that overflows": {driver.GetOptions{Offset: 5, Length: 1<<63 - 1}, http.StatusPartialContent, "bytes 4-9/10", 6},
	} {
		header := http.Header{}
		header.Set("Content-Range", c.text)
		info := &driver.Info{Size: c.length, ETag: "x"}
		if err := locate(&c.opts, c.status, header, info); err == nil {
			t.Errorf("%s passes as %+v", name, info)
		}
	}
}

func TestSentBodyEndsWithItsCall(t *testing.T) {
	b := newSentBody(iotest.OneByteReader(strings.NewReader("abc")), 3, nil)
	if got, err := io.ReadAll(b); string(got) != "abc" || err != nil || !b.handed() {
		t.Errorf("%q, %v", got, err)
	}
	refusal := errors.New("no")
	b = newSentBody(iotest.OneByteReader(strings.NewReader("abc")), 3, func() error { return refusal })
	if got, err := io.ReadAll(b); string(got) != "ab" || !errors.Is(err, refusal) || b.handed() {
		t.Errorf("%q, %v", got, err)
	}
	if _, err := b.Read(make([]byte, 1)); !errors.Is(err, refusal) {
		t.Error(err)
	}
	b = newSentBody(strings.NewReader("abc"), 3, nil)
	b.shut()
	if n, err := b.Read(make([]byte, 3)); n != 0 || !errors.Is(err, errShut) || b.handed() {
		t.Errorf("%d, %v", n, err)
	}
	if _, ok := any(b).(io.Seeker); ok {
		t.Error("a body can seek")
	}
	if _, ok := any(b).(io.Closer); ok {
		t.Error("a body can be closed")
	}
}

func TestErrorDocuments(t *testing.T) {
	for text, want := range map[string]bool{
		"<Error><Code>X</Code></Error>": true, "<?xml version=\"1.0\"?>\n\n  <Error/>": true, "<ListBucketResult/>": false, "": false, "<Err": false, "plain": false,
	} {
		if got := isErrorDocument([]byte(text)); got != want {
			t.Errorf("%q: %v", text, got)
		}
	}
	x := &exchange{status: 404, header: http.Header{}}
	if e := errorResponse(x, "", nil); codeOf(e) != "NoSuchBucket" {
		t.Errorf("%v", e)
	}
	if ctx, x := record(context.Background(), nil); ctx.Value(exchangeKey{}) != x || x.complete() {
		t.Error("record")
	}
}

// answers is a service that says the same to every request.
type answers struct {
	text   func(n int) string
	status int
	n      int
}

func (a *answers) RoundTrip(*http.Request) (*http.Response, error) {
	a.n++
	header := http.Header{"Etag": {`"x"`}, "Last-Modified": {"Mon, 02 Jan 2006 15:04:05 GMT"}}
	return &http.Response{StatusCode: a.status, Header: header, Body: io.NopCloser(strings.NewReader(a.text(a.n)))}, nil
}

func hostile(t testing.TB, status int, text func(n int) string) (*Bucket, *answers) {
	t.Setenv("AWS_ACCESS_KEY_ID", "a")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "s")
	b, err := newBucket(&Config{Bucket: "example-bucket"}, &Options{})
	if err != nil {
		t.Fatal(err)
	}
	a := &answers{text: text, status: status}
	b.transport = recorder{base: a, lastSuccess: &b.lastSuccess, namesRequests: &b.namesRequests, now: b.now}
	b.caps = (&Probe{}).capabilities(1000)
	return b, a
}

// Whatever a service answers to a list, the driver comes to an end with names in order or with an error.
func FuzzListAnswers(f *testing.F) {
	f.Add("<ListBucketResult><Contents><Key>a</Key><ETag>&quot;x&quot;</ETag><Size>1</Size></Contents></ListBucketResult>", 200)
	f.Add("<ListBucketResult><EncodingType>url</EncodingType><IsTruncated>true</IsTruncated><NextContinuationToken>t</NextContinuationToken><Contents><Key>a%2Fb</Key></Contents></ListBucketResult>", 200)
	f.Add("<ListBucketResult><CommonPrefixes><Prefix>a/</Prefix></CommonPrefixes><Contents><Key>.sallyport/uploads/x</Key></Contents></ListBucketResult>", 200)
	f.Add("<Error><Code>InternalError</Code></Error>", 200)
	f.Add("", 503)
	f.Fuzz(func(t *testing.T, text string, status int) {
		if status < 200 || status > 599 {
			return
		}
		b, _ := hostile(t, status, func(int) string { return text })
		for _, opts := range []driver.ListOptions{{}, {Delimiter: "/"}, {Prefix: "a", Delimiter: "b", After: "ab"}} {
			page, err := b.List(t.Context(), &opts)
			if err != nil {
				continue
			}
			last := opts.After
			for i := range page.Entries {
				name := page.Entries[i].Name()
				if name <= last || !strings.HasPrefix(name, opts.Prefix) || driver.Reserved(name) {
					t.Fatalf("%q after %q", name, last)
				}
				last = name
			}
		}
		_, _ = b.Uploads().List(t.Context(), &driver.ListUploadsOptions{})
	})
}

func TestEndlessListsEnd(t *testing.T) {
	for name, text := range map[string]func(n int) string{
		"empty pages": func(n int) string {
			return fmt.Sprintf("<ListBucketResult><IsTruncated>true</IsTruncated><NextContinuationToken>%d</NextContinuationToken></ListBucketResult>", n)
		},
		"the same page": func(n int) string {
			return fmt.Sprintf("<ListBucketResult><IsTruncated>true</IsTruncated><NextContinuationToken>%d</NextContinuationToken><Contents><Key>a</Key></Contents></ListBucketResult>", n)
		},
		"no token": func(int) string {
			return "<ListBucketResult><IsTruncated>true</IsTruncated><Contents><Key>a</Key></Contents></ListBucketResult>"
		},
		"out of order": func(int) string {
			return "<ListBucketResult><Contents><Key>b</Key></Contents><Contents><Key>a</Key></Contents></ListBucketResult>"
		},
		"bad escape": func(int) string {
			return "<ListBucketResult><EncodingType>url</EncodingType><Contents><Key>%zz</Key></Contents></ListBucketResult>"
		},
	} {
		b, a := hostile(t, http.StatusOK, text)
		if _, err := b.List(t.Context(), &driver.ListOptions{}); !driver.Is(err, driver.Corrupt) || a.n > maxEmptyPages+2 {
			t.Errorf("%s: %v after %d requests", name, err, a.n)
		}
	}
	b, _ := hostile(t, http.StatusOK, func(int) string { return strings.Repeat(" ", maxAnswer+2) })
	if _, err := b.List(t.Context(), &driver.ListOptions{}); err == nil || !errors.Is(err, errContradiction) {
		t.Errorf("an answer that is too long: %v", err)
	}
}

func codeOf(err error) string {
	r, _ := errors.AsType[minio.ErrorResponse](err)
	return r.Code
}
