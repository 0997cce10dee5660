//go:build unix

package jobs_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"sallyport/gateway/jobs"
)

// fullDisk takes so many bytes, and then fails.
type fullDisk struct {
	jobs.RealDisk
	err error

	mu   sync.Mutex
	left int
}

func (d *fullDisk) Create(root *os.Root, name string) (jobs.DiskFile, error) {
	f, err := d.RealDisk.Create(root, name)
	return fullFile{f, d}, err
}

type fullFile struct {
	jobs.DiskFile
	disk *fullDisk
}

func (f fullFile) Write(p []byte) (int, error) {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	if f.disk.left -= len(p); f.disk.left < 0 {
		return 0, &os.PathError{Op: "write", Path: "x", Err: f.disk.err}
	}
	return f.DiskFile.Write(p)
}

// TestRecoverToAFullDisk: it ends at once, says why, and calls nothing damaged; with room it goes on.
func TestRecoverToAFullDisk(t *testing.T) {
	f := fill(t)
	to := t.TempDir()
	opts := jobs.RecoverOptions{From: f.path, To: to, Keyring: f.keyring}
	for _, full := range []error{syscall.ENOSPC, syscall.EDQUOT} {
		r, err := jobs.Recover(t.Context(), opts.OnDisk(&fullDisk{err: full, left: minPart}))
		if err == nil || !strings.Contains(err.Error(), "no space is left") || !errors.Is(err, full) {
			t.Fatalf("error %v", err)
		}
		if len(r.Damaged) != 0 || len(r.Unwritten) == 0 || r.Restored+r.AlreadyThere+len(r.Unwritten) >= len(f.objects) {
			t.Errorf("%+v", r)
		}
		for name := range filesBelow(t, to) {
			if strings.Contains(name, ".sallyport-") {
				t.Errorf("%s is left", name)
			}
		}
	}
	r, err := f.recover(to)
	if err != nil || r.Restored+r.AlreadyThere != len(f.objects) {
		t.Fatalf("with room: %+v, %v", r, err)
	}
	f.wantAll(to, r)
}

// TestRecoverToAFailingDisk: what is not written is not called damaged, and the rest goes on.
func TestRecoverToAFailingDisk(t *testing.T) {
	f := fill(t)
	opts := jobs.RecoverOptions{From: f.path, To: t.TempDir(), Keyring: f.keyring}
	r, err := jobs.Recover(t.Context(), opts.OnDisk(&fullDisk{err: syscall.EIO}))
	if err != nil || len(r.Damaged) != 0 || r.Restored != 2 || len(r.Unwritten) != len(f.objects)-2 { // the empty ones
		t.Errorf("%+v, %v", r, err)
	}
	for _, p := range r.Unwritten {
		if !errors.Is(p.Err, jobs.ErrNotWritten) || !errors.Is(p.Err, syscall.EIO) || p.Key == "" {
			t.Errorf("%+v", p)
		}
	}
	if _, err := os.Lstat(filepath.Join(opts.To, ".sallyport-recover")); err == nil {
		t.Error("the work folder is left")
	}
}
