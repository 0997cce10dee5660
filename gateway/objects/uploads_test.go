package objects

import (
	"bytes"
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"slices"
	"sync"
	"testing"

	"sallyport/crypto/object"
	"sallyport/providers/driver"
)

const (
	minPart       = object.MinPartSize
	testPrincipal = "TESTKEY"
)

func ref(key, id string) UploadRef {
	return UploadRef{Bucket: bucketName, Key: key, UploadID: id, Principal: testPrincipal}
}

func (w *world) begin(key string, with ...func(*CreateUploadInput)) string {
	w.t.Helper()
	in := &CreateUploadInput{Bucket: bucketName, Key: key, Principal: testPrincipal}
	for _, f := range with {
		f(in)
	}
	id, err := w.CreateUpload(w.t.Context(), in)
	if err != nil {
		w.t.Fatalf("create upload of %q: %v", key, err)
	}
	return id
}

func (w *world) tryPart(key, id string, number int, b []byte, customer *CustomerKey) (*PartInfo, error) {
	return w.PutPart(w.t.Context(), &PutPartInput{UploadRef: ref(key, id), Number: number, Size: int64(len(b)), Body: bodyOf(b), CustomerKey: customer})
}

func (w *world) part(key, id string, number int, b []byte) CompletedPart {
	w.t.Helper()
	p, err := w.tryPart(key, id, number, b, nil)
	if err != nil {
		w.t.Fatalf("part %d of %q: %v", number, key, err)
	}
	if want := md5Hex(b); p.ETag != want || p.Size != int64(len(b)) {
		w.t.Errorf("part %d: ETag %s size %d, want %s %d", number, p.ETag, p.Size, want, len(b))
	}
	return CompletedPart{Number: number, ETag: p.ETag}
}

func (w *world) tryComplete(key, id string, parts ...CompletedPart) (*PutOutput, error) {
	return w.CompleteUpload(w.t.Context(), &CompleteInput{UploadRef: ref(key, id), Parts: parts, Size: -1})
}

func (w *world) complete(key, id string, parts ...CompletedPart) *PutOutput {
	w.t.Helper()
	out, err := w.tryComplete(key, id, parts...)
	if err != nil {
		w.t.Fatalf("complete %q: %v", key, err)
	}
	return out
}

func multipartETag(parts ...[]byte) string {
	var sums []byte
	for _, p := range parts {
		sum := md5.Sum(p)
		sums = append(sums, sum[:]...)
	}
	sum := md5.Sum(sums)
	return fmt.Sprintf("%s-%d", hex.EncodeToString(sum[:]), len(parts))
}

// wantObject reads the object back whole, by parts and from LIST.
func (w *world) wantObject(key, etag string, parts ...[]byte) {
	w.t.Helper()
	whole := bytes.Join(parts, nil)
	b, out, err := w.get(&GetInput{Key: key})
	if err != nil {
		w.t.Fatalf("get %q: %v", key, err)
	}
	if !bytes.Equal(b, whole) {
		w.t.Fatalf("%q reads back %d other bytes than its %d", key, len(b), len(whole))
	}
	if out.ETag != etag || out.Parts != len(parts) {
		w.t.Errorf("%q: ETag %s with %d parts, want %s with %d", key, out.ETag, out.Parts, etag, len(parts))
	}
	for _, o := range w.list(ListInput{Prefix: key}).Objects {
		if o.Key == key && (o.Size != int64(len(whole)) || o.ETag != etag) {
			w.t.Errorf("LIST shows %q with %d bytes and ETag %s, want %d and %s", key, o.Size, o.ETag, len(whole), etag)
		}
	}
}

