package objects

import (
	"slices"
	"testing"

	"sallyport/gateway/checksum"
	"sallyport/providers/driver"
)

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
