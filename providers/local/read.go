package local

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"sallyport/providers/driver"
)

// Head looks at the file of key.
func (f *Folder) Head(ctx context.Context, key string) (*driver.Info, error) {
	const op = "Head"
	if err := f.begin(ctx, op, key); err != nil {
		return nil, err
	}
	p, ok := f.names.path(key)
	if !ok {
		return nil, failAs(driver.InvalidKey, op, key, nil)
	}
	s, err := f.files.Stat(p)
	if err != nil {
		return nil, failRead(op, key, err)
	}
	if !isFile(s.Mode) {
		return nil, failAs(driver.NotFound, op, key, ErrNotPlain)
	}
	return f.info(key, s), nil
}

// failRead classifies a failure to find an object.
func failRead(op, key string, err error) error {
	if isAbsent(err) {
		return failAs(driver.NotFound, op, key, err)
	}
	return fail(op, key, err)
}

// Get opens the file of key once and reads from that handle, whatever becomes of the name.
func (f *Folder) Get(ctx context.Context, key string, opts *driver.GetOptions) (io.ReadCloser, *driver.Info, error) {
	const op = "Get"
	if err := f.begin(ctx, op, key); err != nil {
		return nil, nil, err
	}
	p, ok := f.names.path(key)
	if !ok {
		return nil, nil, failAs(driver.InvalidKey, op, key, nil)
	}
	file, err := f.files.Open(p)
	if err != nil {
		return nil, nil, failRead(op, key, err)
	}
	s, err := file.Stat()
	if err != nil {
		return nil, nil, fail(op, key, errors.Join(err, file.Close()))
	}
	info := f.info(key, s)
	if opts.IfMatch != "" && opts.IfMatch != info.ETag {
		return nil, nil, failAs(driver.PreconditionFailed, op, key, file.Close())
	}
	off, length, ok := rangeOf(opts, s.Size)
	if !ok {
		return nil, nil, failAs(driver.InvalidRange, op, key, file.Close())
	}
	return &reader{ctx: ctx, key: key, file: file, at: off, left: length}, info, nil
}

// rangeOf returns the first byte and the length that opts choose of an object of size bytes.
func rangeOf(opts *driver.GetOptions, size int64) (off, length int64, ok bool) {
	switch {
	case opts.Offset < 0 || opts.Length < 0 || opts.Suffix < 0:
		return 0, 0, false
	case opts.Suffix > 0:
		length = min(opts.Suffix, size)
		return size - length, length, true
	case opts.Offset > size || opts.Offset == size && (opts.Offset > 0 || opts.Length > 0):
		return 0, 0, false
	}
	length = size - opts.Offset
	if opts.Length > 0 {
		length = min(length, opts.Length)
	}
	return opts.Offset, length, true
}

// reader reads a range of an open file. It is used by one goroutine at a time.
type reader struct {
	ctx  context.Context //nolint:containedctx // the contract ends reads with Get's ctx
	key  string
	file File
	at   int64
	left int64
	err  error
}

// Read reads on, and fails with Corrupt if the file ends before the length it had when it was opened.
func (r *reader) Read(p []byte) (int, error) {
	if r.err != nil {
		return 0, r.err
	}
	if err := r.ctx.Err(); err != nil {
		r.err = fail("Get", r.key, err)
		return 0, r.err
	}
	if r.left == 0 {
		r.err = io.EOF
		return 0, io.EOF
	}
	if len(p) == 0 {
		return 0, nil
	}
	n, err := r.file.ReadAt(p[:min(int64(len(p)), r.left)], r.at)
	r.at += int64(n)
	r.left -= int64(n)
	switch {
	case r.left == 0, err == nil && n > 0:
	case err == nil || isEnd(err):
		r.err = failAs(driver.Corrupt, "Get", r.key, fmt.Errorf("file became shorter by %d bytes while it was read: %w", r.left, io.ErrUnexpectedEOF))
	default:
		r.err = fail("Get", r.key, err)
	}
	if n == 0 {
		return 0, r.err
	}
	return n, nil
}

// Close releases the file.
func (r *reader) Close() error {
	if r.err == nil || isEnd(r.err) {
		r.err = fail("Get", r.key, fs.ErrClosed)
	}
	if err := r.file.Close(); err != nil && !errors.Is(err, fs.ErrClosed) {
		return fail("Get", r.key, err)
	}
	return nil
}
