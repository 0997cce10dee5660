package checksum

import (
	"crypto/subtle"
	"encoding/base64"
	"strconv"
	"strings"
)

// MaxParts is the largest number of parts of a multipart object.
const MaxParts = 10000

// Value is one checksum: an algorithm and its digest; with parts > 0 it is composite, a digest of so many part digests. The zero Value
// is no checksum. Values are comparable with == (they are public), small, and safe to copy.
type Value struct {
	algorithm Algorithm
	parts     int
	sum       [maxSum]byte
}

// NewValue makes a Value of a raw digest. parts is 0 for the digest of bytes and the number of parts for a composite one. sum is
// copied. The error is an *[Error] with InvalidValue.
func NewValue(a Algorithm, sum []byte, parts int) (Value, error) {
	if a.Size() == 0 || len(sum) != a.Size() || parts < 0 || parts > MaxParts {
		return Value{}, invalidValue(a)
	}
	v := Value{algorithm: a, parts: parts}
	copy(v.sum[:], sum)
	return v, nil
}

// ParseValue reads the form of headers, trailers and XML: standard base64 with padding, followed by "-N" when composite (N = 1…10000,
// no leading zero). Nothing else is accepted: no white space, no other alphabet, no stray bits. The error is an *[Error] with
// InvalidValue.
func ParseValue(a Algorithm, text string) (Value, error) {
	size := a.Size()
	encoded := base64.StdEncoding.EncodedLen(size)
	if size == 0 || len(text) < encoded || len(text) > encoded+len("-10000") {
		return Value{}, invalidValue(a)
	}
	digits, suffix := text[:encoded], text[encoded:]
	v := Value{algorithm: a}
	if suffix != "" {
		n, err := strconv.Atoi(strings.TrimPrefix(suffix, "-"))
		if err != nil || n < 1 || n > MaxParts || suffix != "-"+strconv.Itoa(n) {
			return Value{}, invalidValue(a)
		}
		v.parts = n
	}
	var raw [maxSum + 2]byte
	n, err := base64.StdEncoding.Strict().Decode(raw[:], []byte(digits))
	// The decoder skips line breaks; the text has no room for them, so they come out as a short digest.
	if err != nil || n != size {
		return Value{}, invalidValue(a)
	}
	copy(v.sum[:], raw[:size])
	return v, nil
}

func invalidValue(a Algorithm) *Error {
	name := a.Header()
	if name == "" {
		name = "checksum"
	}
	return &Error{Reason: InvalidValue, Algorithm: a, Message: "Value for " + name + " header is invalid."}
}

// Algorithm returns the algorithm, None for the zero Value.
func (v Value) Algorithm() Algorithm { return v.algorithm }

// IsZero reports whether v is no checksum.
func (v Value) IsZero() bool { return v.algorithm == None }

// Composite reports whether v is a digest of part digests.
func (v Value) Composite() bool { return v.parts > 0 }

// Parts returns the number of parts of a composite value, else 0.
func (v Value) Parts() int { return v.parts }

// Sum returns a fresh copy of the raw digest, nil for the zero Value.
func (v Value) Sum() []byte {
	if v.IsZero() {
		return nil
	}
	return append([]byte(nil), v.sum[:v.algorithm.Size()]...)
}

// String returns the form of headers and XML: base64, with "-N" when composite; "" for the zero Value.
func (v Value) String() string {
	if v.IsZero() {
		return ""
	}
	s := base64.StdEncoding.EncodeToString(v.sum[:v.algorithm.Size()])
	if v.parts > 0 {
		s += "-" + strconv.Itoa(v.parts)
	}
	return s
}

// Equal reports whether both are the same checksum, without an early exit over the digest.
func (v Value) Equal(other Value) bool {
	return subtle.ConstantTimeCompare(v.sum[:], other.sum[:]) == 1 && v.algorithm == other.algorithm && v.parts == other.parts
}
