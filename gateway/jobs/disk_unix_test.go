//go:build unix

package jobs_test

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
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
	var to string
	for _, full := range []error{syscall.ENOSPC, syscall.EDQUOT} {
		to = t.TempDir()
		opts := jobs.RecoverOptions{From: f.path, To: to, Keyring: f.keyring}
		r, err := jobs.Recover(t.Context(), opts.OnDisk(&fullDisk{err: full, left: 20}))
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

// watchedDisk sees what is synced, and when.
type watchedDisk struct {
	jobs.RealDisk
	dirErr error

	mu      sync.Mutex
	files   int            // made
	synced  int            // synced after the last byte and before they were closed
	entries map[string]int // folder -> names in it when it was synced last
}

func (d *watchedDisk) Create(root *os.Root, name string) (jobs.DiskFile, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.files++
	f, err := d.RealDisk.Create(root, name)
	return &watchedFile{DiskFile: f, disk: d}, err
}

func (d *watchedDisk) SyncDir(root *os.Root, name string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	entries, err := fs.ReadDir(root.FS(), name)
	if err != nil {
		return err
	}
	d.entries[name] = len(entries)
	if name == "." {
		d.entries[name]-- // the work folder
	}
	return errors.Join(d.RealDisk.SyncDir(root, name), d.dirErr)
}

type watchedFile struct {
	jobs.DiskFile
	disk   *watchedDisk
	synced bool
}

func (f *watchedFile) Write(p []byte) (int, error) {
	f.synced = false
	return f.DiskFile.Write(p)
}

func (f *watchedFile) Sync() error {
	f.synced = true
	return f.DiskFile.Sync()
}

func (f *watchedFile) Close() error {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	if f.synced {
		f.disk.synced++
	}
	return f.DiskFile.Close()
}

// TestRecoverSyncsBeforeItSaysDone: every file and every folder with a new name in it, also those that a stopped run made.
func TestRecoverSyncsBeforeItSaysDone(t *testing.T) {
	f := fill(t)
	opts := jobs.RecoverOptions{From: f.path, To: filepath.Join(t.TempDir(), "new", "out"), Keyring: f.keyring}
	for run := range 2 {
		d := &watchedDisk{entries: map[string]int{}}
		r, err := jobs.Recover(t.Context(), opts.OnDisk(d))
		if err != nil || len(r.Damaged)+len(r.Unwritten) != 0 {
			t.Fatalf("%+v, %v", r, err)
		}
		if d.synced != d.files || run == 0 && d.files != len(f.objects) {
			t.Errorf("%d of %d files were synced", d.synced, d.files)
		}
		there := map[string]int{}
		err = fs.WalkDir(os.DirFS(opts.To), ".", func(p string, _ fs.DirEntry, err error) error {
			if p != "." {
				there[path.Dir(p)]++
			}
			return err
		})
		if err != nil || len(there) < 5 || !maps.Equal(there, d.entries) {
			t.Errorf("run %d: names in each folder %v, and when it was synced %v, %v", run, there, d.entries, err)
		}
	}
	if _, err := jobs.Recover(t.Context(), opts.OnDisk(&watchedDisk{dirErr: syscall.EIO, entries: map[string]int{}})); !errors.Is(err, syscall.EIO) {
		t.Errorf("no folder could be synced: %v", err)
	}
}

// countedDisk counts how often each folder is synced.
type countedDisk struct {
	jobs.RealDisk
	dirs map[string]int
	fail string
}

func (d countedDisk) SyncDir(_ *os.Root, name string) error {
	if d.dirs[name]++; name == d.fail {
		return syscall.EIO
	}
	return nil
}

// TestManyFoldersAreSynced: in batches, so that memory is bounded, and none is forgotten nor its error.
func TestManyFoldersAreSynced(t *testing.T) {
	const n = 10_000
	var names []string
	for i := range n {
		names = append(names, fmt.Sprintf("b/%d/file", i))
	}
	d := countedDisk{dirs: map[string]int{}}
	if err := jobs.Name(nil, d, names); err != nil || len(d.dirs) != n+2 || d.dirs["b"] < 3 || d.dirs["b"] > 10 || d.dirs["7"] > 1 {
		t.Errorf("%d folders, b %d times, %v", len(d.dirs), d.dirs["b"], err)
	}
	if err := jobs.Name(nil, countedDisk{dirs: map[string]int{}, fail: "b/7"}, names); !errors.Is(err, syscall.EIO) {
		t.Errorf("an early folder failed: %v", err)
	}
}
