package vault

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"unicode"

	"sallyport/config/secret"
)

const (
	recoveryKeySize   = 32
	recoveryKeyDigits = 2 * recoveryKeySize
	recoveryKeyGroup  = 4
)

// ErrRecoveryKeyText is wrapped by every error of [ParseRecoveryKey].
var ErrRecoveryKeyText = errors.New("not a 64-digit recovery key")

// RecoveryKey is the 64-digit key that opens a vault. It prints as REDACTED; copies share one buffer. The zero value is no key.
type RecoveryKey struct {
	raw secret.Bytes
}

// NewRecoveryKey draws a key at random.
func NewRecoveryKey() RecoveryKey {
	var raw [recoveryKeySize]byte
	// It never returns an error: the program ends when the system has no randomness.
	_, _ = rand.Read(raw[:])
	defer clear(raw[:])
	return RecoveryKey{raw: secret.NewBytes(raw[:])}
}

// ParseRecoveryKey reads 64 hex digits in either case; spaces, line ends and dashes between them do not count. The error says how
// many digits are missing or which character is wrong, and never repeats what was typed.
func ParseRecoveryKey(text string) (RecoveryKey, error) {
	digits := make([]byte, 0, recoveryKeyDigits)
	defer func() { clear(digits[:cap(digits)]) }()
	count, position := 0, 0
	for _, r := range text {
		position++
		if isKeySeparator(r) {
			continue
		}
		count++
		if !isHexDigit(r) {
			return RecoveryKey{}, fmt.Errorf("%w: character %d (digit %d of group %d) is not one of 0-9 and a-f; the letters O, I and l look like digits",
				ErrRecoveryKeyText, position, (count-1)%recoveryKeyGroup+1, (count-1)/recoveryKeyGroup+1)
		}
		if len(digits) < recoveryKeyDigits {
			digits = append(digits, byte(r))
		}
	}
	switch {
	case count < recoveryKeyDigits:
		return RecoveryKey{}, fmt.Errorf("%w: it has %d digits, %d are missing", ErrRecoveryKeyText, count, recoveryKeyDigits-count)
	case count > recoveryKeyDigits:
		return RecoveryKey{}, fmt.Errorf("%w: it has %d digits, %d too many", ErrRecoveryKeyText, count, count-recoveryKeyDigits)
	}
	var raw [recoveryKeySize]byte
	defer clear(raw[:])
	if _, err := hex.Decode(raw[:], digits); err != nil {
		panic("vault: internal error: checked hex digits do not decode")
	}
	return RecoveryKey{raw: secret.NewBytes(raw[:])}, nil
}

// isKeySeparator takes every kind of dash, since word processors replace the plain one.
func isKeySeparator(r rune) bool {
	return unicode.IsSpace(r) || unicode.Is(unicode.Pd, r) || r == '\u2212' || r == '\ufeff'
}

func isHexDigit(r rune) bool {
	return r >= '0' && r <= '9' || r >= 'a' && r <= 'f' || r >= 'A' && r <= 'F'
}

// Reveal returns the key as 16 groups of four lower-case digits with one space between them: what is shown once, at creation.
func (k RecoveryKey) Reveal() string {
	digits := hex.EncodeToString(k.raw.Reveal())
	groups := make([]string, 0, recoveryKeyDigits/recoveryKeyGroup)
	for ; len(digits) >= recoveryKeyGroup; digits = digits[recoveryKeyGroup:] {
		groups = append(groups, digits[:recoveryKeyGroup])
	}
	return strings.Join(groups, " ")
}

// IsZero reports whether there is no key.
func (k RecoveryKey) IsZero() bool { return k.raw.IsZero() }

// Equal compares two keys in constant time: the shown one with the one typed back.
func (k RecoveryKey) Equal(other RecoveryKey) bool { return k.raw.Equal(other.raw) }

// Clear wipes the key and its copies.
func (k RecoveryKey) Clear() { k.raw.Clear() }

// String returns REDACTED.
func (RecoveryKey) String() string { return secret.Redacted }

// GoString returns REDACTED.
func (RecoveryKey) GoString() string { return secret.Redacted }

// Format prints REDACTED for every verb.
func (k RecoveryKey) Format(state fmt.State, verb rune) { k.raw.Format(state, verb) }

// LogValue returns REDACTED.
func (RecoveryKey) LogValue() slog.Value { return slog.StringValue(secret.Redacted) }

// MarshalText returns REDACTED.
func (RecoveryKey) MarshalText() ([]byte, error) { return []byte(secret.Redacted), nil }
