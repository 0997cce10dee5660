package listing

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"strings"

	"sallyport/crypto/chunked"
	"sallyport/crypto/keys"
)

// ErrToken says that a continuation token was not made for this query by a gateway of this vault, or was altered.
var ErrToken = errors.New("continuation token does not belong to this listing")

// maxToken bounds the text that is looked at: keys have at most 1024 bytes.
const maxToken = 4096

// SealToken returns an opaque text from which OpenToken takes up the listing of a bucket behind after. It is bound to bucket, prefix and
// delimiter; the limit may differ from page to page, as in S3. Every gateway that holds the vault's key accepts it.
func SealToken(key keys.CacheKey, bucket string, q *Query, after string) string {
	sealed, err := chunked.Seal(tokenKey(key), tokenContext(bucket, q), []byte(after))
	if err != nil {
		panic("listing: internal error: seal token: " + err.Error())
	}
	return base64.RawURLEncoding.EncodeToString(sealed)
}

// OpenToken returns where a token says the listing goes on; ErrToken for any text that SealToken did not return for the same bucket, prefix and
// delimiter.
func OpenToken(key keys.CacheKey, bucket string, q *Query, token string) (after string, err error) {
	if len(token) > maxToken || strings.ContainsAny(token, "\r\n") { // the decoder would skip line breaks
		return "", ErrToken
	}
	sealed, err := base64.RawURLEncoding.Strict().DecodeString(token)
	if err != nil {
		return "", ErrToken
	}
	plain, err := chunked.Open(tokenKey(key), tokenContext(bucket, q), sealed)
	if err != nil {
		return "", ErrToken
	}
	return string(plain), nil
}

func tokenKey(key keys.CacheKey) *[keys.Size]byte {
	k := [keys.Size]byte(keys.Expand(key.Reveal()[:], keys.Label("list-token"), keys.Size))
	return &k
}

func tokenContext(bucket string, q *Query) []byte {
	h := sha256.New()
	for _, field := range []string{bucket, q.Prefix, q.Delimiter} {
		var length [8]byte
		binary.BigEndian.PutUint64(length[:], uint64(len(field)))
		h.Write(length[:])
		h.Write([]byte(field))
	}
	return h.Sum(keys.Label("list-token"))
}
