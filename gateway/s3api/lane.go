package s3api

import (
	"context"
	"slices"
	"sync"
	"time"

	"sallyport/gateway/telemetry"
)

// greed is how many times the room that is left a key may hold. One key alone gets three quarters of a lane, and several greedy ones settle at equal
// shares; whatever they do, a part stays free for a key that comes new, so that shares need neither be counted nor configured (the dynamic
// thresholds of Choudhury and Hahne).
const greed = 3

// amount is what requests hold of a lane.
type amount struct{ places, bytes int64 }

func (a amount) plus(b amount) amount { return amount{a.places + b.places, a.bytes + b.bytes} }

func (a amount) minus(b amount) amount { return amount{a.places - b.places, a.bytes - b.bytes} }

// What a lane can be short of; the label of a metric.
const (
	shortOfPlaces = "places"
	shortOfMemory = "memory"
	shortOfShare  = "share" // there is room, but the key holds too much to get more of it
)

// shortage is a lane's refusal.
type shortage struct{ of string }

// Error implements error.
func (s *shortage) Error() string { return "no room for another request: short of " + s.of }

// lane lets requests through as long as there are places and memory for them. One that finds none waits a moment and is then told to come later:
// queues hide overload. It is safe for concurrent use.
type lane struct {
	name    string
	limit   amount
	wait    time.Duration
	metrics *telemetry.Metrics

	mu      sync.Mutex
	used    amount
	keys    map[string]amount // of access keys that hold something
	waiting []*waiter         // in the order of their coming; at most limit.places
}

// waiter is a request that waits for room.
type waiter struct {
	key     string
	need    amount
	granted chan struct{} // closed under the lane's lock when it has got it
}

func newLane(name string, limit amount, wait time.Duration, metrics *telemetry.Metrics) *lane {
	l := &lane{name: name, limit: limit, wait: wait, metrics: metrics, keys: map[string]amount{}}
	metrics.AdmissionLimit(name, limit.places, limit.bytes)
	return l
}

// pass is a request's right to be in a lane, and what it holds there. It is for one goroutine.
type pass struct {
	lane *lane
	key  string
	held amount
}

// enter takes a place and so many bytes for a request of the key. The error is a *shortage or that of ctx. leave gives everything back.
func (l *lane) enter(ctx context.Context, key string, bytes int64) (*pass, error) {
	p := &pass{lane: l, key: key}
	return p, p.take(ctx, amount{places: 1, bytes: bytes})
}

// grow takes more bytes, which leave gives back with the rest.
func (p *pass) grow(ctx context.Context, bytes int64) error { return p.take(ctx, amount{bytes: bytes}) }

// leave gives back all that the request holds. To leave twice is harmless.
func (p *pass) leave() {
	l := p.lane
	l.mu.Lock()
	defer l.mu.Unlock()
	l.book(p.key, amount{}.minus(p.held))
	p.held = amount{}
	l.admitWaiting()
}

func (p *pass) take(ctx context.Context, need amount) error {
	err := p.lane.acquire(ctx, p.key, need)
	if err == nil {
		p.held = p.held.plus(need)
	}
	return err
}

func (l *lane) acquire(ctx context.Context, key string, need amount) error {
	l.mu.Lock()
	short := l.shortOf(key, need)
	if short == "" {
		l.book(key, need)
		l.mu.Unlock()
		return nil
	}
	if int64(len(l.waiting)) >= l.limit.places {
		l.mu.Unlock()
		return &shortage{short}
	}
	w := &waiter{key: key, need: need, granted: make(chan struct{})}
	l.waiting = append(l.waiting, w)
	l.mu.Unlock()
	patience := time.NewTimer(l.wait)
	defer patience.Stop()
	select {
	case <-w.granted:
		return nil
	case <-ctx.Done():
	case <-patience.C:
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	at := slices.Index(l.waiting, w)
	switch {
	case at < 0: // it was granted meanwhile
		return nil
	case ctx.Err() != nil:
		l.waiting = slices.Delete(l.waiting, at, at+1)
		return ctx.Err()
	}
	l.waiting = slices.Delete(l.waiting, at, at+1)
	return &shortage{l.shortOf(key, need)}
}

// shortOf returns what keeps the key from having so much more, "" if nothing does. A request that is alone in the lane may have anything, because it
// would wait in vain for more room than there is; a key's only request may have what is free.
func (l *lane) shortOf(key string, need amount) string {
	held, free := l.keys[key], l.limit.minus(l.used).minus(need)
	alone, only := l.used.places == l.ownPlaces(need), held.places == l.ownPlaces(need)
	switch {
	case alone:
		return ""
	case free.places < 0:
		return shortOfPlaces
	case free.bytes < 0:
		return shortOfMemory
	case only:
		return ""
	case need.places > 0 && held.places+need.places > greed*free.places, need.bytes > 0 && held.bytes+need.bytes > greed*free.bytes:
		return shortOfShare
	}
	return ""
}

// ownPlaces is how many places the request that asks holds already: it is not its own competitor.
func (l *lane) ownPlaces(need amount) int64 { return 1 - need.places }

// book changes what the key holds.
func (l *lane) book(key string, change amount) {
	l.used = l.used.plus(change)
	if held := l.keys[key].plus(change); held != (amount{}) {
		l.keys[key] = held
	} else {
		delete(l.keys, key)
	}
	l.metrics.AdmissionHeld(l.name, l.used.places, l.used.bytes)
}

// admitWaiting lets in whom there is room for now. One that needs more than there is does not hold up those behind it: all of them wait for a moment only.
func (l *lane) admitWaiting() {
	l.waiting = slices.DeleteFunc(l.waiting, func(w *waiter) bool {
		if l.shortOf(w.key, w.need) != "" {
			return false
		}
		l.book(w.key, w.need)
		close(w.granted)
		return true
	})
}
