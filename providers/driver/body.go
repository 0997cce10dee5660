package driver

import (
	"errors"
	"io"
)

// ErrBodyLong is the cause when a body holds more bytes than its declared size. A body that ends early has the cause
// io.ErrUnexpectedEOF.
var ErrBodyLong = errors.New("body is longer than its declared size")

// BodyError marks a failure of the body that was handed in, as opposed to one of the backend. A driver that finds one in the tree of
// an error answers BadBody, unless ctx has ended, which is Canceled.
type BodyError struct{ Err error }

// Error returns "read body: cause".
func (e *BodyError) Error() string { return "read body: " + e.Err.Error() }

// Unwrap returns what the body's Read returned, io.ErrUnexpectedEOF or ErrBodyLong.
func (e *BodyError) Unwrap() error { return e.Err }

// maxIdleReads is how often in a row a body may give neither bytes nor an error.
const maxIdleReads = 100

// Body holds a reader to its declared size. Every driver and Store read bodies through it. Not for concurrent use.
type Body struct {
	r         io.Reader
	remaining int64
	read      int64
	idle      int // consecutive reads that gave nothing
	ended     bool
	err       error
}

// ExactBody returns a reader of exactly size bytes of r. Any failure of r is a *BodyError, and so is an r that ends early or runs
// longer. The last bytes are handed over only after r has ended right behind them, so that whoever stops reading after size bytes, as
// an HTTP client does, cannot commit a body that is too long. Only an empty body must be read once for that check.
func ExactBody(r io.Reader, size int64) *Body { return &Body{r: r, remaining: size} }

// Read implements io.Reader.
func (b *Body) Read(p []byte) (int, error) {
	if b.err != nil {
		return 0, b.err
	}
	if b.remaining == 0 {
		if err := b.probe(); err != nil {
			return 0, b.fail(err)
		}
		b.err = io.EOF
		return 0, io.EOF
	}
	if len(p) == 0 {
		return 0, nil
	}
	if int64(len(p)) > b.remaining {
		p = p[:b.remaining]
	}
	n, err := b.r.Read(p)
	b.read += int64(n)
	b.remaining -= int64(n)
	if b.remaining == 0 {
		if err == io.EOF {
			b.ended = true
		} else if err != nil {
			return 0, b.fail(err)
		}
		if err := b.probe(); err != nil {
			return 0, b.fail(err)
		}
		return n, nil
	}
	if b.idle++; n > 0 {
		b.idle = 0
	}
	if err == nil && b.idle >= maxIdleReads {
		err = io.ErrNoProgress
	}
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return n, b.fail(err)
	}
	return n, nil
}

// Consumed returns how many bytes have been taken from the underlying reader.
func (b *Body) Consumed() int64 { return b.read }

// Err returns the failure of the underlying reader as a *BodyError, and nil if there was none.
func (b *Body) Err() error {
	if b.err == io.EOF { //nolint:errorlint // set by Read itself.
		return nil
	}
	return b.err
}

func (b *Body) fail(err error) error {
	b.err = &BodyError{Err: err}
	return b.err
}

func (b *Body) probe() error {
	if b.ended {
		return nil
	}
	var one [1]byte
	for range maxIdleReads {
		n, err := b.r.Read(one[:])
		if n > 0 {
			b.read++
			return ErrBodyLong
		}
		if err == io.EOF {
			b.ended = true
			return nil
		}
		if err != nil {
			return err
		}
	}
	return io.ErrNoProgress
}
