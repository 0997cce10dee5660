package object

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"sallyport/crypto/chunked"
	"sallyport/crypto/keys"
)

// FrameReader yields a sealed frame while it reads the plaintext. One goroutine uses it at a time.
type FrameReader struct {
	prefix [FramePrefixSize]byte
	rest   []byte // of prefix
	chunks *chunked.EncryptReader
	size   int64
}

// NewFrameReader starts a frame of exactly plain plaintext bytes, with a Cobblestone salt of its own: every attempt to send a part is a
// frame of its own. A source that is shorter gives [io.ErrUnexpectedEOF], a longer one [ErrTooLong], and any error of the source comes
// through as it is, always before the frame is complete. Part is 0 for a single PUT.
func NewFrameReader(id Identity, secret keys.ObjectSecret, part int, plain int64, src io.Reader) (*FrameReader, error) {
	if err := id.check(); err != nil {
		return nil, err
	}
	if part < 0 || part > MaxParts || plain < 0 || plain > MaxPlainSize {
		return nil, fmt.Errorf("seal frame: part %d of %d bytes is out of range", part, plain)
	}
	f := &FrameReader{prefix: framePrefix(id, part, plain).encode(), size: FrameSize(plain)}
	f.rest = f.prefix[:]
	key := secret.FrameKey()
	defer key.Clear()
	f.chunks = chunked.NewSizedEncryptReader(key.Reveal(), frameContext(f.prefix), plain, src)
	return f, nil
}

func frameContext(prefix [FramePrefixSize]byte) []byte {
	return append(keys.Label("frame"), prefix[:]...)
}

// Size returns the frame's length in bytes: [FrameSize].
func (f *FrameReader) Size() int64 { return f.size }

// Salt returns the frame's Cobblestone salt, known before anything is read.
func (f *FrameReader) Salt() [24]byte { return f.chunks.Salt() }

// Commitment returns the frame's commitment, known before anything is read.
func (f *FrameReader) Commitment() [32]byte { return f.chunks.Commitment() }

// Read yields the frame's bytes, then [io.EOF]. An error latches.
func (f *FrameReader) Read(p []byte) (int, error) {
	if len(f.rest) == 0 {
		return f.chunks.Read(p)
	}
	n := copy(p, f.rest)
	f.rest = f.rest[n:]
	return n, nil
}

// ObjectReader yields a whole object file of one frame while it reads the plaintext. One goroutine uses it at a time.
type ObjectReader struct {
	id     Identity
	secret keys.ObjectSecret
	frame  *FrameReader
	plain  int64
	tail   func() (*Metadata, error)
	after  io.Reader // padding and tail, once the frame is complete
	err    error
}

// NewObjectReader starts an object file of exactly [CanonicalSize](plain) bytes as a single PUT makes it. Tail is called once, when src
// was read to its proper end, and gives the metadata; the fields that describe the layout (Plain, Frames, PartNumber, FrameSalt,
// Commitment) are filled in. An error of src or tail, and a source that is not exactly plain bytes long, surface before the file is
// complete.
func NewObjectReader(id Identity, secret keys.ObjectSecret, plain int64, src io.Reader, tail func() (*Metadata, error)) (*ObjectReader, error) {
	frame, err := NewFrameReader(id, secret, 0, plain, src)
	if err != nil {
		return nil, err
	}
	return &ObjectReader{id: id, secret: secret, frame: frame, plain: plain, tail: tail}, nil
}

// Size returns the file's length in bytes: [CanonicalSize].
func (o *ObjectReader) Size() int64 { return CanonicalSize(o.plain) }

// Read yields the file's bytes, then [io.EOF]. An error latches.
func (o *ObjectReader) Read(p []byte) (int, error) {
	if o.err != nil {
		return 0, o.err
	}
	if o.after == nil {
		n, err := o.frame.Read(p)
		if !errors.Is(err, io.EOF) {
			o.err = err
			return n, err
		}
		if o.after, o.err = o.trailer(); o.err != nil {
			return n, o.err
		}
		if n > 0 {
			return n, nil
		}
	}
	return o.after.Read(p)
}

func (o *ObjectReader) trailer() (io.Reader, error) {
	m, err := o.tail()
	if err != nil {
		return nil, err
	}
	key := o.secret.TailKey()
	defer key.Clear()
	entry := Entry{Plain: o.plain, FrameSalt: o.frame.Salt(), Commitment: o.frame.Commitment()}
	r, _, err := Trailer(o.id, keys.TableKey{}, key, []Entry{entry}, m)
	return r, err
}

// Trailer returns what follows the frames of an object, padding, table and tail, and its length. The padding of a very large object is
// hundreds of MiB and therefore made while it is read. There is one entry for each frame in the order of the file; a single one may
// have part number 0, and then the table key is not used. Meta gives the metadata; its layout fields are filled in on a copy. Nothing
// but these two keys is needed, because a multipart upload may be completed by somebody who does not hold the object's secret.
func Trailer(id Identity, tableKey keys.TableKey, tailKey keys.TailKey, entries []Entry, meta *Metadata) (io.Reader, int64, error) {
	parts := make([]int64, 0, len(entries))
	m := *meta
	m.Plain = 0
	for _, e := range entries {
		if len(entries) > 1 && len(e.Checksum) > 0 && m.Checksum == nil {
			return nil, 0, fmt.Errorf("%w: checksum of a part, and no algorithm", ErrInvalidMetadata)
		}
		parts = append(parts, e.Plain)
		m.Plain += e.Plain
	}
	pad, ok := PadSize(parts)
	if !ok {
		return nil, 0, errors.New("seal object: part sizes are not legal")
	}
	m.Frames, m.PartNumber = len(entries), nil
	var table []byte
	if len(entries) == 1 {
		number := entries[0].Part
		m.PartNumber, m.FrameSalt, m.Commitment = &number, entries[0].FrameSalt, entries[0].Commitment
	} else {
		var err error
		if table, err = SealTable(id, tableKey, entries); err != nil {
			return nil, 0, err
		}
		m.FrameSalt, m.Commitment = [24]byte(table), [32]byte(table[chunked.SaltSize:])
	}
	tail, err := SealTail(id, tailKey, &m)
	if err != nil {
		return nil, 0, err
	}
	rest := append(table, tail...)
	return io.MultiReader(&zeros{left: pad}, bytes.NewReader(rest)), pad + int64(len(rest)), nil
}

// zeros yields a number of zero bytes.
type zeros struct{ left int64 }

func (z *zeros) Read(p []byte) (int, error) {
	if z.left == 0 {
		return 0, io.EOF
	}
	p = p[:min(int64(len(p)), z.left)]
	clear(p)
	z.left -= int64(len(p))
	return len(p), nil
}
