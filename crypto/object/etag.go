package object

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
)

// OpaquePartETag gives the ETag, without quotes, of a part in a vault whose policy is opaque: it follows from the frame's commitment and
// says nothing about the content.
func OpaquePartETag(commitment [32]byte) string {
	return hex.EncodeToString(commitment[:16]) + "-1"
}

// OpaqueETag gives the ETag, without quotes, of an object in a vault whose policy is opaque, from the backend's own, also without quotes.
// It never has the form of a plain MD5, which clients would compare with the content's: here it would be the ciphertext's.
func OpaqueETag(backend string) string {
	digest, count, multipart := strings.Cut(backend, "-")
	switch {
	case !isHex32(digest):
	case !multipart:
		return backend + "-1"
	case count != "" && len(count) <= 5 && strings.Trim(count, "0123456789") == "":
		return backend
	}
	sum := sha256.Sum256([]byte(backend))
	return hex.EncodeToString(sum[:16]) + "-1"
}

func isHex32(s string) bool {
	return len(s) == 32 && strings.Trim(s, "0123456789abcdef") == ""
}
