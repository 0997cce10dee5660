package cache

import (
	"encoding/binary"
	"encoding/hex"
	"strconv"
)

// kind says what a row remembers.
type kind byte

const (
	whole  kind = 1 // the MD5 of the content
	joined kind = 2 // the MD5 of the parts' MD5s, and their number
	opaque kind = 3 // there is no MD5 to show: sealed with a customer's key
)

// ETag is what a tail says of an object's ETag, packed: 16 bytes of MD5 and the number of parts, or that it has none of its own. The zero
// value is not an ETag.
type ETag struct {
	md5   [16]byte
	parts uint16
	kind  kind
}

// Opaque says that the tail holds no ETag that could be shown without the customer's key.
func Opaque() ETag { return ETag{kind: opaque} }

// ParseETag packs the ETag of a tail: 32 lower-case hex digits, or 32 and a dash and a number of parts. It is false for any other text, which
// then cannot be remembered.
func ParseETag(s string) (ETag, bool) {
	if len(s) < 32 {
		return ETag{}, false
	}
	e := ETag{kind: whole}
	if _, err := hex.Decode(e.md5[:], []byte(s[:32])); err != nil {
		return ETag{}, false
	}
	if len(s) > 32 {
		n, err := strconv.ParseUint(s[33:], 10, 16)
		if err != nil || s[32] != '-' {
			return ETag{}, false
		}
		e.kind, e.parts = joined, uint16(n)
	}
	if e.String() != s {
		return ETag{}, false // upper-case digits, leading zeros: what is shown must be exactly what the tail says
	}
	return e, true
}

// IsOpaque reports whether the tail holds no ETag to show.
func (e ETag) IsOpaque() bool { return e.kind == opaque }

// String returns the ETag without quotes; "" for an opaque one.
func (e ETag) String() string {
	switch e.kind {
	case whole:
		return hex.EncodeToString(e.md5[:])
	case joined:
		return hex.EncodeToString(e.md5[:]) + "-" + strconv.Itoa(int(e.parts))
	case opaque:
	}
	return ""
}

func (e ETag) valid() bool { return e.kind >= whole && e.kind <= opaque }

// rowSize is the length of a row in a batch: id, kind, MD5, parts.
const rowSize = 16 + 1 + 16 + 2

func (r *row) append(b []byte) []byte {
	b = append(b, r.id[:]...)
	b = append(b, byte(r.etag.kind))
	b = append(b, r.etag.md5[:]...)
	return binary.BigEndian.AppendUint16(b, r.etag.parts)
}

func parseRow(b *[rowSize]byte) (row, bool) {
	r := row{id: rowID(b[:16]), etag: ETag{kind: kind(b[16]), md5: [16]byte(b[17:33]), parts: binary.BigEndian.Uint16(b[33:])}}
	return r, r.etag.valid()
}
