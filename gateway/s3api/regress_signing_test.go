package s3api

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"sallyport/config/secret"
	"sallyport/gateway/auth"
)

func sentinelOf(f form) string {
	return map[form]string{
		formStreaming: "STREAMING-AWS4-HMAC-SHA256-PAYLOAD", formStreamTrailer: "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER",
		formUnsignedTrailer: "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
	}[f]
}

// presignPayload signs in the query with a payload line of its own, which a signed header carries.
func (s signer) presignPayload(r *http.Request, payload string) (signature string) {
	r.Header.Set("X-Amz-Content-Sha256", payload)
	names := s.names(r)
	q := r.URL.Query()
	q.Set("X-Amz-Algorithm", "AWS4-HMAC-SHA256")
	q.Set("X-Amz-Credential", s.accessKey+"/"+s.scope())
	q.Set("X-Amz-Date", s.stamp())
	q.Set("X-Amz-Expires", "600")
	q.Set("X-Amz-SignedHeaders", strings.Join(names, ";"))
	signature = s.signature(r, q, names, payload)
	q.Set("X-Amz-Signature", signature)
	r.URL.RawQuery = q.Encode()
	return signature
}

// presignStreaming gives the request a framed body whose credentials are all in the query string.
func (s signer) presignStreaming(r *http.Request, f form, body []byte) {
	r.Header.Set("Content-Encoding", "aws-chunked")
	r.Header.Set("X-Amz-Decoded-Content-Length", strconv.Itoa(len(body)))
	if f != formStreaming {
		r.Header.Set("X-Amz-Trailer", "x-amz-checksum-crc32")
	}
	setBody(r, s.chunked(f, body, s.presignPayload(r, sentinelOf(f))))
}

// TestPresignedStreamingIsVerified is regression A4: credentials in the query, chunks or trailers in the body, no Authorization.
func TestPresignedStreamingIsVerified(t *testing.T) {
	s := newSite(t, siteOptions{})
	body := pattern(2*testChunk + 17)
	bodyRoutes(t, s, func(t *testing.T, target string, check func(*testing.T)) {
		for _, f := range []form{formStreaming, formStreamTrailer, formUnsignedTrailer} {
			refused := func(what string, r *http.Request, codes ...string) {
				t.Helper()
				if a := s.send(r); a.status < 400 || a.status >= 500 || !strings.Contains(strings.Join(codes, " "), a.code()) {
					t.Errorf("%s, %s: %s", f, what, a)
				}
				check(t)
			}
			wrong := s.signer
			wrong.secretKey += "x"
			r := s.request(http.MethodPut, target)
			wrong.presignStreaming(r, f, body)
			refused("wrong secret", r, "SignatureDoesNotMatch")

			r = s.request(http.MethodPut, target)
			s.signer.presignStreaming(r, f, body)
			r.URL.RawQuery = strings.Replace(r.URL.RawQuery, "X-Amz-Signature="+url.QueryEscape(r.URL.Query().Get("X-Amz-Signature")), "z=1", 1)
			refused("no signature", r, "AuthorizationQueryParametersError")

			r = s.request(http.MethodPut, target)
			s.signer.presignStreaming(r, f, body)
			altered := bodyOfRequest(t, r)
			altered[testChunk/2] ^= 1
			setBody(r, altered)
			refused("altered body", r, "SignatureDoesNotMatch", "BadDigest", "XAmzContentChecksumMismatch")

			// The signature was for a body without framing: an unsigned sentinel must not choose another verifier (A2).
			r = s.request(http.MethodPut, target)
			s.signer.presign(r, time.Hour)
			r.Header.Set("X-Amz-Content-Sha256", sentinelOf(f))
			setBody(r, s.signer.chunked(f, body, r.URL.Query().Get("X-Amz-Signature")))
			refused("unsigned sentinel", r, "AccessDenied", "InvalidArgument", "InvalidRequest")
		}
	})
	for _, f := range []form{formStreaming, formStreamTrailer, formUnsignedTrailer} {
		r := s.request(http.MethodPut, "/"+testBucket+"/right")
		s.signer.presignStreaming(r, f, body)
		s.want(s.send(r), 200, "")
		if a := s.ask(http.MethodGet, "/"+testBucket+"/right", nil); !bytes.Equal(a.body, body) {
			t.Errorf("%s: %d bytes came back", f, len(a.body))
		}
	}
}

// TestPresignedBodyIsHeldToItsHash is of regression A12: a hash of the body beside a presigned URL binds the body, whether it was signed or not.
func TestPresignedBodyIsHeldToItsHash(t *testing.T) {
	s := newSite(t, siteOptions{})
	meant, sent := []byte("what was meant"), []byte("what was sent!")
	bodyRoutes(t, s, func(t *testing.T, target string, check func(*testing.T)) {
		r := s.request(http.MethodPut, target)
		s.signer.presignPayload(r, hexSHA(meant))
		setBody(r, sent)
		s.want(s.send(r), 400, "XAmzContentSHA256Mismatch")
		check(t)
		r = s.request(http.MethodPut, target)
		s.signer.presign(r, time.Hour)
		r.Header.Set("X-Amz-Content-Sha256", hexSHA(meant))
		setBody(r, sent)
		s.want(s.send(r), 400, "XAmzContentSHA256Mismatch")
		check(t)
	})
	r := s.request(http.MethodPut, "/"+testBucket+"/k")
	s.signer.presignPayload(r, hexSHA(meant))
	setBody(r, meant)
	s.want(s.send(r), 200, "")
}

