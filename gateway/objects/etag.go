package objects

import (
	"sallyport/crypto/object"
	"sallyport/crypto/vault"
)

// shownETag is the ETag of a revision, the same in PUT, HEAD, GET and LIST: the tail's own under the policy md5, unless a customer's key
// hides it from LIST.
func shownETag(policy vault.ETagPolicy, mode object.Mode, inTail, backendETag string) string {
	if policy != vault.ETagMD5 || mode == object.ModeCustomer || inTail == "" {
		return object.OpaqueETag(backendETag)
	}
	return inTail
}
