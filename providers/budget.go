package providers

import (
	"sync"
	"time"
)

// budget is a token bucket that bounds retries to a share of what succeeds plus a steady trickle, so that a backend in trouble is not
// hit with several times its usual load.
type budget struct {
	perSuccess, perSecond, most float64

	mu     sync.Mutex
	tokens float64
	last   time.Time
}

func newBudget(perSuccess, perSecond, most float64) *budget {
	return &budget{perSuccess: perSuccess, perSecond: perSecond, most: most, tokens: most, last: time.Now()}
}

// refill counts the time since the last call; mu is held.
func (b *budget) refill() {
	now := time.Now()
	if since := now.Sub(b.last); since > 0 {
		b.tokens = min(b.most, b.tokens+since.Seconds()*b.perSecond)
	}
	b.last = now
}

func (b *budget) succeeded() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.refill()
	b.tokens = min(b.most, b.tokens+b.perSuccess)
}

func (b *budget) take() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.refill()
	if b.tokens < 1 {
		return false
	}
	b.tokens--
	return true
}
