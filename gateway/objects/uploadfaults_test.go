package objects

import (
	"bytes"
	"context"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"sallyport/gateway/cache"
	"sallyport/gateway/vaults"
	"sallyport/providers/driver"
	"sallyport/providers/faulty"
	"sallyport/providers/mem"
)

// TestSweep moves the clock: completed uploads and orphaned held parts go after a day, open uploads stay for ever.
func TestSweep(t *testing.T) {
	w := newWorld(t, worldOptions{})
	open := w.begin("open")
	w.part("open", open, 1, []byte("held"))
	done := w.begin("done")
	w.complete("done", done, w.part("done", done, 1, []byte("x")))
	// Completed by a gateway that died before it wrote the note "done".
	unmarked := w.begin("unmarked")
	p := w.part("unmarked", unmarked, 1, content(1, minPart))
	parts, _, err := w.backend.Uploads().Read(t.Context(), driver.Upload{ID: unmarked, Key: bucketName + "/unmarked"})
	if err != nil || p.Number != 1 {
		t.Fatal(err)
	}
	if _, err := w.backend.Uploads().Complete(t.Context(), driver.Upload{ID: unmarked, Key: bucketName + "/unmarked"}, parts, &driver.PutOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.backend.Put(t.Context(), heldFolder("nobody's")+"1-0011223344556677", strings.NewReader("x"), 1, &driver.PutOptions{}); err != nil {
		t.Fatal(err)
	}
	if n, err := w.SweepUploads(t.Context()); err != nil || n != 0 {
		t.Fatalf("sweep at once: %d, %v", n, err)
	}
	later := New(&Options{Vaults: vaults.NewSet(nil, w.vault), Cache: cache.New(&cache.Options{}), Now: func() time.Time { return time.Now().Add(48 * time.Hour) }})
	n, err := later.SweepUploads(t.Context())
	if err != nil || n != 2 {
		t.Fatalf("sweep after two days: %d, %v; want the two completed ones", n, err)
	}
	held := w.backendKeys(heldPrefix)
	if len(held) != 1 || !strings.HasPrefix(held[0], heldFolder(open)) {
		t.Errorf("held parts after the sweep: %v, want that of the open upload", held)
	}
	if len(w.parts("open", open)) != 1 {
		t.Error("the open upload lost its part")
	}
	if string(w.mustGet("done")) != "x" {
		t.Error("the completed object is gone")
	}
}

// TestPartOfACompletedUpload: a part that can come into no object must not be acknowledged, also by a gateway that answered Complete again.
func TestPartOfACompletedUpload(t *testing.T) {
	w := newWorld(t, worldOptions{})
	id := w.begin("key")
	p := w.part("key", id, 1, []byte("old"))
	w.complete("key", id, p)
	for name, gateway := range map[string]*world{"the same gateway": w, "another gateway": w.again()} {
		gateway.complete("key", id, p)
		_, err := gateway.tryPart("key", id, 1, []byte("new"), nil)
		wantKind(t, name, err, NoSuchUpload)
	}
	if held := w.backendKeys(heldPrefix); len(held) > 0 {
		t.Errorf("held parts: %v", held)
	}
}

// TestHeldPartsOutliveAFailedNote: held parts may go only once the note of the outcome is there, because to other gateways their absence says that it is.
func TestHeldPartsOutliveAFailedNote(t *testing.T) {
	var faults *faulty.Driver
	w := newWorld(t, worldOptions{wrap: func(d driver.Driver) driver.Driver {
		faults = faulty.New(d, nil)
		return faults
	}})
	id := w.begin("key")
	p := w.part("key", id, 1, []byte("held"))
	faults.SetPlan(func(c faulty.Call) *faulty.Fault {
		if c.Op == "Uploads.Note" {
			return &faulty.Fault{Kind: driver.Denied}
		}
		return nil
	})
	out := w.complete("key", id, p)
	if held := w.backendKeys(heldPrefix); len(held) != 1 {
		t.Errorf("held parts without a note of the outcome: %v", held)
	}
	faults.SetPlan(nil)
	if again := w.again().complete("key", id, p); again.ETag != out.ETag {
		t.Errorf("completed again: %s, want %s", again.ETag, out.ETag)
	}
	w.wantObject("key", out.ETag, []byte("held"))
}

// TestCompletedUploadIsShownToNobody: a gateway dies, or loses the backend's answer, in the middle of a completion. Once a client has its answer, wherever it asked
// again, no list shows the upload as open, and nothing of it is left.
func TestCompletedUploadIsShownToNobody(t *testing.T) {
	for name, fault := range map[string]faulty.Fault{
		"died before its note":    {Kind: driver.Unavailable},
		"the answer was lost":     {Mode: faulty.After, Kind: driver.UnknownOutcome},
		"the answer denied it":    {Mode: faulty.After, Kind: driver.NoSuchUpload},
		"the answer had no parts": {Mode: faulty.After, Kind: driver.InvalidPart},
	} {
		var faults *faulty.Driver
		w := newWorld(t, worldOptions{wrap: func(d driver.Driver) driver.Driver {
			faults = faulty.New(d, nil)
			return faults
		}})
		first, second := content(1, minPart), []byte("held")
		id := w.begin("key")
		parts := []CompletedPart{w.part("key", id, 1, first), w.part("key", id, 2, second)}
		struck := "Uploads.Complete"
		if fault.Mode == faulty.Before {
			struck = "Uploads.Note"
		}
		faults.SetPlan(func(c faulty.Call) *faulty.Fault {
			if c.Op == struck {
				return &fault
			}
			return nil
		})
		_, _ = w.tryComplete("key", id, parts...)
		faults.SetPlan(nil)
		if struck == "Uploads.Note" {
			w = w.again()
		}
		out := w.complete("key", id, parts...)
		page, err := w.ListUploads(t.Context(), &ListUploadsInput{Bucket: bucketName, Limit: 10})
		if err != nil || len(page.Uploads) > 0 {
			t.Errorf("%s: listed as open: %+v, %v", name, page, err)
		}
		if held := w.backendKeys(heldPrefix); len(held) > 0 {
			t.Errorf("%s: held parts: %v", name, held)
		}
		w.wantObject("key", out.ETag, first, second)
		if again := w.again().complete("key", id, parts...); again.ETag != out.ETag {
			t.Errorf("%s: asked once more it answers %s, not %s", name, again.ETag, out.ETag)
		}
	}
}

// partless is a backend that has dropped an upload and knows its notes only.
type partless struct{ driver.Driver }

func (p partless) Uploads() driver.Uploads { return partlessUploads{p.Driver.Uploads()} }

type partlessUploads struct{ driver.Uploads }

func (u partlessUploads) Read(ctx context.Context, up driver.Upload) ([]driver.Part, []driver.Note, error) {
	_, notes, err := u.Uploads.Read(ctx, up)
	return nil, notes, err
}

// TestCompleteOfALostUpload: clients begin anew when they are told that the upload is gone, and give up when they are told that a part is missing which they have sent.
func TestCompleteOfALostUpload(t *testing.T) {
	w := newWorld(t, worldOptions{})
	w.put("key", []byte("old"))
	id := w.begin("key")
	parts := []CompletedPart{w.part("key", id, 1, content(1, minPart)), w.part("key", id, 2, []byte("held"))}
	lost := newWorld(t, worldOptions{backend: w.backend, wrap: func(d driver.Driver) driver.Driver { return partless{d} }})
	_, err := lost.tryComplete("key", id, parts...)
	wantKind(t, "the parts are gone", err, NoSuchUpload)
	w.wantObject("key", w.complete("key", id, parts...).ETag, content(1, minPart), []byte("held"))
	if again, err := lost.tryComplete("key", id, parts...); err != nil {
		t.Errorf("a completed upload has no parts either: %+v, %v", again, err)
	}
}

// TestSweepAfterAClockWasAhead: the upload began by a clock that was days ahead and set right later; its parts are nobody's leftovers.
func TestSweepAfterAClockWasAhead(t *testing.T) {
	began := time.Now().Add(30 * 24 * time.Hour)
	var right atomic.Bool
	backend := mem.New(&mem.Options{MaxKey: 2048, Now: func() time.Time {
		if right.Load() {
			return time.Now()
		}
		return began
	}})
	w := newWorld(t, worldOptions{backend: backend})
	id := w.begin("key")
	right.Store(true)
	p := w.part("key", id, 1, []byte("held"))
	later := New(&Options{Vaults: vaults.NewSet(nil, w.vault), Cache: cache.New(&cache.Options{}), Now: func() time.Time { return time.Now().Add(48 * time.Hour) }})
	if n, err := later.SweepUploads(t.Context()); err != nil || n != 0 {
		t.Fatalf("sweep: %d, %v", n, err)
	}
	w.wantObject("key", w.complete("key", id, p).ETag, []byte("held"))
}

// TestTamperedNotes flips bytes in everything the backend keeps of an upload: nothing may come of it but a refusal or the right object.
func TestTamperedNotes(t *testing.T) {
	w := newWorld(t, worldOptions{})
	id := w.begin("key")
	b := content(1, 100)
	p := w.part("key", id, 1, b)
	up := driver.Upload{ID: id, Key: bucketName + "/key"}
	_, notes, err := w.backend.Uploads().Read(t.Context(), up)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range notes {
		for i := range n.Data {
			bad := bytes.Clone(n.Data)
			bad[i] ^= 1 << (i % 8)
			if err := w.backend.Uploads().Note(t.Context(), up, n.Name, bad); err != nil {
				t.Fatal(err)
			}
			if out, err := w.again().tryComplete("key", id, p); err == nil {
				t.Fatalf("note %s with byte %d altered was accepted: %+v", n.Name, i, out)
			}
		}
		if err := w.backend.Uploads().Note(t.Context(), up, n.Name, n.Data); err != nil {
			t.Fatal(err)
		}
	}
	out := w.again().complete("key", id, p)
	w.wantObject("key", out.ETag, b)
}

// TestHeldPartTampered: the object is assembled from what the backend says, so its reader must notice.
func TestHeldPartTampered(t *testing.T) {
	w := newWorld(t, worldOptions{})
	id := w.begin("key")
	p := w.part("key", id, 1, content(1, 100))
	held := w.backendKeys(heldPrefix)[0]
	r, _, err := w.backend.Get(t.Context(), held, &driver.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	b[len(b)-1] ^= 1
	if _, err := w.backend.Put(t.Context(), held, bytes.NewReader(b), int64(len(b)), &driver.PutOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.tryComplete("key", id, p); err != nil {
		return
	}
	got, _, err := w.get(&GetInput{Key: "key"})
	wantKind(t, "get of an object from a tampered held part", err, Damaged)
	if len(got) > 0 {
		t.Errorf("%d unverified bytes came out", len(got))
	}
}

// TestUploadUnderFaults fails each backend call in turn, before and after it took effect: every acknowledged step holds, and a client that
// tries again gets its object.
func TestUploadUnderFaults(t *testing.T) {
	for _, f := range []faulty.Fault{{Mode: faulty.Before, Kind: driver.Unavailable}, {Mode: faulty.After, Kind: driver.UnknownOutcome}, {Mode: faulty.Before, Kind: driver.NoSpace}} {
		for n := 1; ; n++ {
			var fault *faulty.Driver
			w := newWorld(t, worldOptions{wrap: func(d driver.Driver) driver.Driver {
				fault = faulty.New(d, nil)
				return fault
			}})
			w.put("key", []byte("old"))
			calls, fired := 0, false
			var mu sync.Mutex
			fault.SetPlan(func(faulty.Call) *faulty.Fault {
				mu.Lock()
				defer mu.Unlock()
				if calls++; calls != n {
					return nil
				}
				fired = true
				return &f
			})
			parts := [][]byte{content(1, minPart), content(2, 10)}
			out, err := uploadWithRetries(t.Context(), w, "key", parts)
			if err != nil {
				t.Fatalf("call %d, fault %+v: %v", n, f, err)
			}
			fault.SetPlan(nil)
			w.wantObject("key", out.ETag, parts...)
			mu.Lock()
			ended := !fired
			mu.Unlock()
			if ended {
				break
			}
		}
	}
}

// uploadWithRetries does what an SDK does: each step up to five times.
func uploadWithRetries(ctx context.Context, w *world, key string, parts [][]byte) (out *PutOutput, err error) {
	again := func(step func() error) error {
		var err error
		for range 5 {
			if err = step(); err == nil {
				return nil
			}
		}
		return err
	}
	var id string
	if err := again(func() (err error) {
		id, err = w.CreateUpload(ctx, &CreateUploadInput{Bucket: bucketName, Key: key, Principal: testPrincipal})
		return err
	}); err != nil {
		return nil, err
	}
	var done []CompletedPart
	for i, b := range parts {
		if err := again(func() error {
			p, err := w.tryPart(key, id, i+1, b, nil)
			if err == nil {
				done = append(done, CompletedPart{Number: i + 1, ETag: p.ETag})
			}
			return err
		}); err != nil {
			return nil, err
		}
	}
	err = again(func() (err error) {
		out, err = w.tryComplete(key, id, done...)
		return err
	})
	return out, err
}

// TestCompleteOfUnknownOutcome: on a bare file system an object that can be seen may still be lost, so seeing it is no success; the client's next
// call is.
func TestCompleteOfUnknownOutcome(t *testing.T) {
	for _, durable := range []bool{true, false} {
		var fault *faulty.Driver
		w := newWorld(t, worldOptions{
			backend: mem.New(&mem.Options{MaxKey: 2048, NoSeenIsDurable: !durable}),
			wrap: func(d driver.Driver) driver.Driver {
				fault = faulty.New(d, nil)
				return fault
			},
		})
		id := w.begin("key")
		p := w.part("key", id, 1, []byte("x"))
		fault.SetPlan(faulty.NthOf("Uploads.Complete", 1, true, faulty.Fault{Mode: faulty.After, Kind: driver.UnknownOutcome}))
		out, err := w.tryComplete("key", id, p)
		fault.SetPlan(nil)
		if durable && err != nil || !durable && err == nil {
			t.Errorf("seen is durable %v: %+v, %v", durable, out, err)
		}
		if !durable {
			wantKind(t, "unknown outcome", err, Unavailable)
		}
		w.wantObject("key", w.complete("key", id, p).ETag, []byte("x"))
	}
}

// TestCompleteThatCannotLook: the upload was completed and its answer got lost. Who asks again while the object cannot be read is told to ask later, and
// not that the upload is gone: the backup is there.
func TestCompleteThatCannotLook(t *testing.T) {
	var faults *faulty.Driver
	w := newWorld(t, worldOptions{wrap: func(d driver.Driver) driver.Driver {
		faults = faulty.New(d, nil)
		return faults
	}})
	id := w.begin("key")
	parts := []CompletedPart{w.part("key", id, 1, content(1, minPart)), w.part("key", id, 2, []byte("held"))}
	failing := func(ops ...string) {
		faults.SetPlan(func(c faulty.Call) *faulty.Fault {
			for _, op := range ops {
				if c.Op == op && (op != "Get" || c.Key == bucketName+"/key") {
					return &faulty.Fault{Kind: driver.Unavailable}
				}
			}
			return nil
		})
	}
	failing("Uploads.Note")
	w.complete("key", id, parts...)
	failing("Get")
	_, err := w.again().tryComplete("key", id, parts...)
	wantKind(t, "the object cannot be read", err, Unavailable)
	faults.SetPlan(nil)
	w.wantObject("key", w.again().complete("key", id, parts...).ETag, content(1, minPart), []byte("held"))
}
