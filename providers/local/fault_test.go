package local_test

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"sallyport/providers/driver"
	"sallyport/providers/local"
)

// faultPlan fails the n-th call counted from when it is armed.
type faultPlan struct {
	n      int
	errno  syscall.Errno
	sticky bool // and every later one
	done   bool // the call takes effect, and is said to have failed
	count  int
	hit    string
}

func (p *faultPlan) fault(call, path string) (error, bool) { //nolint:revive // the error is what is injected, not this function's
	p.count++
	if p.count == p.n || p.sticky && p.count > p.n {
		if p.hit == "" {
			p.hit = fmt.Sprintf("%s (%d: %s %s, done %v, sticky %v)", p.errno, p.n, call, path, p.done, p.sticky)
		}
		return p.errno, p.done
	}
	return nil, false
}

// kindsFor says what a failure may be called, beside UnknownOutcome, and ReadOnly once the sync of a directory has failed.
var kindsFor = map[syscall.Errno][]driver.Kind{
	syscall.EIO:    {driver.Unavailable},
	syscall.EMFILE: {driver.Unavailable},
	syscall.ENOSPC: {driver.NoSpace},
	syscall.EROFS:  {driver.ReadOnly},
}

// faultRun is a folder on which the calls before the one to be failed have been made.
type faultRun struct {
	m    *modelFS
	s    *script
	w    world
	now  time.Time
	plan *faultPlan
}

func newFaultRun(t *testing.T, calls []call) *faultRun {
	t.Helper()
	r := &faultRun{m: newModelFS(), w: world{objects: map[string]string{}, uploads: map[string]string{}}, now: time.Now()}
	d, err := local.Open(t.Context(), &local.Config{Path: "model"}, &local.Options{FileSystem: r.m, Now: func() time.Time { return r.now }})
	if err != nil {
		t.Fatal(err)
	}
	r.s = &script{d: d, ups: map[string]driver.Upload{}, parts: map[string]*driver.Part{}, etags: map[string]string{}}
	for _, c := range calls {
		if err := c.do(t, r.s); err != nil {
			t.Fatal(err)
		}
		c.next(&r.w)
	}
	return r
}

func (r *faultRun) see(t *testing.T) world {
	t.Helper()
	w, err := observe(t.Context(), r.s.d, r.m)
	if err != nil {
		t.Fatalf("%s: look: %v", r.plan.hit, err)
	}
	return w
}

// crashed is the world after a power failure that loses all that was not synced.
func (r *faultRun) crashed(t *testing.T) world {
	t.Helper()
	m := r.m.crashed(len(r.m.log))
	w, err := observe(t.Context(), openModel(t, m), m)
	if err != nil {
		t.Fatalf("%s: look after a crash: %v", r.plan.hit, err)
	}
	return w
}

// brief shows the first word of each body.
func brief(w world) string {
	var b strings.Builder
	for _, k := range slices.Sorted(maps.Keys(w.objects)) {
		first, _, _ := strings.Cut(w.objects[k], "|")
		fmt.Fprintf(&b, "%s:%s[%d] ", k, first, len(w.objects[k]))
	}
	for _, k := range slices.Sorted(maps.Keys(w.uploads)) {
		fmt.Fprintf(&b, "upload %s:%.60q[%d] ", k, w.uploads[k], len(w.uploads[k]))
	}
	return b.String()
}

func equalWorlds(a, b world) bool {
	return maps.Equal(a.objects, b.objects) && maps.Equal(a.uploads, b.uploads)
}

// check compares what a failed or acknowledged call left with what it may leave.
func (r *faultRun) check(t *testing.T, c call, err error) {
	t.Helper()
	next := r.w.clone()
	c.next(&next)
	leftOpen := next.clone() // the parts of a completed upload may stay when taking them away fails; the object counts
	if strings.HasPrefix(c.name, "complete") {
		leftOpen.uploads = r.w.clone().uploads
	}
	for what, seen := range map[string]world{"now": r.see(t), "after a crash": r.crashed(t)} {
		var ok bool
		switch {
		case err == nil:
			ok = equalWorlds(seen, next) || equalWorlds(seen, leftOpen)
		case driver.Is(err, driver.UnknownOutcome):
			ok = equalWorlds(seen, next) || equalWorlds(seen, r.w) || equalWorlds(seen, leftOpen)
		default:
			ok = equalWorlds(seen, r.w)
		}
		if !ok {
			t.Errorf("%s: %s, %s, answer %v:\n is  %s\n was %s\n can become %s", r.plan.hit, c.name, what, err, brief(seen), brief(r.w), brief(next))
		}
	}
	if err != nil {
		want := append(slices.Clone(kindsFor[r.plan.errno]), driver.UnknownOutcome)
		if r.m.lostDirectory() {
			want = append(want, driver.ReadOnly)
		}
		if kind := driver.KindOf(err); !slices.Contains(want, kind) {
			t.Errorf("%s: %s: %v, want %v", r.plan.hit, c.name, err, want)
		}
	}
}

