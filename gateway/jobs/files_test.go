package jobs_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"

	"sallyport/crypto/object"
	"sallyport/crypto/vault"
	"sallyport/gateway/jobs"
	"sallyport/gateway/vaults/vaultstest"
)

func openSource(t *testing.T, path string) (*os.File, int64) {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = file.Close() })
	info, err := file.Stat()
	if err != nil {
		t.Fatal(err)
	}
	return file, info.Size()
}

func TestDecryptFile(t *testing.T) {
	f := fill(t)
	src, size := openSource(t, f.find("backups", "parts"))
	opened, err := object.OpenFile(src, size, f.keyring)
	if err != nil {
		t.Fatal(err)
	}
	to := filepath.Join(t.TempDir(), "plain")
	if err := jobs.DecryptFile(opened, to); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(to)
	if err != nil || !bytes.Equal(got, f.objects["backups/parts"]) {
		t.Fatalf("%v, %d bytes", err, len(got))
	}
	if err := jobs.DecryptFile(opened, to); err == nil {
		t.Error("an existing file was replaced")
	}
	bad := f.find("photos", "big")
	alter(t, bad, func(b []byte) []byte { b[len(b)/2] ^= 1; return b })
	src, size = openSource(t, bad)
	if opened, err = object.OpenFile(src, size, f.keyring); err != nil {
		t.Fatal(err)
	}
	to = filepath.Join(filepath.Dir(to), "bad")
	if err := jobs.DecryptFile(opened, to); !errors.Is(err, object.ErrDamaged) {
		t.Errorf("damaged: %v", err)
	}
	if left, _ := os.ReadDir(filepath.Dir(to)); len(left) != 1 {
		t.Errorf("a damaged file left something behind: %v", left)
	}
}

func TestSalvage(t *testing.T) {
	f := fill(t)
	whole := f.objects["backups/parts"]
	file, err := os.ReadFile(f.find("backups", "parts"))
	if err != nil {
		t.Fatal(err)
	}
	second := int(object.FrameSize(minPart)) // where the second frame begins
	salvage := func(b []byte) ([]byte, *jobs.SalvageReport, error) {
		var out bytes.Buffer
		r, err := jobs.Salvage(bytes.NewReader(b), int64(len(b)), f.keyring.VaultID(), f.keyring, &out)
		return out.Bytes(), r, err
	}
	for _, c := range []struct {
		name     string
		damage   func(b []byte) []byte
		want     func() []byte
		parts    string
		complete bool
	}{
		{"untouched", func(b []byte) []byte { return b }, func() []byte { return whole }, "[1 2 3]", true},
		{"no tail", func(b []byte) []byte { return b[:len(b)-object.TailSize] }, func() []byte { return whole }, "[1 2 3]", true},
		{"no tail and table", func(b []byte) []byte { return b[:len(b)-object.TailSize-int(object.TableSize(3))] }, func() []byte { return whole }, "[1 2 3]", true},
		{"first header lost", func(b []byte) []byte { clear(b[:112]); return b }, func() []byte { return whole[minPart:] }, "[2 3]", false},
		{"a chunk of the second part altered", func(b []byte) []byte { b[second+112+16400*3+5] ^= 1; return b }, func() []byte {
			w := bytes.Clone(whole)
			clear(w[minPart+3*16384 : minPart+4*16384])
			return w
		}, "[1 2 3]", false},
		{"cut in the second part", func(b []byte) []byte { return b[:second+112+16400*2+9] }, func() []byte {
			w := bytes.Clone(whole[:2*minPart+5])
			clear(w[minPart+2*16384:])
			return w
		}, "[1 2]", false},
	} {
		got, r, err := salvage(c.damage(bytes.Clone(file)))
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if !bytes.Equal(got, c.want()) || fmt.Sprint(r.Parts) != c.parts || r.Complete() != c.complete || r.Size != int64(len(got)) {
			t.Errorf("%s: %d bytes, parts %v, complete %v, gaps %+v", c.name, len(got), r.Parts, r.Complete(), r.Gaps)
		}
	}
	if got, _, err := salvage(content(1, 100000)); err == nil {
		t.Errorf("%d bytes were salvaged of noise", len(got))
	}
	other, _, err := vault.Create(t.Context(), vaultstest.Hasher(t), vault.Options{})
	if err != nil {
		t.Fatal(err)
	}
	ring := &jobs.Keyring{Vault: other}
	if _, err := jobs.Salvage(bytes.NewReader(file), int64(len(file)), ring.VaultID(), ring, io.Discard); err == nil {
		t.Error("another vault's key salvaged something")
	}
}
