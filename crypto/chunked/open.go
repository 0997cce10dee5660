package chunked

import (
	"errors"
	"io"
)

// Open returns the plaintext of a whole message. A message too short for a header, or whose header does not match, gives
// [ErrCommitment]; anything else that is wrong gives [ErrAuthentication]. On an error nothing is returned.
func Open(key *[KeySize]byte, context, message []byte) ([]byte, error) {
	if len(message) < HeaderSize {
		return nil, ErrCommitment
	}
	opener, err := NewOpener(key, context, message[:HeaderSize])
	if err != nil {
		return nil, err
	}
	sealed := message[HeaderSize:]
	plain, ok := PlainSize(int64(len(sealed)))
	if !ok {
		return nil, ErrAuthentication
	}
	out := make([]byte, 0, plain)
	for index := int64(0); ; index++ {
		n := min(len(sealed), SealedChunk)
		if out, err = opener.Chunk(out, index, sealed[:n]); err != nil {
			return nil, err
		}
		if sealed = sealed[n:]; n < SealedChunk {
			return out, nil
		}
	}
}

// unknownLength marks a reader that finds the end of the message by the end of its source.
const unknownLength = -1

// ChunkReader yields the plaintext of consecutive chunks of one message, verified chunk by chunk. Its error latches. One goroutine
// uses it at a time.
type ChunkReader struct {
	opener *Opener
	src    io.Reader
	memory Memory // src, if it is one; in is then never made
	left   int64  // ciphertext bytes still to be read from src, or unknownLength
	in     []byte
	r, w   int
	out    []byte // one opened chunk, for callers whose buffers are smaller; made on first need
	pend   []byte // opened bytes that the caller has not taken yet
	index  int64  // the next chunk
	skip   int    // plaintext bytes of the first chunk that are not released
	end    int64  // the chunk after the last wanted one, or unknownLength
	final  int64  // the message's last chunk, or unknownLength
	tail   int    // plaintext bytes in the final chunk
	srcEOF bool
	done   bool
	err    error
}

// Memory is a source whose bytes are held in memory already, as those of a [bytes.Buffer] are: Next returns the next n bytes, or as many as
// there are, and passes over them. A [ChunkReader] of a known length opens them where they lie and copies none; they stay as they are.
type Memory interface {
	io.Reader
	Next(n int) []byte
}

// NewDecryptReader checks the header at the beginning of src, which it reads at once, and returns a reader of the whole message; the
// message ends where src ends. Errors are those of [Open], or those of src.
func NewDecryptReader(key *[KeySize]byte, context []byte, src io.Reader) (*ChunkReader, error) {
	var header [HeaderSize]byte
	if _, err := io.ReadFull(src, header[:]); err != nil {
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return nil, ErrCommitment
		}
		return nil, err
	}
	opener, err := NewOpener(key, context, header[:])
	if err != nil {
		return nil, err
	}
	return &ChunkReader{opener: opener, src: src, left: unknownLength, end: unknownLength, final: unknownLength}, nil
}

// NewChunkReader reads the chunks first up to, not including, end of a message of plain plaintext bytes; the message's last chunk is
// plain/ChunkSize. Src must begin with the ciphertext of chunk first, and the reader takes exactly [ChunkRange] bytes from it; when src
// ends early the error is [io.ErrUnexpectedEOF]. When the range contains a last chunk without plaintext, that chunk is verified before
// the bytes of the chunk ahead of it are released. The opener belongs to the reader from now on.
func NewChunkReader(opener *Opener, src io.Reader, plain, first, end int64) *ChunkReader {
	_, length := ChunkRange(plain, first, end)
	memory, _ := src.(Memory)
	return &ChunkReader{
		opener: opener, src: src, memory: memory, left: length, index: first, end: end,
		final: plain / ChunkSize, tail: int(plain % ChunkSize), done: first == end,
	}
}

