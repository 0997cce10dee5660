package objects

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"testing"
	"time"

	"sallyport/crypto/object"
	"sallyport/gateway/telemetry"
	"sallyport/gateway/vaults"
	"sallyport/providers"
	"sallyport/providers/driver"
	"sallyport/providers/faulty"
)

// newRecordedWorld returns a world whose backend's calls are recorded.
func newRecordedWorld(t *testing.T) (*world, *faulty.Driver) {
	var calls *faulty.Driver
	w := newWorld(t, worldOptions{wrap: func(d driver.Driver) driver.Driver { calls = faulty.New(d, nil); return calls }})
	return w, calls
}

// wantCalls holds what the work asked of the backend to the given calls.
func wantCalls(t *testing.T, calls *faulty.Driver, what string, work func(), want ...string) {
	t.Helper()
	calls.SetPlan(nil)
	work()
	var got []string
	for _, c := range calls.Calls() {
		got = append(got, c.Op)
	}
	if !slices.Equal(got, want) {
		t.Errorf("%s asked the backend for %v, want %v", what, got, want)
	}
}

func parts(sizes ...int) []part {
	var all []part
	for i, n := range sizes {
		all = append(all, part{i + 1, content(uint64(i), n)})
	}
	return all
}

// TestKnownEndsSaveRequests says what remembering ends is for.
func TestKnownEndsSaveRequests(t *testing.T) {
	const five = 5 << 20
	w, calls := newRecordedWorld(t)
	w.put("plain", content(1, 200_000))
	w.plantParts("parts", nil, parts(five, five, 1000)...)
	w.plantParts("others", nil, parts(five, 1000)...)
	head := func(key string) func() {
		return func() {
			if _, err := w.Head(t.Context(), &GetInput{Bucket: bucketName, Key: key}); err != nil {
				t.Error(err)
			}
		}
	}
	get := func(in GetInput) func() {
		return func() {
			if _, _, err := w.get(&in); err != nil {
				t.Error(err)
			}
		}
	}
	bytes1000 := &RangeSpec{First: 1000, Last: 1999}
	wantCalls(t, calls, "the first HEAD", head("plain"), "Get")
	wantCalls(t, calls, "HEAD again", head("plain"), "Head")
	wantCalls(t, calls, "a range after HEAD", get(GetInput{Key: "plain", Range: bytes1000}), "Get")
	wantCalls(t, calls, "HEAD after a range", head("plain"), "Head")
	wantCalls(t, calls, "a read of everything", get(GetInput{Key: "plain"}), "Get", "Get")
	wantCalls(t, calls, "the first part, first", get(GetInput{Key: "parts", PartNumber: 1}), "Get", "Get")
	wantCalls(t, calls, "the second part, then", get(GetInput{Key: "parts", PartNumber: 2}), "Get")
	wantCalls(t, calls, "HEAD of parts, first", head("others"), "Get")
	wantCalls(t, calls, "a range of parts after HEAD, which read no table", get(GetInput{Key: "others", Range: bytes1000}), "Get", "Get")
	wantCalls(t, calls, "a range of parts again", get(GetInput{Key: "others", Range: bytes1000}), "Get")
	wantCalls(t, calls, "a range that does not exist", func() {
		_, _, err := w.get(&GetInput{Key: "plain", Range: &RangeSpec{First: 200_000, Last: -1}})
		wantKind(t, "a range that does not exist", err, InvalidRange)
	}, "Get")
	wantCalls(t, calls, "HEAD after it", head("plain"), "Head")
	w.put("plain", content(2, 200_000))
	wantCalls(t, calls, "HEAD of what was replaced", head("plain"), "Head", "Get")
	w.put("plain", content(3, 200_000))
	wantCalls(t, calls, "a range of what was replaced", get(GetInput{Key: "plain", Range: bytes1000}), "Get", "Get", "Get")
	if err := w.Delete(t.Context(), &DeleteInput{Bucket: bucketName, Key: "plain"}); err != nil {
		t.Fatal(err)
	}
	absent := func() {
		_, err := w.Head(t.Context(), &GetInput{Bucket: bucketName, Key: "plain"})
		wantKind(t, "HEAD of what is gone", err, NoSuchKey)
	}
	wantCalls(t, calls, "HEAD of what is gone", absent, "Head", "Get")
	wantCalls(t, calls, "HEAD of it again", absent, "Get")
}

