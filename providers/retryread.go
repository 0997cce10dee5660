package providers

import (
	"context"
	"errors"
	"fmt"
	"io"

	"sallyport/providers/driver"
)

func (r *retry) Get(ctx context.Context, key string, opts *GetOptions) (io.ReadCloser, *Info, error) {
	var body io.ReadCloser
	info, err := do(ctx, r, "Get", false, func() (*Info, error) {
		var info *Info
		var err error
		body, info, err = r.Driver.Get(ctx, key, opts)
		return info, err
	})
	if err != nil {
		return nil, nil, err
	}
	reader := &resumingReader{ctx: ctx, r: r, key: key, etag: info.ETag, body: body, end: info.Size, tries: attempts{r: r, op: "Get"}}
	switch {
	case opts.Suffix > 0:
		reader.off = info.Size - min(opts.Suffix, info.Size)
	default:
		reader.off = opts.Offset
		if opts.Length > 0 && opts.Length < info.Size-opts.Offset {
			reader.end = opts.Offset + opts.Length
		}
	}
	return reader, info, nil
}

// resumingReader reads one revision of an object to the end of a range. When the backend breaks off it goes on from the byte it has
// come to. It keeps ctx because io.Reader has no other way to end with it.
type resumingReader struct {
	ctx   context.Context
	r     *retry
	key   string
	etag  string
	body  io.ReadCloser // nil after a failure or Close
	off   int64
	end   int64
	tries attempts
	err   error // what all further reads answer
}

var errReaderClosed = errors.New("reader is closed")

func (b *resumingReader) Read(p []byte) (int, error) {
	if b.err != nil {
		return 0, b.err
	}
	for {
		n, err := b.body.Read(p)
		if int64(n) > b.end-b.off {
			return 0, b.stop(b.fail(Corrupt, fmt.Errorf("more than the %d bytes of the range", b.end-b.off)))
		}
		b.off += int64(n)
		if n > 0 {
			b.tries.n = 0
		}
		switch {
		case err == nil:
			return n, nil
		case err == io.EOF && b.off == b.end: //nolint:errorlint // io.Reader promises the bare value.
			return n, b.stop(io.EOF)
		case err == io.EOF: //nolint:errorlint // io.Reader promises the bare value.
			err = b.fail(Corrupt, io.ErrUnexpectedEOF)
		}
		if err := b.resume(err); err != nil {
			return n, b.stop(err)
		}
		if n > 0 {
			return n, nil
		}
	}
}

// resume opens the rest of the range after err, or returns what to give up with.
func (b *resumingReader) resume(err error) error {
	kind := driver.KindOf(err)
	if b.off == b.end || !passing(kind) && kind != Corrupt {
		return err // after the last byte an error says something about the bytes, such as a wrong digest
	}
	b.closeBody()
	for {
		if err := b.tries.again(b.ctx, err); err != nil {
			return err
		}
		var info *Info
		b.body, info, err = b.r.Driver.Get(b.ctx, b.key, &GetOptions{Offset: b.off, Length: b.end - b.off, IfMatch: b.etag})
		switch {
		case err == nil && info.ETag != b.etag:
			b.closeBody()
			return b.fail(Corrupt, errors.New("the backend ignored IfMatch"))
		case err == nil:
			b.r.budget.succeeded()
			return nil
		case driver.Is(err, PreconditionFailed) || driver.Is(err, NotFound):
			return b.fail(Conflict, fmt.Errorf("the object changed while it was read: %w", err))
		case !passing(driver.KindOf(err)):
			return err
		}
	}
}

func (b *resumingReader) fail(kind Kind, cause error) error {
	return &Error{Kind: kind, Op: "Get", Key: b.key, Err: cause}
}

func (b *resumingReader) stop(err error) error {
	b.err = err
	return err
}

func (b *resumingReader) closeBody() {
	if b.body != nil {
		_ = b.body.Close() // the failure that led here is the one that counts
		b.body = nil
	}
}

func (b *resumingReader) Close() error {
	if b.body == nil {
		return nil
	}
	err := b.body.Close()
	b.body = nil
	b.err = b.fail(Internal, errReaderClosed)
	return err
}
