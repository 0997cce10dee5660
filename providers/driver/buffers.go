package driver

import (
	"sync"
	"sync/atomic"
)

// MaxBuffer is the size of the largest buffer in bytes, and so the longest body that is held in memory.
const MaxBuffer = 1 << 20

// Buffers keeps memory for short bodies between calls, by size, so that many small bodies do not each take a large buffer. It is not wiped, so it is
// for ciphertext only. The zero value is ready; it may be used from many goroutines at once.
type Buffers struct {
	small, medium, large sync.Pool
	lent                 atomic.Int64
}

// BufferSize returns the size of the buffer that Get lends for n bytes.
func BufferSize(n int64) int64 {
	switch {
	case n <= 16<<10:
		return 16 << 10
	case n <= 128<<10:
		return 128 << 10
	default:
		return MaxBuffer
	}
}

func (b *Buffers) class(n int64) (*sync.Pool, int64) {
	size := BufferSize(n)
	switch size {
	case BufferSize(0):
		return &b.small, size
	case MaxBuffer:
		return &b.large, size
	default:
		return &b.medium, size
	}
}

// Get returns a buffer of n bytes or more, n being MaxBuffer at most. It holds anything.
func (b *Buffers) Get(n int64) *[]byte {
	b.lent.Add(1)
	pool, size := b.class(n)
	if buf, ok := pool.Get().(*[]byte); ok {
		return buf
	}
	buf := make([]byte, size)
	return &buf
}

// Put takes a buffer of Get's back. Nobody may touch it after that.
func (b *Buffers) Put(buf *[]byte) {
	pool, _ := b.class(int64(cap(*buf)))
	pool.Put(buf)
	b.lent.Add(-1)
}

// Lent returns how many buffers are not given back: none while no call is under way.
func (b *Buffers) Lent() int64 { return b.lent.Load() }
