package sigv4

import (
	"bufio"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"
)

func parseWire(wire string) (*http.Request, error) {
	return http.ReadRequest(bufio.NewReader(strings.NewReader(wire)))
}

// checkClaims holds whatever Parse accepts to its promises, and to being useless without the secret.
func checkClaims(t *testing.T, r *http.Request) {
	s, err := Parse(r)
	if err != nil {
		reasonOf(t, err)
		return
	}
	names := strings.Split(s.signedHeaders, ";")
	if !slices.IsSorted(names) || !slices.Contains(names, "host") || s.AccessKey == "" || s.Region == "" || s.Payload.Mode == 0 || s.day != s.Date.Format("20060102") {
		t.Errorf("claims %+v", s)
	}
	if s.Presigned && (s.Expires < time.Second || s.Expires > 604800*time.Second) {
		t.Errorf("expires %v", s.Expires)
	}
	for _, secret := range []Secret{{}, NewSecret("not the secret")} {
		v, err := s.Verify(r, secret, s.Region, s.Date)
		if err == nil || v != nil {
			t.Error("verified without the secret")
		}
		reasonOf(t, err)
	}
}

func FuzzAuthorization(f *testing.F) {
	good := newDraft().request(f)
	f.Add(good.Header.Get("Authorization"), good.Header.Get("X-Amz-Date"), unsignedPayload)
	f.Add("AWS4-HMAC-SHA256 Credential=a/b/20261123/us-east-1/s3/aws4_request,SignedHeaders=host,Signature="+strings.Repeat("0", 64), "20261123T000000Z", streamingSigned)
	f.Add("AWS4-ECDSA-P256-SHA256 x", "Mon, 23 Nov 2026 00:00:00 GMT", streamingUnsignedTrailer)
	f.Add("AWS a:b", "", "")
	f.Fuzz(func(t *testing.T, authorization, date, payload string) {
		r := &http.Request{Method: http.MethodGet, Host: "h", URL: &url.URL{Path: "/b/k"}, Header: http.Header{
			"Authorization": {authorization}, "X-Amz-Date": {date}, "X-Amz-Content-Sha256": {payload},
		}}
		checkClaims(t, r)
	})
}

func FuzzPresignedQuery(f *testing.F) {
	f.Add(newDraft().presigned(true).request(f).URL.RawQuery)
	f.Add("X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=a")
	f.Add("X-Amz-Signature=%&x-amz-expires=1")
	f.Add("AWSAccessKeyId=a&Signature=b&Expires=1")
	f.Fuzz(func(t *testing.T, raw string) {
		checkClaims(t, &http.Request{Method: http.MethodGet, Host: "h", URL: &url.URL{Path: "/b/k", RawQuery: raw}, Header: http.Header{}})
	})
}

// FuzzCanonicalQuery holds the canonical query to net/url, an independent reading, and to being a fixed point.
func FuzzCanonicalQuery(f *testing.F) {
	for _, raw := range []string{"", "a=1&b=2", "a&a=&=&==", "x=%41+%2b", "é=%C3%A9", "prefix=a%20b&delimiter=/", "%zz", "a;b"} {
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		_, err := parseQuery(raw)
		theirs, theirErr := url.ParseQuery(raw)
		// net/url gives up on semicolons: there, only that we neither crash nor waver is checked.
		if !strings.Contains(raw, ";") && (err == nil) != (theirErr == nil) {
			t.Fatalf("%q: we say %v, net/url says %v", raw, err, theirErr)
		}
		if err != nil {
			reasonOf(t, err)
			return
		}
		canonical := canonicalQueryOf(t, raw, false)
		if again := canonicalQueryOf(t, canonical, false); again != canonical {
			t.Errorf("%q: %q becomes %q", raw, canonical, again)
		}
		if strings.Contains(raw, ";") {
			return
		}
		var pairs []string
		for name, values := range theirs {
			for _, value := range values {
				// '~' and '=' sort differently joined; compare as sets of pairs.
				pairs = append(pairs, strings.ReplaceAll(url.QueryEscape(name)+"="+url.QueryEscape(value), "+", "%20"))
			}
		}
		var ours []string
		if canonical != "" {
			ours = strings.Split(canonical, "&")
		}
		slices.Sort(pairs)
		slices.Sort(ours)
		if !slices.Equal(pairs, ours) {
			t.Errorf("%q: %q, net/url says %q", raw, ours, pairs)
		}
	})
}
