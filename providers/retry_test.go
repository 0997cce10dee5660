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

func TestUnknownPut(t *testing.T) {
	after := faulty.Fault{Mode: faulty.After, Kind: driver.UnknownOutcome}
	before := faulty.Fault{Mode: faulty.Before, Kind: driver.UnknownOutcome}
	for name, c := range map[string]struct {
		fault faulty.Fault
		old   string // "" = absent
		opts  func(old string) *driver.PutOptions
		kind  driver.Kind // Internal = success
		calls []string
	}{
		"replaced":              {after, "old", nil, 0, []string{"Put unknown outcome", "Head ok", "Get ok"}},
		"not replaced":          {before, "old", nil, driver.UnknownOutcome, []string{"Put unknown outcome", "Head ok", "Get ok"}},
		"created":               {after, "", nil, 0, []string{"Put unknown outcome", "Head ok", "Get ok"}},
		"not created":           {before, "", nil, driver.UnknownOutcome, []string{"Put unknown outcome", "Head not found"}},
		"IfNoneMatch created":   {after, "", ifNoneMatch, 0, []string{"Put unknown outcome", "Head ok", "Get ok"}},
		"IfNoneMatch not made":  {before, "", ifNoneMatch, driver.UnknownOutcome, []string{"Put unknown outcome", "Head not found"}},
		"IfMatch replaced":      {after, "old", ifMatch, 0, []string{"Put unknown outcome", "Head ok", "Get ok"}},
		"IfMatch not replaced":  {before, "old", ifMatch, 0, []string{"Put unknown outcome", "Head ok", "Put ok"}},
		"IfMatch, absent since": {before, "", func(string) *driver.PutOptions { return &driver.PutOptions{IfMatch: "gone"} }, driver.UnknownOutcome, []string{"Put unknown outcome", "Head not found"}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t, faulty.Nth(1, false, c.fault), providers.StoreOptions{}, mem.Options{})
				var opts *driver.PutOptions
				etag := ""
				if c.old != "" {
					etag = b.putRaw(t, "k", c.old).ETag
				}
				if c.opts != nil {
					opts = c.opts(etag)
				}
				info, err := b.store.Put(t.Context(), "k", body("new"), 3, opts)
				wantOps(t, b, c.calls...)
				if c.kind != driver.Internal {
					wantKind(t, err, c.kind)
					return
				}
				if err != nil {
					t.Fatal(err)
				}
				b.wantObject(t, "k", "new")
				if now, _ := b.raw.Head(t.Context(), "k"); now.ETag != info.ETag {
					t.Errorf("ETag %q, want %q", info.ETag, now.ETag)
				}
			})
		})
	}
}

// After a failed sync of a directory the new object is seen, and may be gone after a crash: that it is seen proves nothing.
func TestUnknownOutcomeWhereSeenIsNotDurable(t *testing.T) {
	for _, op := range []string{"Put", "Uploads.Complete", "Delete"} {
		for _, opts := range []*driver.PutOptions{nil, {IfNoneMatch: true}} {
			synctest.Test(t, func(t *testing.T) {
				plan := faulty.NthOf(op, 1, false, faulty.Fault{Mode: faulty.After, Kind: driver.UnknownOutcome})
				b := newBench(t, plan, providers.StoreOptions{SplitPart: 500}, mem.Options{SplitAbove: 1000, NoSeenIsDurable: true})
				var err error
				switch op {
				case "Put":
					_, err = b.store.Put(t.Context(), "k", body("new"), 3, opts)
				case "Uploads.Complete":
					_, err = b.store.Put(t.Context(), "k", body(string(someBytes[:2000])), 2000, opts)
				case "Delete":
					b.putRaw(t, "k", "old")
					err = b.store.Delete(t.Context(), "k", nil)
				}
				wantKind(t, err, driver.UnknownOutcome)
			})
		}
	}
}

func ifNoneMatch(string) *driver.PutOptions  { return &driver.PutOptions{IfNoneMatch: true} }
func ifMatch(etag string) *driver.PutOptions { return &driver.PutOptions{IfMatch: etag} }

// While a Put of unknown outcome is looked into, another writer comes: its object may not be overwritten.
func TestUnknownPutDoesNotOverwriteAnother(t *testing.T) {
	for _, applied := range []bool{false, true} {
		for _, at := range []int{2, 3, 4} {
			for _, opts := range []func(string) *driver.PutOptions{nil, ifMatch, ifNoneMatch} {
				synctest.Test(t, func(t *testing.T) {
					var b *bench
					mode := faulty.Before
					if applied {
						mode = faulty.After
					}
					b = newBench(t, func(c faulty.Call) *faulty.Fault {
						if c.N == at {
							b.putRaw(t, "k", "another")
						}
						if c.N == 1 {
							return &faulty.Fault{Mode: mode, Kind: driver.UnknownOutcome}
						}
						return nil
					}, providers.StoreOptions{}, mem.Options{})
					var o *driver.PutOptions
					if opts != nil {
						o = opts(b.putRaw(t, "old", "old").ETag)
						if o.IfMatch != "" {
							o.IfMatch = b.putRaw(t, "k", "old").ETag
						}
					}
					_, err := b.store.Put(t.Context(), "k", body("new"), 3, o)
					if len(b.below.Calls()) < at {
						return // it was over before
					}
					if err != nil {
						wantKind(t, err, driver.UnknownOutcome)
					}
					b.wantObject(t, "k", "another")
				})
			}
		}
	}
}

