package sigv4

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

func canonicalQueryOf(t testing.TB, raw string, presigned bool) string {
	t.Helper()
	q, err := parseQuery(raw)
	if err != nil {
		t.Fatalf("%q: %v", raw, err)
	}
	return string(appendCanonicalQuery(nil, q, presigned))
}

func TestCanonicalQuery(t *testing.T) {
	for raw, want := range map[string]string{
		"":                               "",
		"&":                              "",
		"lifecycle":                      "lifecycle=",
		"b=2&a=1":                        "a=1&b=2",
		"a=2&a=1&a":                      "a=&a=1&a=2",
		"a-b=1&a=2":                      "a=2&a-b=1",
		"a=%7e%2F%2f+%20":                "a=~%2F%2F%20%20",
		"a=b=c":                          "a=b%3Dc",
		"a;b=c":                          "a%3Bb=c",
		"%61=1":                          "a=1",
		"a=%FF%00":                       "a=%FF%00",
		"é=1":                            "%C3%A9=1",
		"=x":                             "=x",
		"X-Amz-Signature=1&x=2":          "X-Amz-Signature=1&x=2",
		"uploads&prefix=a%25b":           "prefix=a%25b&uploads=",
		"a=10&a=9":                       "a=10&a=9",
		"A=1&a=1&_=1&-=1&.=1&~=1&0=1":    "-=1&.=1&0=1&A=1&_=1&a=1&~=1",
		"max-keys=2&prefix=J&list-type=": "list-type=&max-keys=2&prefix=J",
	} {
		if got := canonicalQueryOf(t, raw, false); got != want {
			t.Errorf("%q: got %q, want %q", raw, got, want)
		}
	}
	if got := canonicalQueryOf(t, "X-Amz-Signature=1&x=2", true); got != "x=2" {
		t.Errorf("got %q", got)
	}
	for _, raw := range []string{"%", "a=%", "a=%4", "a=%4g", "a=%g4", "%zz=1", "a&b=%-1"} {
		if _, err := parseQuery(raw); reasonOf(t, err) != InvalidURI {
			t.Errorf("%q: %v", raw, err)
		}
	}
}

func TestPathIsDecodedOnceAndNeverCleaned(t *testing.T) {
	for target, want := range map[string]string{
		"/":             "/",
		"/b/a%2Fb":      "/b/a/b",
		"/b/a%252Fb":    "/b/a%252Fb",
		"/b//x/../y/./": "/b//x/../y/./",
		"//b":           "//b",
		"/b/a+b%20c":    "/b/a%2Bb%20c",
		"/b/%7Ea~":      "/b/~a~",
		"/b/%e9":        "/b/%E9",
		"/b/!*'()":      "/b/%21%2A%27%28%29",
	} {
		r := readRequest(t, "GET "+target+" HTTP/1.1\r\nHost: h\r\n\r\n")
		s := &Signed{signedHeaders: "host"}
		canonical, err := s.canonicalRequest(r, nil)
		if err != nil {
			t.Fatal(err)
		}
		if want := "GET\n" + want + "\n\nhost:h\n\nhost\n"; string(canonical) != want {
			t.Errorf("%q: got %q, want %q", target, canonical, want)
		}
	}
	if _, err := Parse(readRequest(t, "GET http:opaque HTTP/1.1\r\nHost: h\r\n\r\n")); reasonOf(t, err) != InvalidURI {
		t.Errorf("opaque target: %v", err)
	}
}

func TestHeadersTheServerKeepsElsewhere(t *testing.T) {
	signed := func(headers [][2]string, body string) *draft {
		d := newDraft()
		d.body = body
		for _, h := range headers {
			d.header(h[0], h[1], true)
		}
		return d
	}
	mustVerify(t, signed([][2]string{{"Expect", "100-continue"}, {"Content-Type", "a  b"}, {"Range", "bytes=0-9"}}, "").request(t), testTime())

	d := newDraft()
	d.header("Content-Length", "4", true)
	mustVerify(t, readRequest(t, d.wire(testSecret)+"data"), testTime())
	d = newDraft()
	d.header("Transfer-Encoding", "chunked", true)
	mustVerify(t, readRequest(t, d.wire(testSecret)+"0\r\n\r\n"), testTime())

	// HTTP/2 servers drop Expect.
	r := signed([][2]string{{"Expect", "100-continue"}}, "").request(t)
	r.Header.Del("Expect")
	_, _, err := verify(r, testTime())
	wantReason(t, err, MalformedHeader)
	r.ProtoMajor = 2
	mustVerify(t, r, testTime())

	r = newDraft().request(t)
	r.Host = ""
	_, _, err = verify(r, testTime())
	wantReason(t, err, MalformedHeader)
}

