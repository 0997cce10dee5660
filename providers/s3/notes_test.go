package s3_test

import (
	"crypto/sha256"
	"fmt"
	"testing"

	"sallyport/providers/driver"
	"sallyport/providers/s3"
)

// Notes lie where they always lay, byte for byte: an upload that an older gateway began is finished by a newer one.
func TestNotesInTheBucket(t *testing.T) {
	s := newService(t, false)
	d := s.open(t, func(config *s3.Config) { config.Prefix = "p" }, nil)
	id, err := d.Uploads().Create(t.Context(), "b/é", func(string) ([]byte, error) { return []byte("first\x00"), nil })
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Uploads().Note(t.Context(), driver.Upload{ID: id, Key: "b/é"}, "1-0123456789abcdef", nil); err != nil {
		t.Fatal(err)
	}
	folder := fmt.Sprintf("p/.sallyport/uploads/%x/", sha256.Sum256([]byte(id)))
	for name, note := range map[string]string{"0": "first\x00", "1-0123456789abcdef": ""} {
		got, ok := s.Object(folder + name)
		if want := "\x00" + string(rune(len(id))) + id + "\x00\x04b/\xc3\xa9" + note; string(got) != want || !ok {
			t.Errorf("%s: %q, %v; want %q", name, got, ok, want)
		}
	}
}