// TestKnownEndsChangeNoAnswer asks a gateway that remembers ends, of what is and of what was, and one that remembers nothing, and expects the same.
func TestKnownEndsChangeNoAnswer(t *testing.T) {
	const key, five = "k", 5 << 20
	w := newWorld(t, worldOptions{wrap: func(d driver.Driver) driver.Driver {
		return &dated{d, func(time.Time) time.Time { return time.Unix(1, 0) }}
	}})
	mine, yours := customerKey(t, 1), customerKey(t, 2)
	changes := map[string]func(){
		"small":           func() { w.put(key, content(1, 1000)) },
		"large":           func() { w.put(key, content(2, 300_000)) },
		"as large":        func() { w.put(key, content(3, 300_000)) },
		"empty":           func() { w.put(key, nil) },
		"customer's":      func() { w.put(key, content(4, 1000), withKey(mine)) },
		"another's":       func() { w.put(key, content(4, 1000), withKey(yours)) },
		"parts":           func() { w.plantParts(key, nil, parts(five, 100)...) },
		"customer's part": func() { w.plantParts(key, mine, parts(five, five, 100)...) },
		"absent": func() {
			if err := w.Delete(t.Context(), &DeleteInput{Bucket: bucketName, Key: key}); err != nil {
				t.Fatal(err)
			}
		},
		"of somebody else": func() { w.plant(key, content(5, 300_000)) },
		"damaged":          func() { w.put(key, content(6, 300_000)); w.plant(key, flipped(w.stored(key), 5000)) },
		"damaged at its end": func() {
			w.put(key, content(6, 300_000))
			stored := w.stored(key)
			w.plant(key, flipped(stored, len(stored)-5))
		},
	}
	inputs := map[string]GetInput{
		"plain":            {},
		"first bytes":      {Range: &RangeSpec{First: 0, Last: 9}},
		"all as a range":   {Range: &RangeSpec{Last: -1}},
		"far":              {Range: &RangeSpec{First: 200_000, Last: -1}},
		"last bytes":       {Range: &RangeSpec{Suffix: 10, HasSuffix: true}},
		"no bytes":         {Range: &RangeSpec{HasSuffix: true}},
		"first part":       {PartNumber: 1},
		"second part":      {PartNumber: 2},
		"if changed":       {Conditions: ReadConditions{IfNoneMatch: []string{md5Hex(content(2, 300_000))}}, Range: &RangeSpec{Last: 10}},
		"if unchanged":     {Conditions: ReadConditions{IfMatch: []string{md5Hex(content(2, 300_000))}}, Range: &RangeSpec{Last: 10}},
		"if range":         {Range: &RangeSpec{Last: 10, If: &RangeCondition{ETag: md5Hex(content(3, 300_000))}}},
		"if absent":        {Conditions: ReadConditions{IfNoneMatch: []string{"*"}}},
		"if modified":      {Conditions: ReadConditions{IfModifiedSince: time.Now().Add(-time.Hour)}},
		"with a key":       {CustomerKey: mine, Range: &RangeSpec{Last: 10}},
		"with a wrong key": {CustomerKey: yours, Range: &RangeSpec{Last: 10}},
	}
	ask := func(at *world, in GetInput, head bool) string {
		in.Bucket, in.Key = bucketName, key
		if head {
			out, err := at.Head(t.Context(), &in)
			return fmt.Sprint(answerText(out, nil), kindOf(err))
		}
		b, out, err := at.get(&in)
		return fmt.Sprint(answerText(out, b), kindOf(err))
	}
	names := slices.Sorted(maps.Keys(changes))
	for i, before := range names {
		for _, step := range []int{0, 1, 6} {
			after := names[(i+step)%len(names)]
			changes[before]()
			for _, name := range []string{"with a wrong key", "with a key", "second part", "plain", "first bytes"} { // so that there is something to remember
				ask(w, inputs[name], true)
				ask(w, inputs[name], false)
			}
			changes[after]()
			for name, in := range inputs {
				for _, head := range []bool{true, false} {
					for again := range 2 {
						if got, want := ask(w, in, head), ask(w.again(), in, head); got != want {
							t.Errorf("%s after %s, %s, HEAD %v, time %d:\n%s\nwhere nothing is remembered:\n%s", after, before, name, head, again, got, want)
						}
					}
				}
			}
		}
	}
	if w.BuffersLent() != 0 {
		t.Error("buffers are kept")
	}
}