// TestPresignedExpiryOnTheWire is of regression A12: what cannot be an expiry is S3's own error in XML, and an edited one is a wrong signature.
func TestPresignedExpiryOnTheWire(t *testing.T) {
	s := newSite(t, siteOptions{})
	for value, want := range map[string]string{
		"abc": "AuthorizationQueryParametersError", "": "AuthorizationQueryParametersError", "-1": "AuthorizationQueryParametersError",
		"0": "AuthorizationQueryParametersError", "604801": "AuthorizationQueryParametersError", "99999999999999999999": "AuthorizationQueryParametersError",
		"3601": "SignatureDoesNotMatch", "604800": "SignatureDoesNotMatch",
	} {
		r := s.request(http.MethodGet, "/"+testBucket+"/k")
		s.signer.presign(r, time.Hour)
		r.URL.RawQuery = strings.Replace(r.URL.RawQuery, "X-Amz-Expires=3600", "X-Amz-Expires="+value, 1)
		a := s.send(r)
		if a.code() != want || a.status < 400 || a.status >= 500 || a.header.Get("Content-Type") != "application/xml" {
			t.Errorf("expiry %q: %s, want %s", value, a, want)
		}
	}
	if s.backend.touched() {
		t.Error("the backend was touched")
	}
}

// fixedCredentials knows nobody and gives every stranger the same secret, as auth.Static does.
type fixedCredentials struct{ secret string }

// Lookup returns the secret and no principal.
func (f fixedCredentials) Lookup(string) (secret.String, *auth.Principal) {
	return secret.NewString(f.secret), nil
}

// TestStrangersAreVerifiedFirst is regression A13 and A14: an unknown access key takes the path of a known one, so that nothing but the last
// answer differs, and even a signature made with the stand-in secret opens nothing.
func TestStrangersAreVerifiedFirst(t *testing.T) {
	s := newSite(t, siteOptions{})
	s.server = httptest.NewServer(New(&Options{Objects: s.handler.(*handler).objects, Credentials: fixedCredentials{testSecret}}))
	t.Cleanup(s.server.Close)
	for _, f := range allForms() {
		s.want(s.do(f, http.MethodPut, "/"+testBucket+"/k", []byte("body")), 403, "InvalidAccessKeyId")
		// What is wrong besides is said first, as to everybody: the answer shows that the steps of verifying were taken.
		r := s.request(http.MethodPut, "/"+testBucket+"/k")
		s.signer.sign(r, f, []byte("body"))
		r.Header.Set("X-Amz-Acl", "private")
		s.want(s.send(r), 403, "AccessDenied")
		late := s.signer
		late.at = late.at.Add(-8 * 24 * time.Hour)
		r = s.request(http.MethodPut, "/"+testBucket+"/k")
		late.sign(r, f, []byte("body"))
		if a := s.send(r); a.status != 403 || a.code() == "InvalidAccessKeyId" {
			t.Errorf("%s, too old: %s", f, a)
		}
	}
	if s.backend.touched() {
		t.Error("the backend was touched")
	}
}

// TestInventedSignatures is regression A14: what only looks like a credential is none.
func TestInventedSignatures(t *testing.T) {
	s := newSite(t, siteOptions{})
	invented := []string{"", "mock", "0", "null", strings.Repeat("0", 64), strings.Repeat("f", 64), strings.Repeat("0", 63), strings.Repeat("0", 65), hexSHA(nil), hexSHA([]byte(testAccess))}
	eachRow(t, func(t *testing.T, op *operation, p sample) {
		for _, signature := range invented {
			header := s.sampleRequest(p)
			s.signer.sign(header, formHashed, p.body)
			line := header.Header.Get("Authorization")
			header.Header.Set("Authorization", line[:strings.LastIndex(line, "=")+1]+signature)
			query := s.sampleRequest(p)
			s.signer.sign(query, formPresigned, p.body)
			q := query.URL.Query()
			q.Set("X-Amz-Signature", signature)
			query.URL.RawQuery = q.Encode()
			for _, r := range []*http.Request{header, query} {
				if a := s.send(r); a.status != 403 && a.status != 400 || op.method != http.MethodHead && a.code() == "" {
					t.Errorf("%q: %s", signature, a)
				}
			}
		}
		// Names of headers in which others believed what a proxy, or anybody, had written there.
		r := s.sampleRequest(p)
		for _, name := range []string{"X-Amz-Security-Token", "X-Forwarded-User", "X-Remote-User", "X-Minio-Internal", "X-Auth-Token", "X-Access-Key", "Cookie"} {
			r.Header.Set(name, testAccess)
		}
		if a := s.send(r); a.status != 403 && a.status != 400 {
			t.Errorf("names without a signature: %s", a)
		}
		if s.backend.touched() {
			t.Error("the backend was touched")
		}
	})
}
