// Package chunked seals and opens messages with C2SP chunked-encryption v1, instance Cobblestone-256: HKDF-SHA-512 with a
// committing header, then AES-256-GCM over chunks of 16 KiB, the last of which is always shorter than 16 KiB.
//
// It promises that a message opens only under the key and the context it was sealed with, that no reader releases a byte which
// was not authenticated, and that truncation, extension and reordering of chunks are refused. Streams allocate nothing per chunk.
// It does not hide the length of a message, and it does not say where a damaged message was damaged.
//
// Every sealing function draws its own random salt; there is no way to pass one, because sealing two messages under one key,
// context and salt would break AES-GCM.
//
// Specification: docs/FORMAT.md section 1, and c2sp.org/chunked-encryption.
package chunked

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha512"
	"crypto/subtle"
	"encoding/binary"
	"errors"
	"fmt"
)

// Sizes in bytes.
const (
	KeySize        = 32                        // an input key
	ChunkSize      = 16384                     // plaintext of every chunk but the last, which is shorter
	TagSize        = 16                        // authentication tag after each chunk
	SealedChunk    = ChunkSize + TagSize       // ciphertext of every chunk but the last
	SaltSize       = 24                        // random, at the head of a message
	CommitmentSize = 32                        // after the salt: which key and context the message belongs to
	HeaderSize     = SaltSize + CommitmentSize // before the first chunk
	nonceSize      = 12                        // of AES-GCM
	maxPlain       = int64(1)<<62 - 1          // keeps every size computation inside int64
)

const infoPrefix = "c2sp.org/chunked-encryption@v1+AEAD_AES_256_GCM\x00"

var (
	// ErrCommitment says that a message was not sealed with this key and context, or that its header was altered. No chunk was
	// looked at.
	ErrCommitment = errors.New("key or context does not match the message")
	// ErrAuthentication says that key and context fit but the message is not what was sealed: altered, cut, extended or
	// reordered. It never says where.
	ErrAuthentication = errors.New("message is damaged")
	// ErrTooLong says that a source held more than the announced number of plaintext bytes.
	ErrTooLong = errors.New("source is longer than announced")
)

// ChunksSize gives the ciphertext length of plain bytes without the header. It panics when plain is negative.
func ChunksSize(plain int64) int64 {
	if plain < 0 || plain > maxPlain {
		panic("chunked: internal error: size out of range")
	}
	return plain + TagSize*(plain/ChunkSize+1)
}

// SealedSize gives the length of a whole message, header and chunks, of plain bytes. It panics when plain is negative.
func SealedSize(plain int64) int64 {
	return HeaderSize + ChunksSize(plain)
}

// PlainSize is the inverse of [ChunksSize]: the plaintext length of a ciphertext without header, and false when no plaintext has
// that ciphertext length.
func PlainSize(chunks int64) (int64, bool) {
	if chunks < TagSize {
		return 0, false
	}
	full, rest := chunks/SealedChunk, chunks%SealedChunk
	if rest < TagSize {
		return 0, false
	}
	return full*ChunkSize + rest - TagSize, true
}

// chunkCipher is what a message's chunks are sealed and opened with. It keeps the nonce of the chunk at work, so that nothing is
// allocated per chunk; therefore one goroutine uses it at a time.
type chunkCipher struct {
	aead  cipher.AEAD
	base  [nonceSize]byte
	nonce [nonceSize]byte
}

// derive computes a message's chunk cipher and commitment.
func derive(key *[KeySize]byte, context, salt []byte) (*chunkCipher, [CommitmentSize]byte) {
	if len(salt) != SaltSize {
		panic("chunked: internal error: salt of wrong length")
	}
	info := make([]byte, 0, len(infoPrefix)+SaltSize+len(context))
	info = append(info, infoPrefix...)
	info = append(info, salt...)
	info = append(info, context...)
	material, err := hkdf.Expand(sha512.New, key[:], string(info), KeySize+nonceSize+CommitmentSize)
	if err != nil {
		panic(fmt.Sprintf("chunked: internal error: expand: %v", err))
	}
	block, err := aes.NewCipher(material[:KeySize])
	if err != nil {
		panic(fmt.Sprintf("chunked: internal error: aes: %v", err))
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		panic(fmt.Sprintf("chunked: internal error: gcm: %v", err))
	}
	c := &chunkCipher{aead: aead}
	copy(c.base[:], material[KeySize:])
	commitment := [CommitmentSize]byte(material[KeySize+nonceSize:])
	clear(material)
	return c, commitment
}

func (c *chunkCipher) setNonce(index uint64) {
	c.nonce = c.base
	tail := c.nonce[nonceSize-8:]
	binary.BigEndian.PutUint64(tail, binary.BigEndian.Uint64(tail)^index)
}

// seal appends the sealed chunk to dst, which has room for it and does not overlap plain.
func (c *chunkCipher) seal(dst []byte, index uint64, plain []byte) []byte {
	c.setNonce(index)
	return c.aead.Seal(dst, c.nonce[:], plain, nil)
}

// open appends the opened chunk to dst. When the chunk is not authentic it returns nil and leaves zeros where plaintext would be.
func (c *chunkCipher) open(dst []byte, index uint64, sealed []byte) ([]byte, error) {
	c.setNonce(index)
	out, err := c.aead.Open(dst, c.nonce[:], sealed, nil)
	if err != nil {
		return nil, ErrAuthentication
	}
	return out, nil
}

// Opener opens the chunks of one message whose header matched. One goroutine uses it at a time.
type Opener struct {
	cipher *chunkCipher
}

// NewOpener checks a message's header, salt and commitment, against key and context. A header of another length, and one that
// does not match, give [ErrCommitment].
func NewOpener(key *[KeySize]byte, context, header []byte) (*Opener, error) {
	if len(header) != HeaderSize {
		return nil, ErrCommitment
	}
	c, commitment := derive(key, context, header[:SaltSize])
	if subtle.ConstantTimeCompare(commitment[:], header[SaltSize:]) != 1 {
		return nil, ErrCommitment
	}
	return &Opener{cipher: c}, nil
}

// Chunk opens one chunk, appending its plaintext to dst; the caller knows from its length whether it is the last one. On an error
// nothing is returned and the room behind dst holds zeros or what it held before. The plaintext may take the place of the
// ciphertext (dst = sealed[:0]).
func (o *Opener) Chunk(dst []byte, index int64, sealed []byte) ([]byte, error) {
	if index < 0 || len(sealed) < TagSize || len(sealed) > SealedChunk {
		return nil, ErrAuthentication
	}
	return o.cipher.open(dst, uint64(index), sealed)
}