// An object that was stored and deleted again by somebody before we looked must stay deleted.
func TestUnknownPutDoesNotUndoADelete(t *testing.T) {
	for _, opts := range []*driver.PutOptions{nil, {IfNoneMatch: true}} {
		synctest.Test(t, func(t *testing.T) {
			var b *bench
			b = newBench(t, func(c faulty.Call) *faulty.Fault {
				if c.N == 1 {
					return &faulty.Fault{Mode: faulty.After, Kind: driver.UnknownOutcome}
				}
				if err := b.raw.Delete(t.Context(), "k", &driver.DeleteOptions{}); err != nil {
					t.Error(err)
				}
				return nil
			}, providers.StoreOptions{}, mem.Options{})
			_, err := b.store.Put(t.Context(), "k", body("new"), 3, opts)
			wantKind(t, err, driver.UnknownOutcome)
			if _, err := b.raw.Head(t.Context(), "k"); !driver.Is(err, driver.NotFound) {
				t.Errorf("the object is back: %v", err)
			}
		})
	}
}

func TestUnknownDelete(t *testing.T) {
	after := faulty.Fault{Mode: faulty.After, Kind: driver.UnknownOutcome}
	before := faulty.Fault{Mode: faulty.Before, Kind: driver.UnknownOutcome}
	for name, c := range map[string]struct {
		fault   faulty.Fault
		ifMatch bool
		ok      bool
		calls   []string
	}{
		"deleted":             {after, false, true, []string{"Delete unknown outcome", "Head not found"}},
		"not deleted":         {before, false, false, []string{"Delete unknown outcome", "Head ok"}},
		"IfMatch deleted":     {after, true, false, []string{"Delete unknown outcome", "Head not found"}},
		"IfMatch not deleted": {before, true, true, []string{"Delete unknown outcome", "Head ok", "Delete ok"}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t, faulty.Nth(1, false, c.fault), providers.StoreOptions{}, mem.Options{})
				opts := &driver.DeleteOptions{}
				if old := b.putRaw(t, "k", "old"); c.ifMatch {
					opts.IfMatch = old.ETag
				}
				err := b.store.Delete(t.Context(), "k", opts)
				wantOps(t, b, c.calls...)
				if c.ok && err != nil {
					t.Fatal(err)
				}
				if !c.ok {
					wantKind(t, err, driver.UnknownOutcome)
				}
			})
		})
	}
}

func TestUnknownComplete(t *testing.T) {
	for _, mode := range []faulty.Mode{faulty.Before, faulty.After} {
		synctest.Test(t, func(t *testing.T) {
			b := newBench(t, faulty.NthOf("Uploads.Complete", 1, false, faulty.Fault{Mode: mode, Kind: driver.UnknownOutcome}), providers.StoreOptions{}, mem.Options{})
			u := b.store.Uploads()
			id, err := u.Create(t.Context(), "k", func(string) ([]byte, error) { return []byte("n"), nil })
			if err != nil {
				t.Fatal(err)
			}
			up := driver.Upload{ID: id, Key: "k"}
			part, err := u.PutPart(t.Context(), up, 1, body("new"), 3)
			if err != nil {
				t.Fatal(err)
			}
			_, err = u.Complete(t.Context(), up, []driver.Part{*part}, nil)
			if mode == faulty.Before && err != nil {
				t.Fatalf("parts that are all there prove that Complete did not happen: %v", err)
			}
			if mode == faulty.After {
				wantKind(t, err, driver.UnknownOutcome)
			}
			b.wantObject(t, "k", "new")
		})
	}
}

func TestAbortOfWhatAnEarlierAttemptAborted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, faulty.NthOf("Uploads.Abort", 1, false, faulty.Fault{Mode: faulty.After, Kind: driver.UnknownOutcome}), providers.StoreOptions{}, mem.Options{})
		id, err := b.store.Uploads().Create(t.Context(), "k", nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := b.store.Uploads().Abort(t.Context(), driver.Upload{ID: id, Key: "k"}); err != nil {
			t.Fatal(err)
		}
		wantKind(t, b.store.Uploads().Abort(t.Context(), driver.Upload{ID: id, Key: "k"}), driver.NoSuchUpload)
	})
}

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