func flipped(b []byte, at int) []byte {
	b = bytes.Clone(b)
	b[at] ^= 1
	return b
}

func answerText(out *GetOutput, b []byte) string {
	if out == nil {
		return ""
	}
	info := out.ObjectInfo
	info.Checksum = nil
	return fmt.Sprintf("%+v %v %d+%d partial %v part of %d with %v, body %s, ", info, valueOf(out.Checksum), out.Offset, out.Length, out.Partial, out.PartSize, valueOf(out.PartChecksum), md5Hex(b))
}

func valueOf(c *Checksum) Checksum {
	if c == nil {
		return Checksum{}
	}
	return *c
}

// dated is a backend that tells other times than it keeps.
type dated struct {
	driver.Driver
	tell func(time.Time) time.Time
}

func (d *dated) Head(ctx context.Context, key string) (*driver.Info, error) {
	info, err := d.Driver.Head(ctx, key)
	return d.told(info), err
}

func (d *dated) Get(ctx context.Context, key string, opts *driver.GetOptions) (io.ReadCloser, *driver.Info, error) {
	body, info, err := d.Driver.Get(ctx, key, opts)
	return body, d.told(info), err
}

func (d *dated) told(info *driver.Info) *driver.Info {
	if info == nil {
		return nil
	}
	changed := *info
	changed.ModTime = d.tell(changed.ModTime)
	return &changed
}

// TestKnownEndsKeepNoTime: where ETags are hashes, an object whose stored bytes are written once more has the ETag it had, and another time.
func TestKnownEndsKeepNoTime(t *testing.T) {
	later := time.Duration(0)
	w := newWorld(t, worldOptions{wrap: func(d driver.Driver) driver.Driver {
		return &dated{d, func(at time.Time) time.Time { return at.Add(later) }}
	}})
	w.put("k", content(1, 200_000))
	in := &GetInput{Bucket: bucketName, Key: "k", Range: &RangeSpec{Last: 10}}
	_, first, err := w.get(in)
	if err != nil {
		t.Fatal(err)
	}
	for _, head := range []bool{true, false} {
		later += time.Hour
		var out *GetOutput
		var err error
		if head {
			out, err = w.Head(t.Context(), in)
		} else {
			_, out, err = w.get(in)
		}
		if err != nil || !out.ModTime.Equal(first.ModTime.Add(later)) {
			t.Errorf("HEAD %v: stored at %s, then again %s later, and the answer says %s, %v", head, first.ModTime, later, out.ModTime, err)
		}
	}
}

