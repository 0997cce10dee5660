package sigv4

import (
	"bufio"
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"
)

const (
	testKey    = "AKIAIOSFODNN7EXAMPLE"
	testSecret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
	testRegion = "us-east-1"
)

func testTime() time.Time { return time.Date(2026, 11, 23, 20, 15, 30, 0, time.UTC) }

// draft is a request to be signed by the tests' own signer, which can also sign what no client would. Everything is taken as it stands.
type draft struct {
	method, target, host string
	headers              [][2]string
	signed               []string // names, lower-case; host, and with headers x-amz-date and x-amz-content-sha256, are added
	date                 time.Time
	region, service, day string
	payload              string
	expires              string
	presign              bool
	body                 string
}

func newDraft() *draft {
	return &draft{method: "PUT", target: "/bucket/key?x=1", host: "s3.example.test:9710", date: testTime(), region: testRegion, service: "s3", payload: unsignedPayload, expires: "900"}
}

func (d *draft) header(name, value string, signed bool) *draft {
	d.headers = append(d.headers, [2]string{name, value})
	if signed {
		d.signed = append(d.signed, strings.ToLower(name))
	}
	return d
}

func hmacSHA256(key []byte, text string) []byte {
	m := hmac.New(sha256.New, key)
	m.Write([]byte(text))
	return m.Sum(nil)
}

// wire signs the draft and returns the request head and body as bytes.
func (d *draft) wire(secret string) string {
	day := d.day
	if day == "" {
		day = d.date.Format("20060102")
	}
	stamp := d.date.Format("20060102T150405Z")
	scope := strings.Join([]string{day, d.region, d.service, "aws4_request"}, "/")
	headers := slices.Clone(d.headers)
	signed := append([]string{"host"}, d.signed...)
	if !d.presign {
		headers = append(headers, [2]string{"X-Amz-Date", stamp})
		signed = append(signed, "x-amz-date")
		if !slices.ContainsFunc(headers, func(h [2]string) bool { return strings.EqualFold(h[0], "x-amz-content-sha256") }) {
			headers = append(headers, [2]string{"X-Amz-Content-Sha256", d.payload})
			signed = append(signed, "x-amz-content-sha256")
		}
	}
	slices.Sort(signed)
	signed = slices.Compact(signed)
	path, rawQuery, _ := strings.Cut(d.target, "?")
	if d.presign {
		rawQuery += "&X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=" + url.QueryEscape(testKey+"/"+scope) + "&X-Amz-Date=" + stamp +
			"&X-Amz-Expires=" + d.expires + "&X-Amz-SignedHeaders=" + url.QueryEscape(strings.Join(signed, ";"))
		rawQuery = strings.TrimPrefix(rawQuery, "&")
	}
	values, err := url.ParseQuery(rawQuery)
	if err != nil {
		panic(err)
	}
	for _, v := range values {
		slices.Sort(v)
	}
	decoded, err := url.PathUnescape(path)
	if err != nil {
		panic(err)
	}
	segments := strings.Split(decoded, "/")
	for i, s := range segments {
		segments[i] = strings.ReplaceAll(url.QueryEscape(s), "+", "%20")
	}
	canonical := d.method + "\n" + strings.Join(segments, "/") + "\n" + strings.ReplaceAll(values.Encode(), "+", "%20") + "\n"
	for _, name := range signed {
		var all []string
		for _, h := range append(headers, [2]string{"host", d.host}) {
			if strings.EqualFold(h[0], name) {
				all = append(all, strings.Join(strings.Fields(h[1]), " "))
			}
		}
		canonical += name + ":" + strings.Join(all, ",") + "\n"
	}
	canonical += "\n" + strings.Join(signed, ";") + "\n" + d.payload
	sum := sha256.Sum256([]byte(canonical))
	toSign := "AWS4-HMAC-SHA256\n" + stamp + "\n" + scope + "\n" + hex.EncodeToString(sum[:])
	key := []byte("AWS4" + secret)
	for step := range strings.SplitSeq(scope, "/") {
		key = hmacSHA256(key, step)
	}
	signature := hex.EncodeToString(hmacSHA256(key, toSign))
	if d.presign {
		rawQuery += "&X-Amz-Signature=" + signature
	} else {
		headers = append(headers, [2]string{"Authorization", fmt.Sprintf("AWS4-HMAC-SHA256 Credential=%s/%s, SignedHeaders=%s, Signature=%s",
			testKey, scope, strings.Join(signed, ";"), signature)})
	}
	target := path
	if rawQuery != "" {
		target += "?" + rawQuery
	}
	var wire strings.Builder
	fmt.Fprintf(&wire, "%s %s HTTP/1.1\r\nHost: %s\r\n", d.method, target, d.host)
	for _, h := range headers {
		fmt.Fprintf(&wire, "%s: %s\r\n", h[0], h[1])
	}
	if d.body != "" {
		fmt.Fprintf(&wire, "Content-Length: %d\r\n", len(d.body))
	}
	return wire.String() + "\r\n" + d.body
}

// request signs the draft and parses it as a server does.
func (d *draft) request(t testing.TB) *http.Request {
	t.Helper()
	return readRequest(t, d.wire(testSecret))
}

func readRequest(t testing.TB, wire string) *http.Request {
	t.Helper()
	r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(wire)))
	if err != nil {
		t.Fatalf("read request: %v\n%s", err, wire)
	}
	return r
}

// asReceived turns a client's request into what a server reads.
func asReceived(t testing.TB, r *http.Request) *http.Request {
	t.Helper()
	var wire bytes.Buffer
	if err := r.Write(&wire); err != nil {
		t.Fatal(err)
	}
	return readRequest(t, wire.String())
}

// verify parses and verifies at a moment.
func verify(r *http.Request, now time.Time) (*Signed, *ChunkVerifier, error) {
	s, err := Parse(r)
	if err != nil {
		return nil, nil, err
	}
	v, err := s.Verify(r, NewSecret(testSecret), testRegion, now)
	return s, v, err
}

func wantReason(t *testing.T, err error, want Reason) {
	t.Helper()
	if got := reasonOf(t, err); got != want {
		t.Errorf("got %v (%v), want %v", got, err, want)
	}
}

func reasonOf(t testing.TB, err error) Reason {
	t.Helper()
	if err == nil {
		return 0
	}
	e, ok := err.(*Error) //nolint:errorlint // the package promises this very type.
	if !ok {
		t.Fatalf("error is a %T: %v", err, err)
	}
	return e.Reason
}

func mustVerify(t *testing.T, r *http.Request, now time.Time) (*Signed, *ChunkVerifier) {
	t.Helper()
	s, v, err := verify(r, now)
	if err != nil {
		t.Fatalf("a good request is refused: %v", err)
	}
	return s, v
}
