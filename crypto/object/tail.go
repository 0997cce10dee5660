package object

import (
	"errors"

	"sallyport/crypto/chunked"
	"sallyport/crypto/keys"
)

// SealTail returns the [TailSize] bytes that end an object file. Each call draws a fresh Cobblestone salt, so the tail of an object may
// be sealed again with other metadata, for example after a rename. Errors are [ErrMetadataTooLarge] and [ErrInvalidMetadata].
func SealTail(id Identity, key keys.TailKey, m *Metadata) ([]byte, error) {
	if err := id.check(); err != nil {
		return nil, err
	}
	text, err := m.encode()
	if err != nil {
		return nil, err
	}
	content := make([]byte, metadataSize)
	copy(content, text)
	head := id.tailClear()
	sealed, err := chunked.Seal(key.Reveal(), append(keys.Label("tail"), head[:]...), content)
	if err != nil {
		return nil, err
	}
	tail := append(make([]byte, 0, TailSize), head[:]...)
	return append(tail, sealed...), nil
}

// OpenTail checks and reads a tail. Besides the errors of [ParseTailHeader] it gives [ErrWrongKey] when the key is not the one of this
// tail, and [ErrDamaged]. Whether bucket and key are the expected ones is for the caller to compare, and [NewLayout] checks the sizes.
func OpenTail(tail []byte, key keys.TailKey) (*Metadata, error) {
	if _, err := ParseTailHeader(tail); err != nil {
		return nil, err
	}
	content, err := chunked.Open(key.Reveal(), append(keys.Label("tail"), tail[:tailClearSize]...), tail[tailClearSize:])
	switch {
	case errors.Is(err, chunked.ErrCommitment):
		return nil, ErrWrongKey
	case err != nil:
		return nil, ErrDamaged
	}
	return decodeMetadata(content)
}