// TestKnownEndsAddNoLoad: where a backend fails, or its caller leaves, nothing is asked a second time on another way.
func TestKnownEndsAddNoLoad(t *testing.T) {
	for _, kind := range []driver.Kind{driver.Unavailable, driver.Throttled} {
		w, calls := newRecordedWorld(t)
		w.put("k", content(1, 200_000))
		in := &GetInput{Bucket: bucketName, Key: "k", Range: &RangeSpec{Last: 10}}
		if _, err := w.Head(t.Context(), in); err != nil {
			t.Fatal(err)
		}
		for _, op := range []string{"Head", "Get"} {
			calls.SetPlan(func(c faulty.Call) *faulty.Fault { return &faulty.Fault{Kind: kind, RetryAfter: time.Nanosecond} })
			var err error
			if op == "Head" {
				_, err = w.Head(t.Context(), in)
			} else {
				_, err = w.Get(t.Context(), in)
			}
			if !providers.Is(err, kind) {
				t.Errorf("%s: %v, want kind %s", op, err, kind)
			}
			for _, c := range calls.Calls() {
				if c.Op != op {
					t.Errorf("%s that was %s is followed by %s", op, kind, c.Op)
				}
			}
		}
	}
}

// TestKnownEndsRaiseNoAlarm where an object was replaced by one that the remembered end does not fit, and one where the present object was altered.
func TestKnownEndsRaiseNoAlarm(t *testing.T) {
	w, _ := newRecordedWorld(t)
	metrics := telemetry.NewMetrics("test")
	w.metrics = metrics
	in := &GetInput{Key: "k", Range: &RangeSpec{First: 100_000, Last: 100_010}}
	look := func() error {
		_, _, err := w.get(in)
		return err
	}
	w.put("k", content(1, 200_000))
	if err := look(); err != nil {
		t.Fatal(err)
	}
	w.put("k", content(2, 1000), withKey(customerKey(t, 1)))
	wantKind(t, "a range of what is sealed with another key now", look(), CustomerKeyRequired)
	if n := alarms(t, metrics); n > 0 {
		t.Errorf("%v alarms", n)
	}
	w.put("k", content(1, 200_000))
	if err := look(); err != nil {
		t.Fatal(err)
	}
	w.plant("k", flipped(w.stored("k"), 100_100))
	wantKind(t, "a range of what was altered", look(), Damaged)
	if n := alarms(t, metrics); n != 1 {
		t.Errorf("%v alarms", n)
	}
}

// TestKnownEndsAreBounded puts more to remember before it than it may hold.
func TestKnownEndsAreBounded(t *testing.T) {
	k := newKnownEnds()
	bucket := &vaults.Bucket{Vault: &vaults.Vault{}}
	remember := func(key string, parts int) *place {
		at := &place{bucket: bucket, backendKey: key}
		k.remember(&storedRevision{
			place: at, info: &providers.Info{ETag: key}, end: make([]byte, object.TailSize+1), table: make([]byte, object.TableSize(parts)),
			meta: &object.Metadata{Frames: parts},
		})
		return at
	}
	huge := remember("huge", 10_000)
	for i := range 3 * maxKnownEnds / maxKnownEnd {
		last := remember(fmt.Sprint(i), 1600)
		if known := k.get(last); known == nil || len(known.bytes) != object.TailSize+int(object.TableSize(1600)) {
			t.Fatalf("object %d is not remembered", i)
		}
		if known := k.get(huge); known == nil || len(known.bytes) != object.TailSize { // the latest used is kept
			t.Fatalf("the tail of the object of very many parts is not remembered after %d", i)
		}
	}
	held := 0
	for e := k.order.Front(); e != nil; e = e.Next() {
		known, _ := e.Value.(*knownEnd)
		if held += len(known.bytes); k.byID[known.id] != e {
			t.Errorf("%s is not found by its name", known.id.backendKey)
		}
	}
	if held > maxKnownEnds || held < maxKnownEnds*9/10 || held != k.size || len(k.byID) != k.order.Len() {
		t.Errorf("%d bytes are held and %d counted, of %d objects by name and %d in order", held, k.size, len(k.byID), k.order.Len())
	}
}
