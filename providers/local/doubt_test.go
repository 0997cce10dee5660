package local_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"sallyport/providers/driver"
	"sallyport/providers/local"
)

// failOnce fails the first of the given calls on path.
func failOnce(m *modelFS, call, path string, errno syscall.Errno) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.fault = func(c, p string) (error, bool) {
		if c == call && p == path {
			m.fault = nil
			return errno, false
		}
		return nil, false
	}
}

// refusesChanges sees that a folder whose directories are in doubt serves reads, says why, and accepts no change.
func refusesChanges(t testing.TB, d *local.Folder) {
	t.Helper()
	up := driver.Upload{ID: "x", Key: "k"}
	_, putErr := d.Put(t.Context(), "fresh", strings.NewReader("x"), 1, &driver.PutOptions{})
	_, createErr := d.Uploads().Create(t.Context(), "fresh", nil)
	_, partErr := d.Uploads().PutPart(t.Context(), up, 1, strings.NewReader("x"), 1)
	_, completeErr := d.Uploads().Complete(t.Context(), up, nil, &driver.PutOptions{})
	_, sweepErr := d.Sweep(t.Context())
	for call, err := range map[string]error{
		"put": putErr, "delete": d.Delete(t.Context(), "nothing", &driver.DeleteOptions{}), "create": createErr, "part": partErr,
		"note": d.Uploads().Note(t.Context(), up, "done", nil), "complete": completeErr, "abort": d.Uploads().Abort(t.Context(), up), "sweep": sweepErr,
	} {
		if !driver.Is(err, driver.ReadOnly) {
			t.Errorf("%s of a folder in doubt: %v", call, err)
		}
	}
	if d.Health() == nil {
		t.Error("a folder in doubt calls itself well")
	}
	if _, err := d.List(t.Context(), &driver.ListOptions{}); err != nil {
		t.Errorf("list of a folder in doubt: %v", err)
	}
}

// TestDeleteAgainAfterAFailedSync repeats a delete whose sync failed, in the same process and in the next: the object is gone from memory and
// not from the disk, and no sync would tell.
func TestDeleteAgainAfterAFailedSync(t *testing.T) {
	m := newModelFS()
	d := openModel(t, m)
	put(t, d, "dir/a", "x")
	put(t, d, "dir/b", "y")
	failOnce(m, "syncdir", "dir,", syscall.EIO)
	if err := d.Delete(t.Context(), "dir/a", &driver.DeleteOptions{}); !driver.Is(err, driver.UnknownOutcome) {
		t.Fatalf("first delete: %v", err)
	}
	for _, process := range []string{"the same process", "the next process"} {
		if err := d.Delete(t.Context(), "dir/a", &driver.DeleteOptions{}); !driver.Is(err, driver.ReadOnly) {
			t.Errorf("second delete in %s: %v", process, err)
		}
		refusesChanges(t, d)
		if got := get(t, d, "dir/b"); got != "y" {
			t.Errorf("%s reads %q", process, got)
		}
		m.locked = false
		d = openModel(t, m)
	}
	if got := get(t, openModel(t, m.crashed(len(m.log))), "dir/a"); got != "x" {
		t.Errorf("the disk holds %q, and this test shows nothing", got)
	}
}

// TestOpenInDoubtEndsNoUpload starts again after a Complete whose object nobody made durable: its parts are all that the disk has, and stay.
func TestOpenInDoubtEndsNoUpload(t *testing.T) {
	m := newModelFS()
	d := openModel(t, m)
	put(t, d, "dir/a", "x")
	up, parts := beginOnePart(t, d, "dir/k", "text")
	failOnce(m, "syncdir", "dir,", syscall.EIO)
	if _, err := d.Uploads().Complete(t.Context(), up, parts, &driver.PutOptions{}); !driver.Is(err, driver.UnknownOutcome) {
		t.Fatalf("complete: %v", err)
	}
	m.locked = false
	refusesChanges(t, openModel(t, m))
	d = openModel(t, m.crashed(len(m.log)))
	if _, err := d.Head(t.Context(), "dir/k"); !driver.Is(err, driver.NotFound) {
		t.Fatalf("the disk has the object (%v), and this test shows nothing", err)
	}
	if left, _, err := d.Uploads().Read(t.Context(), up); err != nil || len(left) != 1 {
		t.Errorf("neither the object nor its part outlast a crash: %v, %v", left, err)
	}
}

