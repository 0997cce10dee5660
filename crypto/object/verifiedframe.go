package object

import (
	"errors"
	"fmt"
	"io"

	"sallyport/crypto/chunked"
	"sallyport/crypto/keys"
)

// VerifiedFrame yields the bytes of a stored frame as they are, each chunk only after it was opened: what was altered where it lay or on its way is not
// copied into an object. It holds one chunk. One goroutine uses it at a time.
type VerifiedFrame struct {
	src    io.Reader
	key    keys.FrameKey
	header [FrameHeaderSize]byte // what the frame must begin with
	plain  int64

	opener *chunked.Opener // nil = nothing was read yet
	index  int64           // of the next chunk
	sealed []byte          // room for one chunk
	opened []byte
	rest   []byte // verified, not yet given out
	err    error
}

// NewVerifiedFrame reads a frame from src that was sealed for this identity and part, of plain bytes, with this salt and commitment, and is nothing but
// that frame. Anything else is [ErrDamaged], a source that is shorter [io.ErrUnexpectedEOF], and errors of src come through as they are, always before the
// frame is complete.
func NewVerifiedFrame(id Identity, secret keys.ObjectSecret, f Frame, src io.Reader) (*VerifiedFrame, error) {
	if f.Part < 0 || f.Part > MaxParts || f.Plain < 0 || f.Plain > MaxPlainSize {
		return nil, fmt.Errorf("verify frame: part %d of %d bytes is out of range", f.Part, f.Plain)
	}
	l := Layout{id: id}
	return &VerifiedFrame{src: src, key: secret.FrameKey(), header: l.frameHeader(f), plain: f.Plain}, nil
}

// Read implements io.Reader. An error latches.
func (v *VerifiedFrame) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if len(v.rest) == 0 && v.err == nil {
		if v.err = v.next(); v.err != nil {
			v.key.Clear()
			clear(v.opened)
		}
	}
	if v.err != nil {
		return 0, v.err
	}
	n := copy(p, v.rest)
	v.rest = v.rest[n:]
	return n, nil
}

// next verifies the header, the next chunk or the end.
func (v *VerifiedFrame) next() error {
	chunks := v.plain/chunked.ChunkSize + 1
	switch {
	case v.opener == nil:
		return v.begin()
	case v.index == chunks:
		return v.end()
	}
	size := chunked.SealedChunk
	if v.index == chunks-1 {
		size = int(v.plain%chunked.ChunkSize) + chunked.TagSize
	}
	if _, err := io.ReadFull(v.src, v.sealed[:size]); err != nil {
		return unexpected(err)
	}
	if _, err := v.opener.Chunk(v.opened[:0], v.index, v.sealed[:size]); err != nil {
		return ErrDamaged
	}
	v.rest = v.sealed[:size]
	v.index++
	return nil
}

func (v *VerifiedFrame) begin() error {
	var read [FrameHeaderSize]byte
	if _, err := io.ReadFull(v.src, read[:]); err != nil {
		return unexpected(err)
	}
	if read != v.header {
		return ErrDamaged
	}
	opener, err := chunked.NewOpener(v.key.Reveal(), frameContext([FramePrefixSize]byte(read[:])), read[FramePrefixSize:])
	if err != nil {
		return ErrDamaged
	}
	v.opener = opener
	v.sealed, v.opened = make([]byte, chunked.SealedChunk), make([]byte, chunked.ChunkSize)
	v.rest = v.header[:]
	return nil
}

func (v *VerifiedFrame) end() error {
	switch n, err := io.ReadFull(v.src, v.sealed[:1]); {
	case n > 0:
		return ErrDamaged
	case errors.Is(err, io.EOF):
		return io.EOF
	default:
		return err
	}
}
