package checksum

import "sync"

const (
	// blockSize is what the worker digests at a time, and the size up to which a body is digested inline.
	blockSize = 64 << 10
	// blocksPerLane: one filling, one being digested, one between, so that a short stall of either side does not stop the other.
	blocksPerLane = 3
)

// Buffers recycles block buffers between Readers, so that streams in steady state allocate none. The zero value is ready; it is safe
// for concurrent use and must not be copied. Buffers hold plaintext of one request until the next overwrites it, so they are cleared
// on return.
type Buffers struct {
	pool sync.Pool
}

// Size returns the most bytes one stream holds.
func (b *Buffers) Size() int { return blockSize * blocksPerLane }

func (b *Buffers) get() *block {
	if b != nil {
		if recycled, ok := b.pool.Get().(*block); ok {
			return recycled
		}
	}
	return new(block)
}

func (b *Buffers) put(used *block) {
	clear(used.data[:used.dirty])
	used.n, used.dirty = 0, 0
	if b != nil {
		b.pool.Put(used)
	}
}

type block struct {
	n     int // bytes waiting
	dirty int // the largest n so far
	data  [blockSize]byte
}

// lane carries blocks from the reading goroutine to a worker that exists only while blocks wait. The worker holds no resource and
// waits for nothing, so an abandoned lane is garbage as soon as its few blocks are digested.
type lane struct {
	digests []digest
	buffers *Buffers
	run     func() // l.work as a value: a go statement with it allocates nothing
	filling *block // the reading goroutine's own

	mu      sync.Mutex
	idle    sync.Cond // signalled when a block came free or the worker ended
	queue   [blocksPerLane]*block
	queued  int
	free    [blocksPerLane]*block
	frees   int
	made    int
	running bool
	dropped bool // release was called: the worker stops at the next block
}

func newLane(digests []digest, buffers *Buffers) *lane {
	l := &lane{digests: digests, buffers: buffers}
	l.idle.L = &l.mu
	l.run = l.work
	return l
}

// write copies p; it returns when p may be reused.
func (l *lane) write(p []byte) {
	for len(p) > 0 {
		if l.filling == nil {
			l.filling = l.take()
		}
		n := copy(l.filling.data[l.filling.n:], p)
		l.filling.n += n
		p = p[n:]
		if l.filling.n == blockSize {
			l.submit(l.filling)
			l.filling = nil
		}
	}
}

// take returns an empty block, waiting for the worker if all are in use. There is always a worker then.
func (l *lane) take() *block {
	l.mu.Lock()
	defer l.mu.Unlock()
	for l.frees == 0 {
		if l.made < blocksPerLane {
			l.made++
			return l.buffers.get()
		}
		l.idle.Wait()
	}
	l.frees--
	b := l.free[l.frees]
	l.free[l.frees] = nil
	return b
}

func (l *lane) submit(b *block) {
	l.mu.Lock()
	l.queue[l.queued] = b
	l.queued++
	start := !l.running
	l.running = true
	l.mu.Unlock()
	if start {
		go l.run()
	}
}

func (l *lane) work() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for l.queued > 0 && !l.dropped {
		b := l.queue[0]
		copy(l.queue[:], l.queue[1:])
		l.queued--
		l.queue[l.queued] = nil
		l.mu.Unlock()
		l.digestBlock(b)
		l.mu.Lock()
		l.free[l.frees] = b
		l.frees++
		l.idle.Signal()
	}
	l.running = false
	l.idle.Signal()
}

func (l *lane) digestBlock(b *block) {
	for i := range l.digests {
		l.digests[i].hash.Write(b.data[:b.n])
	}
	b.dirty = max(b.dirty, b.n)
	b.n = 0
}

// drain waits for the worker and digests the last, partial block.
func (l *lane) drain() {
	l.mu.Lock()
	for l.running {
		l.idle.Wait()
	}
	l.mu.Unlock()
	if l.filling != nil {
		l.digestBlock(l.filling)
	}
}

// release gives all blocks back. It waits for the worker, at most for the block in hand, so that no plaintext is left uncleared.
func (l *lane) release() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.dropped = true
	for l.running {
		l.idle.Wait()
	}
	if l.filling != nil {
		l.filling.dirty = max(l.filling.dirty, l.filling.n)
		l.buffers.put(l.filling)
		l.filling = nil
	}
	for i := range l.queue[:l.queued] {
		l.queue[i].dirty = max(l.queue[i].dirty, l.queue[i].n)
		l.buffers.put(l.queue[i])
		l.queue[i] = nil
	}
	for i := range l.free[:l.frees] {
		l.buffers.put(l.free[i])
		l.free[i] = nil
	}
	l.queued, l.frees = 0, 0
}