// TestDoubtEnds lets the machine start anew, and then the operator take the file away; a damaged file says less, and is no reason to go on.
func TestDoubtEnds(t *testing.T) {
	m := newModelFS()
	d := openModel(t, m)
	put(t, d, "dir/a", "x")
	failOnce(m, "syncdir", "dir,", syscall.EIO)
	if err := d.Delete(t.Context(), "dir/a", &driver.DeleteOptions{}); err == nil {
		t.Fatal("a failed sync is a success")
	}
	reopen := func() *local.Folder {
		m.locked = false
		return openModel(t, m)
	}
	m.boot = ""
	refusesChanges(t, reopen())
	m.boot = "another boot"
	put(t, reopen(), "dir/a", "y")
	if _, err := m.find(".sallyport/doubt"); err == nil {
		t.Error("the file stays")
	}
	for _, content := range []string{"", "{", "{}", `{"boot":"","since":"2026-01-01T00:00:00Z"}`} {
		file, err := m.Create(".sallyport/doubt")
		if err == nil {
			_, err = file.Write([]byte(content))
		}
		if err := errors.Join(err, file.Close()); err != nil {
			t.Fatal(err)
		}
		d := reopen()
		refusesChanges(t, d)
		if said := d.Health().Error(); !strings.Contains(said, "remove .sallyport/doubt before the gateway starts again") {
			t.Errorf("a restart of the machine, which nobody would notice, is said to be enough: %s", said)
		}
		if err := m.Remove(".sallyport/doubt"); err != nil {
			t.Fatal(err)
		}
		put(t, reopen(), "dir/a", "z")
	}
}

// TestOpenAfterAFailedSync fails each sync of a directory that the making of a root needs: a later start must not build on what it left.
func TestOpenAfterAFailedSync(t *testing.T) {
	for n := 1; ; n++ {
		m := newModelFS()
		syncs := 0
		m.fault = func(call, _ string) (error, bool) {
			if call == "syncdir" {
				if syncs++; syncs == n {
					return syscall.EIO, false
				}
			}
			return nil, false
		}
		_, err := local.Open(t.Context(), &local.Config{Path: "model"}, &local.Options{FileSystem: m})
		if syncs < n {
			break
		}
		if err == nil {
			t.Fatalf("sync %d of the start fails, and the folder opens", n)
		}
		m.locked = false
		d := openModel(t, m)
		const key = ".sallyport/vault" // in the directory that is made
		if _, err := d.Put(t.Context(), key, strings.NewReader("x"), 1, &driver.PutOptions{}); err == nil {
			if info, err := openModel(t, m.crashed(len(m.log))).Head(t.Context(), key); err != nil {
				t.Errorf("after sync %d of a start failed, an acknowledged object: %v, %v", n, info, err)
			}
		}
	}
}

// TestSyncThatDidNotBegin sees that a directory that could not be opened is no loss, and is synced before the next change: nothing that is
// seen then is less durable than what is acknowledged.
func TestSyncThatDidNotBegin(t *testing.T) {
	m := newModelFS()
	d := openModel(t, m)
	put(t, d, "dir/there", "x")
	failOnce(m, "opensync", "dir,", syscall.EMFILE)
	if _, err := d.Put(t.Context(), "dir/a", strings.NewReader("x"), 1, &driver.PutOptions{}); !driver.Is(err, driver.UnknownOutcome) {
		t.Fatalf("put: %v", err)
	}
	if d.Health() == nil {
		t.Error("not degraded")
	}
	put(t, d, "other/b", "x")
	if err := d.Health(); err != nil {
		t.Errorf("still degraded: %v", err)
	}
	if got := listAll(t, openModel(t, m.crashed(len(m.log))), driver.ListOptions{}); !slices.Equal(got, []string{"dir/a", "dir/there", "other/b"}) {
		t.Errorf("after a power failure: %q", got)
	}
}

// gatedFS holds the first sync of one directory back.
type gatedFS struct {
	*modelFS
	dir  string
	goOn chan struct{}
	once sync.Once
}

func (g *gatedFS) SyncDir(p string) error {
	if p == g.dir {
		g.once.Do(func() { <-g.goOn })
	}
	return g.modelFS.SyncDir(p)
}

