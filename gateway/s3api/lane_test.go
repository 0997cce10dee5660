package s3api

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

const laneWait = 100 * time.Millisecond

func laneOf(places, bytes int64) *lane {
	return newLane("test", amount{places, bytes}, laneWait, nil)
}

// enters lets n requests of the key in, or fails the test.
func enters(t *testing.T, l *lane, key string, n int, bytes int64) []*pass {
	t.Helper()
	var in []*pass
	for range n {
		p, err := l.enter(t.Context(), key, bytes)
		if err != nil {
			t.Fatalf("%s: request %d of %d: %v", key, len(in)+1, n, err)
		}
		in = append(in, p)
	}
	return in
}

// sheds expects a refusal after the time that requests wait, with its reason.
func sheds(t *testing.T, short string, take func() error) {
	t.Helper()
	began := time.Now()
	err := take()
	if s, ok := errors.AsType[*shortage](err); !ok || s.of != short || time.Since(began) != laneWait {
		t.Errorf("have %v after %v, want short of %s after %v", err, time.Since(began), short, laneWait)
	}
}

func entering(t *testing.T, l *lane, key string, bytes int64) func() error {
	return func() error {
		_, err := l.enter(t.Context(), key, bytes)
		return err
	}
}

// leavesNothing holds the books against what everybody having left must look like.
func leavesNothing(t *testing.T, l *lane) {
	t.Helper()
	if l.used != (amount{}) || len(l.keys) != 0 || len(l.waiting) != 0 {
		t.Errorf("after all have left: used %v, keys %v, %d waiting", l.used, l.keys, len(l.waiting))
	}
}

func TestLaneIsBoundedInPlacesAndBytes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := laneOf(3, 1000)
		in := slices.Concat(enters(t, l, "a", 1, 10), enters(t, l, "b", 1, 10), enters(t, l, "c", 1, 10))
		sheds(t, shortOfPlaces, entering(t, l, "d", 1))
		in[0].leave()
		in[0].leave() // again, which gives nothing back twice
		in = append(in, enters(t, l, "d", 1, 980)...)
		sheds(t, shortOfMemory, func() error { return in[1].grow(t.Context(), 1) })
		sheds(t, shortOfPlaces, entering(t, l, "e", 0))
		in[2].leave()
		if err := in[1].grow(t.Context(), 10); err != nil {
			t.Errorf("room for just so many bytes: %v", err)
		}
		sheds(t, shortOfMemory, entering(t, l, "e", 1))
		if want := (amount{2, 1000}); l.used != want {
			t.Errorf("used %v, want %v", l.used, want)
		}
		for _, p := range in {
			p.leave()
		}
		leavesNothing(t, l)
	})
}

// A request waits for those that leave in time, in order, and a large one does not hold up the small ones behind it.
func TestLaneLetsWaitingRequestsIn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := laneOf(4, 1000)
		first, second := enters(t, l, "a", 1, 600)[0], enters(t, l, "b", 1, 400)[0]
		var mu sync.Mutex
		var order []string
		began := time.Now()
		var waiting sync.WaitGroup
		for _, w := range []struct {
			key   string
			bytes int64
		}{{"large", 900}, {"small", 300}, {"other", 300}} {
			waiting.Go(func() {
				p, err := l.enter(t.Context(), w.key, w.bytes)
				if err != nil {
					t.Errorf("%s: %v", w.key, err)
					return
				}
				mu.Lock()
				order = append(order, w.key+" "+time.Since(began).String())
				mu.Unlock()
				p.leave()
			})
			synctest.Wait() // they come in this order
		}
		time.Sleep(10 * time.Millisecond)
		second.leave()
		synctest.Wait()
		time.Sleep(10 * time.Millisecond)
		first.leave()
		waiting.Wait()
		if want := []string{"small 10ms", "other 10ms", "large 20ms"}; !slices.Equal(order, want) {
			t.Errorf("have %v, want %v", order, want)
		}
		leavesNothing(t, l)
	})
}

func TestLaneForgetsWhoGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := laneOf(1, 1000)
		in := enters(t, l, "a", 1, 1)[0]
		ctx, cancel := context.WithTimeout(t.Context(), laneWait/2)
		defer cancel()
		began := time.Now()
		if _, err := l.enter(ctx, "b", 1); !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != laneWait/2 {
			t.Errorf("a client that leaves: %v after %v", err, time.Since(began))
		}
		sheds(t, shortOfPlaces, entering(t, l, "c", 1))
		in.leave()
		leavesNothing(t, l)
		enters(t, l, "b", 1, 1)[0].leave()
	})
}

// What is granted at the very moment in which patience ends is either used or given back, never lost.
func TestLaneGrantAtTheLastMoment(t *testing.T) {
	for range 200 {
		synctest.Test(t, func(t *testing.T) {
			l := laneOf(1, 1000)
			in := enters(t, l, "a", 1, 1)[0]
			var both sync.WaitGroup
			both.Go(func() {
				if p, err := l.enter(t.Context(), "b", 1); err == nil {
					p.leave()
				}
			})
			both.Go(func() {
				time.Sleep(laneWait)
				in.leave()
			})
			both.Wait()
			leavesNothing(t, l)
		})
	}
}

