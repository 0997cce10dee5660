package objects

import (
	"bytes"
	"io"
	"testing"

	"sallyport/crypto/object"
	"sallyport/crypto/vault"
	"sallyport/gateway/checksum"
	"sallyport/gateway/vaults"
	"sallyport/providers/driver"
)

// plantSealed stores an object whose sealed metadata says of its content what other has. Whoever holds the vault's key can make one, a gateway with bad
// memory too.
func (w *world) plantSealed(key string, plain []byte, meta *object.Metadata) {
	w.t.Helper()
	id, secret, err := newSecret(w.vault, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	meta.Bucket, meta.Key, meta.Time = bucketName, key, w.now()
	sealed, err := object.NewObjectReader(id, secret, int64(len(plain)), bytes.NewReader(plain), func() (*object.Metadata, error) { return meta, nil })
	if err != nil {
		w.t.Fatal(err)
	}
	file, err := io.ReadAll(sealed)
	if err != nil {
		w.t.Fatal(err)
	}
	w.plant(key, file)
}

// TestCopiesHoldTheirSourceToItself: what a source's tail says of its content is compared while it is copied, so that a copy is never a good seal on bytes
// that were bad already.
func TestCopiesHoldTheirSourceToItself(t *testing.T) {
	plain, other := content(1, 1000), content(2, 1000)
	crc := func(b []byte) *object.Checksum {
		r := checksum.NewReader(bytes.NewReader(b), &checksum.Options{Size: int64(len(b)), Algorithms: []checksum.Algorithm{checksum.CRC32}})
		if _, err := io.Copy(io.Discard, r); err != nil {
			t.Fatal(err)
		}
		value, _ := r.Value(checksum.CRC32)
		return &object.Checksum{Algorithm: "CRC32", Type: checksum.TypeFullObject, Value: value.String()}
	}
	for name, c := range map[string]struct {
		meta object.Metadata
		ok   bool
	}{
		"its own":          {object.Metadata{ETag: md5Hex(plain), Checksum: crc(plain)}, true},
		"another ETag":     {object.Metadata{ETag: md5Hex(other), Checksum: crc(plain)}, false},
		"another checksum": {object.Metadata{ETag: md5Hex(plain), Checksum: crc(other)}, false},
	} {
		w := newWorld(t, worldOptions{etag: vault.ETagMD5})
		w.plantSealed("src", plain, &c.meta)
		_, copyErr := w.Copy(t.Context(), &CopyInput{Source: CopySource{Bucket: bucketName, Key: "src"}, Bucket: bucketName, Key: "copy"})
		id := w.begin("parts")
		part := func(r *RangeSpec) error {
			_, err := w.CopyPart(t.Context(), &CopyPartInput{UploadRef: ref("parts", id), Number: 1, Source: CopySource{Bucket: bucketName, Key: "src"}, Range: r})
			return err
		}
		for what, err := range map[string]error{"copy": copyErr, "part": part(nil), "part by its range": part(&RangeSpec{First: 0, Last: 999})} {
			if c.ok && err != nil {
				t.Errorf("%s: %s: %v", name, what, err)
			}
			if !c.ok {
				wantKind(t, name+": "+what, err, Damaged)
			}
		}
		if _, err := w.Head(t.Context(), &GetInput{Bucket: bucketName, Key: "copy"}); (err == nil) != c.ok {
			t.Errorf("%s: the copy: %v", name, err)
		}
		if got := len(w.parts("parts", id)); (got == 1) != c.ok {
			t.Errorf("%s: %d parts were kept", name, got)
		}
		if err := part(&RangeSpec{First: 10, Last: 19}); err != nil { // of which nothing is said
			t.Errorf("%s: a range: %v", name, err)
		}
	}
}

// TestFirstNoteIsHeldToItsName: the store names the key that an upload goes to, and the note that was sealed for another one does not open for it.
func TestFirstNoteIsHeldToItsName(t *testing.T) {
	w := newWorld(t, worldOptions{})
	id := w.begin("key")
	at := w.place("key")
	_, notes, err := w.backend.Uploads().Read(t.Context(), driver.Upload{ID: id, Key: at.backendKey})
	if err != nil || len(notes) != 1 {
		t.Fatalf("%d notes, %v", len(notes), err)
	}
	if _, err := openFirstNote(t.Context(), at, id, notes[0].Data); err != nil {
		t.Fatal(err)
	}
	_, err = openFirstNote(t.Context(), w.place("other"), id, notes[0].Data)
	wantKind(t, "another key", fail("", "", err), NoSuchUpload)
	elsewhere := *at
	elsewhere.bucket = &vaults.Bucket{}
	*elsewhere.bucket = *at.bucket
	elsewhere.bucket.Name = "another-bucket"
	_, err = openFirstNote(t.Context(), &elsewhere, id, notes[0].Data)
	wantKind(t, "another bucket", fail("", "", err), NoSuchUpload)
	if _, err := openFirstNote(t.Context(), at, id+"x", notes[0].Data); err == nil {
		t.Error("a note opens for another upload")
	}
}
