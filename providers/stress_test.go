package providers_test

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"sallyport/providers"
	"sallyport/providers/driver"
	"sallyport/providers/faulty"
	"sallyport/providers/mem"
)

// survivable are faults that keep the contract.
var survivable = []faulty.Fault{
	{Mode: faulty.After, Kind: driver.UnknownOutcome},
	{Mode: faulty.Before, Kind: driver.UnknownOutcome},
	{Mode: faulty.MidBody, Kind: driver.UnknownOutcome, Bytes: 1},
	{Mode: faulty.Before, Kind: driver.Unavailable},
	{Mode: faulty.Before, Kind: driver.Throttled, RetryAfter: time.Second},
	{Mode: faulty.Before, Kind: driver.Conflict},
	{Mode: faulty.MidBody, Kind: driver.Unavailable, Bytes: 1},
	{Mode: faulty.CleanCut, Kind: driver.Unavailable, Bytes: 1},
}

// Workers count up by compare and swap while a fifth of all calls fail. Every change that was acknowledged must be in the sum, and nothing
// that was refused.
func TestCounterUnderFaults(t *testing.T) {
	native, lacks := mem.Options{}, lacking
	for name, c := range map[string]struct {
		memory mem.Options
		opts   providers.StoreOptions
	}{
		"native":         {native, providers.StoreOptions{}},
		"single gateway": {lacks, providers.StoreOptions{SingleGateway: true}},
		"split":          {mem.Options{SplitAbove: 1}, providers.StoreOptions{SplitPart: 7}},
		"file system":    {mem.Options{NoSeenIsDurable: true}, providers.StoreOptions{}},
	} {
		for seed := range uint64(10) {
			t.Run(fmt.Sprintf("%s, seed %d", name, seed), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { countUp(t, c.memory, c.opts, seed) })
			})
		}
	}
}

func countUp(t *testing.T, memory mem.Options, opts providers.StoreOptions, seed uint64) {
	b := newBench(t, nil, opts, memory)
	b.putRaw(t, "n", "0 by nobody")
	b.below.SetPlan(faulty.Seeded(seed, 0.2, survivable...))
	var done, unknown atomic.Int64
	var workers sync.WaitGroup
	for w := range 6 {
		workers.Go(func() {
			for try := range 40 {
				n, etag, err := readCount(t, b.store)
				if err == nil {
					next := fmt.Sprintf("%d by %d in %d", n+1, w, try)
					_, err = b.store.Put(t.Context(), "n", body(next), int64(len(next)), &driver.PutOptions{IfMatch: etag})
				}
				switch {
				case err == nil:
					done.Add(1)
				case driver.Is(err, driver.UnknownOutcome):
					unknown.Add(1)
				case driver.Is(err, driver.PreconditionFailed), driver.Is(err, driver.Unavailable), driver.Is(err, driver.Throttled), driver.Is(err, driver.Conflict), driver.Is(err, driver.Corrupt):
				default:
					t.Errorf("worker %d: %v", w, err)
				}
				<-time.After(time.Second)
			}
		})
	}
	workers.Wait()
	b.below.SetPlan(nil)
	n, _, err := readCount(t, b.store)
	if err != nil {
		t.Fatal(err)
	}
	if int64(n) < done.Load() || int64(n) > done.Load()+unknown.Load() {
		t.Errorf("the count is %d, with %d acknowledged and %d unknown", n, done.Load(), unknown.Load())
	}
	if done.Load() < 20 {
		t.Errorf("only %d of 240 got through", done.Load())
	}
}

func readCount(t *testing.T, s *providers.Store) (n int, etag string, err error) {
	r, info, err := s.Get(t.Context(), "n", nil)
	if err != nil {
		return 0, "", err
	}
	data, err := io.ReadAll(r)
	if cerr := r.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return 0, "", err
	}
	if _, err := fmt.Sscanf(string(data), "%d by", &n); err != nil || int64(len(data)) != info.Size {
		t.Errorf("read %q: %v", data, err)
	}
	return n, info.ETag, nil
}

// Of many who create one key under faults, at most one may be told that it did, and then its bytes are there.
func TestCreateRaceUnderFaults(t *testing.T) {
	for seed := range uint64(40) {
		synctest.Test(t, func(t *testing.T) {
			b := newBench(t, faulty.Seeded(seed, 0.3, survivable...), providers.StoreOptions{}, mem.Options{})
			var mu sync.Mutex
			var winners []string
			var racers sync.WaitGroup
			for i := range 16 {
				racers.Go(func() {
					mine := fmt.Sprintf("the bytes of %d", i)
					_, err := b.store.Put(t.Context(), "k", strings.NewReader(mine), int64(len(mine)), &driver.PutOptions{IfNoneMatch: true})
					if err == nil {
						mu.Lock()
						defer mu.Unlock()
						winners = append(winners, mine)
					}
				})
			}
			racers.Wait()
			if len(winners) > 1 {
				t.Fatalf("seed %d: winners %q", seed, winners)
			}
			if len(winners) == 1 {
				b.wantObject(t, "k", winners[0])
			}
		})
	}
}
