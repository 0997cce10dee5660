package s3

import (
	"cmp"
	"context"
	"errors"
	"hash"
	"io"
	"sync"

	"sallyport/providers/driver"
)

// bufferUpTo is the longest body that is held in memory: it is sent with its checksum in a header, and on MinIO conditions need it whole.
const bufferUpTo = driver.MaxBuffer

var errShut = errors.New("body read after the call returned")

// sentBody is a body on its way to the service. It hides that the source can seek, counts, and after shut never touches the source again: an HTTP
// transport may go on reading after the answer has come.
type sentBody struct {
	mu        sync.Mutex
	source    io.Reader
	remaining int64
	digest    hash.Hash    // of what was handed over; nil = none
	release   func() error // asked before the last bytes go; nil = nobody
	atEnd     func()       // called when all was handed over; nil = none
	closed    bool
	err       error // why the source could not be read
	refused   error // what release said
}

// newSentBody returns size bytes of source as a body. Before the last of them are handed over release is called once, if there is one; its
// error fails the body.
func newSentBody(source io.Reader, size int64, release func() error) *sentBody {
	return &sentBody{source: source, remaining: size, release: release}
}

// Read implements io.Reader. It fails once and for all.
func (b *sentBody) Read(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return 0, errShut
	}
	if b.err != nil || b.refused != nil {
		return 0, cmp.Or(b.refused, b.err)
	}
	n, err := b.source.Read(p)
	if err != nil && err != io.EOF {
		b.err = err
		return 0, err
	}
	if int64(n) >= b.remaining && b.release != nil {
		release := b.release
		b.release = nil
		if err := release(); err != nil {
			b.refused = err
			return 0, err
		}
	}
	if b.digest != nil {
		_, _ = b.digest.Write(p[:n])
	}
	b.remaining -= int64(n)
	if b.remaining == 0 && b.atEnd != nil {
		b.atEnd()
		b.atEnd = nil
	}
	return n, err
}

// shut waits for a read under way and fails all later ones.
func (b *sentBody) shut() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	b.source = nil
}

// handed reports whether the last byte was handed over.
func (b *sentBody) handed() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.remaining == 0
}

// failure returns why the body could not be handed over: its source could not be read, or release refused. Both nil = that was not the reason.
func (b *sentBody) failure() (source, refused error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.err, b.refused
}

// fill reads the whole of a short body into buf. Its error is a driver's.
func fill(ctx context.Context, op, key string, buf []byte, body *driver.Body) error {
	_, err := io.ReadFull(body, buf)
	if err == nil {
		_, err = body.Read(nil) // an empty body is held to its size only by a read
		if errors.Is(err, io.EOF) {
			err = nil
		}
	}
	if err == nil {
		return nil
	}
	return bodyFailure(ctx, op, key, err)
}

// bodyFailure classifies a body that could not be read.
func bodyFailure(ctx context.Context, op, key string, err error) error {
	if ctx.Err() != nil {
		return fail(driver.Canceled, op, key, err)
	}
	return fail(driver.BadBody, op, key, err)
}
