package jobs_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"

	"sallyport/crypto/chunked"
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
	if err := jobs.DecryptFile(t.Context(), opened, to); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(to)
	if err != nil || !bytes.Equal(got, f.objects["backups/parts"]) {
		t.Fatalf("%v, %d bytes", err, len(got))
	}
	if err := jobs.DecryptFile(t.Context(), opened, to); err == nil {
		t.Error("an existing file was replaced")
	}
	bad := f.find("photos", "big")
	alter(t, bad, func(b []byte) []byte { b[len(b)/2] ^= 1; return b })
	src, size = openSource(t, bad)
	if opened, err = object.OpenFile(src, size, f.keyring); err != nil {
		t.Fatal(err)
	}
	to = filepath.Join(filepath.Dir(to), "bad")
	if err := jobs.DecryptFile(t.Context(), opened, to); !errors.Is(err, object.ErrDamaged) {
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

// brokenDisk cannot read some places.
type brokenDisk struct {
	io.ReaderAt
	bad []int64
}

func (b brokenDisk) ReadAt(p []byte, off int64) (int, error) {
	for _, bad := range b.bad {
		if off <= bad && bad < off+int64(len(p)) {
			return 0, errBadSector
		}
	}
	return b.ReaderAt.ReadAt(p, off)
}

var errBadSector = errors.New("input/output error")

// TestSalvageReadsPastBadSectors: a place that cannot be read costs the chunks it touches, as if they were altered.
func TestSalvageReadsPastBadSectors(t *testing.T) {
	f := fill(t)
	whole := f.objects["photos/big"]
	src, size := openSource(t, f.find("photos", "big"))
	for name, c := range map[string]struct {
		bad        []int64
		lost       int64
		unreadable int64
	}{
		"none":             {nil, 0, 0},
		"one":              {[]int64{1 << 20}, chunked.ChunkSize, 4096},
		"two in one chunk": {[]int64{112 + 20*16400 + 100, 112 + 20*16400 + 8000}, chunked.ChunkSize, 2 * 4096},
		"the last chunk":   {[]int64{object.FrameSize(int64(len(whole))) - 20}, -1, 4096},
		"in the padding":   {[]int64{size - object.TailSize - 20}, 0, 4096},
		"in the tail":      {[]int64{size - 1}, -1, 4096},
	} {
		var out bytes.Buffer
		r, err := jobs.Salvage(brokenDisk{src, c.bad}, size, f.keyring.VaultID(), f.keyring, &out)
		if err != nil || out.Len() != len(whole) || r.Unreadable != c.unreadable || (r.ReadErr != nil) != (c.bad != nil) || r.Complete() != (c.lost == 0) {
			t.Errorf("%s: %d bytes, %+v, %v", name, out.Len(), r, err)
			continue
		}
		lost := int64(0)
		want := bytes.Clone(whole)
		for _, g := range r.Gaps {
			lost += g.Length
			clear(want[g.Offset : g.Offset+g.Length])
		}
		if !bytes.Equal(out.Bytes(), want) || c.lost >= 0 && lost != c.lost || lost > 2*chunked.ChunkSize {
			t.Errorf("%s: %d bytes lost: %+v", name, lost, r.Gaps)
		}
	}
	var all []int64
	for at := int64(0); at < size; at += 512 {
		all = append(all, at)
	}
	if _, err := jobs.Salvage(brokenDisk{src, all[:100]}, 50_000, f.keyring.VaultID(), f.keyring, io.Discard); err == nil || !errors.Is(err, errBadSector) {
		t.Errorf("nothing can be read: %v", err)
	}
}

// TestSalvageSaysWhatIsMissing: by tail and table where they are intact, and by the numbers where not.
func TestSalvageSaysWhatIsMissing(t *testing.T) {
	f := fill(t)
	parts, err := os.ReadFile(f.find("backups", "parts"))
	if err != nil {
		t.Fatal(err)
	}
	one, err := os.ReadFile(f.find("photos", "con"))
	if err != nil {
		t.Fatal(err)
	}
	headless := func(b []byte) []byte { b = bytes.Clone(b); clear(b[:112]); return b }
	for name, c := range map[string]struct {
		file          []byte
		missing       string
		listed, whole bool
	}{
		"whole":                 {parts, "[]", true, true},
		"whole, of one piece":   {one, "[]", true, true},
		"no tail":               {parts[:len(parts)-1], "[]", false, false},
		"no first part":         {headless(parts), "[1]", true, false},
		"nor a tail":            {headless(parts[:len(parts)-1]), "[1]", false, false},
		"cut behind the second": {parts[:object.FrameSize(minPart)+object.FrameSize(minPart+5)], "[]", false, false},
	} {
		r, err := jobs.Salvage(bytes.NewReader(c.file), int64(len(c.file)), f.keyring.VaultID(), f.keyring, io.Discard)
		if err != nil || fmt.Sprint(r.Missing) != c.missing || r.Listed != c.listed || r.Whole != c.whole || r.Complete() != (c.missing == "[]") {
			t.Errorf("%s: %+v, %v", name, r, err)
		}
	}
}
