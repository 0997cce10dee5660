// Package secret holds values that must never be shown: passwords, secret access keys, recovery keys.
//
// It promises that a [String] or [Bytes] prints as REDACTED through fmt (every verb, also inside an unexported field), log/slog,
// encoding/json, encoding.TextMarshaler and YAML, and that comparing two of them takes time that does not depend on their content.
// Reading from a file or descriptor is bounded and trims one line ending and a byte order mark.
//
// It does not promise to wipe memory: Go copies strings and may move stacks. [Bytes.Clear] wipes the one buffer it owns.
//
// The package is a leaf: it imports only the standard library and anyone may import it.
package secret

import (
	"bytes"
	"crypto/subtle"
	"fmt"
	"io"
	"log/slog"
)

// Redacted is what every secret prints as.
const Redacted = "REDACTED"

// String is a secret text. The zero value is the empty secret. It is safe for concurrent use as long as nobody decodes into it.
//
// It cannot be compared with == (use [String.Equal]), and copying it shares the one text.
type String struct {
	// A function, because fmt prints the unexported fields of a struct without asking their methods and follows pointers for some verbs;
	// of a function it can only print the address.
	reveal func() string
}

// NewString returns a secret that holds text.
func NewString(text string) String { return String{reveal: func() string { return text }} }

// Reveal returns the text. It must not be logged or put into an error.
func (s String) Reveal() string {
	if s.reveal == nil {
		return ""
	}
	return s.reveal()
}

// IsZero reports whether the secret is empty. YAML and JSON encoders call it for omitempty and omitzero.
func (s String) IsZero() bool { return s.Reveal() == "" }

// Equal reports whether two secrets hold the same text, in time that depends on their lengths only.
func (s String) Equal(other String) bool {
	return subtle.ConstantTimeCompare([]byte(s.Reveal()), []byte(other.Reveal())) == 1
}

// String returns REDACTED.
func (String) String() string { return Redacted }

// GoString returns REDACTED.
func (String) GoString() string { return Redacted }

// Format prints REDACTED for every verb and flag.
func (String) Format(state fmt.State, _ rune) { writeRedacted(state) }

// LogValue returns REDACTED.
func (String) LogValue() slog.Value { return slog.StringValue(Redacted) }

// MarshalText returns REDACTED, which is also what JSON and XML show.
func (String) MarshalText() ([]byte, error) { return []byte(Redacted), nil }

// MarshalYAML returns REDACTED.
func (String) MarshalYAML() (any, error) { return Redacted, nil }

// UnmarshalText takes the text as the secret. It copies it and never fails.
func (s *String) UnmarshalText(text []byte) error {
	*s = NewString(string(text))
	return nil
}

// Bytes is a secret of arbitrary bytes. The zero value is the empty secret. Copies share one buffer, so [Bytes.Clear] on one clears all.
// Reading is safe for concurrent use; Clear is not safe beside any other call.
type Bytes struct {
	// A function for the reason given at String.
	buffer func() *[]byte
}

// NewBytes returns a secret that holds a copy of data; the caller may wipe its own.
func NewBytes(data []byte) Bytes {
	owned := bytes.Clone(data)
	return Bytes{buffer: func() *[]byte { return &owned }}
}

// Reveal returns the secret's own buffer, nil when empty. The caller must not change it, must not use it after Clear, and must not log it.
func (b Bytes) Reveal() []byte {
	if b.buffer == nil {
		return nil
	}
	return *b.buffer()
}

// Text returns the same secret as a [String].
func (b Bytes) Text() String { return NewString(string(b.Reveal())) }

// IsZero reports whether the secret is empty.
func (b Bytes) IsZero() bool { return len(b.Reveal()) == 0 }

// Equal reports whether two secrets hold the same bytes, in time that depends on their lengths only.
func (b Bytes) Equal(other Bytes) bool {
	return subtle.ConstantTimeCompare(b.Reveal(), other.Reveal()) == 1
}

// Clear overwrites the buffer with zeros and empties the secret and all its copies.
func (b Bytes) Clear() {
	if b.buffer == nil {
		return
	}
	owned := b.buffer()
	clear(*owned)
	*owned = nil
}

// String returns REDACTED.
func (Bytes) String() string { return Redacted }

// GoString returns REDACTED.
func (Bytes) GoString() string { return Redacted }

// Format prints REDACTED for every verb and flag.
func (Bytes) Format(state fmt.State, _ rune) { writeRedacted(state) }

// LogValue returns REDACTED.
func (Bytes) LogValue() slog.Value { return slog.StringValue(Redacted) }

// MarshalText returns REDACTED, which is also what JSON and XML show.
func (Bytes) MarshalText() ([]byte, error) { return []byte(Redacted), nil }

// MarshalYAML returns REDACTED.
func (Bytes) MarshalYAML() (any, error) { return Redacted, nil }

// writeRedacted drops the write error: fmt gives a Formatter no way to report one.
func writeRedacted(state fmt.State) { _, _ = io.WriteString(state, Redacted) }
