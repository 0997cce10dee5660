package checksum

import (
	"crypto/md5" //nolint:gosec // the ETag is defined by it.
	"encoding/binary"
	"encoding/hex"
	"hash/crc32"
	"strconv"

	"github.com/minio/crc64nvme"
)

// ETag returns the ETag of an object put in one request, without quotes: the MD5 in lower-case hex.
func ETag(sum [md5.Size]byte) string { return hex.EncodeToString(sum[:]) }

// MultipartETag returns the ETag of a multipart object, without quotes: the MD5 of the concatenated part MD5s in hex, then "-N". parts
// are in ascending part order; no parts gives "".
func MultipartETag(parts [][md5.Size]byte) string {
	if len(parts) == 0 {
		return ""
	}
	h := md5.New() //nolint:gosec // see the import.
	for i := range parts {
		h.Write(parts[i][:])
	}
	return hex.EncodeToString(h.Sum(nil)) + "-" + strconv.Itoa(len(parts))
}

// Composite returns the COMPOSITE value of a multipart object: the digest of the concatenated raw part digests. parts are in ascending
// part order, all of one algorithm that allows COMPOSITE, none composite itself. The error is an *[Error].
func Composite(a Algorithm, parts []Value) (Value, error) {
	if !a.AllowsComposite() {
		return Value{}, &Error{Reason: InvalidType, Algorithm: a, Message: "the algorithm has no composite checksum"}
	}
	if len(parts) == 0 || len(parts) > MaxParts {
		return Value{}, invalidValue(a)
	}
	h := newHash(a)
	for _, p := range parts {
		if p.algorithm != a || p.Composite() {
			return Value{}, invalidValue(a)
		}
		h.Write(p.sum[:a.Size()])
	}
	return NewValue(a, h.Sum(nil), len(parts))
}

// Part is one part for [Combine]: the checksum of its bytes and how many bytes they are.
type Part struct {
	Value Value
	Size  int64
}

// Combine returns the FULL_OBJECT value of the parts' concatenation without reading a byte, for the algorithms that allow it (the
// CRCs). parts are in ascending part order, all of algorithm a, none composite. The error is an *[Error].
func Combine(a Algorithm, parts []Part) (Value, error) {
	if !a.AllowsFullObject() {
		return Value{}, &Error{Reason: InvalidType, Algorithm: a, Message: "the algorithm has no full-object checksum over parts"}
	}
	if len(parts) == 0 {
		return Value{}, invalidValue(a)
	}
	field := fieldOf(a)
	var crc, shift uint64
	shiftSize := int64(-1) // parts but the last have one size as a rule, and the shift is the dear half
	for i, p := range parts {
		if p.Value.algorithm != a || p.Value.Composite() || p.Size < 0 {
			return Value{}, invalidValue(a)
		}
		next := p.Value.crc()
		if i == 0 {
			crc = next
			continue
		}
		if p.Size != shiftSize {
			shift, shiftSize = field.bytesShift(uint64(p.Size)), p.Size
		}
		crc = field.multiply(crc, shift) ^ next
	}
	var raw [8]byte
	binary.BigEndian.PutUint64(raw[:], crc)
	return NewValue(a, raw[8-a.Size():], 0)
}

// crc returns the digest of a CRC as a number.
func (v Value) crc() uint64 {
	if v.algorithm.Size() == crc32.Size {
		return uint64(binary.BigEndian.Uint32(v.sum[:crc32.Size]))
	}
	return binary.BigEndian.Uint64(v.sum[:crc64nvme.Size])
}

// field is GF(2)[x] modulo a CRC polynomial. Elements are reflected: the top bit is x^0.
//
// All three CRCs start from ones and end inverted, and these cancel out: crc(A‖B) = crc(A)·x^(8·|B|) + crc(B).
type field struct {
	poly uint64
	one  uint64
}

func fieldOf(a Algorithm) field {
	switch a {
	case CRC32:
		return field{poly: crc32.IEEE, one: 1 << 31}
	case CRC32C:
		return field{poly: crc32.Castagnoli, one: 1 << 31}
	case CRC64NVME:
		return field{poly: crc64nvme.NVME, one: 1 << 63}
	default:
		panic("checksum: internal error: fieldOf called for an algorithm that is no CRC")
	}
}

// multiply returns a·b.
func (f field) multiply(a, b uint64) uint64 {
	var product uint64
	for bit := f.one; bit != 0; bit >>= 1 {
		if a&bit != 0 {
			product ^= b
		}
		if b&1 != 0 {
			b = b>>1 ^ f.poly
		} else {
			b >>= 1
		}
	}
	return product
}

// bytesShift returns x^(8n), by squaring.
func (f field) bytesShift(n uint64) uint64 {
	result := f.one
	for base := f.one >> 8; n != 0; n >>= 1 {
		if n&1 != 0 {
			result = f.multiply(result, base)
		}
		base = f.multiply(base, base)
	}
	return result
}