func TestUploadShapes(t *testing.T) {
	for _, c := range []struct {
		name    string
		numbers []int
		sizes   []int
	}{
		{"one empty part", []int{1}, []int{0}},
		{"one small part", []int{1}, []int{10}},
		{"one part of the minimum", []int{1}, []int{minPart}},
		{"one part numbered high", []int{77}, []int{minPart + 1}},
		{"short last", []int{1, 2}, []int{minPart, 1}},
		{"empty last", []int{1, 2}, []int{minPart, 0}},
		{"last just below the minimum", []int{1, 2}, []int{minPart + 3, minPart - 1}},
		{"last of the minimum", []int{1, 2}, []int{minPart, minPart}},
		{"odd sizes", []int{1, 2, 3}, []int{minPart + 1, minPart + 16384, 16385}},
		{"gaps in the numbers", []int{3, 500, 9999}, []int{minPart, minPart, minPart}},
		{"part 10000", []int{1, 10000}, []int{minPart, minPart + 5}},
		{"part 10000 after 9999", []int{9999, 10000}, []int{minPart, 7}},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, worldOptions{})
			id := w.begin("key")
			var parts [][]byte
			done := make([]CompletedPart, len(c.numbers))
			for i := range c.numbers {
				parts = append(parts, content(uint64(i+1), c.sizes[i]))
			}
			for i := range slices.Backward(c.numbers) { // in no order, and each at another gateway
				done[i] = w.again().part("key", id, c.numbers[i], parts[i])
			}
			w = w.again()
			out := w.complete("key", id, done...)
			if want := multipartETag(parts...); out.ETag != want {
				t.Errorf("ETag %s, want %s", out.ETag, want)
			}
			w.wantObject("key", out.ETag, parts...)
			if got, want := int64(len(w.stored("key"))), object.CanonicalSize(int64(len(bytes.Join(parts, nil)))); got != want {
				t.Errorf("the file has %d bytes, want %d", got, want)
			}
			for i, n := range c.numbers {
				b, o, err := w.get(&GetInput{Key: "key", PartNumber: n})
				if err != nil || !bytes.Equal(b, parts[i]) || o.Parts != len(parts) {
					t.Errorf("part %d: %v, %d bytes", n, err, len(b))
				}
			}
			if again := w.again().complete("key", id, done...); again.ETag != out.ETag {
				t.Errorf("completed again: ETag %s, want %s", again.ETag, out.ETag)
			}
			if held := w.backendKeys(heldPrefix); len(held) > 0 {
				t.Errorf("held parts are left: %v", held)
			}
		})
	}
}

func (w *world) backendKeys(prefix string) []string {
	w.t.Helper()
	page, err := w.backend.List(w.t.Context(), &driver.ListOptions{Prefix: prefix})
	if err != nil {
		w.t.Fatal(err)
	}
	var keys []string
	for _, e := range page.Entries {
		keys = append(keys, e.Key)
	}
	return keys
}

func TestPartSentAgain(t *testing.T) {
	for _, sizes := range [][2]int{{minPart, minPart}, {minPart, 10}, {10, minPart}, {10, 20}} {
		t.Run(fmt.Sprint(sizes), func(t *testing.T) {
			w := newWorld(t, worldOptions{})
			id := w.begin("key")
			first, second := content(1, sizes[0]), content(2, sizes[1])
			before := w.part("key", id, 1, first)
			after := w.part("key", id, 1, second)
			if listed := w.parts("key", id); len(listed) != 1 || listed[0].ETag != after.ETag || listed[0].Size != int64(sizes[1]) {
				t.Errorf("ListParts shows %+v, want the second attempt", listed)
			}
			if sizes[0] == minPart && sizes[1] == minPart {
				_, err := w.tryComplete("key", id, before)
				wantKind(t, "complete with the replaced attempt", err, InvalidPart)
			}
			out := w.complete("key", id, after)
			w.wantObject("key", out.ETag, second)
		})
	}
	t.Run("with the same bytes", func(t *testing.T) {
		w := newWorld(t, worldOptions{})
		id := w.begin("key")
		b := content(1, minPart)
		w.part("key", id, 1, b)
		p := w.part("key", id, 1, b)
		out := w.complete("key", id, p)
		w.wantObject("key", out.ETag, b)
	})
}

func (w *world) parts(key, id string) []PartInfo {
	w.t.Helper()
	out, err := w.ListParts(w.t.Context(), &ListPartsInput{UploadRef: ref(key, id), Limit: 1000})
	if err != nil {
		w.t.Fatalf("list parts: %v", err)
	}
	return out.Parts
}

