package providers_test

import (
	"context"
	"testing"
	"testing/synctest"

	"sallyport/providers"
	"sallyport/providers/driver"
	"sallyport/providers/faulty"
	"sallyport/providers/mem"
)

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

// TestUnknownSplitPutIsLeftAlone: the backend may be completing it at this moment, and an abort in the middle of that is nothing to ask of any. The sweep comes a day later.
func TestUnknownSplitPutIsLeftAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		plan := faulty.NthOf("Uploads.Complete", 1, true, faulty.Fault{Mode: faulty.Before, Kind: driver.UnknownOutcome})
		b := newBench(t, plan, providers.StoreOptions{SplitPart: 500}, mem.Options{SplitAbove: 1000})
		_, err := b.store.Put(t.Context(), "k", body(string(someBytes[:2000])), 2000, nil)
		wantKind(t, err, driver.UnknownOutcome)
		for _, c := range b.below.Calls() {
			if c.Op == "Uploads.Abort" {
				t.Error("it was aborted")
			}
		}
	})
}

// completesAgain is a backend that carries out a Complete as often as it is asked, and forgets that it has.
type completesAgain struct {
	driver.Driver
	parts []driver.Part
	write func()
	calls int
}

func (c *completesAgain) Uploads() driver.Uploads {
	return completesAgainUploads{c.Driver.Uploads(), c}
}

type completesAgainUploads struct {
	driver.Uploads
	c *completesAgain
}

func (u completesAgainUploads) Read(context.Context, driver.Upload) ([]driver.Part, []driver.Note, error) {
	return u.c.parts, nil, nil
}

func (u completesAgainUploads) Complete(ctx context.Context, up driver.Upload, _ []driver.Part, _ *driver.PutOptions) (*driver.Info, error) {
	u.c.calls++
	info, err := u.c.Put(ctx, up.Key, body("completed"), 9, &driver.PutOptions{})
	if err != nil || u.c.calls > 1 {
		return info, err
	}
	u.c.write()
	return nil, &driver.Error{Kind: driver.UnknownOutcome, Op: "Uploads.Complete", Key: up.Key}
}

// TestUnknownCompleteIsNotRepeatedBlindly: somebody wrote the key after a completion whose answer was lost. Unless the upload still has every part that it names, as it
// was named, nobody knows that it did not happen, and to repeat it could put the older object back.
func TestUnknownCompleteIsNotRepeatedBlindly(t *testing.T) {
	named := []driver.Part{{N: 1, Size: 3, ETag: "one"}, {N: 2, Size: 3, ETag: "two"}}
	for name, left := range map[string][]driver.Part{
		"no part":               nil,
		"one of two parts":      named[:1],
		"a part was sent again": {named[0], {N: 2, Size: 3, ETag: "another"}},
	} {
		synctest.Test(t, func(t *testing.T) {
			raw := mem.New(&mem.Options{})
			backend := &completesAgain{Driver: raw, parts: left, write: func() {
				if _, err := raw.Put(t.Context(), "k", body("newer"), 5, &driver.PutOptions{}); err != nil {
					t.Error(err)
				}
			}}
			store := providers.Open("test", backend, nil)
			_, err := store.Uploads().Complete(t.Context(), driver.Upload{ID: "id", Key: "k"}, named, nil)
			wantKind(t, err, driver.UnknownOutcome)
			(&bench{raw: raw, store: store}).wantObject(t, "k", "newer")
			if backend.calls != 1 {
				t.Errorf("%s: completed %d times", name, backend.calls)
			}
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