// TestPutBesideAFailingSync has one call's failing sync lose another call's change, whose own sync then succeeds.
func TestPutBesideAFailingSync(t *testing.T) {
	for name, change := range map[string]func(t *testing.T, d *local.Folder) error{
		"put": func(t *testing.T, d *local.Folder) error {
			_, err := d.Put(t.Context(), "dir/b", strings.NewReader("x"), 1, &driver.PutOptions{})
			return err
		},
		"create": func(t *testing.T, d *local.Folder) error {
			_, err := d.Put(t.Context(), "dir/b", strings.NewReader("x"), 1, &driver.PutOptions{IfNoneMatch: true})
			return err
		},
		"put below": func(t *testing.T, d *local.Folder) error {
			_, err := d.Put(t.Context(), "dir/new/b", strings.NewReader("x"), 1, &driver.PutOptions{})
			return err
		},
		"delete": func(t *testing.T, d *local.Folder) error {
			return d.Delete(t.Context(), "dir/there", &driver.DeleteOptions{})
		},
	} {
		synctest.Test(t, func(t *testing.T) {
			m := newModelFS()
			put(t, openModel(t, m), "dir/there", "x")
			m.locked = false
			g := &gatedFS{modelFS: m, dir: "dir,", goOn: make(chan struct{})}
			d, err := local.Open(t.Context(), &local.Config{Path: "model"}, &local.Options{FileSystem: g})
			if err != nil {
				t.Fatal(err)
			}
			var first, second error
			var wg sync.WaitGroup
			wg.Go(func() {
				_, first = d.Put(t.Context(), "dir/a", strings.NewReader("x"), 1, &driver.PutOptions{})
			})
			synctest.Wait()
			wg.Go(func() { second = change(t, d) })
			synctest.Wait()
			failOnce(m, "syncdir", "dir,", syscall.EIO)
			close(g.goOn)
			wg.Wait()
			if !driver.Is(first, driver.UnknownOutcome) {
				t.Errorf("%s: the call whose sync failed: %v", name, first)
			}
			if second == nil {
				t.Errorf("%s is acknowledged though it is lost", name)
			}
			refusesChanges(t, d)
		})
	}
}

// TestAbortBehindAComplete has an abort wait for a complete whose directory could not be opened for its sync. Once the upload is gone, whoever
// completes it again finds the object, and takes it for durable.
func TestAbortBehindAComplete(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &gatedFS{modelFS: newModelFS(), dir: "dir,", goOn: make(chan struct{})}
		d, err := local.Open(t.Context(), &local.Config{Path: "model"}, &local.Options{FileSystem: g})
		if err != nil {
			t.Fatal(err)
		}
		up := driver.Upload{Key: "dir/a"}
		if up.ID, err = d.Uploads().Create(t.Context(), up.Key, nil); err != nil {
			t.Fatal(err)
		}
		part, err := d.Uploads().PutPart(t.Context(), up, 1, strings.NewReader("x"), 1)
		if err != nil {
			t.Fatal(err)
		}
		var completed, aborted error
		var wg sync.WaitGroup
		wg.Go(func() {
			_, completed = d.Uploads().Complete(t.Context(), up, []driver.Part{*part}, &driver.PutOptions{})
		})
		synctest.Wait()
		wg.Go(func() { aborted = d.Uploads().Abort(t.Context(), up) })
		synctest.Wait()
		failOnce(g.modelFS, "opensync", "dir,", syscall.EMFILE)
		close(g.goOn)
		wg.Wait()
		if !driver.Is(completed, driver.UnknownOutcome) || aborted != nil {
			t.Fatalf("complete: %v; abort: %v", completed, aborted)
		}
		if got := listAll(t, openModel(t, g.crashed(len(g.log))), driver.ListOptions{}); !slices.Equal(got, []string{"dir/a"}) {
			t.Errorf("the upload is gone, and after a power failure there is %q", got)
		}
	})
}

// latentFS takes a while for what changes directories, so that calls overlap; which do is told by the seed.
type latentFS struct {
	*modelFS
	random *lockedRand
}

type lockedRand struct {
	mu sync.Mutex
	r  *rand.Rand
}

func (l *lockedRand) below(n int) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.r.IntN(n)
}

// pause is time of a synctest bubble, not of anybody's.
func (l *latentFS) pause() { time.Sleep(time.Duration(l.random.below(1000)) * time.Microsecond) }

func (l *latentFS) SyncDir(p string) error {
	l.pause()
	defer l.pause()
	return l.modelFS.SyncDir(p)
}

func (l *latentFS) Rename(oldPath, newPath string) error {
	l.pause()
	defer l.pause()
	return l.modelFS.Rename(oldPath, newPath)
}

