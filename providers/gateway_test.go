package providers_test

import (
	"context"
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

func inAYear() time.Time { return time.Now().AddDate(1, 0, 0) }

// busy holds every call until let go and counts how many are in it at once.
type busy struct {
	driver.Driver
	letGo     chan struct{}
	now, most atomic.Int64
}

func (b *busy) enter() func() {
	n := b.now.Add(1)
	for m := b.most.Load(); n > m && !b.most.CompareAndSwap(m, n); m = b.most.Load() {
		continue
	}
	<-b.letGo
	return func() { b.now.Add(-1) }
}

func (b *busy) Put(ctx context.Context, key string, body io.Reader, size int64, opts *driver.PutOptions) (*driver.Info, error) {
	defer b.enter()()
	return b.Driver.Put(ctx, key, body, size, opts)
}

func (b *busy) Head(ctx context.Context, key string) (*driver.Info, error) {
	defer b.enter()()
	return b.Driver.Head(ctx, key)
}

func TestLimitBoundsEachLane(t *testing.T) {
	long := strings.Repeat("x", 1<<20+1)
	limits := providers.Limits{Reads: 2, Writes: 3, Streams: 4}
	lanes := map[string]int64{"reads": limits.Reads, "writes": limits.Writes, "streams": limits.Streams}
	for name, call := range map[string]func(d driver.Driver, ctx context.Context, i int) error{
		"reads": func(d driver.Driver, ctx context.Context, _ int) error {
			_, err := d.Head(ctx, "k")
			if driver.Is(err, driver.NotFound) {
				return nil
			}
			return err
		},
		"writes": func(d driver.Driver, ctx context.Context, i int) error {
			_, err := d.Put(ctx, fmt.Sprint(i), strings.NewReader("x"), 1, &driver.PutOptions{})
			return err
		},
		"streams": func(d driver.Driver, ctx context.Context, i int) error {
			_, err := d.Put(ctx, fmt.Sprint(i), strings.NewReader(long), int64(len(long)), &driver.PutOptions{})
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				held := &busy{Driver: mem.New(&mem.Options{}), letGo: make(chan struct{})}
				d := providers.Limit(held, limits)
				var callers sync.WaitGroup
				for i := range 10 {
					callers.Go(func() {
						if err := call(d, t.Context(), i); err != nil {
							t.Error(err)
						}
					})
				}
				synctest.Wait()
				if n := held.now.Load(); n != lanes[name] {
					t.Errorf("%d calls at once, want %d", n, lanes[name])
				}
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				start := time.Now()
				if err := call(d, ctx, 99); !driver.Is(err, driver.Canceled) || time.Since(start) != time.Second {
					t.Errorf("a call that waits until its ctx ends: %v after %v", err, time.Since(start))
				}
				close(held.letGo)
				callers.Wait()
				if n := held.most.Load(); n != lanes[name] {
					t.Errorf("%d calls at once, want %d", n, lanes[name])
				}
			})
		})
	}
}

// A write whose body is a read of the same root must not wait for itself, however few may run.
func TestLimitLetsCopiesThrough(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := providers.Open("test", mem.New(&mem.Options{}), &providers.StoreOptions{Limits: providers.Limits{Reads: 1, Writes: 1, Streams: 1}})
		long := strings.Repeat("0123456789", 200_000)
		if _, err := s.Put(t.Context(), "src", strings.NewReader(long), int64(len(long)), nil); err != nil {
			t.Fatal(err)
		}
		var copies sync.WaitGroup
		for i := range 20 {
			copies.Go(func() {
				src := &lazyGet{open: func() (io.ReadCloser, error) {
					r, _, err := s.Get(t.Context(), "src", nil)
					return r, err
				}}
				if _, err := s.Put(t.Context(), fmt.Sprint("dst", i), src, int64(len(long)), nil); err != nil {
					t.Error(err)
				}
			})
			copies.Go(func() {
				r, _, err := s.Get(t.Context(), "src", nil)
				if err != nil {
					t.Error(err)
					return
				}
				defer r.Close()
				if _, err := s.Put(t.Context(), fmt.Sprint("early", i), r, int64(len(long)), nil); err != nil {
					t.Error(err)
				}
			})
		}
		copies.Wait()
	})
}

