package sigv4

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"hash"
)

const (
	chunkPrefix   = "AWS4-HMAC-SHA256-PAYLOAD\n"
	trailerPrefix = "AWS4-HMAC-SHA256-TRAILER\n"
	hexSum        = 2 * sha256.Size
	emptySHA256   = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
)

// ChunkVerifier verifies the signatures of the chunks of one body, each of which covers the one before, beginning with the request's
// own. It holds the signing key of the day and prints nothing of it. It is for one body and one goroutine.
type ChunkVerifier struct {
	_        [0]func() // == would not be constant-time
	mac      hash.Hash
	scope    string // date and scope lines
	previous [hexSum]byte
	text     []byte // string to sign, reused
	sum      [sha256.Size]byte
	computed [hexSum]byte
	failed   bool
}

func newChunkVerifier(s *Signed, key []byte) *ChunkVerifier {
	v := &ChunkVerifier{
		mac:   hmac.New(sha256.New, key),
		scope: s.Date.Format(dateFormat) + "\n" + s.scope() + "\n",
	}
	hex.Encode(v.previous[:], s.signature[:])
	v.text = make([]byte, 0, len(chunkPrefix)+len(v.scope)+3*(hexSum+1))
	return v
}

// VerifyChunk reports whether signature (64 lower-case hex digits) is that of the next chunk, whose data has this SHA-256. After a
// false it is false for ever. It allocates nothing and keeps neither argument.
func (v *ChunkVerifier) VerifyChunk(dataSHA256 *[sha256.Size]byte, signature []byte) bool {
	v.begin(chunkPrefix)
	v.text = append(v.text, emptySHA256+"\n"...)
	return v.finish(dataSHA256, signature)
}

// VerifyTrailer is VerifyChunk for the trailers, which follow the last chunk; trailerSHA256 is the digest of their lines,
// "name:value\n" each.
func (v *ChunkVerifier) VerifyTrailer(trailerSHA256 *[sha256.Size]byte, signature []byte) bool {
	v.begin(trailerPrefix)
	return v.finish(trailerSHA256, signature)
}

func (v *ChunkVerifier) begin(prefix string) {
	v.text = append(v.text[:0], prefix...)
	v.text = append(v.text, v.scope...)
	v.text = append(v.text, v.previous[:]...)
	v.text = append(v.text, '\n')
}

func (v *ChunkVerifier) finish(sum *[sha256.Size]byte, signature []byte) bool {
	v.text = hex.AppendEncode(v.text, sum[:])
	v.mac.Reset()
	v.mac.Write(v.text)
	hex.Encode(v.computed[:], v.mac.Sum(v.sum[:0]))
	if subtle.ConstantTimeCompare(v.computed[:], signature) != 1 {
		v.failed = true
	}
	v.previous = v.computed
	return !v.failed
}

// String returns REDACTED.
func (*ChunkVerifier) String() string { return "REDACTED" }

// GoString returns REDACTED.
func (*ChunkVerifier) GoString() string { return "REDACTED" }
