package providers

import "sync"

// keptBuffers is how many buffers that nobody holds keep their memory.
const keptBuffers = 4

// partBuffers lends the large buffers of split bodies. Where the system has such memory they lie outside of the garbage-collected heap: beside live
// buffers of that size the collector would let as much garbage pile up. Buffers are not wiped when they come back, so they are for ciphertext only.
type partBuffers struct {
	size int // bytes of each

	mu   sync.Mutex
	kept []*partBuffer // with their memory
	bare []*partBuffer // whose memory the system has until they are written to
	lent int64
}

// partBuffer is a buffer from the system, or from the heap where the system has none or it is longer than usual.
type partBuffer struct {
	bytes  []byte
	mapped bool
}

func newPartBuffers(size int64) *partBuffers { return &partBuffers{size: int(size)} }

// get returns a buffer of n bytes or more, to be given back by put.
func (p *partBuffers) get(n int64) *partBuffer {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.lent++
	if n > int64(p.size) {
		return &partBuffer{bytes: make([]byte, n)}
	}
	for _, from := range []*[]*partBuffer{&p.kept, &p.bare} {
		if last := len(*from) - 1; last >= 0 {
			b := (*from)[last]
			*from = (*from)[:last]
			return b
		}
	}
	if pages := newPages(p.size); pages != nil {
		return &partBuffer{bytes: pages, mapped: true}
	}
	return &partBuffer{bytes: make([]byte, p.size)}
}

func (p *partBuffers) put(b *partBuffer) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.lent--
	switch {
	case len(b.bytes) != p.size:
	case len(p.kept) < keptBuffers:
		p.kept = append(p.kept, b)
	case b.mapped:
		dropPages(b.bytes)
		p.bare = append(p.bare, b)
	}
}

// drop gives the memory that nobody holds back to the system.
func (p *partBuffers) drop() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, b := range p.kept {
		if b.mapped {
			dropPages(b.bytes)
			p.bare = append(p.bare, b)
		}
	}
	p.kept = nil
}

func (p *partBuffers) notGivenBack() int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.lent
}
