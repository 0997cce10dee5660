package providers

import (
	"bytes"
	"context"
	"errors"
	"io"
	"sync"

	"sallyport/providers/driver"
)

// bufferUpTo is the longest body that is held in memory to be sent again.
const bufferUpTo = driver.MaxBuffer

var errRevoked = errors.New("body read after the call returned")

// source is a body that can be handed to the driver more than once, if it can be.
type source struct {
	buffers *driver.Buffers
	buf     *[]byte // what data lies in, if it was read into memory here
	data    []byte  // a body in memory; nil = it is none
	seeker  io.ReadSeeker
	start   int64
	stream  io.Reader
	now     *attemptBody
}

// newSource reads a short body into memory, remembers where a seekable one begins, and takes any other as it is.
func newSource(ctx context.Context, buffers *driver.Buffers, op, key string, body io.Reader, size int64) (*source, error) {
	if ctx.Err() != nil {
		return nil, &Error{Kind: Canceled, Op: op, Key: key, Err: context.Cause(ctx)}
	}
	if data := driver.Held(body, size); data != nil {
		return &source{data: data}, nil
	}
	if seeker, ok := body.(io.ReadSeeker); ok {
		if start, err := seeker.Seek(0, io.SeekCurrent); err == nil {
			return &source{seeker: seeker, start: start}, nil
		}
	}
	if size > bufferUpTo {
		return &source{stream: body}, nil
	}
	buf := buffers.Get(size)
	exact := driver.ExactBody(body, size)
	n, err := io.ReadFull(exact, (*buf)[:size])
	if err == nil {
		_, err = exact.Read(nil) // an empty body is only held to its size by a read
	}
	if err != nil && exact.Err() == nil {
		err = nil
	}
	if err != nil {
		buffers.Put(buf)
		kind := BadBody
		if ctx.Err() != nil {
			kind = Canceled
		}
		return nil, &Error{Kind: kind, Op: op, Key: key, Err: err}
	}
	return &source{buffers: buffers, buf: buf, data: (*buf)[:n]}, nil
}

// body returns the reader for one attempt. It is good until the next rewind or release.
func (s *source) body() io.Reader {
	switch {
	case s.data != nil:
		s.now = &attemptBody{r: bytes.NewReader(s.data), held: s.data}
	case s.seeker != nil:
		s.now = &attemptBody{r: s.seeker}
	default:
		s.now = &attemptBody{r: s.stream}
	}
	return s.now
}

// rewind ends the present attempt and reports whether the body can be sent once more.
func (s *source) rewind() bool {
	read := s.now.revoke()
	switch {
	case s.data != nil:
		return true
	case s.seeker != nil:
		_, err := s.seeker.Seek(s.start, io.SeekStart)
		return err == nil
	default:
		return !read
	}
}

// retained reports whether the body's bytes are still at hand, so that equal can compare them.
func (s *source) retained() bool { return s.data != nil || s.seeker != nil }

// equal reports whether r yields exactly the body's size bytes. The body must have been rewound before, and must be rewound again after.
func (s *source) equal(r io.Reader, size int64) (bool, error) {
	var own io.Reader = bytes.NewReader(s.data)
	if s.seeker != nil {
		own = io.LimitReader(s.seeker, size)
	}
	const step = 32 << 10
	a, b := make([]byte, step), make([]byte, step)
	for rest := size; rest > 0; rest -= step {
		n := min(rest, step)
		if _, err := io.ReadFull(own, a[:n]); err != nil {
			return false, err
		}
		if _, err := io.ReadFull(r, b[:n]); err != nil {
			return false, err
		}
		if !bytes.Equal(a[:n], b[:n]) {
			return false, nil
		}
	}
	return true, nil
}

// release gives the buffer back. A driver that still reads the body, against its contract, gets an error and not another body's bytes.
func (s *source) release() {
	if s.now != nil {
		s.now.revoke()
	}
	if s.buf != nil {
		s.buffers.Put(s.buf)
		s.buf = nil
	}
	s.data = nil
}

// attemptBody is a body for one call only.
type attemptBody struct {
	mu      sync.Mutex
	r       io.Reader
	held    []byte // all of r
	read    bool
	revoked bool
}

func (b *attemptBody) Read(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.revoked {
		return 0, errRevoked
	}
	b.read = true
	return b.r.Read(p)
}

// Held implements driver.HeldBody.
func (b *attemptBody) Held() []byte {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.revoked || b.read {
		return nil
	}
	return b.held
}

// revoke fails all later reads and reports whether there was one before.
func (b *attemptBody) revoke() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.revoked = true
	return b.read
}
