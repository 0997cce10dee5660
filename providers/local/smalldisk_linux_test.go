package local_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"sallyport/providers/driver"
	"sallyport/providers/local"
)

// smallDisk mounts a file system of size bytes in memory; "" where this process may not.
func smallDisk(t *testing.T, size int) string {
	t.Helper()
	dir := t.TempDir()
	err := unix.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%d", size))
	if errors.Is(err, unix.EPERM) || errors.Is(err, unix.ENOSYS) {
		t.Log("this process may not mount; TestNthFailure has the same errors by injection")
		return ""
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return dir
}

func TestFullDisk(t *testing.T) {
	for name, reserve := range map[string]int64{"with reserve": 1 << 20, "without": -1} {
		t.Run(name, func(t *testing.T) {
			dir := smallDisk(t, 8<<20)
			if dir == "" {
				return
			}
			f, err := openWith(t, &local.Config{Path: dir, ReserveBytes: reserve}, nil)
			if err != nil {
				t.Fatal(err)
			}
			if p := f.Probe(); p.Class != local.ClassNone {
				t.Errorf("class %q in memory", p.Class)
			}
			chunk := bytes.Repeat([]byte("x"), 300_000)
			put(t, f, "first", "old")
			var full error
			n := 0
			for ; full == nil && n < 100; n++ {
				_, full = f.Put(t.Context(), fmt.Sprint("k", n), bytes.NewReader(chunk), int64(len(chunk)), &driver.PutOptions{})
			}
			if !driver.Is(full, driver.NoSpace) {
				t.Fatalf("full: %v", full)
			}
			if _, err := f.Put(t.Context(), "first", bytes.NewReader(chunk), int64(len(chunk)), &driver.PutOptions{}); !driver.Is(err, driver.NoSpace) {
				t.Errorf("overwrite on a full disk: %v", err)
			}
			if got := get(t, f, "first"); got != "old" {
				t.Errorf("the old object is %q", got)
			}
			if got := listAll(t, f, driver.ListOptions{}); len(got) != n {
				t.Errorf("%d objects, want %d", len(got), n)
			}
			if err := f.Delete(t.Context(), "k0", &driver.DeleteOptions{}); err != nil {
				t.Errorf("delete on a full disk: %v", err)
			}
			if err := f.Delete(t.Context(), "k1", &driver.DeleteOptions{}); err != nil {
				t.Errorf("delete on a full disk: %v", err)
			}
			if _, err := f.Put(t.Context(), "again", bytes.NewReader(chunk), int64(len(chunk)), &driver.PutOptions{}); err != nil {
				t.Errorf("put after deletes: %v", err)
			}
			if n := local.LiveTemps(f); n != 0 {
				t.Errorf("%d temporaries count as live", n)
			}
		})
	}
}

func TestReadOnlyDisk(t *testing.T) {
	dir := smallDisk(t, 8<<20)
	if dir == "" {
		return
	}
	f, err := openWith(t, &local.Config{Path: dir}, nil)
	if err != nil {
		t.Fatal(err)
	}
	put(t, f, "d/k", "old")
	if err := f.Close(); err != nil { // the lock file is open for writing
		t.Fatal(err)
	}
	if err := unix.Mount("tmpfs", dir, "tmpfs", unix.MS_REMOUNT|unix.MS_RDONLY, ""); err != nil {
		t.Fatal(err)
	}
	if _, err := openWith(t, &local.Config{Path: dir}, nil); !driver.Is(err, driver.ReadOnly) {
		t.Errorf("open to write: %v", err)
	}
	r, err := openWith(t, &local.Config{Path: dir}, &local.Options{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	if got := get(t, r, "d/k"); got != "old" {
		t.Errorf("got %q", got)
	}
}

// TestReserveBindsOnlyUploads sees that notes are written where uploads are refused.
func TestReserveBindsOnlyUploads(t *testing.T) {
	f, err := openWith(t, &local.Config{Path: t.TempDir(), ReserveBytes: 1 << 60}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Put(t.Context(), "k", strings.NewReader("x"), 1, &driver.PutOptions{}); !driver.Is(err, driver.NoSpace) {
		t.Errorf("put into the reserve: %v", err)
	}
	id, err := f.Uploads().Create(t.Context(), "k", func(string) ([]byte, error) { return []byte("n"), nil })
	if err != nil {
		t.Fatal(err)
	}
	up := driver.Upload{ID: id, Key: "k"}
	if _, err := f.Uploads().PutPart(t.Context(), up, 1, io.LimitReader(strings.NewReader("x"), 1), 1); !driver.Is(err, driver.NoSpace) {
		t.Errorf("part into the reserve: %v", err)
	}
	if err := f.Uploads().Note(t.Context(), up, "done", []byte("d")); err != nil {
		t.Error(err)
	}
	if err := f.Uploads().Abort(t.Context(), up); err != nil {
		t.Error(err)
	}
}
