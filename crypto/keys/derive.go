package keys

import (
	"crypto/hkdf"
	"crypto/sha512"
	"encoding/binary"
	"fmt"
)

// labelPrefix begins every label of the first format version.
const labelPrefix = "sallyport/v1/"

// Label returns the bytes that separate one use of a key from all others: prefix, word and a zero byte. Data may be appended.
func Label(word string) []byte {
	b := make([]byte, 0, len(labelPrefix)+len(word)+1+64)
	b = append(b, labelPrefix...)
	b = append(b, word...)
	return append(b, 0)
}

// AppendSized appends x behind its length as two bytes, big-endian. It panics above 65,535 bytes: callers bound x first.
func AppendSized(b, x []byte) []byte {
	if len(x) > 0xffff {
		panic("keys: internal error: sized field above 65535 bytes")
	}
	b = binary.BigEndian.AppendUint16(b, uint16(len(x)))
	return append(b, x...)
}

// Expand is HKDF-Expand with SHA-512 to n bytes.
func Expand(key, info []byte, n int) []byte {
	out, err := hkdf.Expand(sha512.New, key, string(info), n)
	if err != nil {
		panic(fmt.Sprintf("keys: internal error: expand: %v", err))
	}
	return out
}

// Extract is HKDF-Extract with SHA-512; it returns 64 bytes.
func Extract(salt, input []byte) []byte {
	out, err := hkdf.Extract(sha512.New, input, salt)
	if err != nil {
		panic(fmt.Sprintf("keys: internal error: extract: %v", err))
	}
	return out
}

func expandSecret(key, info []byte) secret {
	out := Expand(key, info, Size)
	defer clear(out)
	return holdSecret([Size]byte(out))
}

// ObjectKey is where the object secrets of one epoch come from.
type ObjectKey struct{ secret }

// StateKey seals upload notes.
type StateKey struct{ secret }

// RecordKey seals system records.
type RecordKey struct{ secret }

// CacheKey seals rows of the local cache.
type CacheKey struct{ secret }

// ChainKey authenticates a vault file by the root key of its own epoch.
type ChainKey struct{ secret }

// PinKey is what a gateway remembers of a root key to recognise it again.
type PinKey struct{ secret }

// Equal compares in constant time.
func (k PinKey) Equal(o PinKey) bool { return equal(k.secret, o.secret) }

// ParsePinKey copies 32 bytes into a pin.
func ParsePinKey(b []byte) (PinKey, error) {
	s, err := parseSecret(b)
	return PinKey{s}, err
}

// ObjectKey derives the epoch's object key.
func (k VRK) ObjectKey() ObjectKey { return ObjectKey{expandSecret(k.reveal()[:], Label("obj"))} }

// StateKey derives the epoch's state key.
func (k VRK) StateKey() StateKey { return StateKey{expandSecret(k.reveal()[:], Label("state"))} }

// RecordKey derives the epoch's record key.
func (k VRK) RecordKey() RecordKey { return RecordKey{expandSecret(k.reveal()[:], Label("record"))} }

// CacheKey derives the epoch's cache key.
func (k VRK) CacheKey() CacheKey { return CacheKey{expandSecret(k.reveal()[:], Label("cache"))} }

// ChainKey derives the key of the vault file's third line.
func (k VRK) ChainKey() ChainKey { return ChainKey{expandSecret(k.reveal()[:], Label("chain"))} }

// PinKey derives what a gateway pins of this root key.
func (k VRK) PinKey() PinKey { return PinKey{expandSecret(k.reveal()[:], Label("pin"))} }

// ObjectSecret is what all keys of one object come from.
type ObjectSecret struct{ secret }

// Equal compares in constant time.
func (k ObjectSecret) Equal(o ObjectSecret) bool { return equal(k.secret, o.secret) }

// VaultObjectSecret derives the secret of an object under a vault's key (mode V).
func VaultObjectSecret(vrk VRK, vaultID [16]byte, epoch uint32, objectSalt [32]byte) ObjectSecret {
	return vrk.ObjectKey().Secret(vaultID, epoch, objectSalt)
}

// Secret derives the secret of an object under a vault's key (mode V). The epoch is the one the root key belongs to.
func (k ObjectKey) Secret(vaultID [16]byte, epoch uint32, objectSalt [32]byte) ObjectSecret {
	info := append(Label("os-v"), vaultID[:]...)
	info = binary.BigEndian.AppendUint32(info, epoch)
	info = append(info, objectSalt[:]...)
	return ObjectSecret{expandSecret(k.reveal()[:], info)}
}

// CustomerObjectSecret derives the secret of an object under a client's own key (mode C).
func CustomerObjectSecret(key CustomerKey, objectSalt [32]byte) ObjectSecret {
	extracted := Extract(objectSalt[:], key.reveal()[:])
	defer clear(extracted)
	return ObjectSecret{expandSecret(extracted, Label("os-c"))}
}

// FrameKey seals the frames of one object.
type FrameKey struct{ secret }

// TableKey seals the table of one object.
type TableKey struct{ secret }

// ParseTableKey copies 32 bytes, from a sealed upload note, into a table key.
func ParseTableKey(b []byte) (TableKey, error) {
	s, err := parseSecret(b)
	return TableKey{s}, err
}

// Equal compares in constant time.
func (k TableKey) Equal(o TableKey) bool { return equal(k.secret, o.secret) }

// TailKey seals the tail of one object.
type TailKey struct{ secret }

// ParseTailKey copies 32 bytes, from a sealed upload note, into a tail key.
func ParseTailKey(b []byte) (TailKey, error) {
	s, err := parseSecret(b)
	return TailKey{s}, err
}

// Equal compares in constant time.
func (k TailKey) Equal(o TailKey) bool { return equal(k.secret, o.secret) }

// FrameKey derives the key of the object's frames.
func (k ObjectSecret) FrameKey() FrameKey {
	return FrameKey{expandSecret(k.reveal()[:], Label("frame"))}
}

// TableKey derives the key of the object's table.
func (k ObjectSecret) TableKey() TableKey {
	return TableKey{expandSecret(k.reveal()[:], Label("table"))}
}

// TailKey derives the key of the object's tail.
func (k ObjectSecret) TailKey() TailKey { return TailKey{expandSecret(k.reveal()[:], Label("tail"))} }