func (l *latentFS) Link(oldPath, newPath string) error {
	l.pause()
	defer l.pause()
	return l.modelFS.Link(oldPath, newPath)
}

func (l *latentFS) Remove(p string) error {
	l.pause()
	defer l.pause()
	return l.modelFS.Remove(p)
}

func (l *latentFS) Mkdir(p string) error {
	l.pause()
	defer l.pause()
	return l.modelFS.Mkdir(p)
}

// attempt is one change of a key: to what, between which changes of the file system, and what was answered.
type attempt struct {
	want         string // "" = absent
	begun, ended int
	err          error
}

// mayBe returns what a key may hold after a power failure at change k.
func mayBe(history []attempt, k int) []string {
	may := []string{""}
	for _, a := range history {
		switch {
		case a.begun >= k && a.ended > k:
			return may
		case a.err == nil && a.ended <= k:
			may = []string{a.want}
		case a.err == nil || driver.Is(a.err, driver.UnknownOutcome):
			may = append(may, a.want)
		}
	}
	return may
}

// worker makes changes to one key of its own, and remembers them.
type worker struct {
	key     string
	history []attempt
}

func (w *worker) change(t *testing.T, m *modelFS, d *local.Folder, random *lockedRand) {
	a := attempt{begun: m.steps()}
	if random.below(3) == 0 {
		a.err = d.Delete(t.Context(), w.key, &driver.DeleteOptions{})
	} else {
		a.want = fmt.Sprintf("%s, %d", w.key, len(w.history))
		_, a.err = d.Put(t.Context(), w.key, strings.NewReader(a.want), int64(len(a.want)), &driver.PutOptions{IfNoneMatch: random.below(2) == 0})
	}
	a.ended = m.steps()
	w.history = append(w.history, a)
}

// concurrently lets workers change keys in directories they share, over two lives of the process, and returns what they were told.
func concurrently(t *testing.T, m *modelFS, seed uint64) []*worker {
	random := &lockedRand{r: rand.New(rand.NewPCG(seed, 0))}
	workers := []*worker{{key: "d/a"}, {key: "d/b"}, {key: "d/e/a"}, {key: "d/e/b"}, {key: "f/a"}}
	for range 2 {
		d, err := local.Open(t.Context(), &local.Config{Path: "model"}, &local.Options{FileSystem: &latentFS{m, random}})
		if err != nil {
			return workers
		}
		var wg sync.WaitGroup
		for _, w := range workers {
			wg.Go(func() {
				for range 4 {
					w.change(t, m, d, random)
				}
			})
		}
		wg.Wait()
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	}
	return workers
}

// TestConcurrentFailures fails the n-th sync of a directory, in the one way and the other, while calls overlap, and then crashes at each
// moment at which one was answered: whatever was acknowledged is there.
func TestConcurrentFailures(t *testing.T) {
	states, struck := 0, 0
	for _, call := range []string{"syncdir", "opensync"} {
		for seed := range uint64(8) {
			for n := 1; !t.Failed(); n += 1 + int(seed%3) {
				m := newModelFS()
				count := 0
				m.fault = func(c, _ string) (error, bool) {
					if c == call {
						if count++; count == n {
							return syscall.EIO, false
						}
					}
					return nil, false
				}
				var workers []*worker
				synctest.Test(t, func(t *testing.T) { workers = concurrently(t, m, seed) })
				m.fault = nil
				if count < n {
					break
				}
				struck++
				states += judgeWorkers(t, m, workers, fmt.Sprintf("seed %d, %s %d fails", seed, call, n))
			}
		}
	}
	t.Logf("%d runs with a failure, %d crash states", struck, states)
}

func judgeWorkers(t *testing.T, m *modelFS, workers []*worker, run string) (states int) {
	t.Helper()
	moments := []int{len(m.log)}
	for _, w := range workers {
		for _, a := range w.history {
			moments = append(moments, a.ended)
		}
	}
	slices.Sort(moments)
	for _, k := range slices.Compact(moments) {
		states++
		crashed := m.crashed(k)
		seen, err := observe(t.Context(), openModel(t, crashed), crashed)
		if err != nil {
			t.Fatalf("%s, crash at %d: %v", run, k, err)
		}
		for _, w := range workers {
			if may := mayBe(w.history, k); !slices.Contains(may, seen.objects[w.key]) {
				t.Errorf("%s, crash at %d of %d: %s holds %q, may hold %q", run, k, len(m.log), w.key, seen.objects[w.key], may)
			}
		}
	}
	return states
}
