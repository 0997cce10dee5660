package object

import (
	"errors"
	"io"

	"sallyport/crypto/keys"
)

// File is an object file whose tail and table were opened. It may be shared when its source may.
type File struct {
	Metadata *Metadata
	Table    []Entry // nil when there is one frame
	Layout   *Layout

	src    io.ReaderAt
	secret keys.ObjectSecret
}

// OpenFile opens tail and table of a file of size bytes with the secret that the keyring gives for it. Besides the errors of
// [ParseTailHeader], [OpenTail], [OpenTable], [NewLayout], the keyring and src, it gives [ErrForeign] for a file too small to have a tail,
// and [ErrDamaged] for one whose tail is ours but whose size no object file has.
func OpenFile(src io.ReaderAt, size int64, keyring Keyring) (*File, error) {
	tail, err := readTail(src, size)
	if err != nil {
		return nil, err
	}
	id, err := ParseTailHeader(tail)
	if err != nil {
		return nil, err
	}
	if _, ok := PlainSize(size); !ok {
		return nil, ErrDamaged
	}
	secret, err := keyring.Secret(id)
	if err != nil {
		return nil, err
	}
	m, err := OpenTail(tail, secret.TailKey())
	if err != nil {
		return nil, err
	}
	f := &File{Metadata: m, src: src, secret: secret}
	if m.Frames > 1 {
		off, length := TableRange(size, m.Frames)
		if off < 0 {
			return nil, ErrDamaged
		}
		sealed := make([]byte, length)
		if err := readAt(src, sealed, off); err != nil {
			return nil, err
		}
		if f.Table, err = OpenTable(id, secret.TableKey(), m, sealed); err != nil {
			return nil, err
		}
	}
	if f.Layout, err = NewLayout(size, id, m, f.Table); err != nil {
		return nil, err
	}
	return f, nil
}

// Reader reads the whole plaintext; see [NewReader].
func (f *File) Reader() *Reader {
	off, length := f.Layout.Body()
	return NewReader(f.Layout, f.secret, io.NewSectionReader(f.src, off, length))
}

// RangeReader reads a part of the plaintext; see [NewRangeReader].
func (f *File) RangeReader(off, length int64) *Reader {
	fileOff, fileLength := f.Layout.Range(off, length)
	return NewRangeReader(f.Layout, f.secret, off, length, io.NewSectionReader(f.src, fileOff, fileLength))
}

// Inspection is what a file says without any key. None of it is authenticated.
type Inspection struct {
	Size      int64
	Plain     int64 // plaintext bytes by the size of the file, when Canonical
	Canonical bool  // whether an object file can have this size

	Tail     *TailHeader  // nil when the last bytes are no tail this program knows
	TailErr  error        // why
	Frame    *FramePrefix // nil when the first bytes are no frame this program knows
	FrameErr error        // why
}

// Inspect reads the clear fields of a file. It returns an error only when src cannot be read.
func Inspect(src io.ReaderAt, size int64) (*Inspection, error) {
	in := &Inspection{Size: size, TailErr: ErrForeign, FrameErr: ErrForeign}
	in.Plain, in.Canonical = PlainSize(size)
	if size >= TailSize {
		tail, err := readTail(src, size)
		if err != nil {
			return nil, err
		}
		id, err := ParseTailHeader(tail)
		if in.TailErr = err; err == nil {
			in.Tail = &id
		}
	}
	if size >= FramePrefixSize {
		var b [FramePrefixSize]byte
		if err := readAt(src, b[:], 0); err != nil {
			return nil, err
		}
		prefix, err := ParseFramePrefix(b[:])
		if in.FrameErr = err; err == nil {
			in.Frame = &prefix
		}
	}
	return in, nil
}

func readTail(src io.ReaderAt, size int64) ([]byte, error) {
	if size < TailSize {
		return nil, ErrForeign
	}
	tail := make([]byte, TailSize)
	return tail, readAt(src, tail, size-TailSize)
}

func readAt(src io.ReaderAt, p []byte, off int64) error {
	n, err := src.ReadAt(p, off)
	if n == len(p) {
		return nil
	}
	if err == nil || errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
