package providers_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync/atomic"
	"testing"
	"testing/iotest"
	"testing/synctest"

	"sallyport/providers"
	"sallyport/providers/driver"
	"sallyport/providers/faulty"
	"sallyport/providers/mem"
)

const splitPart = 1000

func newSplitBench(t *testing.T, plan faulty.Plan) *bench {
	t.Helper()
	return newBench(t, plan, providers.StoreOptions{SplitPart: splitPart}, mem.Options{SplitAbove: splitPart})
}

// leftovers returns what a sweep would find.
func (b *bench) leftovers(t *testing.T) []driver.StaleUpload {
	t.Helper()
	stale, err := b.raw.Uploads().Stale(t.Context(), inAYear())
	if err != nil {
		t.Fatal(err)
	}
	return stale
}

func count(b *bench, op string) int {
	n := 0
	for _, c := range b.below.Calls() {
		if c.Op == op {
			n++
		}
	}
	return n
}

func TestSplitPutSendsParts(t *testing.T) {
	for _, c := range []struct{ size, parts int }{
		{0, 0}, {1, 0}, {splitPart, 0}, {splitPart + 1, 2}, {2 * splitPart, 2}, {2*splitPart + 1, 3}, {3*splitPart - 1, 3}, {17 * splitPart, 17},
	} {
		for name, shape := range map[string]func(io.Reader) io.Reader{"half": iotest.HalfReader, "data and error": iotest.DataErrReader, "one byte": iotest.OneByteReader} {
			synctest.Test(t, func(t *testing.T) {
				b := newSplitBench(t, nil)
				want := string(someBytes[:c.size])
				info, err := b.store.Put(t.Context(), "k", shape(strings.NewReader(want)), int64(c.size), nil)
				if err != nil {
					t.Fatalf("%d bytes, %s: %v", c.size, name, err)
				}
				b.wantObject(t, "k", want)
				if now, _ := b.raw.Head(t.Context(), "k"); now.ETag != info.ETag || info.Size != int64(c.size) {
					t.Errorf("Info %+v, want %+v", info, now)
				}
				if n := count(b, "Uploads.PutPart"); n != c.parts {
					t.Errorf("%d bytes went in %d parts, want %d", c.size, n, c.parts)
				}
				if left := b.leftovers(t); len(left) != 0 {
					t.Errorf("left %+v", left)
				}
			})
		}
	}
}

// Any one part may fail in passing, at any byte, and nobody notices.
func TestSplitPutHidesPassingFailures(t *testing.T) {
	for n := 1; n <= 5; n++ {
		for _, f := range []faulty.Fault{
			{Kind: driver.Unavailable},
			{Mode: faulty.MidBody, Kind: driver.Unavailable, Bytes: 500},
			{Mode: faulty.MidBody, Kind: driver.UnknownOutcome, Bytes: splitPart},
			{Mode: faulty.After, Kind: driver.UnknownOutcome},
		} {
			synctest.Test(t, func(t *testing.T) {
				b := newSplitBench(t, faulty.NthOf("Uploads.PutPart", n, false, f))
				b.putRaw(t, "k", "old")
				want := string(someBytes[:5*splitPart])
				if _, err := b.store.Put(t.Context(), "k", body(want), int64(len(want)), nil); err != nil {
					t.Fatalf("%+v at part %d: %v", f, n, err)
				}
				b.wantObject(t, "k", want)
				if left := b.leftovers(t); len(left) != 0 {
					t.Errorf("left %+v", left)
				}
			})
		}
	}
}

// leaving is a body whose sender stops in the middle and is then gone.
type leaving struct {
	sent io.Reader
	ctx  context.Context //nolint:containedctx // of whoever sends.
}

func (l leaving) Read(p []byte) (int, error) {
	if n, err := l.sent.Read(p); err == nil {
		return n, nil
	}
	<-l.ctx.Done()
	return 0, l.ctx.Err()
}

