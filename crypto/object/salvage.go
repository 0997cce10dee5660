package object

import (
	"bytes"
	"errors"
	"io"
	"iter"

	"sallyport/crypto/chunked"
	"sallyport/crypto/keys"
)

// Salvaged is a frame that was found without tail and table. Its header was verified: part number and length are what was sealed.
type Salvaged struct {
	FramePrefix
	Offset int64 // in the file

	src    io.ReaderAt
	size   int64
	key    keys.FrameKey
	prefix [FramePrefixSize]byte
	seal   [chunked.HeaderSize]byte
}

// Salvage walks a file of size bytes from its beginning and yields every frame whose header the keyring's secret verifies, in the order
// of the file. The tail and the table are not used. Vault is the vault id, which frames do not carry; it does not matter in mode C.
//
// Where no frame begins, or one does not verify, the walk searches forward for the next, so that a damaged header costs its own frame
// only; that a header was lost shows in the gap between part numbers. An error of the keyring for one frame skips that frame and is
// yielded with its prefix; an error of src ends the walk. A file that somebody else put together can hold frames of several objects and several
// frames of one part, and each of them verifies: salt, commitment and, where they are left, tail and table tell them apart.
func Salvage(src io.ReaderAt, size int64, vault VaultID, keyring Keyring) iter.Seq2[*Salvaged, error] {
	return func(yield func(*Salvaged, error) bool) {
		frames := frameSearch{src: src, size: size}
		for off := int64(0); ; {
			at, err := frames.next(off)
			if err != nil {
				yield(nil, err)
				return
			}
			if at < 0 {
				return
			}
			s, err := salvageAt(src, size, at, vault, keyring)
			if unreadable, ok := errors.AsType[*readFailure](err); ok {
				yield(nil, unreadable.err)
				return
			}
			off = at + 1
			if s == nil {
				continue
			}
			if err == nil {
				if off, err = s.next(); err != nil {
					yield(nil, err)
					return
				}
			}
			if !yield(s, err) {
				return
			}
		}
	}
}

// next says where the search goes on behind a verified frame: at its end when a frame or padding stands there. Otherwise bytes are missing
// or too many inside it, and the next frame may begin anywhere behind its header.
func (s *Salvaged) next() (int64, error) {
	end := s.Offset + FrameSize(s.Plain)
	if s.size-end >= int64(len(frameMagic)) {
		var b [len(frameMagic)]byte
		if err := readAt(s.src, b[:], end); err != nil {
			return 0, err
		}
		if string(b[:]) == frameMagic || allZero(b[:]) {
			return end, nil
		}
	}
	return s.Offset + FrameHeaderSize, nil
}

// readFailure tells an error of the source from one of the keyring.
type readFailure struct{ err error }

func (e *readFailure) Error() string { return e.err.Error() }

// salvageAt looks at the place where the magic of a frame stands. It returns nil when that is no frame of this secret.
func salvageAt(src io.ReaderAt, size, at int64, vault VaultID, keyring Keyring) (*Salvaged, error) {
	if size-at < FrameHeaderSize+chunked.TagSize {
		return nil, nil
	}
	var header [FrameHeaderSize]byte
	if err := readAt(src, header[:], at); err != nil {
		return nil, &readFailure{err}
	}
	prefix, err := ParseFramePrefix(header[:])
	if err != nil {
		return nil, nil
	}
	s := &Salvaged{FramePrefix: prefix, Offset: at, src: src, size: size}
	s.prefix = [FramePrefixSize]byte(header[:])
	s.seal = [chunked.HeaderSize]byte(header[FramePrefixSize:])
	secret, err := keyring.Secret(prefix.identity(vault))
	if err != nil {
		return s, err
	}
	s.key = secret.FrameKey()
	if _, err := chunked.NewOpener(s.key.Reveal(), frameContext(s.prefix), s.seal[:]); err != nil {
		return nil, nil
	}
	return s, nil
}

// searchWindow is how much of a file is searched at a time.
const searchWindow = 256 << 10

// frameSearch finds the magic of frames. It keeps what it read last, so that a file full of magics costs no more reading than another.
type frameSearch struct {
	src   io.ReaderAt
	size  int64
	room  []byte
	bytes []byte // of the file, from at on
	at    int64
}

// next returns where the first magic of a frame from off on stands, or -1.
func (f *frameSearch) next(off int64) (int64, error) {
	for f.size-off >= int64(len(frameMagic)) {
		if off < f.at || off+int64(len(frameMagic)) > f.at+int64(len(f.bytes)) {
			if f.room == nil {
				f.room = make([]byte, min(searchWindow, f.size))
			}
			f.at, f.bytes = off, f.room[:min(int64(len(f.room)), f.size-off)]
			if err := readAt(f.src, f.bytes, off); err != nil {
				return 0, err
			}
		}
		rest := f.bytes[off-f.at:]
		if i := bytes.Index(rest, []byte(frameMagic)); i >= 0 {
			return off + int64(i), nil
		}
		off += int64(len(rest) - len(frameMagic) + 1)
	}
	return -1, nil
}

// Seal returns the frame's Cobblestone salt and commitment, which tell this attempt to send the part from every other.
func (s *Salvaged) Seal() (salt [chunked.SaltSize]byte, commitment [chunked.CommitmentSize]byte) {
	return [chunked.SaltSize]byte(s.seal[:]), [chunked.CommitmentSize]byte(s.seal[chunked.SaltSize:])
}

// Reader reads the frame's plaintext from its beginning. Damage gives [ErrDamaged] after the verified bytes ahead of it, and a file that
// ends inside the frame gives [io.ErrUnexpectedEOF].
func (s *Salvaged) Reader() io.Reader { return s.ReaderFrom(0) }

// Chunks gives the number of chunks of the frame.
func (s *Salvaged) Chunks() int64 { return s.Plain/chunked.ChunkSize + 1 }

// ReaderFrom reads the frame's plaintext from the beginning of a chunk on, so that the chunks behind a damaged one can still be read.
func (s *Salvaged) ReaderFrom(chunk int64) io.Reader {
	opener, err := chunked.NewOpener(s.key.Reveal(), frameContext(s.prefix), s.seal[:])
	if err != nil {
		panic("object: internal error: salvaged frame does not open again")
	}
	off, length := chunked.ChunkRange(s.Plain, chunk, s.Chunks())
	off += s.Offset + FrameHeaderSize
	section := io.NewSectionReader(s.src, off, min(length, max(0, s.size-off)))
	return &salvageReader{chunked.NewChunkReader(opener, section, s.Plain, chunk, s.Chunks())}
}

type salvageReader struct{ chunks *chunked.ChunkReader }

func (r *salvageReader) Read(p []byte) (int, error) {
	n, err := r.chunks.Read(p)
	return n, readError(err)
}
