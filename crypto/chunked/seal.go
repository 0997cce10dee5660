package chunked

import (
	"crypto/rand"
	"io"
)

// batchChunks is how many chunks one Read asks its source for: large enough that a source is not called for every chunk, small
// enough that sixteen streams stay within a few MiB and a batch within the second-level cache.
const batchChunks = 4

// emptyReads is how often a source may return nothing and no error before a stream gives up.
const emptyReads = 100

// Seal returns plaintext as one message, header and chunks, with a fresh salt.
func Seal(key *[KeySize]byte, context, plaintext []byte) ([]byte, error) {
	out := make([]byte, HeaderSize, SealedSize(int64(len(plaintext))))
	rand.Read(out[:SaltSize])
	c, commitment := derive(key, context, out[:SaltSize])
	copy(out[SaltSize:], commitment[:])
	for index := uint64(0); ; index++ {
		if len(plaintext) < ChunkSize {
			return c.seal(out, index, plaintext), nil
		}
		out = c.seal(out, index, plaintext[:ChunkSize])
		plaintext = plaintext[ChunkSize:]
	}
}

// EncryptReader yields a message while it reads the plaintext. Its error latches. One goroutine uses it at a time.
type EncryptReader struct {
	cipher  *chunkCipher
	src     io.Reader
	header  [HeaderSize]byte
	left    int64  // plaintext bytes still expected from src; negative when the length is not known
	in      []byte // plaintext buffer
	r, w    int    // unread part of in
	out     []byte // one sealed chunk, for callers whose buffers are smaller; made on first need
	pending []byte // sealed bytes that the caller has not taken yet
	index   uint64
	srcDone bool // src ended where it should
	done    bool // the last chunk was sealed
	err     error
}

// NewEncryptReader starts a message with a fresh salt over all that src yields.
func NewEncryptReader(key *[KeySize]byte, context []byte, src io.Reader) *EncryptReader {
	return newEncryptReader(key, context, -1, src, freshSalt())
}

// NewSizedEncryptReader is [NewEncryptReader] for a source of exactly plain bytes. A shorter source ends in
// [io.ErrUnexpectedEOF] and a longer one in [ErrTooLong], in both cases before the last chunk was released, so that a wrong
// length never leaves a complete message.
func NewSizedEncryptReader(key *[KeySize]byte, context []byte, plain int64, src io.Reader) *EncryptReader {
	if plain < 0 || plain > maxPlain {
		panic("chunked: internal error: size out of range")
	}
	return newEncryptReader(key, context, plain, src, freshSalt())
}

func freshSalt() (salt [SaltSize]byte) {
	rand.Read(salt[:])
	return salt
}

func newEncryptReader(key *[KeySize]byte, context []byte, plain int64, src io.Reader, salt [SaltSize]byte) *EncryptReader {
	c, commitment := derive(key, context, salt[:])
	r := &EncryptReader{cipher: c, src: src, left: plain}
	copy(r.header[:], salt[:])
	copy(r.header[SaltSize:], commitment[:])
	r.pending = r.header[:]
	return r
}

// Salt returns the message's salt, which is known before anything is read.
func (r *EncryptReader) Salt() [SaltSize]byte { return [SaltSize]byte(r.header[:SaltSize]) }

// Commitment returns the message's commitment, which is known before anything is read.
func (r *EncryptReader) Commitment() [CommitmentSize]byte {
	return [CommitmentSize]byte(r.header[SaltSize:])
}

// Read yields the next bytes of the message. It returns [io.EOF] after the last chunk and otherwise the first error it met, again
// and again; an error of src comes through as it is.
func (r *EncryptReader) Read(p []byte) (int, error) {
	n := 0
	for n < len(p) {
		if len(r.pending) > 0 {
			c := copy(p[n:], r.pending)
			r.pending = r.pending[c:]
			n += c
			continue
		}
		if r.err != nil || r.done {
			break
		}
		if n > 0 && r.w-r.r < ChunkSize && !r.srcDone {
			return n, nil // what there is goes out before src can block.
		}
		if n > 0 && len(p)-n < SealedChunk {
			return n, nil // the next call can take a whole chunk without a copy.
		}
		chunk, err := r.nextPlain()
		if err != nil {
			r.fail(err)
			break
		}
		if len(p)-n >= len(chunk)+TagSize {
			n = len(r.cipher.seal(p[:n], r.index, chunk))
		} else {
			if r.out == nil {
				r.out = make([]byte, 0, len(chunk)+TagSize)
			}
			r.out = r.cipher.seal(r.out[:0], r.index, chunk)
			r.pending = r.out
		}
		r.index++
		if len(chunk) < ChunkSize {
			r.done = true
			r.release()
		}
	}
	switch {
	case n > 0 || len(p) == 0:
		return n, nil
	case r.err != nil:
		return 0, r.err
	default:
		return 0, io.EOF
	}
}

func (r *EncryptReader) fail(err error) {
	r.err = err
	r.release()
}

// release forgets plaintext as soon as it is not needed.
func (r *EncryptReader) release() {
	clear(r.in)
	r.in, r.r, r.w = nil, 0, 0
}

// nextPlain returns the plaintext of the next chunk: a whole one, or whatever is left when src has ended properly.
func (r *EncryptReader) nextPlain() ([]byte, error) {
	for empty := 0; r.w-r.r < ChunkSize && !r.srcDone; {
		if r.left == 0 {
			if err := r.probe(); err != nil {
				return nil, err
			}
			r.srcDone = true
			break
		}
		r.makeRoom()
		free := r.in[r.w:]
		if r.left > 0 && int64(len(free)) > r.left {
			free = free[:r.left]
		}
		n, err := r.src.Read(free)
		if n < 0 || n > len(free) {
			panic("chunked: internal error: source returned an impossible count")
		}
		r.w += n
		if r.left > 0 {
			r.left -= int64(n)
		}
		switch {
		case err == io.EOF && r.left > 0:
			return nil, io.ErrUnexpectedEOF
		case err == io.EOF:
			r.srcDone = true
		case err != nil:
			return nil, err
		case n > 0:
			empty = 0
		default:
			if empty++; empty >= emptyReads {
				return nil, io.ErrNoProgress
			}
		}
	}
	n := min(r.w-r.r, ChunkSize)
	chunk := r.in[r.r : r.r+n]
	r.r += n
	return chunk, nil
}

// makeRoom leaves space behind w for at least the rest of one chunk.
func (r *EncryptReader) makeRoom() {
	if r.in == nil {
		size := int64(batchChunks * ChunkSize)
		if r.left >= 0 {
			size = min(size, r.left)
		}
		r.in = make([]byte, size)
	}
	if r.r == r.w {
		r.r, r.w = 0, 0
	}
	if r.r > 0 && len(r.in)-r.r < ChunkSize {
		r.w = copy(r.in, r.in[r.r:r.w])
		r.r = 0
	}
}

// probe makes sure that src has nothing beyond the announced length; only then may the last chunk be sealed.
func (r *EncryptReader) probe() error {
	var one [1]byte
	for range emptyReads {
		n, err := r.src.Read(one[:])
		switch {
		case n > 0:
			return ErrTooLong
		case err == io.EOF:
			return nil
		case err != nil:
			return err
		}
	}
	return io.ErrNoProgress
}
