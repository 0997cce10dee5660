package objects

import (
	"context"
	"encoding/hex"
	"io"
	"strings"
	"testing"

	"sallyport/providers/driver"
	"sallyport/providers/faulty"
	"sallyport/providers/mem"
)

// Cases that histories found, each without chance.

// beforeGet calls a function before the first Get below a prefix.
type beforeGet struct {
	driver.Driver
	prefix string
	then   func()
}

func (b *beforeGet) Get(ctx context.Context, key string, opts *driver.GetOptions) (io.ReadCloser, *driver.Info, error) {
	if then := b.then; then != nil && strings.HasPrefix(key, b.prefix) {
		b.then = nil
		then()
	}
	return b.Driver.Get(ctx, key, opts)
}

// TestCompletedByAnotherMeanwhile has another gateway complete an upload with a held part, between this one's look at the upload and its
// read of that part, as when a client that waited too long asks again elsewhere.
func TestCompletedByAnotherMeanwhile(t *testing.T) {
	for name, c := range map[string]struct {
		meanwhile func(w, other *world, id string, p CompletedPart)
		want      Kind // Internal = success
	}{
		"completed": {func(_, other *world, id string, p CompletedPart) { other.complete("key", id, p) }, Internal},
		"completed and replaced": {func(_, other *world, id string, p CompletedPart) {
			other.complete("key", id, p)
			other.put("key", []byte("newer"))
		}, NoSuchUpload},
		"aborted": {func(_, other *world, id string, _ CompletedPart) {
			upload := ref("key", id)
			if err := other.AbortUpload(other.t.Context(), &AbortInput{UploadRef: upload}); err != nil {
				other.t.Error(err)
			}
		}, NoSuchUpload},
		"its bytes lost": {func(w, _ *world, _ string, _ CompletedPart) {
			for _, k := range w.backendKeys(heldPrefix) {
				if err := w.backend.Delete(w.t.Context(), k, &driver.DeleteOptions{}); err != nil {
					w.t.Error(err)
				}
			}
		}, InvalidPart},
	} {
		t.Run(name, func(t *testing.T) {
			hook := &beforeGet{prefix: heldPrefix}
			w := newWorld(t, worldOptions{wrap: func(d driver.Driver) driver.Driver {
				hook.Driver = d
				return hook
			}})
			other := w.again()
			id := w.begin("key")
			p := w.part("key", id, 1, []byte("held"))
			hook.then = func() { c.meanwhile(w, other, id, p) }
			out, err := w.tryComplete("key", id, p)
			if c.want != Internal {
				wantKind(t, "complete", err, c.want)
			} else if err != nil || out.ETag != etagOfOnePart(p.ETag) {
				t.Errorf("%+v, %v", out, err)
			}
		})
	}
}

// etagOfOnePart is the ETag of an object made of one part.
func etagOfOnePart(part string) string {
	sum, err := hex.DecodeString(part)
	if err != nil {
		return "not an MD5"
	}
	return md5Hex(sum) + "-1"
}

// TestCompletedAndNobodyCanLook repeats a completion while the object cannot be read. Only a look could tell that it is this upload's, so that
// neither "no such upload" nor "send the part again" would be true.
func TestCompletedAndNobodyCanLook(t *testing.T) {
	for name, meanwhile := range map[string]bool{"before": false, "meanwhile": true} {
		t.Run(name, func(t *testing.T) {
			failing := faulty.New(mem.New(&mem.Options{MaxKey: 2048}), nil)
			hook := &beforeGet{prefix: heldPrefix}
			w := newWorld(t, worldOptions{backend: failing, wrap: func(d driver.Driver) driver.Driver {
				hook.Driver = d
				return hook
			}})
			other := w.again()
			id := w.begin("key")
			p := w.part("key", id, 1, []byte("held"))
			completed := func() {
				other.complete("key", id, p)
				failing.SetPlan(faulty.When(func(c faulty.Call) bool { return c.Op == "Get" && c.Key == bucketName+"/key" }, faulty.Fault{Kind: driver.Unavailable}))
			}
			if hook.then = completed; !meanwhile {
				hook.then = nil
				completed()
			}
			_, err := w.tryComplete("key", id, p)
			wantKind(t, "complete", err, Unavailable)
			failing.SetPlan(nil)
			if out, err := w.tryComplete("key", id, p); err != nil || out.ETag != etagOfOnePart(p.ETag) {
				t.Errorf("%+v, %v", out, err)
			}
		})
	}
}

// TestHeldPartFailsInTheMiddle breaks the read of a held part off while it is being put into the object. The client's body is not to blame.
func TestHeldPartFailsInTheMiddle(t *testing.T) {
	whole := content(1, 3<<20)
	for name, c := range map[string]struct {
		then driver.Kind
		want Kind
	}{"the backend fails": {driver.Unavailable, Unavailable}, "the part goes": {driver.NotFound, InvalidPart}} {
		t.Run(name, func(t *testing.T) {
			failing := faulty.New(mem.New(&mem.Options{MaxKey: 2048}), nil)
			w := newWorld(t, worldOptions{backend: failing})
			id := w.begin("key")
			p := w.part("key", id, 1, whole)
			held := w.backendKeys(heldPrefix)[0]
			cut := faulty.Fault{Mode: faulty.MidBody, Kind: driver.Unavailable, Bytes: 1 << 20}
			reads := 0
			failing.SetPlan(func(call faulty.Call) *faulty.Fault {
				if call.Op != "Get" || call.Key != held {
					return nil
				}
				if reads++; reads > 1 {
					return &faulty.Fault{Kind: c.then}
				}
				return &cut
			})
			_, err := w.tryComplete("key", id, p)
			wantKind(t, "complete", err, c.want)
			failing.SetPlan(nil)
			w.wantObject("key", w.complete("key", id, p).ETag, whole)
		})
	}
}
