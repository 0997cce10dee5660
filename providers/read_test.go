package providers_test

import (
	"bytes"
	"context"
	"io"
	"testing"
	"testing/iotest"
	"testing/synctest"

	"sallyport/providers"
	"sallyport/providers/driver"
	"sallyport/providers/faulty"
	"sallyport/providers/mem"
)

var someBytes = bytes.Repeat([]byte("0123456789abcdefg"), 6000) // 102,000: no power of two, so that a wrong offset shows

func TestReadGoesOnAfterCuts(t *testing.T) {
	for _, kind := range []driver.Kind{driver.Unavailable, driver.Throttled, driver.Corrupt, driver.Conflict} {
		for _, mode := range []faulty.Mode{faulty.MidBody, faulty.CleanCut} {
			for _, opts := range []driver.GetOptions{{}, {Offset: 77, Length: 70000}, {Suffix: 90001}} {
				synctest.Test(t, func(t *testing.T) {
					// Every reader gives 9001 bytes and no more: the whole needs a dozen.
					b := newBench(t, faulty.NthOf("Get", 1, true, faulty.Fault{Mode: mode, Kind: kind, Bytes: 9001}),
						providers.StoreOptions{Retry: providers.RetryOptions{MaxRetries: 1, Burst: 100}}, mem.Options{})
					b.putRaw(t, "k", string(someBytes))
					r, info, err := b.store.Get(t.Context(), "k", &opts)
					if err != nil {
						t.Fatal(err)
					}
					want := someBytes
					switch {
					case opts.Suffix > 0:
						want = want[int64(len(want))-opts.Suffix:]
					case opts.Length > 0:
						want = want[opts.Offset : opts.Offset+opts.Length]
					}
					if err := iotest.TestReader(r, want); err != nil {
						t.Errorf("%v, %+v: %v", kind, opts, err)
					}
					if info.Size != int64(len(someBytes)) {
						t.Errorf("Info %+v", info)
					}
					if err := r.Close(); err != nil {
						t.Error(err)
					}
				})
			}
		}
	}
}

func TestReadGivesUp(t *testing.T) {
	for name, c := range map[string]struct {
		plan faulty.Plan
		want driver.Kind
		got  int
	}{
		"no progress":     {faulty.First(faulty.NthOf("Get", 1, false, cut(100)), faulty.NthOf("Get", 2, true, cut(0))), driver.Unavailable, 100},
		"cannot open":     {faulty.First(faulty.NthOf("Get", 1, false, cut(100)), faulty.NthOf("Get", 2, true, faulty.Fault{Kind: driver.Unavailable})), driver.Unavailable, 100},
		"may not open":    {faulty.First(faulty.NthOf("Get", 1, false, cut(100)), faulty.NthOf("Get", 2, true, faulty.Fault{Kind: driver.Denied})), driver.Denied, 100},
		"permanent":       {faulty.NthOf("Get", 1, true, faulty.Fault{Mode: faulty.MidBody, Kind: driver.Denied, Bytes: 100}), driver.Denied, 100},
		"IfMatch ignored": {faulty.First(faulty.NthOf("Get", 1, false, cut(100)), faulty.NthOf("Get", 2, true, faulty.Fault{Mode: faulty.WrongETag})), driver.Corrupt, 100},
		"clean cuts":      {faulty.First(faulty.NthOf("Get", 1, false, faulty.Fault{Mode: faulty.CleanCut, Bytes: 100}), faulty.NthOf("Get", 2, true, faulty.Fault{Mode: faulty.CleanCut})), driver.Corrupt, 100},
		// Behind the last byte an error speaks about the bytes that were given out.
		"wrong digest": {faulty.NthOf("Get", 1, false, faulty.Fault{Mode: faulty.MidBody, Kind: driver.Corrupt, Bytes: int64(len(someBytes))}), driver.Corrupt, len(someBytes)},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t, c.plan, providers.StoreOptions{}, mem.Options{})
				b.putRaw(t, "k", string(someBytes))
				r, _, err := b.store.Get(t.Context(), "k", nil)
				if err != nil {
					t.Fatal(err)
				}
				got, err := io.ReadAll(r)
				wantKind(t, err, c.want)
				if !bytes.Equal(got, someBytes[:c.got]) {
					t.Errorf("%d bytes, want the first %d", len(got), c.got)
				}
				if _, again := r.Read(make([]byte, 1)); again == nil || again == io.EOF {
					t.Errorf("read again: %v", again)
				}
				if err := r.Close(); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

func cut(n int64) faulty.Fault {
	return faulty.Fault{Mode: faulty.MidBody, Kind: driver.Unavailable, Bytes: n}
}

func TestReadNeverMixesRevisions(t *testing.T) {
	for name, change := range map[string]func(b *bench, t *testing.T){
		"replaced": func(b *bench, t *testing.T) { b.putRaw(t, "k", string(bytes.ToUpper(someBytes))) },
		"deleted": func(b *bench, t *testing.T) {
			if err := b.raw.Delete(t.Context(), "k", &driver.DeleteOptions{}); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t, faulty.NthOf("Get", 1, false, cut(5000)), providers.StoreOptions{}, mem.Options{})
				b.putRaw(t, "k", string(someBytes))
				r, _, err := b.store.Get(t.Context(), "k", nil)
				if err != nil {
					t.Fatal(err)
				}
				change(b, t)
				got, err := io.ReadAll(r)
				wantKind(t, err, driver.Conflict)
				if !bytes.Equal(got, someBytes[:5000]) {
					t.Errorf("%d bytes, want the first 5000 of the old object", len(got))
				}
			})
		})
	}
}

// tooMuch gives more bytes than were asked for.
type tooMuch struct{ driver.Driver }

func (d tooMuch) Get(ctx context.Context, key string, opts *driver.GetOptions) (io.ReadCloser, *driver.Info, error) {
	whole := *opts
	whole.Length = 0
	return d.Driver.Get(ctx, key, &whole)
}

func TestReadOfMoreThanTheRange(t *testing.T) {
	raw := mem.New(&mem.Options{})
	s := providers.Open("test", tooMuch{raw}, nil)
	if _, err := s.Put(t.Context(), "k", bytes.NewReader(someBytes), int64(len(someBytes)), nil); err != nil {
		t.Fatal(err)
	}
	r, _, err := s.Get(t.Context(), "k", &driver.GetOptions{Offset: 10, Length: 20})
	if err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(r)
	wantKind(t, err, driver.Corrupt)
	if len(got) > 20 {
		t.Errorf("%d bytes of a range of 20", len(got))
	}
}