// TestRacingAttempts sends one part with many contents at once: whichever ETag is completed must read back as its own bytes or be refused.
func TestRacingAttempts(t *testing.T) {
	for _, size := range []int{100, minPart} {
		w := newWorld(t, worldOptions{})
		id := w.begin("key")
		var wg sync.WaitGroup
		contents := map[string][]byte{}
		for i := range 8 {
			b := content(uint64(i), size)
			contents[md5Hex(b)] = b
			wg.Go(func() {
				if _, err := w.tryPart("key", id, 1, b, nil); err != nil {
					t.Errorf("racing part: %v", err)
				}
			})
		}
		wg.Wait()
		completed := false
		for etag, b := range contents {
			out, err := w.tryComplete("key", id, CompletedPart{Number: 1, ETag: etag})
			if err != nil {
				wantKind(t, "a replaced attempt", err, InvalidPart)
				continue
			}
			w.wantObject("key", out.ETag, b)
			completed = true
			break
		}
		if !completed {
			t.Error("no attempt could be completed")
		}
	}
}

// TestSaltsAreNeverUsedTwice is the trap of deriving nonces from upload and part number.
func TestSaltsAreNeverUsedTwice(t *testing.T) {
	w := newWorld(t, worldOptions{})
	id := w.begin("key")
	seen := map[[24]byte]bool{}
	for range 20 {
		w.part("key", id, 1, []byte("same"))
	}
	u, _, notes, err := w.readUpload(t.Context(), w.place("key"), &UploadRef{Bucket: bucketName, Key: "key", UploadID: id, Principal: testPrincipal})
	if err != nil {
		t.Fatal(err)
	}
	attempts, err := w.attempts(u, notes)
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range attempts {
		seen[a.FrameSalt] = true
	}
	if len(seen) != 20 {
		t.Errorf("%d salts for 20 attempts", len(seen))
	}
}

func (w *world) place(key string) *place {
	w.t.Helper()
	at, err := w.locate(w.t.Context(), bucketName, key)
	if err != nil {
		w.t.Fatal(err)
	}
	return at
}

func TestUploadIsBound(t *testing.T) {
	w := newWorld(t, worldOptions{})
	id := w.begin("key")
	p := w.part("key", id, 1, []byte("x"))
	for name, r := range map[string]UploadRef{
		"another key":       {Bucket: bucketName, Key: "other", UploadID: id, Principal: testPrincipal},
		"another principal": {Bucket: bucketName, Key: "key", UploadID: id, Principal: "somebody"},
		"another id":        {Bucket: bucketName, Key: "key", UploadID: id + "x", Principal: testPrincipal},
		"no id":             {Bucket: bucketName, Key: "key", Principal: testPrincipal},
	} {
		for _, s := range []*world{w, w.again()} {
			_, err := s.PutPart(t.Context(), &PutPartInput{UploadRef: r, Number: 1, Size: 1, Body: bodyOf([]byte("y"))})
			wantKind(t, name+": part", err, NoSuchUpload)
			_, err = s.CompleteUpload(t.Context(), &CompleteInput{UploadRef: r, Parts: []CompletedPart{p}, Size: -1})
			wantKind(t, name+": complete", err, NoSuchUpload)
			_, err = s.ListParts(t.Context(), &ListPartsInput{UploadRef: r, Limit: 10})
			wantKind(t, name+": list parts", err, NoSuchUpload)
			wantKind(t, name+": abort", s.AbortUpload(t.Context(), &AbortInput{UploadRef: r}), NoSuchUpload)
		}
	}
	w.complete("key", id, p)
}

func TestCopyPart(t *testing.T) {
	w := newWorld(t, worldOptions{})
	src := content(9, minPart+1000)
	w.put("src", src)
	id := w.begin("key")
	copyPart := func(n int, r *RangeSpec) (CompletedPart, error) {
		p, err := w.CopyPart(t.Context(), &CopyPartInput{UploadRef: ref("key", id), Number: n, Source: CopySource{Bucket: bucketName, Key: "src"}, Range: r})
		if err != nil {
			return CompletedPart{}, err
		}
		return CompletedPart{Number: n, ETag: p.ETag}, nil
	}
	p1, err := copyPart(1, nil)
	if err != nil {
		t.Fatal(err)
	}
	p2, err := copyPart(2, &RangeSpec{First: 100, Last: 199})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range []*RangeSpec{{First: 0, Last: minPart + 1000}, {First: minPart + 1000, Last: minPart + 2000}, {First: 5, Last: 4}} {
		if _, err := copyPart(3, r); err == nil {
			t.Errorf("range %+v was copied", *r)
		}
	}
	out := w.complete("key", id, p1, p2)
	w.wantObject("key", out.ETag, src, src[100:200])
}