// Whose caller has left is told no failure of the backend, whatever the parts that were on their way then come to.
func TestSplitPutWhoseCallerLeftMeanwhile(t *testing.T) {
	for _, kind := range []driver.Kind{driver.Unavailable, driver.UnknownOutcome} {
		synctest.Test(t, func(t *testing.T) {
			ctx, leave := context.WithCancel(t.Context())
			defer leave()
			tries := 0
			b := newSplitBench(t, func(c faulty.Call) *faulty.Fault {
				if c.Op != "Uploads.PutPart" || c.Part != 2 {
					return nil
				}
				if tries++; tries == 3 { // nothing else is under way any more
					leave()
				}
				return &faulty.Fault{Kind: kind}
			})
			b.putRaw(t, "k", "old")
			_, err := b.store.Put(ctx, "k", leaving{bytes.NewReader(someBytes[:2*splitPart]), ctx}, 5*splitPart, nil)
			wantKind(t, err, driver.Canceled)
			if tries != 3 {
				t.Errorf("part 2 was sent %d times", tries)
			}
			b.wantObject(t, "k", "old")
			if left := b.leftovers(t); len(left) != 0 {
				t.Errorf("%v: left %+v", kind, left)
			}
		})
	}
}

func TestSplitPutThatFailsLeavesTheOldObject(t *testing.T) {
	errBody := errors.New("the sender is gone")
	long := someBytes[:5*splitPart]
	for name, c := range map[string]struct {
		plan faulty.Plan
		body io.Reader
		want driver.Kind
	}{
		"part fails":      {faulty.NthOf("Uploads.PutPart", 3, true, faulty.Fault{Kind: driver.NoSpace}), bytes.NewReader(long), driver.NoSpace},
		"part keeps on":   {faulty.NthOf("Uploads.PutPart", 3, true, faulty.Fault{Kind: driver.Throttled}), bytes.NewReader(long), driver.Throttled},
		"part in doubt":   {faulty.NthOf("Uploads.PutPart", 3, true, faulty.Fault{Mode: faulty.After, Kind: driver.UnknownOutcome}), bytes.NewReader(long), driver.Unavailable},
		"Create fails":    {faulty.NthOf("Uploads.Create", 1, true, faulty.Fault{Kind: driver.Denied}), bytes.NewReader(long), driver.Denied},
		"Complete fails":  {faulty.NthOf("Uploads.Complete", 1, true, faulty.Fault{Kind: driver.ReadOnly}), bytes.NewReader(long), driver.ReadOnly},
		"part too late":   {faulty.NthOf("Uploads.PutPart", 3, true, faulty.Fault{Kind: driver.NoSuchUpload}), bytes.NewReader(long), driver.Unavailable},
		"part unknown":    {faulty.NthOf("Uploads.Complete", 1, true, faulty.Fault{Kind: driver.InvalidPart}), bytes.NewReader(long), driver.Unavailable},
		"body short":      {nil, bytes.NewReader(long[:4*splitPart+1]), driver.BadBody},
		"body long":       {nil, io.MultiReader(bytes.NewReader(long), strings.NewReader("x")), driver.BadBody},
		"body fails":      {nil, io.MultiReader(bytes.NewReader(long[:2500]), iotest.ErrReader(errBody)), driver.BadBody},
		"body throttled":  {nil, iotest.ErrReader(&driver.Error{Kind: driver.Throttled, Op: "Get"}), driver.BadBody},
		"both, part last": {faulty.NthOf("Uploads.PutPart", 2, true, faulty.Fault{Mode: faulty.Stall, Bytes: 10}), io.MultiReader(bytes.NewReader(long[:2*splitPart]), iotest.ErrReader(errBody)), driver.BadBody},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newSplitBench(t, c.plan)
				b.putRaw(t, "k", "old")
				_, err := b.store.Put(t.Context(), "k", c.body, int64(len(long)), nil)
				wantKind(t, err, c.want)
				if e, _ := errors.AsType[*driver.Error](err); e.Op != "Put" {
					t.Errorf("%v is not told as a Put", err)
				}
				b.wantObject(t, "k", "old")
				if left := b.leftovers(t); len(left) != 0 {
					t.Errorf("left %+v", left)
				}
			})
		})
	}
}

// pairs is a driver whose first PutPart waits until the second has begun.
type pairs struct {
	driver.Driver
	begun  atomic.Int32
	second chan struct{}
	most   int32 // parts begun when all that could go on had
}

