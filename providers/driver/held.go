package driver

import (
	"bytes"
	"io"
)

// HeldBody is a body whose bytes all lie in memory, so that a driver need not copy them there to know their checksum, or to send them again.
type HeldBody interface {
	io.Reader
	// Held returns the bytes that Read would give, or nil when some were read or the body is not held after all. They may be looked at until the call
	// that the body was handed to returns, and never changed.
	Held() []byte
}

// Held returns the bytes of a body that holds exactly size of them in memory, and else nil: such a body must be read, which also tells what is wrong with it.
func Held(body io.Reader, size int64) []byte {
	if held, ok := body.(HeldBody); ok {
		if data := held.Held(); int64(len(data)) == size {
			return data
		}
	}
	return nil
}

// Memory is a HeldBody over a slice. It can be read again from its beginning.
type Memory struct {
	*bytes.Reader
	data []byte
}

// NewMemory returns data as a body.
func NewMemory(data []byte) *Memory { return &Memory{Reader: bytes.NewReader(data), data: data} }

// Held implements HeldBody.
func (m *Memory) Held() []byte {
	if m.Len() != len(m.data) {
		return nil
	}
	return m.data
}
