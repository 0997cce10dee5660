package local_test

import (
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"sallyport/providers/driver"
	"sallyport/providers/local"
)

// Notes lie where they always lay, byte for byte: an upload that an older gateway began is finished by a newer one.
func TestNotesOnDisk(t *testing.T) {
	dir := t.TempDir()
	f, err := openWith(t, &local.Config{Path: dir}, nil)
	if err != nil {
		t.Fatal(err)
	}
	id, err := f.Uploads().Create(t.Context(), "b/é", func(string) ([]byte, error) { return []byte("first\x00"), nil })
	if err != nil {
		t.Fatal(err)
	}
	if len(id) != 32 {
		t.Fatalf("an upload id of %d bytes", len(id))
	}
	if err := f.Uploads().Note(t.Context(), driver.Upload{ID: id, Key: "b/é"}, "1-0123456789abcdef", nil); err != nil {
		t.Fatal(err)
	}
	folder := filepath.Join(dir, ".sallyport", "uploads", fmt.Sprintf("%x", sha256.Sum256([]byte(id))))
	for name, note := range map[string]string{"0": "first\x00", "1-0123456789abcdef": ""} {
		got, err := os.ReadFile(filepath.Join(folder, name))
		if want := "\x00\x20" + id + "\x00\x04b/\xc3\xa9" + note; string(got) != want || err != nil {
			t.Errorf("%s: %q, %v; want %q", name, got, err, want)
		}
	}
}
