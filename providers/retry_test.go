package providers_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"sallyport/providers"
	"sallyport/providers/driver"
	"sallyport/providers/faulty"
	"sallyport/providers/mem"
)

// bench is a Store over faults over memory.
type bench struct {
	raw   *mem.Driver
	below *faulty.Driver
	store *providers.Store
	sink  *recorder
}

func newBench(t *testing.T, plan faulty.Plan, opts providers.StoreOptions, memory mem.Options) *bench {
	t.Helper()
	b := &bench{raw: mem.New(&memory), sink: &recorder{}}
	b.below = faulty.New(b.raw, plan)
	if opts.Sink == nil {
		opts.Sink = b.sink
	}
	b.store = providers.Open("test", b.below, &opts)
	return b
}

func (b *bench) putRaw(t *testing.T, key, data string) *driver.Info {
	t.Helper()
	info, err := b.raw.Put(t.Context(), key, bytes.NewReader([]byte(data)), int64(len(data)), &driver.PutOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return info
}

func (b *bench) wantObject(t *testing.T, key, want string) {
	t.Helper()
	r, _, err := b.raw.Get(t.Context(), key, &driver.GetOptions{})
	if err != nil {
		t.Fatalf("Get %q: %v", key, err)
	}
	got, err := io.ReadAll(r)
	if err != nil || string(got) != want {
		t.Fatalf("%q holds %d bytes, %v; want %d", key, len(got), err, len(want))
	}
}

func (b *bench) ops() []string {
	var ops []string
	for _, c := range b.below.Calls() {
		ops = append(ops, c.Op+" "+c.Result)
	}
	return ops
}

func wantKind(t *testing.T, err error, kind driver.Kind) {
	t.Helper()
	e, ok := errors.AsType[*driver.Error](err)
	if !ok || error(e) != err || e.Kind != kind || e.Provider != "test" { //nolint:errorlint // only the outermost error is the Store's own.
		t.Fatalf("error %v, want one of test's own and %v", err, kind)
	}
}

func wantOps(t *testing.T, b *bench, want ...string) {
	t.Helper()
	if got := b.ops(); !slices.Equal(got, want) {
		t.Fatalf("calls %q, want %q", got, want)
	}
}

// longest makes every delay the longest there is, so that it can be measured.
func longest(most time.Duration) time.Duration { return most }

func body(s string) io.Reader { return iotest.HalfReader(bytes.NewReader([]byte(s))) }

func TestRetryDelaysGrowAndEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, faulty.Nth(1, true, faulty.Fault{Kind: driver.Unavailable}), providers.StoreOptions{Retry: providers.RetryOptions{
			MaxRetries: 6, BaseDelay: 100 * time.Millisecond, MaxDelay: time.Second, Jitter: longest,
		}}, mem.Options{})
		start := time.Now()
		_, err := b.store.Head(t.Context(), "k")
		wantKind(t, err, driver.Unavailable)
		if got, want := time.Since(start), (100+200+400+800+1000+1000)*time.Millisecond; got != want {
			t.Errorf("waited %v, want %v", got, want)
		}
		if n := len(b.below.Calls()); n != 7 {
			t.Errorf("%d calls, want 7", n)
		}
		if n := len(b.sink.retries); n != 6 {
			t.Errorf("%d retries were told, want 6", n)
		}
	})
}

func TestRetryJitterIsWithinBounds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		seen := map[time.Duration]bool{}
		for range 50 {
			b := newBench(t, faulty.Nth(1, false, faulty.Fault{Kind: driver.Throttled}), providers.StoreOptions{}, mem.Options{})
			start := time.Now()
			_, err := b.store.List(t.Context(), nil)
			if err != nil {
				t.Fatal(err)
			}
			wait := time.Since(start)
			if wait < 0 || wait > 100*time.Millisecond {
				t.Fatalf("waited %v", wait)
			}
			seen[wait] = true
		}
		if len(seen) < 25 {
			t.Errorf("only %d different delays of 50", len(seen))
		}
	})
}

func TestRetryAfterIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fault := faulty.Fault{Kind: driver.Throttled, RetryAfter: 7 * time.Second}
		b := newBench(t, faulty.Nth(1, false, fault), providers.StoreOptions{}, mem.Options{})
		b.putRaw(t, "k", "x")
		start := time.Now()
		if _, err := b.store.Head(t.Context(), "k"); err != nil {
			t.Fatal(err)
		}
		if wait := time.Since(start); wait < 7*time.Second || wait > 8*time.Second {
			t.Errorf("waited %v, want 7 s and a little", wait)
		}
	})
}

func TestRetryAfterThatIsTooLongIsGivenToTheCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fault := faulty.Fault{Kind: driver.Throttled, RetryAfter: 11 * time.Second}
		b := newBench(t, faulty.Nth(1, false, fault), providers.StoreOptions{}, mem.Options{})
		start := time.Now()
		_, err := b.store.Head(t.Context(), "k")
		wantKind(t, err, driver.Throttled)
		if e, _ := errors.AsType[*driver.Error](err); e.RetryAfter != 11*time.Second {
			t.Errorf("RetryAfter %v", e.RetryAfter)
		}
		if wait := time.Since(start); wait != 0 {
			t.Errorf("waited %v", wait)
		}
		wantOps(t, b, "Head throttled")
	})
}

func TestRetryDoesNotWaitBeyondTheDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, faulty.Nth(1, true, faulty.Fault{Kind: driver.Throttled, RetryAfter: 5 * time.Second}), providers.StoreOptions{}, mem.Options{})
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		start := time.Now()
		_, err := b.store.Head(ctx, "k")
		wantKind(t, err, driver.Throttled)
		if wait := time.Since(start); wait != 0 {
			t.Errorf("waited %v for a deadline that comes before", wait)
		}
	})
}

func TestRetryWaitEndsWithContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, faulty.Nth(1, true, faulty.Fault{Kind: driver.Unavailable, RetryAfter: 5 * time.Second}), providers.StoreOptions{}, mem.Options{})
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		start := time.Now()
		_, err := b.store.Head(ctx, "k")
		wantKind(t, err, driver.Canceled)
		if !errors.Is(err, faulty.ErrInjected) {
			t.Errorf("%v does not tell what was waited for", err)
		}
		if wait := time.Since(start); wait != time.Second {
			t.Errorf("waited %v", wait)
		}
	})
}

func TestOnlyPassingKindsAreRetried(t *testing.T) {
	for kind := driver.Internal; kind <= driver.BadBody; kind++ {
		retried := kind == driver.Unavailable || kind == driver.Throttled || kind == driver.Conflict
		synctest.Test(t, func(t *testing.T) {
			for _, call := range []func(b *bench) error{
				func(b *bench) error { _, err := b.store.Head(t.Context(), "k"); return err },
				func(b *bench) error {
					r, _, err := b.store.Get(t.Context(), "k", nil)
					if err == nil {
						err = r.Close()
					}
					return err
				},
				func(b *bench) error { _, err := b.store.Put(t.Context(), "k", body("new"), 3, nil); return err },
				func(b *bench) error { return b.store.Delete(t.Context(), "k", nil) },
				func(b *bench) error { _, err := b.store.List(t.Context(), nil); return err },
			} {
				b := newBench(t, faulty.Nth(1, false, faulty.Fault{Kind: kind}), providers.StoreOptions{}, mem.Options{})
				b.putRaw(t, "k", "old")
				if err := call(b); (err == nil) != retried {
					t.Errorf("%v: %v, calls %q", kind, err, b.ops())
				}
			}
		})
	}
}