// recovered sees that the folder works again and that nothing is left of the failure.
func (r *faultRun) recovered(t *testing.T, c call, err error) {
	t.Helper()
	if r.m.opened != 0 {
		t.Errorf("%s: %s leaves %d files open", r.plan.hit, c.name, r.m.opened)
	}
	if live := local.LiveTemps(r.s.d); live != 0 {
		t.Errorf("%s: %s: %d temporaries count as live", r.plan.hit, c.name, live)
	}
	if r.m.lostDirectory() {
		r.stays(t)
		return
	}
	if err != nil && !driver.Is(err, driver.UnknownOutcome) {
		if err := c.do(t, r.s); err != nil {
			t.Errorf("%s: %s again: %v", r.plan.hit, c.name, err)
		}
	}
	if _, err := r.s.d.Put(t.Context(), "fresh", strings.NewReader("x"), 1, &driver.PutOptions{}); err != nil {
		t.Errorf("%s: put after %s: %v", r.plan.hit, c.name, err)
	}
	if err := r.s.d.Health(); err != nil {
		t.Errorf("%s: still degraded: %v", r.plan.hit, err)
	}
	r.now = r.now.Add(25 * time.Hour)
	if _, err := r.s.d.Sweep(t.Context()); err != nil {
		t.Errorf("%s: sweep: %v", r.plan.hit, err)
	}
	if n, err := r.m.find(".sallyport/tmp"); err != nil || len(n.entries) > 0 {
		t.Errorf("%s: %s leaves temporaries", r.plan.hit, c.name)
	}
}

// stays sees that after the failed sync of a directory nothing but reads is served, also by a process started anew, until the machine was.
func (r *faultRun) stays(t *testing.T) {
	t.Helper()
	for range 2 {
		refusesChanges(t, r.s.d)
		r.m.locked = false
		r.s.d = openModel(t, r.m)
	}
	m := r.m.crashed(len(r.m.log))
	d := openModel(t, m)
	put(t, d, "fresh", "x")
	if err := d.Health(); err != nil {
		t.Errorf("%s: in doubt after the machine was started anew: %v", r.plan.hit, err)
	}
	if n, err := m.find(".sallyport/tmp"); err != nil || len(n.entries) > 0 {
		t.Errorf("%s: temporaries are left", r.plan.hit)
	}
}

func TestNthFailure(t *testing.T) {
	runs := 0
	for name, calls := range scripts() {
		t.Run(name, func(t *testing.T) {
			for i, c := range calls {
				for errno := range kindsFor {
					for mode := range 3 {
						for n := 1; !t.Failed(); n++ {
							r := newFaultRun(t, slices.Concat(before, calls[:i]))
							r.plan = &faultPlan{n: n, errno: errno, sticky: mode == 1, done: mode == 2}
							r.m.fault = r.plan.fault
							err := c.do(t, r.s)
							r.m.fault = nil
							if r.plan.hit == "" {
								if err != nil {
									t.Fatal(err)
								}
								break
							}
							runs++
							r.check(t, c, err)
							r.recovered(t, c, err)
						}
					}
				}
			}
		})
	}
	t.Logf("%d runs with a failure", runs)
}

// TestNthFailureReading fails every call below each reading method: the answer is right, or a failure that says so.
func TestNthFailureReading(t *testing.T) {
	all := scripts()["complete"]
	reads := map[string]func(ctx context.Context, s *script) (string, error){
		"Head": func(ctx context.Context, s *script) (string, error) {
			info, err := s.d.Head(ctx, "old/a")
			return fmt.Sprint(info != nil), err
		},
		"Get": func(ctx context.Context, s *script) (string, error) {
			r, _, err := s.d.Get(ctx, "old/a", &driver.GetOptions{Offset: 3})
			if err != nil {
				return "", err
			}
			b, err := io.ReadAll(r)
			_ = r.Close() // nothing was written
			return string(b), err
		},
		"List": func(ctx context.Context, s *script) (string, error) {
			page, err := s.d.List(ctx, &driver.ListOptions{})
			return fmt.Sprint(page), err
		},
		"List groups": func(ctx context.Context, s *script) (string, error) {
			page, err := s.d.List(ctx, &driver.ListOptions{Delimiter: "/"})
			return fmt.Sprint(page), err
		},
		"Read": func(ctx context.Context, s *script) (string, error) {
			parts, notes, err := s.d.Uploads().Read(ctx, s.ups["old/a"])
			return fmt.Sprint(parts, notes), err
		},
		"Uploads.List": func(ctx context.Context, s *script) (string, error) {
			page, err := s.d.Uploads().List(ctx, &driver.ListUploadsOptions{})
			return fmt.Sprint(page), err
		},
		"Stale": func(ctx context.Context, s *script) (string, error) {
			list, err := s.d.Uploads().Stale(ctx, time.Unix(1<<40, 0))
			return fmt.Sprint(list), err
		},
	}
	for name, read := range reads {
		for _, errno := range []syscall.Errno{syscall.EIO, syscall.EMFILE} {
			for n := 1; !t.Failed(); n++ {
				r := newFaultRun(t, slices.Concat(before, all[:3]))
				want, err := read(t.Context(), r.s)
				if err != nil {
					t.Fatal(err)
				}
				r.plan = &faultPlan{n: n, errno: errno}
				r.m.fault = r.plan.fault
				got, err := read(t.Context(), r.s)
				r.m.fault = nil
				if r.plan.hit == "" {
					break
				}
				if err == nil && got != want {
					t.Errorf("%s: %s: %s, want %s", r.plan.hit, name, got, want)
				}
				if err != nil && !driver.Is(err, driver.Unavailable) {
					t.Errorf("%s: %s: %v", r.plan.hit, name, err)
				}
				if r.m.opened != 0 {
					t.Errorf("%s: %s leaves %d files open", r.plan.hit, name, r.m.opened)
				}
			}
		}
	}
}

