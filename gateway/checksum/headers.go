package checksum

import (
	"crypto/md5" //nolint:gosec // Content-MD5 and ETag are defined by it.
	"encoding/base64"
	"net/http"
	"net/textproto"
	"strings"
)

// Promise is what a request says about its body, read from its headers by [ParseHeaders].
type Promise struct {
	ContentMD5 *[md5.Size]byte // Content-MD5, nil when unsent
	Value      Value           // x-amz-checksum-<algorithm>, zero when unsent
	Trailer    Algorithm       // the algorithm whose value comes in a trailer, None when there is none
	// Algorithm is the algorithm asked for: that of value or trailer or, beside a Content-MD5 only, what x-amz-sdk-checksum-algorithm
	// says. None when none is asked for.
	Algorithm Algorithm
}

// ParseHeaders reads Content-MD5, x-amz-checksum-*, x-amz-sdk-checksum-algorithm and the announced trailers of a request with a body.
// trailers are the names in x-amz-trailer (see awschunked.ParseTrailerNames), nil when the body has none; names beside the checksum
// family are left to others. The error is an *[Error]. A header sent twice, empty or malformed is refused: what cannot be verified is
// not accepted.
//
// With x-amz-checksum-mode, -type and -algorithm it does nothing; CompleteMultipartUpload, whose value describes the object and not
// the body, must not use it.
func ParseHeaders(h http.Header, trailers []string) (*Promise, error) {
	p := &Promise{}
	if values, ok := h["Content-Md5"]; ok {
		sum, err := parseContentMD5(values)
		if err != nil {
			return nil, err
		}
		p.ContentMD5 = sum
	}
	if err := p.readValues(h); err != nil {
		return nil, err
	}
	if err := p.readTrailers(trailers); err != nil {
		return nil, err
	}
	announced, ok := h[textproto.CanonicalMIMEHeaderKey("x-amz-sdk-checksum-algorithm")]
	if !ok {
		return p, nil
	}
	if len(announced) != 1 {
		return nil, &Error{Reason: AlgorithmConflict, Message: "x-amz-sdk-checksum-algorithm was sent more than once"}
	}
	a, err := ParseAlgorithm(announced[0])
	switch {
	case err != nil:
		return nil, err
	case p.Algorithm == None && p.ContentMD5 == nil:
		return nil, &Error{
			Reason: MissingChecksum, Algorithm: a,
			Message: "x-amz-sdk-checksum-algorithm specified, but no corresponding x-amz-checksum-* or x-amz-trailer headers were found.",
		}
	case p.Algorithm == None:
		p.Algorithm = a
	case p.Algorithm != a:
		return nil, &Error{Reason: AlgorithmConflict, Algorithm: a, Message: "Value for x-amz-sdk-checksum-algorithm header is invalid."}
	}
	return p, nil
}

func (p *Promise) readValues(h http.Header) error {
	for name, values := range h {
		if !isValueHeader(name) {
			continue
		}
		a, err := ParseHeaderName(name)
		if err != nil {
			return err
		}
		if len(values) != 1 || !p.Value.IsZero() {
			return multipleChecksums(a)
		}
		if p.Value, err = ParseValue(a, values[0]); err != nil {
			return err
		}
		if p.Value.Composite() {
			return invalidValue(a)
		}
		p.Algorithm = a
	}
	return nil
}

func (p *Promise) readTrailers(trailers []string) error {
	for _, name := range trailers {
		if !isValueHeader(name) {
			continue
		}
		a, err := ParseHeaderName(name)
		if err != nil {
			return err
		}
		if p.Algorithm != None {
			return multipleChecksums(a)
		}
		p.Algorithm, p.Trailer = a, a
	}
	return nil
}

// isValueHeader tells value headers from the family's settings.
func isValueHeader(name string) bool {
	if len(name) < len(headerPrefix) || !strings.EqualFold(name[:len(headerPrefix)], headerPrefix) {
		return false
	}
	switch strings.ToLower(name[len(headerPrefix):]) {
	case "algorithm", "mode", "type":
		return false
	}
	return true
}

func multipleChecksums(a Algorithm) *Error {
	return &Error{Reason: MultipleChecksums, Algorithm: a, Message: "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed."}
}

func parseContentMD5(values []string) (*[md5.Size]byte, error) {
	invalid := &Error{Reason: InvalidContentMD5, Message: "The Content-MD5 you specified was invalid."}
	if len(values) != 1 {
		return nil, invalid
	}
	text := values[0]
	if len(text) != base64.StdEncoding.EncodedLen(md5.Size) {
		return nil, invalid
	}
	raw, err := base64.StdEncoding.Strict().DecodeString(text)
	if err != nil || len(raw) != md5.Size {
		return nil, invalid
	}
	sum := [md5.Size]byte(raw)
	return &sum, nil
}
