package objects

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"testing"

	"sallyport/crypto/vault"
	"sallyport/gateway/checksum"
)

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