// TestSyncFailure sees that after a sync failed nothing is acknowledged before a fresh file could be synced.
func TestSyncFailure(t *testing.T) {
	m := newModelFS()
	d := openModel(t, m)
	put(t, d, "k", "old")
	syncs := 0
	m.fault = func(call, _ string) (error, bool) {
		if call == "sync" {
			syncs++
			return syscall.EIO, false
		}
		return nil, false
	}
	for range 3 {
		if _, err := d.Put(t.Context(), "k", strings.NewReader("new"), 3, &driver.PutOptions{}); !driver.Is(err, driver.Unavailable) {
			t.Errorf("put: %v", err)
		}
	}
	if syncs != 3 {
		t.Errorf("%d syncs of three files: one was tried again, or not at all", syncs)
	}
	if d.Health() == nil {
		t.Error("not degraded")
	}
	if got := get(t, d, "k"); got != "old" {
		t.Errorf("got %q", got)
	}
	m.fault = nil
	put(t, d, "k", "new")
	if d.Health() != nil {
		t.Error("still degraded")
	}
}

// TestDirectoryOfKilledProcess puts into a directory that an earlier process made and did not sync.
func TestDirectoryOfKilledProcess(t *testing.T) {
	m := newModelFS()
	put(t, openModel(t, m), "top", "x")
	if err := m.Mkdir("ghost,"); err != nil {
		t.Fatal(err)
	}
	m.locked = false
	put(t, openModel(t, m), "ghost/k", "x")
	if got := listAll(t, openModel(t, m.crashed(len(m.log))), driver.ListOptions{}); !slices.Equal(got, []string{"ghost/k", "top"}) {
		t.Errorf("after a power failure: %q", got)
	}
}

// TestOwnSuccessRefused: a network file system that repeats a call whose answer was lost finds the new name taken, or the old one gone, by its own first
// try. Nobody may be told then that nothing was changed.
func TestOwnSuccessRefused(t *testing.T) {
	for what, change := range map[string]struct {
		errno syscall.Errno
		do    func(s *script) error
	}{
		"put": {syscall.ENOENT, func(s *script) error {
			_, err := s.d.Put(t.Context(), "dir/k", strings.NewReader("new"), 3, &driver.PutOptions{})
			return err
		}},
		"put over": {syscall.ENOENT, func(s *script) error {
			_, err := s.d.Put(t.Context(), "old/a", strings.NewReader("new"), 3, &driver.PutOptions{IfMatch: s.etags["old/a"]})
			return err
		}},
		"put if absent": {syscall.EEXIST, func(s *script) error {
			_, err := s.d.Put(t.Context(), "dir/k", strings.NewReader("new"), 3, &driver.PutOptions{IfNoneMatch: true})
			return err
		}},
		"part": {syscall.ENOENT, func(s *script) error {
			_, err := s.d.Uploads().PutPart(t.Context(), s.ups["up"], 1, strings.NewReader("new"), 3)
			return err
		}},
		"note": {syscall.ENOENT, func(s *script) error {
			return s.d.Uploads().Note(t.Context(), s.ups["up"], "1-0123456789abcdef", []byte("x"))
		}},
	} {
		r := newFaultRun(t, append(slices.Clone(before), createCall("up")))
		r.m.fault = func(call, _ string) (error, bool) {
			if call == "rename" || call == "link" {
				return change.errno, true
			}
			return nil, false
		}
		err := change.do(r.s)
		r.m.fault = nil
		if !driver.Is(err, driver.UnknownOutcome) {
			t.Errorf("%s: %v", what, err)
		}
		if r.m.opened != 0 || local.LiveTemps(r.s.d) != 0 {
			t.Errorf("%s: %d files open, %d temporaries", what, r.m.opened, local.LiveTemps(r.s.d))
		}
	}
}