func (p *pairs) Uploads() driver.Uploads { return pairedUploads{p.Driver.Uploads(), p} }

type pairedUploads struct {
	driver.Uploads
	p *pairs
}

func (u pairedUploads) PutPart(ctx context.Context, up driver.Upload, n int, body io.Reader, size int64) (*driver.Part, error) {
	switch u.p.begun.Add(1) {
	case 1:
		<-u.p.second // for ever, and synctest says so, if parts go one after the other
	case 2:
		synctest.Wait()
		u.p.most = u.p.begun.Load()
		close(u.p.second)
	}
	return u.Uploads.PutPart(ctx, up, n, body, size)
}

// A part is sent while the one before it is not answered yet; a third waits for memory.
func TestSplitPutSendsTwoPartsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &pairs{Driver: mem.New(&mem.Options{SplitAbove: splitPart}), second: make(chan struct{})}
		store := providers.Open("test", p, &providers.StoreOptions{SplitPart: splitPart})
		const size = 5 * splitPart
		if _, err := store.Put(t.Context(), "k", bytes.NewReader(someBytes[:size]), size, nil); err != nil {
			t.Fatal(err)
		}
		if p.most != 2 {
			t.Errorf("%d parts were on their way at once, want 2", p.most)
		}
		r, _, err := store.Get(t.Context(), "k", nil)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, someBytes[:size]) {
			t.Errorf("read back %d bytes, %v; want %d in their order", len(got), err, size)
		}
	})
}

func TestSplitPutEndsWithContext(t *testing.T) {
	for n := 1; n <= 5; n++ {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			b := newSplitBench(t, func(c faulty.Call) *faulty.Fault {
				if c.Op == "Uploads.PutPart" && c.OpN == n {
					cancel()
				}
				return nil
			})
			b.putRaw(t, "k", "old")
			_, err := b.store.Put(ctx, "k", body(string(someBytes[:5*splitPart])), 5*splitPart, nil)
			wantKind(t, err, driver.Canceled)
			b.wantObject(t, "k", "old")
			if left := b.leftovers(t); len(left) != 0 {
				t.Errorf("left %+v: the clean-up ended with ctx as well", left)
			}
		})
	}
}

func TestSplitPutConditions(t *testing.T) {
	long := string(someBytes[:3*splitPart])
	for name, c := range map[string]struct {
		old   bool
		match string
		want  driver.Kind // Internal = success
	}{
		"IfNoneMatch, absent": {false, "", 0}, "IfNoneMatch, there": {true, "", driver.PreconditionFailed},
		"IfMatch, absent": {false, "x", driver.NotFound}, "IfMatch, other": {true, "x", driver.PreconditionFailed}, "IfMatch, same": {true, "same", 0},
	} {
		t.Run(name, func(t *testing.T) {
			b := newSplitBench(t, nil)
			opts := &driver.PutOptions{IfNoneMatch: c.match == "", IfMatch: c.match}
			if c.old {
				if old := b.putRaw(t, "k", "old"); c.match == "same" {
					opts.IfMatch = old.ETag
				}
			}
			_, err := b.store.Put(t.Context(), "k", body(long), int64(len(long)), opts)
			if c.want == 0 {
				if err != nil {
					t.Fatal(err)
				}
				b.wantObject(t, "k", long)
				return
			}
			wantKind(t, err, c.want)
			if count(b, "Uploads.Create") != 0 {
				t.Error("a body was sent whose condition failed before")
			}
		})
	}
	t.Run("changed meanwhile", func(t *testing.T) {
		var b *bench
		b = newSplitBench(t, func(c faulty.Call) *faulty.Fault {
			if c.Op == "Uploads.PutPart" && c.OpN == 2 {
				b.putRaw(t, "k", "another")
			}
			return nil
		})
		_, err := b.store.Put(t.Context(), "k", body(long), int64(len(long)), &driver.PutOptions{IfNoneMatch: true})
		wantKind(t, err, driver.PreconditionFailed)
		b.wantObject(t, "k", "another")
		if left := b.leftovers(t); len(left) != 0 {
			t.Errorf("left %+v", left)
		}
	})
}

