// Package keys holds the key types of Sallyport and every derivation between them.
//
// It promises that a key prints as REDACTED however it is formatted, logged or encoded, also deep inside another value; that keys of
// different use are different types; that they compare in constant time; and that a key which was never set, or was cleared, cannot be
// used by accident (it panics). It cannot promise that no copy is left in memory: the runtime and the callers may hold some.
//
// Specification: docs/FORMAT.md section 4.
package keys

import (
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"log/slog"
)

// Size is the length of every key but [VNK], in bytes.
const Size = 32

// VNKSize is the length of a [VNK] in bytes.
const VNKSize = 64

const redacted = "REDACTED"

// ErrSize says that key bytes had the wrong length.
var ErrSize = errors.New("key has the wrong length")

// secret is what all key types share. The bytes sit behind a function, which nothing that prints by reflection can look into: fmt calls no
// methods on unexported fields of other structs, prints the bytes of an array there, and with a verb that does not fit follows a pointer
// to one too. A function also makes == not compile, which would not be constant-time. Copies of a key share the bytes, so clearing one
// clears all.
type secret struct {
	bytes func() *[Size]byte
}

func holdSecret(b [Size]byte) secret {
	return secret{bytes: func() *[Size]byte { return &b }}
}

func newSecret() secret {
	var b [Size]byte
	rand.Read(b[:])
	return holdSecret(b)
}

func parseSecret(b []byte) (secret, error) {
	if len(b) != Size {
		return secret{}, ErrSize
	}
	return holdSecret([Size]byte(b)), nil
}

func (s secret) reveal() *[Size]byte {
	if s.bytes == nil {
		panic("keys: internal error: use of a key that was never set")
	}
	return s.bytes()
}

// IsZero reports whether the key was never set.
func (s secret) IsZero() bool { return s.bytes == nil }

// Reveal returns the key itself, for a cipher or a sealed record. It must be neither changed nor printed, and it is zeros after Clear.
func (s secret) Reveal() *[Size]byte { return s.reveal() }

// Clear overwrites the key and every copy of it with zeros.
func (s secret) Clear() {
	if s.bytes != nil {
		clear(s.bytes()[:])
	}
}

// String returns REDACTED.
func (secret) String() string { return redacted }

// GoString returns REDACTED.
func (secret) GoString() string { return redacted }

// Format writes REDACTED whatever the verb.
func (secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// LogValue returns REDACTED.
func (secret) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText returns REDACTED.
func (secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }

func equal(a, b secret) bool {
	return subtle.ConstantTimeCompare(a.reveal()[:], b.reveal()[:]) == 1
}

// VRK is a vault's root key of one epoch.
type VRK struct{ secret }

// NewVRK draws a random root key.
func NewVRK() VRK { return VRK{newSecret()} }

// ParseVRK copies 32 bytes into a root key.
func ParseVRK(b []byte) (VRK, error) {
	s, err := parseSecret(b)
	return VRK{s}, err
}

// Equal compares in constant time.
func (k VRK) Equal(o VRK) bool { return equal(k.secret, o.secret) }

// CustomerKey is the key a client brings along with each request (SSE-C).
type CustomerKey struct{ secret }

// ParseCustomerKey copies 32 bytes into a customer key.
func ParseCustomerKey(b []byte) (CustomerKey, error) {
	s, err := parseSecret(b)
	return CustomerKey{s}, err
}

// Equal compares in constant time.
func (k CustomerKey) Equal(o CustomerKey) bool { return equal(k.secret, o.secret) }

// VNK is a vault's name key, the same for all epochs.
type VNK struct {
	bytes func() *[VNKSize]byte
}

func holdVNK(b [VNKSize]byte) VNK {
	return VNK{bytes: func() *[VNKSize]byte { return &b }}
}

// NewVNK draws a random name key.
func NewVNK() VNK {
	var b [VNKSize]byte
	rand.Read(b[:])
	return holdVNK(b)
}

// ParseVNK copies 64 bytes into a name key.
func ParseVNK(b []byte) (VNK, error) {
	if len(b) != VNKSize {
		return VNK{}, ErrSize
	}
	return holdVNK([VNKSize]byte(b)), nil
}

// IsZero reports whether the key was never set.
func (k VNK) IsZero() bool { return k.bytes == nil }

// Reveal returns the key itself; it must be neither changed nor printed, and it is zeros after Clear.
func (k VNK) Reveal() *[VNKSize]byte {
	if k.bytes == nil {
		panic("keys: internal error: use of a key that was never set")
	}
	return k.bytes()
}

// Clear overwrites the key and every copy of it with zeros.
func (k VNK) Clear() {
	if k.bytes != nil {
		clear(k.bytes()[:])
	}
}

// Equal compares in constant time.
func (k VNK) Equal(o VNK) bool {
	return subtle.ConstantTimeCompare(k.Reveal()[:], o.Reveal()[:]) == 1
}

// String returns REDACTED.
func (VNK) String() string { return redacted }

// GoString returns REDACTED.
func (VNK) GoString() string { return redacted }

// Format writes REDACTED whatever the verb.
func (VNK) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// LogValue returns REDACTED.
func (VNK) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText returns REDACTED.
func (VNK) MarshalText() ([]byte, error) { return []byte(redacted), nil }
