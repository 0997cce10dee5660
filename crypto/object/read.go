package object

import (
	"bytes"
	"errors"
	"io"

	"sallyport/crypto/chunked"
	"sallyport/crypto/keys"
)

// Reader yields the plaintext of an object or of a range of it from ciphertext that it reads forward. It releases only verified bytes
// that belong where they are read. Its error latches. One goroutine uses it at a time.
type Reader struct {
	layout *Layout
	key    keys.FrameKey
	src    io.Reader
	span   span
	frame  int // the next frame to open
	whole  bool
	left   int64 // plaintext bytes still to be released
	chunks *chunked.ChunkReader
	err    error
}

// NewReader reads a whole object. Src begins with the first byte of the file, and the reader takes [Layout.Body] bytes from it. Every
// frame and the padding are checked, all of it before the last plaintext bytes are released: a body of full length was a whole one.
// Damage gives [ErrDamaged]; a source that ends early gives [io.ErrUnexpectedEOF]; other errors of src come through as they are.
func NewReader(l *Layout, secret keys.ObjectSecret, src io.Reader) *Reader {
	last := len(l.frames) - 1
	s := span{last: last, lastChunk: l.frames[last].Plain / chunked.ChunkSize}
	return &Reader{layout: l, key: secret.FrameKey(), src: src, span: s, whole: true, left: l.plain}
}

// NewRangeReader reads length plaintext bytes from off on. Src yields exactly the bytes of [Layout.Range]. Errors are those of
// [NewReader]. It panics when the range does not lie inside the object.
func NewRangeReader(l *Layout, secret keys.ObjectSecret, off, length int64, src io.Reader) *Reader {
	r := &Reader{layout: l, key: secret.FrameKey(), src: src, left: length}
	if length == 0 {
		r.finish(io.EOF)
		return r
	}
	r.span = l.span(off, length)
	r.frame = r.span.first
	return r
}

// Read yields the next verified plaintext bytes, then [io.EOF].
func (r *Reader) Read(p []byte) (int, error) {
	if r.err != nil {
		return 0, r.err
	}
	if len(p) == 0 && r.left > 0 {
		return 0, nil
	}
	for r.left > 0 {
		n, err := r.readSome(p[:min(int64(len(p)), r.left)])
		if err != nil {
			return 0, r.finish(err)
		}
		if n == 0 {
			continue
		}
		if r.left -= int64(n); r.left > 0 {
			return n, nil
		}
		if err := r.checkRest(); err != nil {
			clear(p[:n])
			return 0, r.finish(err)
		}
		r.finish(io.EOF)
		return n, nil
	}
	if err := r.checkRest(); err != nil {
		return 0, r.finish(err)
	}
	return 0, r.finish(io.EOF)
}

// finish latches the error and forgets the key.
func (r *Reader) finish(err error) error {
	r.err, r.chunks = err, nil
	r.key.Clear()
	return err
}

// readSome reads from the frame at work, and opens the next one when there is none.
func (r *Reader) readSome(p []byte) (int, error) {
	if r.chunks == nil {
		return 0, r.openFrame()
	}
	n, err := r.chunks.Read(p)
	if errors.Is(err, io.EOF) {
		r.chunks = nil
		return n, nil
	}
	return n, readError(err)
}

// checkRest verifies what a whole read covers behind the last plaintext byte.
func (r *Reader) checkRest() error {
	if !r.whole {
		return nil
	}
	var none [1]byte
	for r.chunks != nil || r.frame < len(r.layout.frames) {
		n, err := r.readSome(none[:])
		if err != nil {
			return err
		}
		if n > 0 {
			panic("object: internal error: plaintext behind the end of the object")
		}
	}
	last := r.layout.frames[len(r.layout.frames)-1]
	_, end := r.layout.Body()
	return checkZeros(r.src, end-last.FileOffset-FrameSize(last.Plain))
}

func (r *Reader) openFrame() error {
	f := r.layout.frames[r.frame]
	first, end := int64(0), f.Plain/chunked.ChunkSize+1
	if r.frame == r.span.first {
		first = r.span.firstChunk
	}
	if r.frame == r.span.last {
		end = r.span.lastChunk + 1
	}
	header := r.layout.frameHeader(f)
	if first == 0 {
		var read [FrameHeaderSize]byte
		if _, err := io.ReadFull(r.src, read[:]); err != nil {
			return readError(unexpected(err))
		}
		if read != header {
			return ErrDamaged
		}
	}
	opener, err := chunked.NewOpener(r.key.Reveal(), frameContext([FramePrefixSize]byte(header[:])), header[FramePrefixSize:])
	if err != nil {
		return ErrDamaged
	}
	r.chunks = chunked.NewChunkReader(opener, r.src, f.Plain, first, end)
	if r.frame == r.span.first {
		r.chunks.Skip(r.span.skip)
	}
	r.frame++
	return nil
}

// frameHeader rebuilds what the file must hold at the head of a frame.
func (l *Layout) frameHeader(f Frame) (header [FrameHeaderSize]byte) {
	prefix := framePrefix(l.id, f.Part, f.Plain).encode()
	copy(header[:], prefix[:])
	copy(header[FramePrefixSize:], f.Salt[:])
	copy(header[FramePrefixSize+chunked.SaltSize:], f.Commitment[:])
	return header
}

// readError gives damage its one value and lets errors of the source through.
func readError(err error) error {
	if errors.Is(err, chunked.ErrAuthentication) || errors.Is(err, chunked.ErrCommitment) {
		return ErrDamaged
	}
	return err
}

// unexpected turns the end of a source in the middle of something into io.ErrUnexpectedEOF.
func unexpected(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// checkZeros reads n bytes and makes sure that all are zero.
func checkZeros(src io.Reader, n int64) error {
	zero := make([]byte, min(n, 16<<10))
	buf := make([]byte, len(zero))
	for n > 0 {
		part := buf[:min(n, int64(len(buf)))]
		if _, err := io.ReadFull(src, part); err != nil {
			return unexpected(err)
		}
		if !bytes.Equal(part, zero[:len(part)]) {
			return ErrDamaged
		}
		n -= int64(len(part))
	}
	return nil
}
