package driver_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"sallyport/providers/driver"
)

func TestValidNoteName(t *testing.T) {
	for name, want := range map[string]bool{
		"0": true, "done": true, "10000-0123456789abcdef": true, "": false, ".": false, "a/b": false, "A": false, "a\\b": false,
		strings.Repeat("x", 64): true, strings.Repeat("x", 65): false, "é": false,
	} {
		if got := driver.ValidNoteName(name); got != want {
			t.Errorf("ValidNoteName(%q) = %v", name, got)
		}
	}
}

// Frozen: stored notes must be read for ever.
func TestStoredNote(t *testing.T) {
	for stored, c := range map[string]struct {
		up   driver.Upload
		note string
	}{
		"\x00\x02id\x00\x03keynote":      {driver.Upload{ID: "id", Key: "key"}, "note"},
		"\x00\x01\x00\x00\x04b/\xc3\xa9": {driver.Upload{ID: "\x00", Key: "b/é"}, ""},
		"\x01\x00" + strings.Repeat("i", 256) + "\x04\x00" + strings.Repeat("k", 1024) + "\x00": {driver.Upload{ID: strings.Repeat("i", 256), Key: strings.Repeat("k", 1024)}, "\x00"},
	} {
		if got := driver.EncodeNote(c.up, []byte(c.note)); string(got) != stored {
			t.Errorf("%+v, %q is stored as %q", c.up, c.note, got)
		}
		up, note, err := driver.DecodeNote([]byte(stored), 1024)
		if up != c.up || string(note) != c.note || err != nil {
			t.Errorf("%q is %+v, %q, %v", stored, up, note, err)
		}
	}
	if got, want := driver.NoteFolder("id"), "a56145270ce6b3bebd1dd012b73948677dd618d496488bc608a3cb43ce3547dd"; got != want {
		t.Errorf("notes of \"id\" lie in %s, want %s", got, want)
	}
}

func TestDamagedNotes(t *testing.T) {
	up := driver.Upload{ID: "id", Key: strings.Repeat("k", 100)}
	whole := driver.EncodeNote(up, nil)
	for n := range len(whole) {
		if got, _, err := driver.DecodeNote(whole[:n], 100); !errors.Is(err, driver.ErrDamagedNote) || got != (driver.Upload{}) {
			t.Errorf("cut after %d bytes: %+v, %v", n, got, err)
		}
	}
	largest := driver.EncodeNote(driver.Upload{ID: strings.Repeat("i", driver.MaxUploadID), Key: up.Key}, make([]byte, driver.MaxNote))
	if got := driver.MaxStoredNote(100); got != int64(len(largest)) {
		t.Errorf("the largest note has %d bytes, not %d", len(largest), got)
	}
	if _, note, err := driver.DecodeNote(largest, 100); len(note) != driver.MaxNote || err != nil {
		t.Errorf("the largest note: %d bytes, %v", len(note), err)
	}
	for name, stored := range map[string][]byte{
		"no id":          driver.EncodeNote(driver.Upload{Key: "k"}, nil),
		"long id":        driver.EncodeNote(driver.Upload{ID: strings.Repeat("i", driver.MaxUploadID+1), Key: "k"}, nil),
		"no key":         driver.EncodeNote(driver.Upload{ID: "i"}, nil),
		"long key":       driver.EncodeNote(driver.Upload{ID: "i", Key: strings.Repeat("k", 101)}, nil),
		"key with NUL":   driver.EncodeNote(driver.Upload{ID: "i", Key: "k\x00"}, nil),
		"key not UTF-8":  driver.EncodeNote(driver.Upload{ID: "i", Key: "\xff"}, nil),
		"reserved key":   driver.EncodeNote(driver.Upload{ID: "i", Key: ".sallyport/uploads/x"}, nil),
		"long note":      append(largest, 0),
		"length overrun": {255, 255, 'x'},
	} {
		if _, _, err := driver.DecodeNote(stored, 100); !errors.Is(err, driver.ErrDamagedNote) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzStoredNote(f *testing.F) {
	f.Add([]byte{})
	f.Add(driver.EncodeNote(driver.Upload{ID: "id", Key: "key"}, []byte("note")))
	f.Add(driver.EncodeNote(driver.Upload{ID: "id", Key: "key"}, nil))
	f.Add([]byte{0, 1, 'x', 0, 0})
	f.Add([]byte{0, 1, 'x', 0, 5, 'a'})
	f.Add([]byte{255, 255, 'x'})
	f.Fuzz(func(t *testing.T, b []byte) {
		up, note, err := driver.DecodeNote(b, 1024)
		switch {
		case err != nil && !errors.Is(err, driver.ErrDamagedNote):
			t.Fatalf("%q: %v", b, err)
		case err == nil && !bytes.Equal(driver.EncodeNote(up, note), b):
			t.Fatalf("%q decodes to %+v, %q and back to %q", b, up, note, driver.EncodeNote(up, note))
		}
	})
}