func TestRetryBudgetBoundsRetries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, nil, providers.StoreOptions{Retry: providers.RetryOptions{MaxRetries: 3, BaseDelay: 1, MaxDelay: 1}}, mem.Options{})
		b.putRaw(t, "k", "x")
		failing := faulty.Nth(1, true, faulty.Fault{Kind: driver.Unavailable})
		b.below.SetPlan(failing)
		for range 1000 {
			_, err := b.store.Head(t.Context(), "k")
			wantKind(t, err, driver.Unavailable)
		}
		// 1000 failures in a moment: no more retries than the burst.
		if n := len(b.below.Calls()); n < 1010 || n > 1011 {
			t.Errorf("%d calls for 1000 failures, want 1000 and 10 retries", n)
		}
		b.below.SetPlan(nil)
		for range 55 {
			if _, err := b.store.Head(t.Context(), "k"); err != nil {
				t.Fatal(err)
			}
		}
		b.below.SetPlan(failing)
		for range 100 {
			_, err := b.store.Head(t.Context(), "k")
			wantKind(t, err, driver.Unavailable)
		}
		if n := len(b.below.Calls()); n < 104 || n > 106 {
			t.Errorf("%d calls for 100 failures after 55 successes, want 100 and 5 retries", n)
		}
		<-time.After(500 * time.Millisecond) // of synctest: the budget grows with time as well
		b.below.SetPlan(failing)
		for range 100 {
			_, err := b.store.Head(t.Context(), "k")
			wantKind(t, err, driver.Unavailable)
		}
		if n := len(b.below.Calls()); n < 104 || n > 107 {
			t.Errorf("%d calls for 100 failures after half a second, want 100 and 5 retries", n)
		}
	})
}

func TestLongBodiesAreSentOnce(t *testing.T) {
	long := string(bytes.Repeat([]byte("0123456789abcdef"), 1<<17)) // 2 MiB
	for name, c := range map[string]struct {
		fault  faulty.Fault
		body   func() io.Reader
		repeat bool
	}{
		"stream, nothing read":   {faulty.Fault{Kind: driver.Unavailable}, func() io.Reader { return body(long) }, true},
		"stream, some read":      {faulty.Fault{Mode: faulty.MidBody, Kind: driver.Unavailable, Bytes: 10}, func() io.Reader { return body(long) }, false},
		"seekable, some read":    {faulty.Fault{Mode: faulty.MidBody, Kind: driver.Unavailable, Bytes: 10}, func() io.Reader { return bytes.NewReader([]byte(long)) }, true},
		"seekable in the middle": {faulty.Fault{Mode: faulty.MidBody, Kind: driver.Unavailable, Bytes: 10}, func() io.Reader { return inMiddle(long) }, true},
		"cannot seek after all":  {faulty.Fault{Mode: faulty.MidBody, Kind: driver.Unavailable, Bytes: 10}, func() io.Reader { return &seeksNowhere{body(long)} }, false},
	} {
		synctest.Test(t, func(t *testing.T) {
			b := newBench(t, faulty.Nth(1, false, c.fault), providers.StoreOptions{}, mem.Options{})
			b.putRaw(t, "k", "old")
			_, err := b.store.Put(t.Context(), "k", c.body(), int64(len(long)), nil)
			if !c.repeat {
				wantKind(t, err, driver.Unavailable)
				b.wantObject(t, "k", "old")
				wantOps(t, b, "Put unavailable")
				return
			}
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			b.wantObject(t, "k", long)
		})
	}
}

func inMiddle(s string) io.Reader {
	r := bytes.NewReader([]byte("before" + s))
	_, _ = io.CopyN(io.Discard, r, 6)
	return r
}

type seeksNowhere struct{ io.Reader }

func (*seeksNowhere) Seek(int64, int) (int64, error) { return 0, errors.New("this is a pipe") }

func TestErrorsThatBreakTheContractAreInternal(t *testing.T) {
	inner := &driver.Error{Kind: driver.Throttled, Op: "Get", Provider: "another"}
	b := providers.Open("test", &lawless{mem.New(&mem.Options{}), fmt.Errorf("wrapped: %w", inner)}, nil)
	_, err := b.Head(t.Context(), "k")
	wantKind(t, err, driver.Internal)
	if !errors.Is(err, inner) {
		t.Errorf("%v lost its cause", err)
	}
}

type lawless struct {
	driver.Driver
	err error
}

func (l *lawless) Head(context.Context, string) (*driver.Info, error) { return nil, l.err }
