package local_test

import (
	"strings"
	"syscall"
	"testing"

	"sallyport/providers/driver"
)

// An upload whose object appeared, but which could not be ended, is never completed over what was written since: neither by the same process nor after
// one was killed.
func TestCompleteAgainKeepsWhatWasWrittenSince(t *testing.T) {
	for _, killed := range []bool{false, true} {
		m := newModelFS()
		d := openModel(t, m)
		id, err := d.Uploads().Create(t.Context(), "k", func(string) ([]byte, error) { return []byte("first"), nil })
		if err != nil {
			t.Fatal(err)
		}
		up := driver.Upload{ID: id, Key: "k"}
		part, err := d.Uploads().PutPart(t.Context(), up, 1, strings.NewReader("older"), 5)
		if err != nil {
			t.Fatal(err)
		}
		complete := func() error {
			_, err := d.Uploads().Complete(t.Context(), up, []driver.Part{*part}, &driver.PutOptions{})
			return err
		}
		m.fault = func(call, path string) (error, bool) {
			if call == "rename" && strings.HasSuffix(path, "/.parts") {
				return syscall.EIO, false
			}
			return nil, false
		}
		if err := complete(); err != nil {
			t.Fatalf("complete whose object is there: %v", err)
		}
		m.fault = nil
		if killed { // its lock goes with it
			_ = d.Close()
			d = openModel(t, m)
		}
		if _, err := d.Put(t.Context(), "k", strings.NewReader("newer, acknowledged"), 19, &driver.PutOptions{}); err != nil {
			t.Fatal(err)
		}
		if err := complete(); !driver.Is(err, driver.NoSuchUpload) {
			t.Errorf("killed %v: complete again: %v", killed, err)
		}
		if info, err := d.Head(t.Context(), "k"); err != nil || info.Size != 19 {
			t.Errorf("killed %v: the object has %v bytes, %v", killed, info, err)
		}
	}
}
