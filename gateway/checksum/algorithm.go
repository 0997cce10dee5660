package checksum

import (
	"crypto/sha1" //nolint:gosec // S3 names SHA-1 as a checksum; nothing here relies on it against attackers.
	"crypto/sha256"
	"fmt"
	"hash"
	"hash/crc32"
	"strings"

	"github.com/minio/crc64nvme"
)

// Algorithm is one of S3's additional checksum algorithms. The zero value is [None].
type Algorithm uint8

// The algorithms, appended and never renumbered: stored metadata may hold them.
const (
	None Algorithm = iota
	CRC32
	CRC32C
	CRC64NVME
	SHA1
	SHA256
)

// Algorithms returns every algorithm but None.
func Algorithms() []Algorithm { return []Algorithm{CRC32, CRC32C, CRC64NVME, SHA1, SHA256} }

// headerPrefix begins the name of every header and trailer that carries a checksum value.
const headerPrefix = "x-amz-checksum-"

// maxSum is the size of the largest digest.
const maxSum = sha256.Size

// ParseAlgorithm reads an algorithm name as S3 spells it in headers and XML ("CRC32C"). Case is ignored, as S3 does. The error is an
// *[Error] with UnknownAlgorithm or UnsupportedAlgorithm; the empty string is unknown.
func ParseAlgorithm(name string) (Algorithm, error) {
	for _, a := range Algorithms() {
		if strings.EqualFold(name, a.String()) {
			return a, nil
		}
	}
	for _, other := range unsupportedAlgorithms() {
		if strings.EqualFold(name, other) {
			return None, &Error{Reason: UnsupportedAlgorithm, Message: "the checksum algorithm " + other + " is not implemented"}
		}
	}
	return None, &Error{Reason: UnknownAlgorithm, Message: "checksum algorithm is unknown; use CRC32, CRC32C, CRC64NVME, SHA1 or SHA256"}
}

// unsupportedAlgorithms are those S3 knows and this package does not compute.
func unsupportedAlgorithms() []string {
	return []string{"MD5", "SHA512", "XXHASH64", "XXHASH3", "XXHASH128"}
}

// ParseHeaderName returns the algorithm whose value travels in the header or trailer of this name (any case), or an *[Error] as
// ParseAlgorithm does. Names beside the family ("x-amz-checksum-algorithm", "-mode", "-type") are unknown.
func ParseHeaderName(name string) (Algorithm, error) {
	if len(name) < len(headerPrefix) || !strings.EqualFold(name[:len(headerPrefix)], headerPrefix) {
		return None, &Error{Reason: UnknownAlgorithm, Message: "not a checksum header"}
	}
	return ParseAlgorithm(name[len(headerPrefix):])
}

// String returns the name S3 uses in headers and XML, "" for None.
func (a Algorithm) String() string {
	switch a {
	case None:
		return ""
	case CRC32:
		return "CRC32"
	case CRC32C:
		return "CRC32C"
	case CRC64NVME:
		return "CRC64NVME"
	case SHA1:
		return "SHA1"
	case SHA256:
		return "SHA256"
	default:
		return fmt.Sprintf("Algorithm(%d)", uint8(a))
	}
}

// Header returns the lower-case name of the header and trailer that carries the value, "" for None.
func (a Algorithm) Header() string {
	switch a {
	case CRC32:
		return "x-amz-checksum-crc32"
	case CRC32C:
		return "x-amz-checksum-crc32c"
	case CRC64NVME:
		return "x-amz-checksum-crc64nvme"
	case SHA1:
		return "x-amz-checksum-sha1"
	case SHA256:
		return "x-amz-checksum-sha256"
	default:
		return ""
	}
}

// Size returns the length of the raw digest in bytes, 0 for None and unknown numbers.
func (a Algorithm) Size() int {
	switch a {
	case CRC32, CRC32C:
		return crc32.Size
	case CRC64NVME:
		return crc64nvme.Size
	case SHA1:
		return sha1.Size
	case SHA256:
		return sha256.Size
	default:
		return 0
	}
}

// AllowsFullObject reports whether a multipart upload may have this algorithm with type FULL_OBJECT: the CRCs, since only they combine.
// An object put in one request is always FULL_OBJECT, with every algorithm.
func (a Algorithm) AllowsFullObject() bool { return a == CRC32 || a == CRC32C || a == CRC64NVME }

// AllowsComposite reports whether a multipart upload may have this algorithm with type COMPOSITE: all but CRC64NVME.
func (a Algorithm) AllowsComposite() bool {
	return a == CRC32 || a == CRC32C || a == SHA1 || a == SHA256
}

// The names of the checksum types in headers and XML.
const (
	TypeFullObject = "FULL_OBJECT"
	TypeComposite  = "COMPOSITE"
)

// ParseType reads the value of x-amz-checksum-type for a multipart upload with algorithm a; "" is the type S3 takes by default:
// COMPOSITE, and FULL_OBJECT for CRC64NVME. The error is an *[Error] with InvalidType.
func ParseType(a Algorithm, value string) (composite bool, err error) {
	switch {
	case a.Size() == 0:
		return false, &Error{Reason: InvalidType, Message: "x-amz-checksum-type needs a checksum algorithm"}
	case value == "":
		return a.AllowsComposite(), nil
	case value == TypeFullObject && a.AllowsFullObject():
		return false, nil
	case value == TypeComposite && a.AllowsComposite():
		return true, nil
	case value == TypeFullObject, value == TypeComposite:
		return false, &Error{Reason: InvalidType, Algorithm: a, Message: "the " + value + " checksum type cannot be used with the " + a.String() + " algorithm"}
	}
	return false, &Error{Reason: InvalidType, Algorithm: a, Message: "x-amz-checksum-type must be COMPOSITE or FULL_OBJECT"}
}

// newHash returns a fresh digest of the algorithm.
func newHash(a Algorithm) hash.Hash {
	switch a {
	case CRC32:
		return crc32.NewIEEE()
	case CRC32C:
		return crc32.New(crc32.MakeTable(crc32.Castagnoli))
	case CRC64NVME:
		return crc64nvme.New()
	case SHA1:
		return sha1.New() //nolint:gosec // see the import.
	case SHA256:
		return sha256.New()
	default:
		panic("checksum: internal error: newHash called without an algorithm")
	}
}
