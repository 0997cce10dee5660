package sigv4

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"log/slog"
	"net/http"
	"net/textproto"
	"slices"
	"strings"
	"time"
)

// maxSkew is how far the client's clock may be off, either way.
const maxSkew = 15 * time.Minute

// Secret is a secret access key. The zero Secret stands for an access key that does not exist: verifying with it costs the same and
// always fails. It prints as REDACTED.
type Secret struct {
	_    [0]func() // == would not be constant-time
	text string
}

// NewSecret wraps a secret access key. An empty text gives the zero Secret.
func NewSecret(text string) Secret { return Secret{text: text} }

// String returns REDACTED.
func (Secret) String() string { return "REDACTED" }

// GoString returns REDACTED.
func (Secret) GoString() string { return "REDACTED" }

// LogValue returns REDACTED.
func (Secret) LogValue() slog.Value { return slog.StringValue("REDACTED") }

// MarshalText returns REDACTED.
func (Secret) MarshalText() ([]byte, error) { return []byte("REDACTED"), nil }

// Verify reports whether the request that s was parsed from was signed with secret, for this region, at a time that is right for now.
// It reads the request head only and does not change it.
//
// nil means that method, host, path, query, every x-amz-* header and the payload line are the signer's. For the two signed streaming
// modes it returns the verifier of the chunks, else nil. Pass the zero Secret for an unknown access key. The error is an *[Error].
func (s *Signed) Verify(r *http.Request, secret Secret, region string, now time.Time) (*ChunkVerifier, error) {
	if err := s.checkHeaders(r.Header); err != nil {
		return nil, err
	}
	if s.Region != region {
		err := s.malformed("the region %q is wrong; expecting %q", s.Region, region)
		err.Region = region
		return nil, err
	}
	if err := s.checkTime(now); err != nil {
		return nil, err
	}
	q, err := parseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, err
	}
	canonical, err := s.canonicalRequest(r, q)
	if err != nil {
		return nil, err
	}
	key := signingKey(secret, s.day, s.Region)
	defer clear(key)
	match := s.matches(key, canonical, s.payloadLine)
	if s.otherPayloadLine != "" {
		match |= s.matches(key, canonical, s.otherPayloadLine)
	}
	clear(canonical[:cap(canonical)])
	// Decided after the work, and without a branch before it: an unknown access key must not be told by the time taken.
	if match&boolBit(secret.text != "") != 1 {
		return nil, refuse(SignatureMismatch, "The request signature we calculated does not match the signature you provided. Check your key and signing method.")
	}
	if s.Payload.Mode == PayloadStreamingSigned || s.Payload.Mode == PayloadStreamingSignedTrailer {
		return newChunkVerifier(s, key), nil
	}
	return nil, nil //nolint:nilnil // documented: no chunks, no verifier.
}

// matches returns 1 if the signature is that of the canonical request ending in payloadLine, else 0.
func (s *Signed) matches(key, canonical []byte, payloadLine string) int {
	digest := sha256.New()
	digest.Write(canonical)
	digest.Write([]byte(payloadLine))
	text := make([]byte, 0, 256)
	text = append(text, algorithm+"\n"...)
	text = s.Date.AppendFormat(text, dateFormat)
	text = append(text, '\n')
	text = append(text, s.scope()...)
	text = append(text, '\n')
	text = hex.AppendEncode(text, digest.Sum(nil))
	mac := hmac.New(sha256.New, key)
	mac.Write(text)
	return subtle.ConstantTimeCompare(mac.Sum(nil), s.signature[:])
}

// checkHeaders wants every x-amz-* header signed.
func (s *Signed) checkHeaders(h http.Header) error {
	var unsigned []string
	for name := range h {
		if !hasFoldedPrefix(name, "x-amz-") {
			continue
		}
		lower := strings.ToLower(name)
		if textproto.CanonicalMIMEHeaderKey(name) != name {
			// Handlers find headers by canonical name, the signature binds those: another spelling is bound by nothing.
			unsigned = append(unsigned, lower)
			continue
		}
		// readPayload has already refused it where it would choose the verifier.
		if lower != "x-amz-content-sha256" && !s.signs(lower) {
			unsigned = append(unsigned, lower)
		}
	}
	if unsigned == nil {
		return nil
	}
	return unsignedHeaders(unsigned)
}

func unsignedHeaders(names []string) *Error {
	slices.Sort(names)
	err := refuse(UnsignedHeaders, "There were headers present in the request which were not signed")
	err.Headers = names
	return err
}

func hasFoldedPrefix(text, prefix string) bool {
	return len(text) >= len(prefix) && strings.EqualFold(text[:len(prefix)], prefix)
}

// checkTime compares with the clock; both ends are inclusive.
func (s *Signed) checkTime(now time.Time) error {
	age := now.Sub(s.Date)
	switch {
	case !s.Presigned && (age > maxSkew || age < -maxSkew):
		return refuse(TimeSkewed, "The difference between the request time (%s) and the server's time (%s) is larger than 15 minutes; set the clock that is wrong.",
			s.Date.UTC().Format(time.RFC3339), now.UTC().Format(time.RFC3339))
	case s.Presigned && age < -maxSkew:
		return refuse(NotYetValid, "Request is not valid yet")
	case s.Presigned && age > s.Expires:
		return refuse(Expired, "Request has expired")
	}
	return nil
}

// signingKey derives the key of a day and region. The zero Secret costs what another costs; what it yields is refused by Verify.
func signingKey(secret Secret, day, region string) []byte {
	text := secret.text
	if text == "" {
		text = "no such access key: forty bytes of dummy"
	}
	key := append([]byte("AWS4"), text...)
	for _, step := range []string{day, region, service, terminator} {
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte(step))
		clear(key)
		key = mac.Sum(nil)
	}
	return key
}

func boolBit(b bool) int {
	if b {
		return 1
	}
	return 0
}