type lazyGet struct {
	open func() (io.ReadCloser, error)
	r    io.ReadCloser
}

func (l *lazyGet) Read(p []byte) (int, error) {
	if l.r == nil {
		r, err := l.open()
		if err != nil {
			return 0, err
		}
		l.r = r
	}
	return l.r.Read(p)
}

func TestSingleGatewayOnlyWhatIsLacking(t *testing.T) {
	full := mem.New(&mem.Options{})
	if d := providers.SingleGateway(full); d != driver.Driver(full) {
		t.Error("a driver that lacks nothing was wrapped")
	}
	d := providers.SingleGateway(mem.New(&lacking))
	caps, native := d.Capabilities(), mem.New(&lacking).Capabilities()
	native.PutIfNoneMatch, native.PutIfMatch, native.CompleteIfNoneMatch, native.CompleteIfMatch, native.ConditionalDelete = true, true, true, true, true
	if caps != native {
		t.Errorf("Capabilities %+v, want %+v", caps, native)
	}
}

// A slow body must hold up those who write its key under a condition, and nobody else.
func TestSingleGatewayLocksOneKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := providers.SingleGateway(mem.New(&lacking))
		ctx := t.Context()
		body, sender := io.Pipe()
		slow := make(chan error, 1)
		go func() {
			_, err := d.Put(ctx, "slow", body, 2, &driver.PutOptions{})
			slow <- err
		}()
		if _, err := sender.Write([]byte("1")); err != nil {
			t.Fatal(err)
		}
		for i := range 500 { // more than there are stripes
			if _, err := d.Put(ctx, fmt.Sprint(i), strings.NewReader("x"), 1, &driver.PutOptions{IfNoneMatch: true}); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := d.Put(ctx, "slow", strings.NewReader("xyz"), 3, &driver.PutOptions{}); err != nil {
			t.Errorf("a write without a condition beside another: %v", err)
		}
		short, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		start := time.Now()
		_, err := d.Put(short, "slow", strings.NewReader("x"), 1, &driver.PutOptions{IfNoneMatch: true})
		if !driver.Is(err, driver.Canceled) || time.Since(start) != time.Second {
			t.Errorf("a conditional write beside another: %v after %v", err, time.Since(start))
		}
		if _, err := d.Head(ctx, "slow"); err != nil {
			t.Errorf("a read beside a write: %v", err)
		}
		if _, err := sender.Write([]byte("2")); err != nil {
			t.Fatal(err)
		}
		if err := sender.Close(); err != nil {
			t.Fatal(err)
		}
		if err := <-slow; err != nil {
			t.Fatal(err)
		}
		if _, err := d.Put(ctx, "slow", strings.NewReader("x"), 1, &driver.PutOptions{IfNoneMatch: true}); !driver.Is(err, driver.PreconditionFailed) {
			t.Errorf("a conditional write afterwards: %v", err)
		}
	})
}

// When looking fails nothing may be written.
func TestSingleGatewayLookThatFails(t *testing.T) {
	for _, kind := range []driver.Kind{driver.Unavailable, driver.Throttled, driver.Denied, driver.Internal, driver.Corrupt} {
		raw := mem.New(&lacking)
		below := faulty.New(raw, faulty.NthOf("Head", 1, true, faulty.Fault{Kind: kind, RetryAfter: time.Second}))
		d := providers.SingleGateway(below)
		for name, err := range map[string]error{
			"Put": func() error {
				_, err := d.Put(t.Context(), "k", strings.NewReader("x"), 1, &driver.PutOptions{IfNoneMatch: true})
				return err
			}(),
			"Delete": d.Delete(t.Context(), "k", &driver.DeleteOptions{IfMatch: "x"}),
		} {
			if !driver.Is(err, kind) {
				t.Errorf("%s: %v, want %v", name, err, kind)
			}
		}
		for _, c := range below.Calls() {
			if c.Op != "Head" {
				t.Errorf("%v: %s was called", kind, c.Op)
			}
		}
	}
}
