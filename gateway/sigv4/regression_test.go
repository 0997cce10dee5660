package sigv4

import (
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// powerfulHeaders are those whose unsigned form has let attackers act elsewhere (regression list A1).
func powerfulHeaders() []string {
	return []string{
		"copy-source", "copy-source-range", "copy-source-if-match", "copy-source-if-none-match", "copy-source-if-modified-since", "copy-source-if-unmodified-since",
		"server-side-encryption-customer-algorithm", "server-side-encryption-customer-key", "server-side-encryption-customer-key-md5",
		"copy-source-server-side-encryption-customer-algorithm", "copy-source-server-side-encryption-customer-key", "copy-source-server-side-encryption-customer-key-md5",
		"server-side-encryption", "tagging", "tagging-directive", "acl", "grant-read", "grant-write", "grant-read-acp", "grant-write-acp", "grant-full-control", "meta-color",
		"storage-class", "website-redirect-location", "object-lock-mode", "object-lock-retain-until-date", "object-lock-legal-hold", "bypass-governance-retention",
		"metadata-directive", "decoded-content-length", "trailer", "checksum-crc32", "checksum-sha256", "checksum-algorithm", "sdk-checksum-algorithm", "checksum-mode",
		"request-payer", "expected-bucket-owner", "mfa", "date", "anything-at-all",
	}
}

func TestA1UnsignedAmzHeadersAreRefused(t *testing.T) {
	for _, suffix := range powerfulHeaders() {
		name := "X-Amz-" + suffix
		for _, presign := range []bool{false, true} {
			if !presign && suffix == "date" {
				continue // always signed by the draft
			}
			t.Run(name+" presigned="+strconv.FormatBool(presign), func(t *testing.T) {
				d := newDraft()
				d.presign = presign
				// The same header signed is fine: the refusal below is about the signature and nothing else.
				mustVerify(t, newDraft().header(name, "value", true).presigned(presign).request(t), testTime())
				_, _, err := verify(d.header(name, "value", false).request(t), testTime())
				wantReason(t, err, UnsignedHeaders)
				var e *Error
				if errors.As(err, &e) && !slices.Equal(e.Headers, []string{strings.ToLower(name)}) {
					t.Errorf("names %q", e.Headers)
				}
			})
		}
	}
}

func (d *draft) presigned(yes bool) *draft {
	d.presign = yes
	return d
}

func TestA1HeaderUnderAnotherSpellingIsRefused(t *testing.T) {
	r := newDraft().header("X-Amz-Acl", "private", true).request(t)
	r.Header["x-amz-acl"] = []string{"public-read-write"}
	_, _, err := verify(r, testTime())
	wantReason(t, err, UnsignedHeaders)
}

func TestA1RepeatedHeaderValuesAreBound(t *testing.T) {
	d := newDraft().header("X-Amz-Meta-A", "one", true).header("X-Amz-Meta-A", "  two   three ", true)
	r := d.request(t)
	mustVerify(t, r, testTime())
	for name, values := range map[string][]string{
		"changed": {"one", "two four"}, "dropped": {"one"}, "reordered": {"two three", "one"}, "added": {"one", "two three", "four"}, "emptied": {"", "two three"},
	} {
		r := d.request(t)
		r.Header["X-Amz-Meta-A"] = values
		_, _, err := verify(r, testTime())
		if reasonOf(t, err) != SignatureMismatch {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestA1SignedHeaderMustBeThere(t *testing.T) {
	d := newDraft().header("X-Amz-Meta-A", "", true)
	r := d.request(t)
	mustVerify(t, r, testTime())
	r.Header.Del("X-Amz-Meta-A")
	_, _, err := verify(r, testTime())
	wantReason(t, err, MalformedHeader)
}

func sentinels() []string {
	return []string{streamingSigned, streamingSignedTrailer, streamingUnsignedTrailer}
}

func TestA2UnsignedSentinelFailsClosed(t *testing.T) {
	for _, sentinel := range append(sentinels(), "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD", "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD-TRAILER", "STREAMING-UNSIGNED-PAYLOAD", "STREAMING-", "streaming-unsigned-payload-trailer") {
		t.Run("presigned "+sentinel, func(t *testing.T) {
			// Whatever the signer bound as payload, an unsigned sentinel beside it must not get through.
			for _, bound := range []string{unsignedPayload, sentinel} {
				d := newDraft().presigned(true).header("X-Amz-Content-Sha256", sentinel, false)
				d.payload = bound
				if _, _, err := verify(d.request(t), testTime()); err == nil {
					t.Error("accepted")
				}
			}
		})
		t.Run("header "+sentinel, func(t *testing.T) {
			d := newDraft().header("X-Amz-Content-Sha256", sentinel, false)
			d.payload = sentinel
			if _, _, err := verify(d.request(t), testTime()); err == nil {
				t.Error("accepted")
			}
		})
	}
}

func TestA2UnsignedDigestAndUnsignedPayload(t *testing.T) {
	digest := strings.Repeat("ab", 32)
	for _, presign := range []bool{false, true} {
		for _, value := range []string{digest, unsignedPayload} {
			d := newDraft().presigned(presign).header("X-Amz-Content-Sha256", value, false)
			d.payload = value
			s, _ := mustVerify(t, d.request(t), testTime())
			if want := value == digest; (s.Payload.Mode == PayloadHashed) != want {
				t.Errorf("presigned=%v %s: mode %v", presign, value, s.Payload.Mode)
			}
		}
	}
	// A digest sent with a URL that was presigned for any body is enforced, not ignored.
	d := newDraft().presigned(true).header("X-Amz-Content-Sha256", digest, false)
	s, _ := mustVerify(t, d.request(t), testTime())
	if s.Payload.Mode != PayloadHashed {
		t.Errorf("mode %v", s.Payload.Mode)
	}
}

func TestA2SignedSentinelSelectsTheMode(t *testing.T) {
	want := map[string]PayloadMode{streamingSigned: PayloadStreamingSigned, streamingSignedTrailer: PayloadStreamingSignedTrailer, streamingUnsignedTrailer: PayloadStreamingUnsignedTrailer}
	for _, sentinel := range sentinels() {
		header := newDraft()
		header.payload = sentinel
		signedHeader := newDraft().presigned(true).header("X-Amz-Content-Sha256", sentinel, true)
		signedHeader.payload = sentinel
		inQuery := newDraft().presigned(true)
		inQuery.payload, inQuery.target = sentinel, "/bucket/key?X-Amz-Content-Sha256="+sentinel
		for name, d := range map[string]*draft{"header": header, "presigned, signed header": signedHeader, "presigned, query": inQuery} {
			s, v := mustVerify(t, d.request(t), testTime())
			if s.Payload.Mode != want[sentinel] || !s.Payload.Mode.Streaming() || s.Payload.Mode.String() != sentinel {
				t.Errorf("%s %s: mode %v", name, sentinel, s.Payload.Mode)
			}
			if signed := sentinel != streamingUnsignedTrailer; (v != nil) != signed {
				t.Errorf("%s %s: verifier %v", name, sentinel, v != nil)
			}
		}
	}
}

func TestA2RepeatedOrEmptyPayloadHash(t *testing.T) {
	r := newDraft().request(t)
	r.Header["X-Amz-Content-Sha256"] = []string{"", streamingUnsignedTrailer}
	_, err := Parse(r)
	wantReason(t, err, InvalidPayloadHash)
	r.Header["X-Amz-Content-Sha256"] = []string{""}
	_, err = Parse(r)
	wantReason(t, err, InvalidPayloadHash)
	delete(r.Header, "X-Amz-Content-Sha256")
	_, err = Parse(r)
	wantReason(t, err, MissingPayloadHash)

	for _, target := range []string{
		"/b/k?X-Amz-Content-Sha256=" + unsignedPayload + "&X-Amz-Content-Sha256=" + streamingUnsignedTrailer,
		"/b/k?X-Amz-Content-Sha256=" + unsignedPayload + "&x-amz-content-sha256=" + streamingUnsignedTrailer,
		"/b/k?X-Amz-Content-Sha256=",
	} {
		d := newDraft().presigned(true)
		d.target = target
		_, err = Parse(d.request(t))
		wantReason(t, err, InvalidPayloadHash)
	}
	d := newDraft().presigned(true).header("X-Amz-Content-Sha256", streamingUnsignedTrailer, true)
	d.target = "/b/k?X-Amz-Content-Sha256=" + unsignedPayload
	_, err = Parse(d.request(t))
	wantReason(t, err, InvalidPayloadHash)
	d = newDraft()
	d.target = "/b/k?X-Amz-Content-Sha256=" + streamingUnsignedTrailer
	_, err = Parse(d.request(t))
	wantReason(t, err, InvalidPayloadHash)
	// Even where both say the same, or the first of two values is harmless.
	d.target = "/b/k?X-Amz-Content-Sha256=" + unsignedPayload
	_, err = Parse(d.request(t))
	wantReason(t, err, InvalidPayloadHash)
	d = newDraft().header("X-Amz-Content-Sha256", unsignedPayload, true).header("X-Amz-Content-Sha256", streamingUnsignedTrailer, true)
	_, err = Parse(d.request(t))
	wantReason(t, err, InvalidPayloadHash)
}

// every way of signing (A3, A4, A5): header and query, each payload form.
func everyWay() map[string]func() *draft {
	ways := map[string]func() *draft{}
	for _, payload := range append(sentinels(), unsignedPayload, strings.Repeat("0f", 32)) {
		ways["header "+payload] = func() *draft {
			d := newDraft()
			d.payload = payload
			return d
		}
		ways["query "+payload] = func() *draft {
			d := newDraft().presigned(true)
			d.payload = payload
			d.target = "/bucket/key?X-Amz-Content-Sha256=" + payload
			return d
		}
		ways["query and signed header "+payload] = func() *draft {
			d := newDraft().presigned(true).header("X-Amz-Content-Sha256", payload, true)
			d.payload = payload
			return d
		}
	}
	return ways
}

func TestA3A4A5EveryWayOfSigningIsVerified(t *testing.T) {
	for name, way := range everyWay() {
		t.Run(name, func(t *testing.T) {
			mustVerify(t, way().request(t), testTime())
			_, _, err := verify(readRequest(t, way().wire("another secret")), testTime())
			wantReason(t, err, SignatureMismatch)
		})
	}
}

func TestA11Clock(t *testing.T) {
	for _, c := range []struct {
		offset time.Duration
		want   Reason
	}{
		{0, 0},
		{maxSkew, 0},
		{-maxSkew, 0},
		{maxSkew + time.Second, TimeSkewed},
		{-maxSkew - time.Second, TimeSkewed},
		{73 * 365 * 24 * time.Hour, TimeSkewed},
		{-73 * 365 * 24 * time.Hour, TimeSkewed},
	} {
		_, _, err := verify(newDraft().request(t), testTime().Add(c.offset))
		wantReason(t, err, c.want)
	}
	d := newDraft()
	d.day = "20261122"
	_, _, err := verify(d.request(t), testTime())
	wantReason(t, err, MalformedHeader)
	d.presign = true
	_, _, err = verify(d.request(t), testTime())
	wantReason(t, err, MalformedQuery)
}

func TestA11DateHeaders(t *testing.T) {
	for name, change := range map[string]func(http.Header){
		"none":     func(h http.Header) { h.Del("X-Amz-Date") },
		"twice":    func(h http.Header) { h.Add("X-Amz-Date", h.Get("X-Amz-Date")) },
		"empty":    func(h http.Header) { h["X-Amz-Date"] = []string{""} },
		"fraction": func(h http.Header) { h["X-Amz-Date"] = []string{"20261123T201530.5Z"} },
		"RFC 1123": func(h http.Header) { h["X-Amz-Date"] = []string{testTime().Format(http.TimeFormat)} },
		"bad, + Date": func(h http.Header) {
			h["X-Amz-Date"] = []string{"x"}
			h.Set("Date", testTime().Format(http.TimeFormat))
		},
	} {
		r := newDraft().request(t)
		change(r.Header)
		if _, err := Parse(r); reasonOf(t, err) != InvalidDate {
			t.Errorf("%s: %v", name, err)
		}
	}
	// Date stands in for x-amz-date; the signature covers it as the date line.
	r := newDraft().request(t)
	r.Header.Del("X-Amz-Date")
	r.Header.Set("Date", testTime().Format(http.TimeFormat))
	s, err := Parse(r)
	if err != nil || !s.Date.Equal(testTime()) {
		t.Errorf("got %v, %v", s, err)
	}
}

func TestA12PresignedExpiry(t *testing.T) {
	for text, want := range map[string]Reason{
		"1": 0, "604800": 0, "604801": MalformedQuery, "0": MalformedQuery, "-1": MalformedQuery, "%2B5": MalformedQuery, "05": MalformedQuery, "1.5": MalformedQuery, "abc": MalformedQuery,
		"": MalformedQuery, "99999999999999999999": MalformedQuery, "9223372037": MalformedQuery, "0x10": MalformedQuery,
	} {
		d := newDraft().presigned(true)
		d.expires = text
		_, _, err := verify(d.request(t), testTime())
		if got := reasonOf(t, err); got != want {
			t.Errorf("%q: %v", text, err)
		}
	}
	for _, c := range []struct {
		offset time.Duration
		want   Reason
	}{{900 * time.Second, 0}, {901 * time.Second, Expired}, {-maxSkew, 0}, {-maxSkew - time.Second, NotYetValid}} {
		_, _, err := verify(newDraft().presigned(true).request(t), testTime().Add(c.offset))
		wantReason(t, err, c.want)
	}
}

func TestA12PresignedEdits(t *testing.T) {
	wire := newDraft().presigned(true).wire(testSecret)
	mustVerify(t, readRequest(t, wire), testTime())
	for name, edit := range map[string][2]string{
		"expiry":         {"X-Amz-Expires=900", "X-Amz-Expires=901"},
		"method":         {"PUT ", "GET "},
		"key":            {"/bucket/key", "/bucket/other"},
		"query":          {"x=1", "x=2"},
		"query added":    {"x=1", "x=1&y"},
		"query repeated": {"x=1", "x=1&x=1"},
		"host":           {"Host: s3.example", "Host: s4.example"},
		"port":           {":9710", ":9711"},
		"date":           {"T201530Z", "T201531Z"},
	} {
		edited := strings.Replace(wire, edit[0], edit[1], 1)
		if edited == wire {
			t.Fatalf("%s: nothing edited", name)
		}
		_, _, err := verify(readRequest(t, edited), testTime())
		if reasonOf(t, err) != SignatureMismatch {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, name := range []string{"Algorithm", "Credential", "SignedHeaders", "Signature", "Date", "Expires"} {
		from := strings.Index(wire, "X-Amz-"+name+"=")
		length := strings.IndexAny(wire[from:], "& ")
		param := wire[from : from+length]
		for what, edited := range map[string]string{
			"other case":         strings.Replace(wire, param, strings.ToLower(param[:6])+param[6:], 1),
			"missing":            strings.Replace(wire, param, "z=1", 1),
			"empty":              strings.Replace(wire, param, "X-Amz-"+name+"=", 1),
			"twice":              strings.Replace(wire, param, param+"&"+param, 1),
			"twice, other case":  strings.Replace(wire, param, param+"&"+strings.ToLower(param), 1),
			"twice, escaped":     strings.Replace(wire, param, param+"&%58"+param[1:], 1),
			"two, first another": strings.Replace(wire, param, "X-Amz-"+name+"=1&"+param, 1),
		} {
			if _, err := Parse(readRequest(t, edited)); reasonOf(t, err) != MalformedQuery {
				t.Errorf("%s %s: %v", name, what, err)
			}
		}
	}
}

func TestA12TwoKindsOfAuthentication(t *testing.T) {
	authorization := newDraft().request(t).Header.Get("Authorization")
	both := newDraft().presigned(true).request(t)
	both.Header.Set("Authorization", authorization)
	twice := newDraft().request(t)
	twice.Header.Add("Authorization", authorization)
	foreign := newDraft().presigned(true).request(t)
	foreign.Header.Set("Authorization", "Bearer token")
	v2 := newDraft().presigned(true).request(t)
	v2.URL.RawQuery += "&AWSAccessKeyId=x"
	v2header := newDraft().request(t)
	v2header.URL.RawQuery += "&Signature=x&Expires=1"
	part := newDraft().request(t)
	part.URL.RawQuery += "&x-amz-signature=0"
	for i, r := range []*http.Request{both, twice, foreign, v2, v2header, part} {
		if _, err := Parse(r); reasonOf(t, err) != MultipleAuth {
			t.Errorf("%d: %v", i, err)
		}
	}
}

func TestA13UnknownKeyAndWrongSignatureAreOne(t *testing.T) {
	r := newDraft().request(t)
	s, err := Parse(r)
	if err != nil {
		t.Fatal(err)
	}
	_, unknown := s.Verify(r, Secret{}, testRegion, testTime())
	_, wrong := s.Verify(r, NewSecret("another"), testRegion, testTime())
	wantReason(t, unknown, SignatureMismatch)
	if unknown.Error() != wrong.Error() {
		t.Errorf("%q and %q", unknown, wrong)
	}
	// Even a signature made with the dummy itself is no entry.
	d := newDraft()
	dummy := readRequest(t, d.wire("no such access key: forty bytes of dummy"))
	s, err = Parse(dummy)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Verify(dummy, NewSecret("no such access key: forty bytes of dummy"), testRegion, testTime()); err != nil {
		t.Fatalf("the test has another dummy: %v", err)
	}
	_, err = s.Verify(dummy, Secret{}, testRegion, testTime())
	wantReason(t, err, SignatureMismatch)
}

func TestAnonymousAndOtherMechanisms(t *testing.T) {
	_, err := Parse(readRequest(t, "GET /?list-type=2 HTTP/1.1\r\nHost: x\r\n\r\n"))
	if !errors.Is(err, ErrAnonymous) {
		t.Errorf("got %v", err)
	}
	for value, want := range map[string]Reason{
		"AWS AKID:c2ln": UnsupportedMechanism, "Basic YTpi": UnsupportedMechanism, "Bearer x": UnsupportedMechanism, "": UnsupportedMechanism, "AWS4-HMAC-SHA256": MalformedHeader,
		"AWS4-HMAC-SHA512 Credential=a": UnsupportedMechanism, "aws4-hmac-sha256 Credential=a": UnsupportedMechanism,
		"AWS4-ECDSA-P256-SHA256 Credential=a": NotImplemented,
	} {
		r := newDraft().request(t)
		r.Header.Set("Authorization", value)
		if _, err := Parse(r); reasonOf(t, err) != want {
			t.Errorf("%q: %v", value, err)
		}
	}
	r := newDraft().presigned(true).request(t)
	r.URL.RawQuery = strings.Replace(r.URL.RawQuery, algorithm, ecdsaAlgorithm, 1)
	_, err = Parse(r)
	wantReason(t, err, NotImplemented)
	if !errors.Is(err, ErrNotImplemented) {
		t.Errorf("got %v", err)
	}
	d := newDraft()
	d.payload = "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD-TRAILER"
	_, err = Parse(d.request(t))
	wantReason(t, err, NotImplemented)
	_, err = Parse(readRequest(t, "GET /b/k?AWSAccessKeyId=a&Signature=b&Expires=1 HTTP/1.1\r\nHost: x\r\n\r\n"))
	wantReason(t, err, UnsupportedMechanism)
	_, _, err = verify(newDraft().header("X-Amz-Security-Token", "t", true).request(t), testTime())
	wantReason(t, err, SecurityToken)
	d = newDraft().presigned(true)
	d.target = "/b/k?X-Amz-Security-Token=t"
	_, err = Parse(d.request(t))
	wantReason(t, err, SecurityToken)
}
