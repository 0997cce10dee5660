package object

import (
	"bytes"
	"errors"
	"reflect"
	"strings"
	"testing"

	"sallyport/crypto/chunked"
	"sallyport/crypto/keys"
)

func testUpload(mode Mode) (Upload, keys.StateKey, keys.ObjectSecret) {
	id, secret := newIdentity(mode)
	id.Epoch = 7
	return Upload{Identity: id, ID: "some-upload"}, keys.NewVRK().StateKey(), secret
}

func TestUploadNotes(t *testing.T) {
	for _, mode := range []Mode{ModeVault, ModeCustomer} {
		u, key, secret := testUpload(mode)
		n := &UploadNote{
			Bucket: "b", Key: "k", Principal: "alice", Headers: map[string]string{"content-type": "x"}, UserMetadata: map[string]string{"a": "\xff"},
			ChecksumAlgorithm: "SHA1", ChecksumType: "COMPOSITE",
		}
		if mode == ModeCustomer {
			n.TableKey, n.TailKey = secret.TableKey(), secret.TailKey()
		}
		note, err := SealUploadNote(key, u, n)
		if err != nil {
			t.Fatal(err)
		}
		id, err := ParseNoteHeader(note)
		id.VaultID = u.VaultID
		if err != nil || id != u.Identity {
			t.Fatalf("%+v, %v", id, err)
		}
		got, err := OpenUploadNote(key, u, note)
		if err != nil {
			t.Fatal(err)
		}
		if mode == ModeCustomer && (!got.TableKey.Equal(n.TableKey) || !got.TailKey.Equal(n.TailKey)) {
			t.Fatal("the keys of mode C are lost")
		}
		if mode == ModeVault && (!got.TableKey.IsZero() || !got.TailKey.IsZero()) {
			t.Fatal("keys in mode V")
		}
		got.TableKey, got.TailKey, n.TableKey, n.TailKey = keys.TableKey{}, keys.TailKey{}, keys.TableKey{}, keys.TailKey{}
		if !reflect.DeepEqual(got, n) {
			t.Fatalf("%+v came back as %+v", n, got)
		}
		if oid := u.ObjectIdentity(); oid.check() != nil || oid.Salt != u.Salt {
			t.Fatalf("object identity %+v", oid)
		}
	}
}

func TestPartAndDoneNotes(t *testing.T) {
	u, key, _ := testUpload(ModeVault)
	for _, n := range []*PartNote{
		{Part: 1, Plain: 0, ETag: "x", BackendETag: "y"},
		{Part: 10000, Plain: MaxPlainSize, MD5: bytes.Repeat([]byte{1}, 16), Checksum: []byte{1, 2, 3, 4}, FrameSalt: [24]byte{1}, Commitment: [32]byte{2}, ETag: "e", Held: "h", HeldSHA256: bytes.Repeat([]byte{3}, 32)},
	} {
		note, err := SealPartNote(key, u, n)
		if err != nil {
			t.Fatal(err)
		}
		got, err := OpenPartNote(key, u, n.Part, note)
		if err != nil || !reflect.DeepEqual(got, n) {
			t.Fatalf("%+v came back as %+v, %v", n, got, err)
		}
	}
	note, err := SealDoneNote(key, u, &DoneNote{ETag: "abc-3"})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := OpenDoneNote(key, u, note); err != nil || got.ETag != "abc-3" {
		t.Fatalf("%+v, %v", got, err)
	}
}

