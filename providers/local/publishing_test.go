package local_test

import (
	"strings"
	"syscall"
	"testing"

	"sallyport/providers/driver"
)

// An upload whose object appeared, but which could not be ended, is never completed over what was written since: neither by the same process nor after
// one was killed, be it before or after the newer write. While it still cannot be ended nobody changes its object.
func TestCompleteAgainKeepsWhatWasWrittenSince(t *testing.T) {
	for _, killed := range []string{"never", "before the write", "after the write"} {
		m := newModelFS()
		d := openModel(t, m)
		up, parts := beginOnePart(t, d, "k", "older")
		complete := func() error {
			_, err := d.Uploads().Complete(t.Context(), up, parts, &driver.PutOptions{})
			return err
		}
		restart := func(when string) {
			if killed == when { // its lock goes with it
				_ = d.Close()
				d = openModel(t, m)
			}
		}
		m.fault = func(call, path string) (error, bool) {
			if call == "rename" && strings.HasPrefix(path, ".sallyport/tmp/") { // parts are taken away by this
				return syscall.EIO, false
			}
			return nil, false
		}
		if err := complete(); err != nil {
			t.Fatalf("complete whose object is there: %v", err)
		}
		if left, _, err := d.Uploads().Read(t.Context(), up); err != nil || len(left) != 1 {
			t.Fatalf("the upload was ended, and this test shows nothing: %v, %v", left, err)
		}
		_, putErr := d.Put(t.Context(), "k", strings.NewReader("x"), 1, &driver.PutOptions{})
		if deleteErr := d.Delete(t.Context(), "k", &driver.DeleteOptions{}); !driver.Is(putErr, driver.Unavailable) || !driver.Is(deleteErr, driver.Unavailable) {
			t.Errorf("changes of an object whose upload cannot be ended: %v, %v", putErr, deleteErr)
		}
		m.fault = nil
		restart("before the write")
		if _, err := d.Put(t.Context(), "k", strings.NewReader("newer, acknowledged"), 19, &driver.PutOptions{}); err != nil {
			t.Fatal(err)
		}
		restart("after the write")
		if err := complete(); !driver.Is(err, driver.NoSuchUpload) {
			t.Errorf("killed %s: complete again: %v", killed, err)
		}
		if info, err := d.Head(t.Context(), "k"); err != nil || info.Size != 19 {
			t.Errorf("killed %s: the object has %v bytes, %v", killed, info, err)
		}
	}
}

// The parts may be gone although the system said that they could not be moved. That they are must be durable before the object changes: a power
// failure would bring them back, beside another object than theirs.
func TestPartsThatCameBackAreNotCompletedOverWhatWasWrittenSince(t *testing.T) {
	m := newModelFS()
	d := openModel(t, m)
	up, parts := beginOnePart(t, d, "k", "older")
	m.fault = func(call, path string) (error, bool) {
		if call == "rename" && strings.HasPrefix(path, ".sallyport/tmp/") {
			return syscall.EIO, true
		}
		return nil, false
	}
	if _, err := d.Uploads().Complete(t.Context(), up, parts, &driver.PutOptions{}); err != nil {
		t.Fatalf("complete whose object is there: %v", err)
	}
	m.fault = nil
	if _, err := d.Put(t.Context(), "k", strings.NewReader("newer, acknowledged"), 19, &driver.PutOptions{}); err != nil {
		t.Fatal(err)
	}
	d = openModel(t, m.crashed(len(m.log)))
	if _, err := d.Uploads().Complete(t.Context(), up, parts, &driver.PutOptions{}); !driver.Is(err, driver.NoSuchUpload) {
		t.Errorf("complete again: %v", err)
	}
	if got := get(t, d, "k"); got != "newer, acknowledged" {
		t.Errorf("the object is %q", got)
	}
}

// A deleted object does not come back either.
func TestCompleteAgainKeepsADelete(t *testing.T) {
	m := newModelFS()
	d := openModel(t, m)
	up, parts := beginOnePart(t, d, "dir/k", "older")
	m.fault = func(call, path string) (error, bool) {
		if call == "rename" && strings.HasPrefix(path, ".sallyport/tmp/") {
			return syscall.EIO, false
		}
		return nil, false
	}
	if _, err := d.Uploads().Complete(t.Context(), up, parts, &driver.PutOptions{}); err != nil {
		t.Fatal(err)
	}
	m.fault = nil
	if err := d.Delete(t.Context(), "dir/k", &driver.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	_ = d.Close()
	d = openModel(t, m)
	if _, err := d.Uploads().Complete(t.Context(), up, parts, &driver.PutOptions{}); !driver.Is(err, driver.NoSuchUpload) {
		t.Errorf("complete again: %v", err)
	}
	if _, err := d.Head(t.Context(), "dir/k"); !driver.Is(err, driver.NotFound) {
		t.Errorf("the object is back: %v", err)
	}
}

// A folder opens although an upload cannot be ended, and its object stays as it is until that is done.
func TestOpenWithAnUploadThatCannotBeEnded(t *testing.T) {
	m := newModelFS()
	d := openModel(t, m)
	up, parts := beginOnePart(t, d, "k", "older")
	m.fault = func(call, path string) (error, bool) {
		if call == "rename" && strings.HasPrefix(path, ".sallyport/tmp/") && !strings.HasSuffix(path, "-moved") { // but the probe's
			return syscall.EIO, false
		}
		return nil, false
	}
	if _, err := d.Uploads().Complete(t.Context(), up, parts, &driver.PutOptions{}); err != nil {
		t.Fatal(err)
	}
	_ = d.Close()
	d = openModel(t, m)
	if got := get(t, d, "k"); got != "older" {
		t.Errorf("reads %q", got)
	}
	if err := d.Delete(t.Context(), "k", &driver.DeleteOptions{}); !driver.Is(err, driver.Unavailable) {
		t.Errorf("delete of an object whose upload cannot be ended: %v", err)
	}
	m.fault = nil
	if err := d.Delete(t.Context(), "k", &driver.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Uploads().Complete(t.Context(), up, parts, &driver.PutOptions{}); !driver.Is(err, driver.NoSuchUpload) {
		t.Errorf("complete again: %v", err)
	}
}

// beginOnePart begins an upload and sends its only part.
func beginOnePart(t testing.TB, d driver.Driver, key, content string) (driver.Upload, []driver.Part) {
	t.Helper()
	id, err := d.Uploads().Create(t.Context(), key, func(string) ([]byte, error) { return []byte("first"), nil })
	if err != nil {
		t.Fatal(err)
	}
	up := driver.Upload{ID: id, Key: key}
	part, err := d.Uploads().PutPart(t.Context(), up, 1, strings.NewReader(content), int64(len(content)))
	if err != nil {
		t.Fatal(err)
	}
	return up, []driver.Part{*part}
}