func TestMalformedAuthorization(t *testing.T) {
	good := newDraft().request(t).Header.Get("Authorization")
	signature := good[strings.LastIndex(good, "=")+1:]
	for name, edit := range map[string][2]string{
		"no credential":          {"Credential=" + testKey, "Kredential=" + testKey},
		"empty field":            {"Signature=" + signature, "Signature="},
		"short signature":        {signature, signature[1:]},
		"long signature":         {signature, signature + "0"},
		"upper-case signature":   {signature, strings.ToUpper(signature)},
		"no hex":                 {signature, "g" + signature[1:]},
		"unknown field":          {"Signature=", "Extra=1,Signature="},
		"repeated field":         {"Signature=", "Signature=" + signature + ",Signature="},
		"trailing comma":         {signature, signature + ","},
		"no scope":               {testKey + "/20261123/", testKey},
		"no key":                 {testKey + "/", "/"},
		"key with space":         {testKey, "AKIA X"},
		"key with control":       {testKey, "AKIA\x7f"},
		"long key":               {testKey, strings.Repeat("A", 129)},
		"no region":              {"/us-east-1/", "//"},
		"other service":          {"/s3/", "/iam/"},
		"other terminator":       {"aws4_request", "aws5_request"},
		"host unsigned":          {"SignedHeaders=host;", "SignedHeaders="},
		"upper-case header":      {"=host;", "=Host;"},
		"repeated header":        {"=host;", "=host;host;"},
		"unsorted headers":       {"=host;x-amz-content-sha256;", "=x-amz-content-sha256;host;"},
		"empty header":           {"=host;", "=host;;"},
		"trailing semicolon":     {"x-amz-date,", "x-amz-date;,"},
		"header name with space": {"=host;", "=host;x y;"},
		"no fields":              {good, "AWS4-HMAC-SHA256 "},
		"too long":               {good, good + strings.Repeat(" ", maxAuthorization)},
		"too many headers":       {"=host;", "=" + manyHeaders() + "host;"},
	} {
		edited := strings.Replace(good, edit[0], edit[1], 1)
		if edited == good {
			t.Fatalf("%s: nothing edited", name)
		}
		r := newDraft().request(t)
		r.Header.Set("Authorization", edited)
		if _, err := Parse(r); reasonOf(t, err) != MalformedHeader {
			t.Errorf("%s: %v", name, err)
		}
	}
	// What S3 takes: other spacing, other order, slashes in the access key.
	for _, edited := range []string{strings.ReplaceAll(good, ", ", ","), strings.ReplaceAll(good, ", ", " ,\t "), strings.Replace(good, testKey, "team/a/key", 1)} {
		r := newDraft().request(t)
		r.Header.Set("Authorization", edited)
		s, _ := mustVerify(t, r, testTime())
		if strings.Contains(edited, "team") && s.AccessKey != "team/a/key" {
			t.Errorf("access key %q", s.AccessKey)
		}
	}
}

func manyHeaders() string {
	var names strings.Builder
	for i := range maxSignedHeaders {
		fmt.Fprintf(&names, "a%04d;", i)
	}
	return names.String()
}

func TestRegion(t *testing.T) {
	for _, presign := range []bool{false, true} {
		d := newDraft().presigned(presign)
		d.region = "eu-west-1"
		_, _, err := verify(d.request(t), testTime())
		want := MalformedHeader
		if presign {
			want = MalformedQuery
		}
		wantReason(t, err, want)
		if e := err.(*Error); e.Region != testRegion { //nolint:errorlint // the package promises this very type.
			t.Errorf("region %q", e.Region)
		}
	}
}

// TestMutatedRequests is the property behind T7: whatever byte of a signed request changes, it is refused, unless what is signed is the same.
func TestMutatedRequests(t *testing.T) {
	drafts := []func() *draft{
		func() *draft {
			return newDraft().header("X-Amz-Meta-A", "value", true).header("X-Amz-Acl", "private", true)
		},
		func() *draft { return newDraft().presigned(true).header("X-Amz-Meta-A", "value", true) },
	}
	rounds := 20000
	if testing.Short() {
		rounds = 2000
	}
	for seed, way := range drafts {
		good := way().wire(testSecret)
		original := readRequest(t, good)
		random := rand.New(rand.NewPCG(uint64(seed), 1))
		for range rounds {
			mutated := []byte(good)
			at := random.IntN(len(mutated))
			mutated[at] = byte(random.IntN(256))
			r, err := parseWire(string(mutated))
			if err != nil {
				continue
			}
			if _, _, err := verify(r, testTime()); err == nil && !sameMeaning(original, r) {
				t.Fatalf("byte %d made %q, and that is accepted:\n%s", at, mutated[at], mutated)
			}
		}
	}
}

// sameMeaning compares what handlers act on.
func sameMeaning(a, b *http.Request) bool {
	if a.Method != b.Method || a.URL.Path != b.URL.Path || a.Host != b.Host {
		return false
	}
	if canonicalMeaning(a.URL.RawQuery) != canonicalMeaning(b.URL.RawQuery) {
		return false
	}
	for _, name := range []string{"X-Amz-Meta-A", "X-Amz-Acl", "X-Amz-Date", "X-Amz-Content-Sha256"} {
		if strings.Join(strings.Fields(strings.Join(a.Header[name], ",")), " ") != strings.Join(strings.Fields(strings.Join(b.Header[name], ",")), " ") {
			return false
		}
	}
	return true
}

func canonicalMeaning(raw string) string {
	values, _ := url.ParseQuery(raw)
	return values.Encode()
}