// The queue is as long as the lane is wide: those behind it are told at once.
func TestLaneQueueIsShort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := laneOf(2, 1000)
		in := slices.Concat(enters(t, l, "a", 1, 1), enters(t, l, "b", 1, 1))
		var waiting sync.WaitGroup
		for range 2 {
			waiting.Go(func() { sheds(t, shortOfPlaces, entering(t, l, "c", 1)) })
		}
		synctest.Wait()
		began := time.Now()
		if _, err := l.enter(t.Context(), "d", 1); err == nil || time.Since(began) != 0 {
			t.Errorf("a third in the queue: %v after %v", err, time.Since(began))
		}
		waiting.Wait()
		for _, p := range in {
			p.leave()
		}
		leavesNothing(t, l)
	})
}

// One that needs more than a lane has runs when it is alone, instead of never.
func TestLaneLetsTheLargestRunAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := laneOf(4, 1000)
		p := enters(t, l, "a", 1, 5000)[0]
		if err := p.grow(t.Context(), 5000); err != nil {
			t.Error(err)
		}
		sheds(t, shortOfMemory, entering(t, l, "b", 0))
		p.leave()
		other := enters(t, l, "b", 1, 1)[0]
		sheds(t, shortOfMemory, entering(t, l, "a", 5000))
		other.leave()
		leavesNothing(t, l)
	})
}

// A key alone gets three quarters of the lane and not more; one that comes new gets in, and one after it, whatever the first ones do.
func TestLaneKeepsRoomForNewKeys(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, bytes := range []int64{0, 1000} { // by places, and by bytes
			l := laneOf(256, 256_000)
			if bytes > 0 {
				l = laneOf(100_000, 256_000)
			}
			var in []*pass
			for key, want := range map[string]int{"": 192} {
				in = append(in, enters(t, l, "greedy"+key, want, bytes)...)
			}
			sheds(t, shortOfShare, entering(t, l, "greedy", bytes))
			in = append(in, enters(t, l, "second", 48, bytes)...)
			sheds(t, shortOfShare, entering(t, l, "second", bytes))
			in = append(in, enters(t, l, "third", 12, bytes)...)
			sheds(t, shortOfShare, entering(t, l, "third", bytes))
			in = append(in, enters(t, l, "fourth", 3, bytes)...)
			sheds(t, shortOfShare, entering(t, l, "fourth", bytes))
			in = append(in, enters(t, l, "fifth", 1, bytes)...)
			for _, p := range in {
				p.leave()
			}
			leavesNothing(t, l)
		}
	})
}

// The only request of a key gets what is free, in steps too: a share is for those who have others.
func TestLaneGivesTheOnlyRequestWhatIsFree(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := laneOf(100, 1000)
		in := enters(t, l, "greedy", 7, 100)
		p := enters(t, l, "new", 1, 10)[0]
		if err := p.grow(t.Context(), 290); err != nil {
			t.Errorf("the only request: %v", err)
		}
		sheds(t, shortOfMemory, func() error { return p.grow(t.Context(), 1) })
		for _, p := range append(in, p) {
			p.leave()
		}
		leavesNothing(t, l)
	})
}

// Keys that want everything come to hold about the same, however late one begins.
func TestLaneSharesBecomeEqual(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const places = 256
		l := laneOf(places, 1<<40)
		random := rand.New(rand.NewPCG(1, 2))
		held := map[string][]*pass{}
		fill := func(key string) {
			for l.shortOf(key, amount{places: 1}) == "" {
				held[key] = append(held[key], enters(t, l, key, 1, 0)...)
			}
		}
		keys := []string{"early", "middle", "late"}
		for _, key := range keys {
			fill(key)
		}
		for range 5000 { // a request ends, and whoever is asked first takes what he can have
			key := keys[random.IntN(len(keys))]
			if n := len(held[key]); n > 0 {
				held[key][n-1].leave()
				held[key] = held[key][:n-1]
			}
			random.Shuffle(len(keys), func(i, j int) { keys[i], keys[j] = keys[j], keys[i] })
			for _, key := range keys {
				fill(key)
			}
		}
		const fair = places * greed / (1 + 3*greed) // 76 of 256 each, and as many as a quarter of one's share free
		for key, in := range held {
			if len(in) < fair-8 || len(in) > fair+8 {
				t.Errorf("%s holds %d, want about %d", key, len(in), fair)
			}
			for _, p := range in {
				p.leave()
			}
		}
		leavesNothing(t, l)
	})
}

// Whatever comes and goes, the books are right, and the limit holds but for one who is alone.
func TestLaneBooks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := laneOf(20, 2000)
		var clients sync.WaitGroup
		for client := range 60 {
			clients.Go(func() {
				random := rand.New(rand.NewPCG(3, uint64(client)))
				for range 50 {
					ctx, cancel := context.WithTimeout(t.Context(), time.Duration(random.IntN(200))*time.Millisecond)
					if p, err := l.enter(ctx, string(rune('a'+client%7)), random.Int64N(300)); err == nil {
						for range random.IntN(3) {
							_ = p.grow(ctx, random.Int64N(300))
						}
						time.Sleep(time.Duration(random.IntN(50)) * time.Millisecond)
						l.mu.Lock()
						if l.used.places > l.limit.places || l.used.bytes > l.limit.bytes && l.used.places > 1 {
							t.Errorf("used %v of %v", l.used, l.limit)
						}
						sum := amount{}
						for _, held := range l.keys {
							sum = sum.plus(held)
						}
						if sum != l.used {
							t.Errorf("the keys hold %v, the lane %v", sum, l.used)
						}
						l.mu.Unlock()
						p.leave()
					}
					cancel()
				}
			})
		}
		clients.Wait()
		leavesNothing(t, l)
	})
}