// TestNotesBelongWhereTheyWereSealed opens notes in every place but their own.
func TestNotesBelongWhereTheyWereSealed(t *testing.T) {
	u, key, _ := testUpload(ModeVault)
	part, err := SealPartNote(key, u, &PartNote{Part: 5, ETag: "x", BackendETag: "y"})
	if err != nil {
		t.Fatal(err)
	}
	upload, err := SealUploadNote(key, u, &UploadNote{Bucket: "b", Key: "k"})
	if err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(u *Upload){
		"upload": func(u *Upload) { u.ID = "other" }, "vault": func(u *Upload) { u.VaultID[0]++ }, "salt": func(u *Upload) { u.Salt[0]++ },
		"epoch": func(u *Upload) { u.Epoch++ }, "mode": func(u *Upload) { u.Mode = ModeCustomer }, "no upload": func(u *Upload) { u.ID = "" },
	} {
		other := u
		change(&other)
		if _, err := OpenPartNote(key, other, 5, part); !errors.Is(err, ErrWrongKey) {
			t.Errorf("another %s: %v", name, err)
		}
	}
	if _, err := OpenPartNote(key, u, 6, part); !errors.Is(err, ErrWrongKey) {
		t.Errorf("another part: %v", err)
	}
	if _, err := OpenPartNote(key, u, 0, upload); !errors.Is(err, ErrWrongKey) {
		t.Errorf("the upload as a part: %v", err)
	}
	if _, err := OpenUploadNote(key, u, part); !errors.Is(err, ErrWrongKey) {
		t.Errorf("a part as the upload: %v", err)
	}
	if _, err := OpenDoneNote(key, u, upload); !errors.Is(err, ErrWrongKey) {
		t.Errorf("the upload as its completion: %v", err)
	}
	if _, err := OpenPartNote(keys.NewVRK().StateKey(), u, 5, part); !errors.Is(err, ErrWrongKey) {
		t.Errorf("another key: %v", err)
	}
	for bit := range len(part) * 8 {
		part[bit/8] ^= 1 << (bit % 8)
		if _, err := OpenPartNote(key, u, 5, part); err == nil {
			t.Fatalf("bit %d: the note was opened", bit)
		}
		part[bit/8] ^= 1 << (bit % 8)
	}
	for n := range part {
		if _, err := OpenPartNote(key, u, 5, part[:n]); err == nil {
			t.Fatalf("cut at %d: the note was opened", n)
		}
	}
}

