package jobs_test

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"sallyport/crypto/keys"
	"sallyport/crypto/object"
	"sallyport/crypto/vault"
	"sallyport/gateway/jobs"
	"sallyport/gateway/vaults/vaultstest"
)

// workshop seals frames as a gateway does, and puts them together as only somebody at the backend would.
type workshop struct {
	t    *testing.T
	ring *jobs.Keyring
}

func newWorkshop(t *testing.T) *workshop {
	t.Helper()
	opened, _, err := vault.Create(t.Context(), vaultstest.Hasher(t), vault.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return &workshop{t, &jobs.Keyring{Vault: opened}}
}

func (w *workshop) newObject() (object.Identity, keys.ObjectSecret) {
	w.t.Helper()
	id := object.Identity{Mode: object.ModeVault, Epoch: 1, VaultID: w.ring.VaultID(), Salt: object.NewSalt()}
	secret, err := w.ring.Secret(id)
	if err != nil {
		w.t.Fatal(err)
	}
	return id, secret
}

func (w *workshop) frame(id object.Identity, secret keys.ObjectSecret, part int, plain []byte) ([]byte, object.Entry) {
	w.t.Helper()
	r, err := object.NewFrameReader(id, secret, part, int64(len(plain)), bytes.NewReader(plain))
	if err != nil {
		w.t.Fatal(err)
	}
	frame, err := io.ReadAll(r)
	if err != nil {
		w.t.Fatal(err)
	}
	return frame, object.Entry{Part: part, Plain: int64(len(plain)), FrameSalt: r.Salt(), Commitment: r.Commitment()}
}

func (w *workshop) trailer(id object.Identity, secret keys.ObjectSecret, entries ...object.Entry) []byte {
	w.t.Helper()
	meta := &object.Metadata{Bucket: "b", Key: "k", Time: time.UnixMilli(1)}
	r, _, err := object.Trailer(id, secret.TableKey(), secret.TailKey(), entries, meta)
	if err != nil {
		w.t.Fatal(err)
	}
	end, err := io.ReadAll(r)
	if err != nil {
		w.t.Fatal(err)
	}
	return end
}

func (w *workshop) salvage(file []byte) ([]byte, *jobs.SalvageReport) {
	w.t.Helper()
	var out bytes.Buffer
	r, err := jobs.Salvage(bytes.NewReader(file), int64(len(file)), w.ring.VaultID(), w.ring, &out)
	if err != nil {
		w.t.Fatal(err)
	}
	return out.Bytes(), r
}

// TestSalvageMixesNothingIn: every frame of the vault verifies, and a file may hold those of other objects and of other attempts. Nothing of them is
// written, and nobody is told that the file is whole.
func TestSalvageMixesNothingIn(t *testing.T) {
	w := newWorkshop(t)
	id, secret := w.newObject()
	a, b, c := content(1, minPart), content(2, minPart), content(3, 100)
	first, one := w.frame(id, secret, 1, a)
	second, two := w.frame(id, secret, 2, b)
	third, three := w.frame(id, secret, 3, c)
	otherAttempt, _ := w.frame(id, secret, 2, content(4, minPart))
	end := w.trailer(id, secret, one, two, three)
	tail := end[len(end)-object.TailSize:]
	otherID, otherSecret := w.newObject()
	stranger, _ := w.frame(otherID, otherSecret, 2, content(5, minPart))
	lone, _ := w.frame(otherID, otherSecret, 0, content(6, 50))

	for name, tc := range map[string]struct {
		file    []byte
		want    []byte
		parts   string
		missing string
		skipped string
	}{
		"whole":                                  {slices.Concat(first, second, third, end), slices.Concat(a, b, c), "[1 2 3]", "[]", ""},
		"another attempt, tail and table intact": {slices.Concat(first, otherAttempt, third, end), slices.Concat(a, c), "[1 3]", "[2]", "none that the object is made of"},
		"another object's part, intact":          {slices.Concat(first, stranger, third, end), slices.Concat(a, c), "[1 3]", "[2]", "another object"},
		"another object's part, no tail":         {slices.Concat(first, stranger, third), slices.Concat(a, c), "[1 3]", "[2]", "another object"},
		"another object ahead, no tail":          {slices.Concat(first, second, third, lone), slices.Concat(a, b, c), "[1 2 3]", "[]", "another object"},
		"another object ahead, no table":         {slices.Concat(lone, first, second, third, tail), slices.Concat(a, b, c), "[1 2 3]", "[]", "another object"},
		"a part twice":                           {slices.Concat(first, first, third), slices.Concat(a, c), "[1 3]", "[2]", "already"},
		"two attempts, no tail":                  {slices.Concat(first, second, otherAttempt, third), slices.Concat(a, b, c), "[1 2 3]", "[]", "already"},
	} {
		got, r := w.salvage(tc.file)
		if !bytes.Equal(got, tc.want) || fmt.Sprint(r.Parts) != tc.parts || fmt.Sprint(r.Missing) != tc.missing {
			t.Errorf("%s: %d bytes of parts %v, missing %v", name, len(got), r.Parts, r.Missing)
		}
		if sound := name == "whole"; r.Complete() != sound || r.Whole != sound {
			t.Errorf("%s: complete %v, whole %v", name, r.Complete(), r.Whole)
		}
		if tc.skipped != "" && (len(r.Skipped) != 1 || !strings.Contains(r.Skipped[0].Error(), tc.skipped)) {
			t.Errorf("%s: skipped %v", name, r.Skipped)
		}
	}
}

// TestSalvageIsBounded: of a file that repeats the header of one frame, or of a frame that cannot be opened, little is written and little is told.
func TestSalvageIsBounded(t *testing.T) {
	w := newWorkshop(t)
	id, secret := w.newObject()
	long, err := object.NewFrameReader(id, secret, 1, 64<<10, bytes.NewReader(nil))
	if err != nil {
		t.Fatal(err)
	}
	header := make([]byte, object.FrameHeaderSize)
	if _, err := io.ReadFull(long, header); err != nil {
		t.Fatal(err)
	}
	unknown := bytes.Clone(header)
	unknown[12] = 9 // an epoch that the vault has not
	file := slices.Concat(bytes.Repeat(header, 1000), bytes.Repeat(unknown, 1000))
	got, r := w.salvage(file) // the last header has no chunk behind it
	if !bytes.Equal(got, make([]byte, 64<<10)) || len(r.Skipped) > 100 || len(r.Skipped)+r.MoreSkipped != 1998 || r.Complete() {
		t.Errorf("%d bytes, %d and %d skipped, complete %v", len(got), len(r.Skipped), r.MoreSkipped, r.Complete())
	}
}
