package objects

import (
	"sync"
	"sync/atomic"

	"sallyport/crypto/chunked"
)

// bufferPool recycles the buffers of GETs of small objects. To make two of them anew took a third of such a GET's time.
type bufferPool struct {
	pool sync.Pool
	lent atomic.Int64
}

// lentBuffers are what one GET has of a pool. They go back once, when nobody reads them any more.
type lentBuffers []*smallBuffer

// smallBuffer holds a small file or its plaintext.
type smallBuffer struct {
	bytes [smallFile]byte
	used  int
}

func newBufferPool() *bufferPool {
	return &bufferPool{pool: sync.Pool{New: func() any { return new(smallBuffer) }}}
}

// lend returns size bytes, at most smallFile. What fits a chunk is made anew, which is cheaper than to keep it.
func (p *bufferPool) lend(to *lentBuffers, size int64) []byte {
	if size <= chunked.ChunkSize {
		return make([]byte, size)
	}
	b, ok := p.pool.Get().(*smallBuffer)
	if !ok {
		panic("objects: internal error: pool holds something else")
	}
	b.used = int(size)
	*to = append(*to, b)
	p.lent.Add(1)
	return b.bytes[:size]
}

// takeBack wipes what was lent: it may be plaintext, and the next one who gets it may be another client.
func (p *bufferPool) takeBack(lent *lentBuffers) {
	for _, b := range *lent {
		clear(b.bytes[:b.used])
		p.pool.Put(b)
		p.lent.Add(-1)
	}
	*lent = nil
}