// ChunkRange gives where the ciphertext of the chunks first up to, not including, end lies, counted from the first chunk, in a
// message of plain plaintext bytes. It panics when there are no such chunks.
func ChunkRange(plain, first, end int64) (off, length int64) {
	final := plain / ChunkSize
	if plain < 0 || plain > maxPlain || first < 0 || first > end || end > final+1 {
		panic("chunked: internal error: chunk range out of bounds")
	}
	stop := end * SealedChunk
	if end == final+1 {
		stop = ChunksSize(plain)
	}
	return first * SealedChunk, stop - first*SealedChunk
}

// Skip makes the reader leave out the first n plaintext bytes, fewer than a chunk, which are verified nevertheless. It is called before
// the first Read.
func (r *ChunkReader) Skip(n int) {
	if n < 0 || n >= ChunkSize || r.w > 0 {
		panic("chunked: internal error: misplaced skip")
	}
	r.skip = n
}

// Read yields the next verified plaintext bytes, [io.EOF] after the last chunk of the range, and otherwise the first error it met,
// again and again.
func (r *ChunkReader) Read(p []byte) (int, error) {
	n := 0
	for n < len(p) {
		if len(r.pend) > 0 {
			c := copy(p[n:], r.pend)
			r.pend = r.pend[c:]
			n += c
			continue
		}
		if r.err != nil || r.done {
			break
		}
		if n > 0 && (r.memory == nil && r.w-r.r < SealedChunk || len(p)-n < ChunkSize) {
			return n, nil // what there is goes out before src can block, and the next call can take a whole chunk without a copy.
		}
		c, err := r.openNext(p[n:])
		if err != nil {
			r.err = err
			break
		}
		n += c
	}
	if r.err != nil || r.done && len(r.pend) == 0 {
		clear(r.out)
		r.in, r.out, r.pend = nil, nil, nil
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

// openNext opens the next chunk into p if it fits, and into r.pend otherwise; it returns how many bytes it put into p.
func (r *ChunkReader) openNext(p []byte) (int, error) {
	size := r.chunkSize(r.index)
	need := size
	if r.final == r.index+1 && r.tail == 0 && r.end > r.final {
		need += TagSize // the empty last chunk is verified first, so that it does not fail after the last byte went out.
	}
	sealed, err := r.fill(need)
	if err != nil {
		return 0, err
	}
	if r.final == unknownLength {
		if len(sealed) < SealedChunk {
			r.done = true
		}
		size = min(len(sealed), SealedChunk)
	}
	if len(sealed) > size {
		if _, err := r.opener.Chunk(nil, r.index+1, sealed[size:]); err != nil {
			return 0, err
		}
		r.done = true
	}
	sealed = sealed[:size]
	if size < TagSize {
		return 0, ErrAuthentication
	}
	plain := size - TagSize
	if len(p) >= plain && r.skip == 0 {
		if _, err := r.opener.Chunk(p[:0], r.index, sealed); err != nil {
			return 0, err
		}
	} else {
		if cap(r.out) < plain {
			r.out = make([]byte, 0, plain)
		}
		out, err := r.opener.Chunk(r.out[:0], r.index, sealed)
		if err != nil {
			return 0, err
		}
		skip := min(r.skip, len(out))
		r.out, r.pend, r.skip, plain = out, out[skip:], r.skip-skip, 0
	}
	if r.memory == nil {
		r.r = min(r.r+need, r.w) // at the end of a message of unknown length there is less than was needed.
	}
	if r.index++; r.index == r.end {
		r.done = true
	}
	return plain, nil
}

func (r *ChunkReader) chunkSize(index int64) int {
	if index == r.final {
		return r.tail + TagSize
	}
	return SealedChunk
}

// fill returns at least need unread bytes of src, exactly need when the length is known; when it is not, fewer at the end of src.
func (r *ChunkReader) fill(need int) ([]byte, error) {
	if r.memory != nil {
		sealed := r.memory.Next(need)
		if len(sealed) < need {
			return nil, io.ErrUnexpectedEOF
		}
		return sealed, nil
	}
	for empty := 0; r.w-r.r < need; {
		if r.srcEOF {
			if r.left == unknownLength {
				return r.in[r.r:r.w], nil
			}
			return nil, io.ErrUnexpectedEOF
		}
		r.makeRoom(need)
		free := r.in[r.w:]
		if r.left >= 0 && int64(len(free)) > r.left {
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
		case err == io.EOF:
			r.srcEOF = true
		case err != nil && r.w-r.r < need:
			return nil, err
		case n > 0:
			empty = 0
		default:
			if empty++; empty >= emptyReads {
				return nil, io.ErrNoProgress
			}
		}
	}
	return r.in[r.r : r.r+need], nil
}

// makeRoom leaves space behind w for the rest of need bytes.
func (r *ChunkReader) makeRoom(need int) {
	if r.in == nil {
		size := int64(batchChunks * SealedChunk)
		if r.left >= 0 {
			size = min(size, r.left)
		}
		r.in = make([]byte, size)
	}
	if r.r == r.w {
		r.r, r.w = 0, 0
	}
	if r.r > 0 && len(r.in)-r.r < need {
		r.w = copy(r.in, r.in[r.r:r.w])
		r.r = 0
	}
}

// ReaderAt gives random access to the plaintext of a whole message. It may be used by several goroutines at a time when its source
// may.
type ReaderAt struct {
	src   io.ReaderAt
	aead  *chunkCipher
	plain int64
}

// NewReaderAt checks the header and verifies the last chunk of a message of size bytes, so that its length can be relied on before
// anything else is read. Errors are those of [Open], or those of src.
func NewReaderAt(key *[KeySize]byte, context []byte, src io.ReaderAt, size int64) (*ReaderAt, error) {
	if size < HeaderSize {
		return nil, ErrCommitment
	}
	var header [HeaderSize]byte
	if err := readFullAt(src, header[:], 0); err != nil {
		return nil, err
	}
	opener, err := NewOpener(key, context, header[:])
	if err != nil {
		return nil, err
	}
	plain, ok := PlainSize(size - HeaderSize)
	if !ok {
		return nil, ErrAuthentication
	}
	r := &ReaderAt{src: src, aead: opener.cipher, plain: plain}
	if _, err := r.chunk(r.newScratch(), plain/ChunkSize); err != nil {
		return nil, err
	}
	return r, nil
}

// Size returns the plaintext length.
func (r *ReaderAt) Size() int64 { return r.plain }

// ReadAt fills p with plaintext from off on. Every byte it returns was verified; at the end it returns [io.EOF] with a short count.
func (r *ReaderAt) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, errors.New("read message: negative offset")
	}
	scratch := r.newScratch()
	n := 0
	for n < len(p) && off < r.plain {
		plain, err := r.chunk(scratch, off/ChunkSize)
		if err != nil {
			return n, err
		}
		c := copy(p[n:], plain[off%ChunkSize:])
		n, off = n+c, off+int64(c)
	}
	clear(scratch.buf)
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// scratch is what one ReadAt call needs for itself, so that calls can run side by side.
type scratch struct {
	opener Opener
	buf    []byte
}

func (r *ReaderAt) newScratch() *scratch {
	own := *r.aead
	return &scratch{opener: Opener{cipher: &own}, buf: make([]byte, min(SealedChunk, ChunksSize(r.plain)))}
}

func (r *ReaderAt) chunk(s *scratch, index int64) ([]byte, error) {
	off, length := ChunkRange(r.plain, index, index+1)
	sealed := s.buf[:length]
	if err := readFullAt(r.src, sealed, HeaderSize+off); err != nil {
		return nil, err
	}
	return s.opener.Chunk(sealed[:0], index, sealed)
}

func readFullAt(src io.ReaderAt, p []byte, off int64) error {
	n, err := src.ReadAt(p, off)
	if n == len(p) {
		return nil
	}
	if err == nil || errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