func TestSplitPutOfUnknownOutcome(t *testing.T) {
	long := string(someBytes[:3*splitPart+5])
	for _, c := range []struct {
		name    string
		kind    driver.Kind
		mode    faulty.Mode
		another string // written right after Complete
		ok      bool
	}{
		{"happened", driver.UnknownOutcome, faulty.After, "", true},
		{"did not", driver.UnknownOutcome, faulty.Before, "", true},
		{"overwritten", driver.UnknownOutcome, faulty.After, "another", false},
		{"overwritten by as many bytes", driver.UnknownOutcome, faulty.After, strings.Repeat("x", len(long)), false},
		{"overwritten by more with the same end", driver.UnknownOutcome, faulty.After, "x" + long, false},
		{"happened twice", driver.NoSuchUpload, faulty.After, "", true},
		{"happened twice, overwritten", driver.NoSuchUpload, faulty.After, "another", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var b *bench
				b = newSplitBench(t, func(call faulty.Call) *faulty.Fault {
					if call.Op == "Uploads.Complete" && call.OpN == 1 {
						return &faulty.Fault{Mode: c.mode, Kind: c.kind}
					}
					if call.Op == "Uploads.Read" && c.another != "" {
						b.putRaw(t, "k", c.another)
					}
					return nil
				})
				_, err := b.store.Put(t.Context(), "k", body(long), int64(len(long)), nil)
				if c.ok {
					if err != nil {
						t.Fatal(err)
					}
					b.wantObject(t, "k", long)
					if left := b.leftovers(t); len(left) != 0 {
						t.Errorf("left %+v", left)
					}
					return
				}
				wantKind(t, err, driver.UnknownOutcome)
				b.wantObject(t, "k", c.another)
				if left := b.leftovers(t); c.kind == driver.NoSuchUpload && len(left) != 0 {
					t.Errorf("left %+v", left)
				}
			})
		})
	}
}

// The parts of a body of unheard-of length grow, so that 10000 suffice.
func TestSplitPutOfManyParts(t *testing.T) {
	b := newBench(t, nil, providers.StoreOptions{SplitPart: 10}, mem.Options{SplitAbove: 10})
	const size = 12 << 20
	_, err := b.store.Put(t.Context(), "k", &zeros{}, size, nil)
	if err == nil {
		t.Fatal("an endless body passed")
	}
	if _, err = b.store.Put(t.Context(), "k", io.LimitReader(&zeros{}, size), size, nil); err != nil {
		t.Fatal(err)
	}
	if info, err := b.raw.Head(t.Context(), "k"); err != nil || info.Size != size {
		t.Fatal(info, err)
	}
	if left := b.leftovers(t); len(left) != 0 {
		t.Errorf("left %d uploads", len(left))
	}
	t.Run("too many", func(t *testing.T) {
		b := newBench(t, nil, providers.StoreOptions{SplitPart: 10}, mem.Options{SplitAbove: 10, MaxPart: 20})
		_, err := b.store.Put(t.Context(), "k", &zeros{}, 200_001, nil)
		wantKind(t, err, driver.TooLarge)
		if calls := b.below.Calls(); len(calls) != 0 {
			t.Error(fmt.Sprint(calls))
		}
	})
}

// Parts above 16 MiB are not held in memory.
func TestSplitPutStreamsLongParts(t *testing.T) {
	const part = 17 << 20
	for _, short := range []int64{0, 1} {
		b := newBench(t, nil, providers.StoreOptions{SplitPart: part}, mem.Options{SplitAbove: 1})
		_, err := b.store.Put(t.Context(), "k", io.LimitReader(&zeros{}, 2*part+5-short), 2*part+5, nil)
		if short > 0 {
			wantKind(t, err, driver.BadBody)
			_, err = b.raw.Head(t.Context(), "k")
			if !driver.Is(err, driver.NotFound) {
				t.Error("a short body was stored")
			}
		} else if err != nil {
			t.Fatal(err)
		}
		if n := count(b, "Uploads.PutPart"); n != 3-int(short) { // the last, short one does not reach the backend
			t.Errorf("%d parts", n)
		}
		if left := b.leftovers(t); len(left) != 0 {
			t.Errorf("left %d uploads", len(left))
		}
	}
}

type zeros struct{}

func (*zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}
