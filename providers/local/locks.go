package local

import (
	"context"
	"sync"
)

// namedLocks are locks by name, made when wanted.
type namedLocks struct {
	mu   sync.Mutex
	held map[string]*namedLock
}

type namedLock struct {
	token chan struct{} // full while held
	users int
}

// lock waits until name is free or ctx ends, and returns what frees it again.
func (l *namedLocks) lock(ctx context.Context, name string) (unlock func(), err error) {
	l.mu.Lock()
	n := l.held[name]
	if n == nil {
		n = &namedLock{token: make(chan struct{}, 1)}
		l.held[name] = n
	}
	n.users++
	l.mu.Unlock()
	select {
	case n.token <- struct{}{}:
		return func() { <-n.token; l.leave(name, n) }, nil
	case <-ctx.Done():
		l.leave(name, n)
		return nil, ctx.Err()
	}
}

func (l *namedLocks) leave(name string, n *namedLock) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if n.users--; n.users == 0 {
		delete(l.held, name)
	}
}
