package objects

import (
	"context"
	"errors"
	"io"

	"sallyport/crypto/chunked"
	"sallyport/crypto/object"
)

// body yields verified plaintext and closes what it came from. It is the only thing a GET holds besides its source.
type body struct {
	service *Service
	at      *place
	first   []byte // verified before Get returned
	plain   *object.Reader
	source  io.Closer
	lent    lentBuffers
	err     error
}

// openBody opens a plaintext range of a revision, the whole of it with its padding if the range is everything, and verifies its first chunk.
func (s *Service) openBody(ctx context.Context, r *storedRevision, layout *object.Layout, off, length int64) (io.ReadCloser, error) {
	whole := length == layout.Plain()
	fileOff, fileLength := layout.Body()
	if !whole {
		fileOff, fileLength = layout.Range(off, length)
	}
	source, err := r.fetch(ctx, fileOff, fileLength)
	if err != nil {
		return nil, err
	}
	b := &body{service: s, at: r.place, source: source, lent: r.lent}
	r.lent = nil
	if whole {
		b.plain = object.NewReader(layout, r.secret, source)
	} else {
		b.plain = object.NewRangeReader(layout, r.secret, off, length, source)
	}
	size := min(length, chunked.ChunkSize)
	if fileOff >= r.info.Size-int64(len(r.end)) {
		size = length // all of it is in memory, so all of it can be verified before the first byte goes out
	}
	b.first = s.buffers.lend(&b.lent, max(size, 1))
	n, err := io.ReadFull(b.plain, b.first)
	b.first = b.first[:n]
	switch {
	case length == 0 && errors.Is(err, io.EOF):
		return b, nil
	case err != nil:
		s.buffers.takeBack(&b.lent)
		return nil, errors.Join(b.failure(err), source.Close())
	}
	return b, nil
}

// Read yields the next verified bytes. The last ones come only after everything that a whole read covers was verified. An error latches.
func (b *body) Read(p []byte) (int, error) {
	if len(b.first) > 0 {
		n := copy(p, b.first)
		b.first = b.first[n:]
		return n, nil
	}
	if b.err != nil {
		return 0, b.err
	}
	n, err := b.plain.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		err = fail(b.at.bucket.Name, b.at.key, b.failure(err))
	}
	b.err = err
	return n, err
}

// failure tells damage from a backend that failed.
func (b *body) failure(err error) error {
	switch {
	case errors.Is(err, object.ErrDamaged):
		return b.service.damaged(b.at, "the stored object does not verify: its content was altered", err)
	case errors.Is(err, io.ErrUnexpectedEOF):
		return &Error{Kind: Unavailable, Message: "the backend delivered less than it announced", Err: err}
	}
	return changed(err)
}

// Close releases the source and the buffers. Reads after it fail.
func (b *body) Close() error {
	b.first = nil
	b.service.buffers.takeBack(&b.lent)
	if b.err == nil {
		b.err = errBodyClosed
	}
	if b.source == nil {
		return nil
	}
	err := b.source.Close()
	b.source = nil
	return err
}

var errBodyClosed = errors.New("read object: body is closed")
