package objects

import "sync"

// gate keeps writes into a bucket and its removal apart within this gateway: an object stored while its bucket goes would be acknowledged
// and then unreachable. Between gateways the documented race remains.
type gate struct {
	mu      sync.Mutex
	writers map[string]int  // by bucket
	closing map[string]bool // by bucket
}

func newGate() *gate { return &gate{writers: map[string]int{}, closing: map[string]bool{}} }

// enter notes a write under way; leave must be called once. It refuses while the bucket is being removed.
func (g *gate) enter(bucket string) (leave func(), err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closing[bucket] {
		return nil, refuse(Conflict, "the bucket is being deleted")
	}
	g.writers[bucket]++
	return func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		if g.writers[bucket]--; g.writers[bucket] == 0 {
			delete(g.writers, bucket)
		}
	}, nil
}

// shut holds writes off; open must be called once. It refuses while one is under way.
func (g *gate) shut(bucket string) (open func(), err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closing[bucket] || g.writers[bucket] > 0 {
		return nil, refuse(Conflict, "another change to the bucket is under way")
	}
	g.closing[bucket] = true
	return func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		delete(g.closing, bucket)
	}, nil
}