func TestNotesThatAreNotQuiteRightAreRefused(t *testing.T) {
	u, key, _ := testUpload(ModeVault)
	seal := func(part int, text string) []byte {
		note, err := u.seal(key, part, []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		return note
	}
	const zeros = `"be":"y","fs":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA","fc":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="`
	if _, err := OpenPartNote(key, u, 5, seal(5, `{"n":5,"p":1,"e":"x","zz":1,`+zeros+`}`)); err != nil {
		t.Fatalf("an unknown lower-case field: %v", err)
	}
	for _, text := range []string{
		``, `{}`, `{"n":6,"p":1,"e":"x",` + zeros + `}`, `{"n":5,"p":1,"e":"x","n":5,` + zeros + `}`, `{"n":5,"p":1,"e":"x","Z":5,` + zeros + `}`,
		`{"n":5,"p":1,"e":"","` + zeros[1:] + `}`, `{"n":5,"p":1,"e":"x","held":"z",` + zeros + `}`, `{"n":5,"p":1,"e":"x",` + zeros[len(`"be":"y",`):] + `}`,
		`{"n":5,"p":1,"e":"x","md5":"AA==",` + zeros + `}`, `{"n":5,"p":281474976710656,"e":"x",` + zeros + `}`, `{"n":5,"p":1,` + zeros + `}`,
	} {
		if _, err := OpenPartNote(key, u, 5, seal(5, text)); !errors.Is(err, ErrDamaged) {
			t.Errorf("%s: %v", text, err)
		}
	}
	if _, err := OpenUploadNote(key, u, seal(0, `{"b":"b","k":"k","pr":"","ca":"CRC32","ct":"COMPOSITE"}`)); err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{
		`{"b":"b"}`, `{"b":"b","k":"","pr":""}`, `{"b":"","k":"k","pr":""}`, `{"b":"b","k":"k","pr":"","ca":"CRC32"}`, `{"b":"b","k":"k","pr":"","ct":"COMPOSITE"}`,
		`{"b":"b","k":"k","pr":"","ca":"","ct":""}`, `{"b":"b","k":"k","pr":"","kt":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="}`,
		`{"b":"b","k":"k","pr":"","kl":1}`,
	} {
		if _, err := OpenUploadNote(key, u, seal(0, text)); !errors.Is(err, ErrDamaged) {
			t.Errorf("upload note %s: %v", text, err)
		}
	}
	if _, err := OpenDoneNote(key, u, seal(donePart, `{}`)); !errors.Is(err, ErrDamaged) {
		t.Errorf("completion without ETag: %v", err)
	}
	c := u
	c.Mode = ModeCustomer
	note, err := c.seal(key, 0, []byte(`{"b":"b","k":"k","pr":""}`))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := OpenUploadNote(key, c, note); !errors.Is(err, ErrDamaged) {
		t.Errorf("mode C without keys: %v", err)
	}
}

func TestNotesThatCannotBeSealedAreRefused(t *testing.T) {
	u, key, secret := testUpload(ModeVault)
	for name, err := range map[string]error{
		"part 0":         second(SealPartNote(key, u, &PartNote{Part: 0, ETag: "x", BackendETag: "y"})),
		"part 10001":     second(SealPartNote(key, u, &PartNote{Part: 10001, ETag: "x", BackendETag: "y"})),
		"MD5":            second(SealPartNote(key, u, &PartNote{Part: 1, MD5: []byte{1}, ETag: "x", BackendETag: "y"})),
		"keys in mode V": second(SealUploadNote(key, u, &UploadNote{Bucket: "b", Key: "k", TableKey: secret.TableKey(), TailKey: secret.TailKey()})),
		"no mode":        second(SealDoneNote(key, Upload{ID: "x"}, &DoneNote{})),
		"no upload id":   second(SealDoneNote(key, Upload{Identity: u.Identity}, &DoneNote{})),
		"too long":       second(SealPartNote(key, u, &PartNote{Part: 1, ETag: strings.Repeat("x", MaxNoteSize), BackendETag: "y"})),
		"no ETag":        second(SealPartNote(key, u, &PartNote{Part: 1, BackendETag: "y"})),
		"nowhere":        second(SealPartNote(key, u, &PartNote{Part: 1, ETag: "x"})),
		"two places":     second(SealPartNote(key, u, &PartNote{Part: 1, ETag: "x", BackendETag: "y", Held: "z"})),
		"half algorithm": second(SealUploadNote(key, u, &UploadNote{Bucket: "b", Key: "k", ChecksumAlgorithm: "CRC32"})),
		"half type":      second(SealUploadNote(key, u, &UploadNote{Bucket: "b", Key: "k", ChecksumType: "COMPOSITE"})),
	} {
		if err == nil {
			t.Errorf("%s was sealed", name)
		}
	}
	c, key, _ := testUpload(ModeCustomer)
	if _, err := SealUploadNote(key, c, &UploadNote{Bucket: "b", Key: "k"}); err == nil {
		t.Error("mode C without keys was sealed")
	}
	if _, err := SealUploadNote(key, u, &UploadNote{Bucket: "b", Key: strings.Repeat("k", 4000)}); !errors.Is(err, ErrMetadataTooLarge) {
		t.Errorf("too much metadata: %v", err)
	}
}

func second(_ []byte, err error) error { return err }

func FuzzNote(f *testing.F) {
	id, _ := fixedIdentity()
	vrk, err := keys.ParseVRK(testBytes(32))
	if err != nil {
		f.Fatal(err)
	}
	u, key := Upload{Identity: id, ID: "some-upload"}, vrk.StateKey()
	part, err := SealPartNote(key, u, &PartNote{Part: 5, ETag: "x", BackendETag: "y"})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(part, `{"n":5,"p":1,"e":"x"}`)
	f.Add([]byte{}, `{"b":"b","k":"k","pr":"","h":{}}`)
	f.Fuzz(func(t *testing.T, data []byte, text string) {
		if n, err := OpenPartNote(key, u, 5, data); err == nil && n.ETag != "x" {
			t.Fatal("a note was opened that was never sealed")
		}
		if len(text) > MaxNoteSize-noteHeaderSize-int(chunked.SealedSize(0)) {
			return
		}
		for _, number := range []int{uploadPart, 5, donePart} {
			note, err := u.seal(key, number, []byte(text))
			if err != nil {
				t.Fatal(err)
			}
			if n, err := OpenPartNote(key, u, 5, note); err == nil {
				if _, err := SealPartNote(key, u, n); err != nil {
					t.Fatalf("%s was read and cannot be written: %v", text, err)
				}
			}
			_, _ = OpenUploadNote(key, u, note)
			_, _ = OpenDoneNote(key, u, note)
		}
	})
}
