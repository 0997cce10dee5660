package objects

import (
	"bytes"
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"

	"sallyport/crypto/object"
	"sallyport/crypto/vault"
	"sallyport/gateway/checksum"
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

func TestUploadListIsHeldToTheRules(t *testing.T) {
	w := newWorld(t, worldOptions{})
	w.put("key", []byte("old"))
	id := w.begin("key")
	p1 := w.part("key", id, 1, content(1, minPart))
	p2 := w.part("key", id, 2, content(2, 100))
	p3 := w.part("key", id, 3, content(3, minPart))
	for _, c := range []struct {
		name  string
		parts []CompletedPart
		want  Kind
	}{
		{"none", nil, InvalidPartOrder},
		{"descending", []CompletedPart{p3, p1}, InvalidPartOrder},
		{"twice", []CompletedPart{p1, p1}, InvalidPartOrder},
		{"number 0", []CompletedPart{{Number: 0, ETag: p1.ETag}}, InvalidPartOrder},
		{"number 10001", []CompletedPart{p1, {Number: 10001, ETag: p1.ETag}}, InvalidPartOrder},
		{"small in the middle", []CompletedPart{p1, p2, p3}, EntityTooSmall},
		{"never sent", []CompletedPart{p1, {Number: 4, ETag: p1.ETag}}, InvalidPart},
		{"another ETag", []CompletedPart{{Number: 1, ETag: p2.ETag}}, InvalidPart},
		{"a checksum of another algorithm", []CompletedPart{{Number: 1, ETag: p1.ETag, Checksum: &Checksum{Algorithm: checksum.CRC32, Value: "AAAAAA=="}}}, InvalidPart},
		{"another checksum", []CompletedPart{{Number: 1, ETag: p1.ETag, Checksum: &Checksum{Algorithm: checksum.CRC64NVME, Value: "AAAAAAAAAAA="}}}, InvalidPart},
	} {
		_, err := w.tryComplete("key", id, c.parts...)
		wantKind(t, c.name, err, c.want)
		if got := w.mustGet("key"); string(got) != "old" {
			t.Fatalf("%s: the old object is gone", c.name)
		}
	}
	_, err := w.CompleteUpload(t.Context(), &CompleteInput{UploadRef: ref("key", id), Parts: []CompletedPart{p1}, Size: minPart + 1})
	wantKind(t, "another size of the whole", err, InvalidRequest)
	_, err = w.CompleteUpload(t.Context(), &CompleteInput{
		UploadRef: ref("key", id), Parts: []CompletedPart{p1}, Size: -1, Checksum: &Checksum{Algorithm: checksum.CRC64NVME, Value: "AAAAAAAAAAA="},
	})
	wantKind(t, "another checksum of the whole", err, ChecksumMismatch)
	// Parts 1 and 3 of 1, 2 and 3 make exactly these two.
	out := w.complete("key", id, p1, p3)
	w.wantObject("key", out.ETag, content(1, minPart), content(3, minPart))
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

// TestAbortOfAnyones: who may delete the key removes an upload whose principal is no more, or whose first note was altered; not what is not there under
// that key, nor an upload of the gateway's own.
func TestAbortOfAnyones(t *testing.T) {
	for _, altered := range []bool{false, true} {
		w := newWorld(t, worldOptions{})
		w.put("key", []byte("old"))
		id := w.begin("key")
		p := w.part("key", id, 1, []byte("held"))
		w.part("key", id, 2, content(1, minPart))
		if altered {
			up := driver.Upload{ID: id, Key: w.place("key").backendKey}
			if err := w.backend.Uploads().Note(t.Context(), up, driver.FirstNote, []byte("altered")); err != nil {
				t.Fatal(err)
			}
			wantKind(t, "abort of one's own, altered", w.again().AbortUpload(t.Context(), &AbortInput{UploadRef: ref("key", id)}), Damaged)
		}
		for name, r := range map[string]UploadRef{
			"another key": {Bucket: bucketName, Key: "other", UploadID: id}, "another id": {Bucket: bucketName, Key: "key", UploadID: id + "x"}, "no id": {Bucket: bucketName, Key: "key"},
		} {
			wantKind(t, name, w.AbortUpload(t.Context(), &AbortInput{UploadRef: r, Anyones: true}), NoSuchUpload)
		}
		split, err := w.backend.Uploads().Create(t.Context(), w.place("key").backendKey, func(string) ([]byte, error) { return nil, nil })
		if err != nil {
			t.Fatal(err)
		}
		in := &AbortInput{UploadRef: UploadRef{Bucket: bucketName, Key: "key", UploadID: split, Principal: "somebody"}, Anyones: true}
		wantKind(t, "the gateway's own", w.AbortUpload(t.Context(), in), NoSuchUpload)
		in.UploadID = id
		wantKind(t, "not allowed", w.again().AbortUpload(t.Context(), &AbortInput{UploadRef: in.UploadRef}), map[bool]Kind{false: NoSuchUpload, true: Damaged}[altered])
		if err := w.AbortUpload(t.Context(), in); err != nil {
			t.Fatal(err)
		}
		if held := w.backendKeys(heldPrefix); len(held) > 0 {
			t.Errorf("abort leaves %v", held)
		}
		_, err = w.tryPart("key", id, 3, []byte("late"), nil)
		wantKind(t, "part after abort", err, NoSuchUpload)
		_, err = w.tryComplete("key", id, p)
		wantKind(t, "complete after abort", err, NoSuchUpload)
		if string(w.mustGet("key")) != "old" {
			t.Error("the old object is gone")
		}
	}
}

func TestAbort(t *testing.T) {
	w := newWorld(t, worldOptions{})
	w.put("key", []byte("old"))
	id := w.begin("key")
	p := w.part("key", id, 1, []byte("held"))
	w.part("key", id, 2, content(1, minPart))
	r := ref("key", id)
	if err := w.AbortUpload(t.Context(), &AbortInput{UploadRef: r}); err != nil {
		t.Fatal(err)
	}
	if left := w.backendKeys(systemFolder); len(left) != 2 { // the vault file and the bucket's record
		t.Errorf("abort leaves %v", left)
	}
	_, err := w.tryPart("key", id, 3, []byte("late"), nil)
	wantKind(t, "part after abort", err, NoSuchUpload)
	if held := w.backendKeys(heldPrefix); len(held) > 0 {
		t.Errorf("a part sent after the abort stays: %v", held)
	}
	_, err = w.tryComplete("key", id, p)
	wantKind(t, "complete after abort", err, NoSuchUpload)
	wantKind(t, "abort after abort", w.AbortUpload(t.Context(), &AbortInput{UploadRef: r}), NoSuchUpload)
	if string(w.mustGet("key")) != "old" {
		t.Error("the old object is gone")
	}
}

const systemFolder = ".sallyport/"

func TestAbortAfterComplete(t *testing.T) {
	w := newWorld(t, worldOptions{})
	id := w.begin("key")
	p := w.part("key", id, 1, []byte("x"))
	w.complete("key", id, p)
	r := ref("key", id)
	if err := w.again().AbortUpload(t.Context(), &AbortInput{UploadRef: r}); err != nil {
		t.Fatalf("abort after complete: %v", err)
	}
	if string(w.mustGet("key")) != "x" {
		t.Error("the object is gone")
	}
}

func TestCompleteConditions(t *testing.T) {
	w := newWorld(t, worldOptions{})
	first := w.put("key", []byte("old"))
	try := func(c WriteConditions) error {
		id := w.begin("key")
		p := w.part("key", id, 1, []byte("new"))
		_, err := w.CompleteUpload(t.Context(), &CompleteInput{UploadRef: ref("key", id), Parts: []CompletedPart{p}, Size: -1, Conditions: c})
		return err
	}
	wantKind(t, "If-None-Match", try(WriteConditions{IfNoneMatch: true}), PreconditionFailed)
	wantKind(t, "If-Match of another", try(WriteConditions{IfMatch: "0123"}), PreconditionFailed)
	if string(w.mustGet("key")) != "old" {
		t.Fatal("a refused complete changed the object")
	}
	if err := try(WriteConditions{IfMatch: first.ETag}); err != nil {
		t.Fatalf("If-Match: %v", err)
	}
	if err := w.Delete(t.Context(), &DeleteInput{Bucket: bucketName, Key: "key"}); err != nil {
		t.Fatal(err)
	}
	wantKind(t, "If-Match of nothing", try(WriteConditions{IfMatch: first.ETag}), NoSuchKey)
	if err := try(WriteConditions{IfNoneMatch: true}); err != nil {
		t.Fatalf("If-None-Match of nothing: %v", err)
	}
}

// TestChecksumsWantTheCustomerKey: with a checksum of the plaintext one could tell whether a guess at it is right, so it is shown to who has the key.
func TestChecksumsWantTheCustomerKey(t *testing.T) {
	w := newWorld(t, worldOptions{})
	key := customerKey(t, 1)
	for name, begin := range map[string]func(*CreateUploadInput){
		"customer key": func(in *CreateUploadInput) { in.CustomerKey, in.Algorithm, in.Composite = key, checksum.SHA256, true },
		"vault key":    func(in *CreateUploadInput) { in.Algorithm, in.Composite = checksum.SHA256, true },
	} {
		hidden := name == "customer key"
		var mine *CustomerKey
		if hidden {
			mine = key
		}
		id := w.begin("key", begin)
		part, err := w.tryPart("key", id, 1, []byte("guessed"), mine)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range []struct {
			customer *CustomerKey
			want     bool
		}{{nil, !hidden}, {mine, true}} {
			listed, err := w.ListParts(t.Context(), &ListPartsInput{UploadRef: ref("key", id), Limit: 10, CustomerKey: c.customer})
			if err != nil || len(listed.Parts) != 1 || (listed.Parts[0].Checksum != nil) != c.want || listed.Algorithm != checksum.SHA256 {
				t.Errorf("%s: list with key %v: %+v %v", name, c.customer != nil, listed, err)
			}
		}
		for _, again := range []bool{false, true} {
			for _, c := range []struct {
				customer *CustomerKey
				want     bool
			}{{nil, !hidden}, {mine, true}} {
				out, err := w.CompleteUpload(t.Context(), &CompleteInput{
					UploadRef: ref("key", id), Size: -1, CustomerKey: c.customer,
					Parts: []CompletedPart{{Number: 1, ETag: part.ETag, Checksum: part.Checksum}},
				})
				if err != nil || (out.Checksum != nil) != c.want {
					t.Errorf("%s: complete (again: %v) with key %v: %+v %v", name, again, c.customer != nil, out, err)
				}
			}
		}
	}
}

func TestCustomerKeyUpload(t *testing.T) {
	w := newWorld(t, worldOptions{})
	key, other := customerKey(t, 1), customerKey(t, 2)
	id := w.begin("key", func(in *CreateUploadInput) { in.CustomerKey = key })
	parts := [][]byte{content(1, minPart), content(2, 30)}
	var done []CompletedPart
	for i, b := range parts {
		_, err := w.tryPart("key", id, i+1, b, nil)
		wantKind(t, "part without the key", err, CustomerKeyRequired)
		_, err = w.again().tryPart("key", id, i+1, b, other)
		wantKind(t, "part with another key", err, CustomerKeyWrong)
		p, err := w.tryPart("key", id, i+1, b, key)
		if err != nil {
			t.Fatal(err)
		}
		if p.ETag == md5Hex(b) || !strings.HasSuffix(p.ETag, "-1") {
			t.Errorf("part ETag %s gives the content away or looks like an MD5", p.ETag)
		}
		done = append(done, CompletedPart{Number: i + 1, ETag: p.ETag})
	}
	_, err := w.ListParts(t.Context(), &ListPartsInput{UploadRef: ref("key", id), Limit: 10, CustomerKey: other})
	wantKind(t, "list with another key", err, CustomerKeyWrong)
	_, err = w.CompleteUpload(t.Context(), &CompleteInput{UploadRef: ref("key", id), Parts: done, Size: -1, CustomerKey: other})
	wantKind(t, "complete with another key", err, CustomerKeyWrong)
	out := w.again().complete("key", id, done...) // without the key, as clients do
	b, got, err := w.get(&GetInput{Key: "key", CustomerKey: key})
	if err != nil || !bytes.Equal(b, bytes.Join(parts, nil)) || got.ETag != out.ETag {
		t.Fatalf("get: %v, %d bytes, ETag %s, want %s", err, len(b), got.ETag, out.ETag)
	}
	_, _, err = w.get(&GetInput{Key: "key"})
	wantKind(t, "get without the key", err, CustomerKeyRequired)
	_, _, err = w.get(&GetInput{Key: "key", CustomerKey: other})
	wantKind(t, "get with another key", err, CustomerKeyWrong)
	if again := w.complete("key", id, done...); again.ETag != out.ETag {
		t.Errorf("completed again: ETag %s, want %s", again.ETag, out.ETag)
	}

	plain := w.begin("plain")
	_, err = w.tryPart("plain", plain, 1, []byte("x"), key)
	wantKind(t, "a key for an upload without", err, CustomerKeyUnwanted)
}

// TestCompletedWithOtherParts: who lists other parts than those that made the object does not hear that it was done.
func TestCompletedWithOtherParts(t *testing.T) {
	for _, policy := range []vault.ETagPolicy{vault.ETagMD5, vault.ETagOpaque} {
		for _, customer := range []*CustomerKey{nil, customerKey(t, 1)} {
			w := newWorld(t, worldOptions{etag: policy})
			id := w.begin("key", func(in *CreateUploadInput) { in.CustomerKey = customer })
			var sent []CompletedPart
			for n := 1; n <= 3; n++ {
				p, err := w.tryPart("key", id, n, content(uint64(n), minPart), customer)
				if err != nil {
					t.Fatal(err)
				}
				sent = append(sent, CompletedPart{Number: n, ETag: p.ETag})
			}
			made := []CompletedPart{sent[0], sent[2]}
			out := w.complete("key", id, made...)
			renamed := []CompletedPart{sent[0], {Number: 2, ETag: sent[2].ETag}}
			other := []CompletedPart{sent[0], {Number: 3, ETag: sent[1].ETag}}
			for _, listed := range [][]CompletedPart{{sent[0], sent[1]}, sent, {sent[0]}, {sent[2]}, renamed, other, {sent[2], sent[0]}} {
				for _, gateway := range []*world{w, w.again()} {
					_, err := gateway.tryComplete("key", id, listed...)
					wantKind(t, fmt.Sprint("completed with ", listed), err, InvalidPart)
				}
			}
			for _, gateway := range []*world{w, w.again()} {
				if again := gateway.complete("key", id, made...); again.ETag != out.ETag {
					t.Errorf("completed again: ETag %s, want %s", again.ETag, out.ETag)
				}
			}
			single := w.begin("single")
			sentPart, err := w.tryPart("single", single, 4, []byte("x"), nil)
			if err != nil {
				t.Fatal(err)
			}
			p := CompletedPart{Number: 4, ETag: sentPart.ETag}
			first := w.complete("single", single, p)
			if again := w.complete("single", single, p); again.ETag != first.ETag {
				t.Errorf("completed again: ETag %s, want %s", again.ETag, first.ETag)
			}
			_, err = w.tryComplete("single", single, CompletedPart{Number: 5, ETag: p.ETag})
			wantKind(t, "another number", err, InvalidPart)
		}
	}
}

func TestUploadChecksums(t *testing.T) {
	parts := [][]byte{content(1, minPart+3), content(2, 1000)}
	for _, c := range []struct {
		algorithm checksum.Algorithm
		composite bool
	}{
		{checksum.None, false},
		{checksum.CRC32, true},
		{checksum.CRC32, false},
		{checksum.CRC32C, true},
		{checksum.CRC32C, false},
		{checksum.CRC64NVME, false},
		{checksum.SHA1, true},
		{checksum.SHA256, true},
	} {
		w := newWorld(t, worldOptions{})
		id := w.begin("key", func(in *CreateUploadInput) { in.Algorithm, in.Composite = c.algorithm, c.composite })
		var done []CompletedPart
		for i, b := range parts {
			done = append(done, w.part("key", id, i+1, b))
		}
		out := w.complete("key", id, done...)
		algorithm := c.algorithm
		if algorithm == checksum.None {
			algorithm = checksum.CRC64NVME
		}
		if out.Checksum == nil || out.Checksum.Algorithm != algorithm || out.Checksum.Composite != c.composite {
			t.Errorf("%v: checksum %+v", c, out.Checksum)
			continue
		}
		if c.composite {
			continue
		}
		whole := bodyOf(bytes.Join(parts, nil))
		whole.Want(algorithm)
		if _, err := io.Copy(io.Discard, whole); err != nil {
			t.Fatal(err)
		}
		if want, _ := whole.Value(algorithm); out.Checksum.Value != want.String() {
			t.Errorf("%v: checksum %s, want %s", c, out.Checksum.Value, want)
		}
	}
}

func TestOpaquePolicyUpload(t *testing.T) {
	w := newWorld(t, worldOptions{etag: vault.ETagOpaque})
	id := w.begin("key")
	b := content(1, 100)
	p, err := w.tryPart("key", id, 1, b, nil)
	if err != nil {
		t.Fatal(err)
	}
	out := w.complete("key", id, CompletedPart{Number: 1, ETag: p.ETag})
	w.wantObject("key", out.ETag, b)
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

func TestListUploadsPages(t *testing.T) {
	w := newWorld(t, worldOptions{})
	var want []string
	for _, key := range []string{"a", "b/1", "b/2", "c", "c", "d"} {
		want = append(want, key+" "+w.begin(key))
	}
	done := w.begin("e")
	w.complete("e", done, w.part("e", done, 1, []byte("x")))
	slices.Sort(want)
	for _, limit := range []int{1, 2, 3, 1000} {
		var got []string
		in := &ListUploadsInput{Bucket: bucketName, Limit: limit}
		for range 20 {
			out, err := w.ListUploads(t.Context(), in)
			if err != nil {
				t.Fatal(err)
			}
			for _, u := range out.Uploads {
				got = append(got, u.Key+" "+u.UploadID)
				if u.Initiator != testPrincipal {
					t.Errorf("initiator %q", u.Initiator)
				}
			}
			if !out.More {
				break
			}
			in.KeyMarker, in.UploadIDMarker = out.NextKeyMarker, out.NextUploadMarker
		}
		if !slices.Equal(got, want) {
			t.Errorf("limit %d: %v, want %v", limit, got, want)
		}
	}
	for _, limit := range []int{1, 2, 1000} {
		var got []string
		in := &ListUploadsInput{Bucket: bucketName, Delimiter: "/", Limit: limit}
		for range 20 {
			out, err := w.ListUploads(t.Context(), in)
			if err != nil {
				t.Fatal(err)
			}
			for _, u := range out.Uploads {
				got = append(got, u.Key)
			}
			got = append(got, out.CommonPrefixes...)
			if !out.More {
				break
			}
			in.KeyMarker, in.UploadIDMarker = out.NextKeyMarker, out.NextUploadMarker
		}
		slices.Sort(got)
		if !slices.Equal(got, []string{"a", "b/", "c", "c", "d"}) {
			t.Errorf("limit %d with delimiter: %v", limit, got)
		}
	}
}

func TestListPartsPages(t *testing.T) {
	w := newWorld(t, worldOptions{})
	id := w.begin("key")
	for n := 1; n <= 25; n++ {
		w.part("key", id, n, []byte{byte(n)})
	}
	var got []int
	in := &ListPartsInput{UploadRef: ref("key", id), Limit: 10}
	for {
		out, err := w.ListParts(t.Context(), in)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range out.Parts {
			got = append(got, p.Number)
			in.After = p.Number
		}
		if !out.More {
			break
		}
	}
	if len(got) != 25 || !slices.IsSorted(got) {
		t.Errorf("pages together: %v", got)
	}
}
