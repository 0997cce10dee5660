// Package keylock is locks by name, within one process. A lock exists only while somebody holds or wants it, so that any number of names may be used.
//
// It promises that one caller at a time holds a name, and that waiting ends with its context. It does not promise an order among those who wait, and
// nobody may lock a name that he holds.
package keylock

import (
	"context"
	"sync"
)

// Locks are locks by name. The zero value is ready. Safe for concurrent use; not to be copied.
type Locks struct {
	mu   sync.Mutex
	held map[string]*lock
}

type lock struct {
	token chan struct{} // full while held
	users int
}

// Lock waits until name is free and returns what frees it again, to be called once. It returns ctx's error, and holds nothing, if ctx ends before.
func (l *Locks) Lock(ctx context.Context, name string) (unlock func(), err error) {
	l.mu.Lock()
	if l.held == nil {
		l.held = map[string]*lock{}
	}
	n := l.held[name]
	if n == nil {
		n = &lock{token: make(chan struct{}, 1)}
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

func (l *Locks) leave(name string, n *lock) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if n.users--; n.users == 0 {
		delete(l.held, name)
	}
}
