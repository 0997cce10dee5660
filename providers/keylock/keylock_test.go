package keylock

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
)

func TestOneHolderForEachName(t *testing.T) {
	var locks Locks
	var wg sync.WaitGroup
	counts := map[string]*int{"a": new(int), "b": new(int)} // unguarded but for the locks, so that -race sees two holders
	for range 200 {
		for name, count := range counts {
			wg.Go(func() {
				unlock, err := locks.Lock(t.Context(), name)
				if err != nil {
					t.Error(err)
					return
				}
				defer unlock()
				*count++
			})
		}
	}
	wg.Wait()
	if *counts["a"] != 200 || *counts["b"] != 200 {
		t.Errorf("%d and %d, want 200 each", *counts["a"], *counts["b"])
	}
	if len(locks.held) != 0 {
		t.Errorf("%d locks are left that nobody holds", len(locks.held))
	}
}

func TestWaitingEndsWithContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var locks Locks
		unlock, err := locks.Lock(t.Context(), "a")
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		gaveUp := make(chan error)
		go func() {
			_, err := locks.Lock(ctx, "a")
			gaveUp <- err
		}()
		synctest.Wait()
		other, err := locks.Lock(t.Context(), "b")
		if err != nil {
			t.Fatalf("another name has to wait: %v", err)
		}
		other()
		cancel()
		if err := <-gaveUp; !errors.Is(err, context.Canceled) {
			t.Errorf("waiting ended with %v", err)
		}
		unlock()
		again, err := locks.Lock(t.Context(), "a")
		if err != nil {
			t.Fatalf("who gave up holds it: %v", err)
		}
		again()
		if len(locks.held) != 0 {
			t.Errorf("%d locks are left that nobody holds", len(locks.held))
		}
	})
}
