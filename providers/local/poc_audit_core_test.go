//go:build poc

package local_test

import (
	"errors"
	"strings"
	"syscall"
	"testing"
	"time"

	"sallyport/providers/driver"
	"sallyport/providers/local"
)

// crashedFS is the file system after a power failure that loses all that was not synced.
func crashedFS(m *modelFS) *modelFS {
	kept, _ := durable(m.log, len(m.log))
	set := map[int]bool{}
	for _, i := range kept {
		set[i] = true
	}
	return after(m.log, set, nil)
}

// TestPoCDeleteAgainAfterAFailedSync: the sync of a delete fails, the client sends the delete again and gets a success, and after a power failure
// the object is back.
func TestPoCDeleteAgainAfterAFailedSync(t *testing.T) {
	m := newModelFS()
	d := openModel(t, m)
	put(t, d, "dir/a", "x")
	put(t, d, "dir/b", "x")
	m.fault = func(call, path string) (error, bool) {
		if call == "syncdir" && path == "dir," {
			return syscall.EIO, false
		}
		return nil, false
	}
	if err := d.Delete(t.Context(), "dir/a", &driver.DeleteOptions{}); !driver.Is(err, driver.UnknownOutcome) {
		t.Fatalf("first delete: %v", err)
	}
	m.fault = nil
	if err := d.Delete(t.Context(), "dir/a", &driver.DeleteOptions{}); err != nil {
		t.Fatalf("second delete: %v", err)
	}
	again := openModel(t, crashedFS(m))
	if _, err := again.Head(t.Context(), "dir/a"); !driver.Is(err, driver.NotFound) {
		t.Errorf("an acknowledged delete is undone by a power failure: %v", err)
	}
}

// gatedFS holds the first sync of one directory back, and then fails it.
type gatedFS struct {
	*modelFS
	dir     string
	reached chan struct{}
	goOn    chan struct{}
	used    bool
}

func (g *gatedFS) SyncDir(p string) error {
	if p != g.dir || g.used {
		return g.modelFS.SyncDir(p)
	}
	g.used = true
	close(g.reached)
	<-g.goOn
	g.mu.Lock()
	g.fault = func(call, path string) (error, bool) {
		if call == "syncdir" && path == g.dir {
			return syscall.EIO, false
		}
		return nil, false
	}
	g.mu.Unlock()
	err := g.modelFS.SyncDir(p)
	g.mu.Lock()
	g.fault = nil
	g.mu.Unlock()
	return err
}

// TestPoCPutBesideAFailingSync: a put renames its file, another put's sync of the directory fails and with it the rename is lost, and the sync of the
// first succeeds: it is acknowledged, and after a power failure the object is not there.
func TestPoCPutBesideAFailingSync(t *testing.T) {
	m := newModelFS()
	put(t, openModel(t, m), "dir/there", "x")
	m.locked = false
	g := &gatedFS{modelFS: m, dir: "dir,", reached: make(chan struct{}), goOn: make(chan struct{})}
	d, err := local.Open(t.Context(), &local.Config{Path: "model"}, &local.Options{FileSystem: g})
	if err != nil {
		t.Fatal(err)
	}
	first, second := make(chan error, 1), make(chan error, 1)
	go func() {
		_, err := d.Put(t.Context(), "dir/a", strings.NewReader("x"), 1, &driver.PutOptions{})
		first <- err
	}()
	<-g.reached
	go func() {
		_, err := d.Put(t.Context(), "dir/b", strings.NewReader("x"), 1, &driver.PutOptions{})
		second <- err
	}()
	for renamed := false; !renamed; time.Sleep(time.Millisecond) {
		m.mu.Lock()
		for _, c := range m.log {
			renamed = renamed || c.kind == "rename" && c.name == "b"
		}
		m.mu.Unlock()
	}
	close(g.goOn)
	if err := <-first; !driver.Is(err, driver.UnknownOutcome) {
		t.Fatalf("the put whose sync failed: %v", err)
	}
	if err := <-second; err != nil {
		t.Logf("the other put is not acknowledged: %v", err)
		return
	}
	again := openModel(t, crashedFS(m))
	if _, err := again.Head(t.Context(), "dir/b"); err != nil {
		t.Error(errors.Join(errors.New("an acknowledged put is lost"), err))
	}
}
