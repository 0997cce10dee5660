package objects

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"

	"sallyport/crypto/object"
	"sallyport/crypto/vault"
)

// opaqueETag makes the ETag that clients see of what the backend calls a revision. It never has 32 hex digits alone, which clients would take
// for the content's MD5.
func opaqueETag(backendETag string) string {
	if isHex(backendETag) && len(backendETag) == 32 {
		return backendETag + "-1"
	}
	if digits, number, ok := strings.Cut(backendETag, "-"); ok && len(digits) == 32 && isHex(digits) && isNumber(number) {
		return backendETag
	}
	sum := sha256.Sum256([]byte(backendETag))
	return hex.EncodeToString(sum[:16]) + "-1"
}

func isHex(s string) bool {
	for i := range len(s) {
		c := s[i]
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return s != ""
}

func isNumber(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != "" && len(s) <= 5
}

// shownETag is the ETag of a revision, the same in PUT, HEAD, GET and LIST: the tail's own under the policy md5, unless a customer's key
// hides it from LIST.
func shownETag(policy vault.ETagPolicy, mode object.Mode, inTail, backendETag string) string {
	if policy != vault.ETagMD5 || mode == object.ModeCustomer || inTail == "" {
		return opaqueETag(backendETag)
	}
	return inTail
}
