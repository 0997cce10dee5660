package local_test

import (
	"errors"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"sallyport/providers/driver"
	"sallyport/providers/local"
)

// arrivalFS tells of the first sync of one directory, and holds it back.
type arrivalFS struct {
	*modelFS
	dir           atomic.Pointer[string] // nil = of none yet
	arrived, goOn chan struct{}
	once          sync.Once
}

func (g *arrivalFS) SyncDir(p string) error {
	if dir := g.dir.Load(); dir != nil && p == *dir {
		g.once.Do(func() {
			close(g.arrived)
			<-g.goOn
		})
	}
	return g.modelFS.SyncDir(p)
}

// TestCloseWaitsForWhatIsBeingCommitted: the lock is the next gateway's once it is given back, so that nothing may appear, or go, in the folder after that.
func TestCloseWaitsForWhatIsBeingCommitted(t *testing.T) {
	objectsDir := "dir,"
	for name, change := range map[string]func(t *testing.T, d *local.Folder, up driver.Upload, part driver.Part) error{
		"put": func(t *testing.T, d *local.Folder, _ driver.Upload, _ driver.Part) error {
			_, err := d.Put(t.Context(), "dir/k", strings.NewReader("x"), 1, &driver.PutOptions{})
			return err
		},
		"delete": func(t *testing.T, d *local.Folder, _ driver.Upload, _ driver.Part) error {
			return d.Delete(t.Context(), "dir/there", &driver.DeleteOptions{})
		},
		"complete": func(t *testing.T, d *local.Folder, up driver.Upload, part driver.Part) error {
			_, err := d.Uploads().Complete(t.Context(), up, []driver.Part{part}, &driver.PutOptions{})
			return err
		},
	} {
		m := newModelFS()
		g := &arrivalFS{modelFS: m, arrived: make(chan struct{}), goOn: make(chan struct{})}
		d, err := local.Open(t.Context(), &local.Config{Path: "model"}, &local.Options{FileSystem: g})
		if err != nil {
			t.Fatal(err)
		}
		put(t, d, "dir/there", "x")
		up, parts := beginOnePart(t, d, "dir/up", "text")
		g.dir.Store(&objectsDir)
		changed, closed := make(chan error, 1), make(chan error, 1)
		go func() { changed <- change(t, d, up, parts[0]) }()
		<-g.arrived
		go func() { closed <- d.Close() }()
		for !local.ClosePending(d) && len(closed) == 0 {
			runtime.Gosched()
		}
		m.mu.Lock()
		locked := m.locked
		m.mu.Unlock()
		if !locked {
			t.Errorf("%s: the lock is given back while it is being made durable", name)
		}
		close(g.goOn)
		if err := errors.Join(<-changed, <-closed); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
