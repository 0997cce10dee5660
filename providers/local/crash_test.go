package local_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"sallyport/providers/driver"
	"sallyport/providers/local"
)

// world is what a root holds, as far as anyone can see.
type world struct {
	objects map[string]string
	uploads map[string]string // by key: parts and notes in words
	etags   map[string]string // of objects by key, of parts by key#number; seen only
}

func (w world) clone() world {
	return world{objects: maps.Clone(w.objects), uploads: maps.Clone(w.uploads)}
}

// observe reads everything in a root through the driver, and parts from the file system.
func observe(ctx context.Context, d *local.Folder, m *modelFS) (world, error) {
	w := world{map[string]string{}, map[string]string{}, map[string]string{}}
	page, err := d.List(ctx, &driver.ListOptions{})
	if err != nil {
		return w, err
	}
	for _, e := range page.Entries {
		r, _, err := d.Get(ctx, e.Key, &driver.GetOptions{})
		if err != nil {
			return w, err
		}
		b, err := io.ReadAll(r)
		if err := errors.Join(err, r.Close()); err != nil {
			return w, err
		}
		w.objects[e.Key] = string(b)
		w.etags[e.Key] = e.ETag
	}
	stale, err := d.Uploads().Stale(ctx, time.Unix(1<<40, 0))
	if err != nil {
		return w, err
	}
	for _, up := range stale {
		if w.uploads[up.Key], err = describe(ctx, d, m, up.Upload, w.etags); err != nil {
			return w, err
		}
	}
	return w, nil
}

func describe(ctx context.Context, d *local.Folder, m *modelFS, up driver.Upload, etags map[string]string) (string, error) {
	parts, notes, err := d.Uploads().Read(ctx, up)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	for _, n := range notes {
		fmt.Fprintf(&b, "note %s=%s;", n.Name, n.Data)
	}
	dir := local.UploadDir(up.ID) + "/.parts"
	if n, err := m.find(dir); err == nil && n.dir {
		b.WriteString("open;")
	}
	for _, p := range parts {
		n, err := m.find(fmt.Sprintf("%s/%05d", dir, p.N))
		if err != nil {
			return "", err
		}
		fmt.Fprintf(&b, "part %d=%s;", p.N, n.data)
		etags[fmt.Sprint(up.Key, "#", p.N)] = p.ETag
	}
	return b.String(), nil
}

// slowBody hands out a body in small pieces, so that it takes several writes.
func slowBody(s string) io.Reader { return iotest.HalfReader(bytes.NewReader([]byte(s))) }

func content(seed string) string { return strings.Repeat(seed+"|", 20) }

// script is a sequence of calls on one root.
type script struct {
	d     *local.Folder
	ups   map[string]driver.Upload
	parts map[string]*driver.Part
	etags map[string]string
}

// call is one step of a script: what it does, and what it makes of the world when it succeeds.
type call struct {
	name string
	do   func(t testing.TB, s *script) error
	next func(w *world)
}

func putCall(key, seed string, opts func(s *script) driver.PutOptions) call {
	return call{"put " + key, func(t testing.TB, s *script) error {
		var o driver.PutOptions
		if opts != nil {
			o = opts(s)
		}
		info, err := s.d.Put(t.Context(), key, slowBody(content(seed)), int64(len(content(seed))), &o)
		if err == nil {
			s.etags[key] = info.ETag
		}
		return err
	}, func(w *world) { w.objects[key] = content(seed) }}
}

func deleteCall(key string) call {
	return call{"delete " + key, func(t testing.TB, s *script) error {
		delete(s.etags, key)
		return s.d.Delete(t.Context(), key, &driver.DeleteOptions{})
	}, func(w *world) { delete(w.objects, key) }}
}

func createCall(key string) call {
	return call{"create " + key, func(t testing.TB, s *script) error {
		id, err := s.d.Uploads().Create(t.Context(), key, func(string) ([]byte, error) { return []byte("first"), nil })
		if err == nil {
			s.ups[key] = driver.Upload{ID: id, Key: key}
		}
		return err
	}, func(w *world) { w.uploads[key] = "note 0=first;open;" }}
}

func partCall(key string, n int, seed, result string) call {
	return call{fmt.Sprintf("part %d of %s", n, key), func(t testing.TB, s *script) error {
		part, err := s.d.Uploads().PutPart(t.Context(), s.ups[key], n, slowBody(content(seed)), int64(len(content(seed))))
		if err == nil {
			s.parts[fmt.Sprint(key, n)] = part
			s.etags[fmt.Sprint(key, "#", n)] = part.ETag
		}
		return err
	}, func(w *world) { w.uploads[key] = result }}
}

func noteCall(key, name, note, result string) call {
	return call{"note " + name + " of " + key, func(t testing.TB, s *script) error {
		return s.d.Uploads().Note(t.Context(), s.ups[key], name, []byte(note))
	}, func(w *world) { w.uploads[key] = result }}
}

func completeCall(key string, opts driver.PutOptions, whole, result string, numbers ...int) call {
	return call{"complete " + key, func(t testing.TB, s *script) error {
		var parts []driver.Part
		for _, n := range numbers {
			parts = append(parts, *s.parts[fmt.Sprint(key, n)])
			delete(s.etags, fmt.Sprint(key, "#", n))
		}
		info, err := s.d.Uploads().Complete(t.Context(), s.ups[key], parts, &opts)
		if err == nil {
			s.etags[key] = info.ETag
		}
		return err
	}, func(w *world) { w.objects[key] = whole; w.uploads[key] = result }}
}

func abortCall(key string) call {
	return call{"abort " + key, func(t testing.TB, s *script) error {
		maps.DeleteFunc(s.etags, func(k, _ string) bool { return strings.HasPrefix(k, key+"#") })
		return s.d.Uploads().Abort(t.Context(), s.ups[key])
	}, func(w *world) { delete(w.uploads, key) }}
}

// before is what every script finds.
var before = []call{putCall("old/a", "old a", nil), putCall("old/b", "old b", nil), putCall("top", "top", nil)}

// scripts cover every call that changes something.
func scripts() map[string][]call {
	p1, p2, p1b := "part 1="+content("p1")+";", "part 2="+content("p2")+";", "part 1="+content("p1 again")+";"
	up := func(parts string) string { return "note 0=first;open;" + parts }
	return map[string][]call{
		"put":       {putCall("new/deep/k", "n1", nil), putCall("new/deep/k2", "n2", nil)},
		"overwrite": {putCall("old/a", "a2", nil), putCall("old/a", "a3", nil)},
		"condition": {
			putCall("new/c", "c1", func(*script) driver.PutOptions { return driver.PutOptions{IfNoneMatch: true} }),
			putCall("new/c", "c2", func(s *script) driver.PutOptions { return driver.PutOptions{IfMatch: s.etags["new/c"]} }),
		},
		"delete":   {deleteCall("old/a"), deleteCall("old/b"), putCall("old/a", "again", nil)},
		"recreate": {putCall("x/y/z", "1", nil), deleteCall("x/y/z"), putCall("x/y/z", "2", nil)},
		"upload":   {createCall("up"), partCall("up", 1, "p1", up(p1)), partCall("up", 2, "p2", up(p1+p2))},
		"resend":   {createCall("up"), partCall("up", 1, "p1", up(p1)), partCall("up", 1, "p1 again", up(p1b))},
		"notes": {
			createCall("up"), noteCall("up", "1-0123456789abcdef", "x", "note 0=first;note 1-0123456789abcdef=x;open;"),
			noteCall("up", "1-0123456789abcdef", "y", "note 0=first;note 1-0123456789abcdef=y;open;"),
		},
		"complete": {
			createCall("old/a"), partCall("old/a", 1, "p1", up(p1)), partCall("old/a", 2, "p2", up(p1+p2)),
			completeCall("old/a", driver.PutOptions{}, content("p1")+content("p2"), "note 0=first;", 1, 2),
			noteCall("old/a", "done", "d", "note 0=first;note done=d;"), abortCall("old/a"),
		},
		"complete new": {
			createCall("dir/up"), partCall("dir/up", 1, "p1", up(p1)),
			completeCall("dir/up", driver.PutOptions{IfNoneMatch: true}, content("p1"), "note 0=first;", 1),
		},
		"abort": {createCall("up"), partCall("up", 1, "p1", up(p1)), abortCall("up")},
	}
}

func openModel(t testing.TB, m *modelFS) *local.Folder {
	t.Helper()
	d, err := local.Open(t.Context(), &local.Config{Path: "model"}, &local.Options{FileSystem: m})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// step is a moment in the log with what may be seen until then.
type step struct {
	end    int
	worlds [2]world
	etags  [2]map[string]string
	name   string
}

// run performs a script and returns the moments at which its calls were acknowledged.
func run(t testing.TB, m *modelFS, calls []call) (start int, steps []step) {
	t.Helper()
	s := &script{d: openModel(t, m), ups: map[string]driver.Upload{}, parts: map[string]*driver.Part{}, etags: map[string]string{}}
	w := world{objects: map[string]string{}, uploads: map[string]string{}}
	for _, c := range before {
		if err := c.do(t, s); err != nil {
			t.Fatal(err)
		}
		c.next(&w)
	}
	start = len(m.log)
	for _, c := range calls {
		was, etags := w.clone(), maps.Clone(s.etags)
		if err := c.do(t, s); err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		c.next(&w)
		steps = append(steps, step{len(m.log), [2]world{was, w.clone()}, [2]map[string]string{etags, maps.Clone(s.etags)}, c.name})
	}
	if m.opened != 0 {
		t.Errorf("%d files left open", m.opened)
	}
	return start, steps
}

// sweep tries all crash states of a script and returns how many it tried, and what was wrong.
func sweep(t testing.TB, m *modelFS, calls []call) (states int, problems []string) {
	start, steps := run(t, m, calls)
	log := m.log
	for k := start; k <= len(log); k++ {
		kept, pending := durable(log, k)
		try := func(what string, torn *change, chosen ...int) {
			states++
			set := map[int]bool{}
			for _, i := range slices.Concat(kept, chosen) {
				set[i] = true
			}
			for i := range start { // what came before the script is another script's business
				set[i] = set[i] || log[i].kind != "sync"
			}
			if problem := judge(t, after(log, set, torn), steps, k); problem != "" {
				problems = append(problems, fmt.Sprintf("at %d of %d, %s: %s", k, len(log), what, problem))
			}
		}
		pending = slices.DeleteFunc(pending, func(i int) bool { return i < start })
		try("nothing unsynced kept", nil)
		try("everything kept", nil, pending...)
		for j, i := range pending {
			try("all but "+log[i].kind, nil, slices.Delete(slices.Clone(pending), j, j+1)...)
			try("only "+log[i].kind, nil, i)
			if log[i].kind == "write" {
				try("torn write", &log[i], pending...)
			}
		}
	}
	return states, problems
}

// judge opens what a crash left, and compares it with what may be there.
func judge(t testing.TB, m *modelFS, steps []step, k int) string {
	d, err := local.Open(t.Context(), &local.Config{Path: "model"}, &local.Options{FileSystem: m})
	if err != nil {
		return "open: " + err.Error()
	}
	seen, err := observe(t.Context(), d, m)
	if err != nil {
		return "look: " + err.Error()
	}
	i := slices.IndexFunc(steps, func(s step) bool { return k < s.end })
	last := steps[len(steps)-1]
	allowed, etags := [2]world{last.worlds[1], last.worlds[1]}, [2]map[string]string{last.etags[1], last.etags[1]}
	name := "after the last call"
	if i >= 0 {
		allowed, etags, name = steps[i].worlds, steps[i].etags, "during "+steps[i].name
	}
	for k, etag := range etags[0] {
		if etags[1][k] == etag && seen.etags[k] != etag {
			return fmt.Sprintf("%s: %s has the ETag %s, acknowledged was %s", name, k, seen.etags[k], etag)
		}
	}
	// Both together: an upload that is open beside its object could be completed once more, over what was written since.
	if !equalWorlds(seen, allowed[0]) && !equalWorlds(seen, allowed[1]) {
		return fmt.Sprintf("%s: %s, want %s or %s", name, brief(seen), brief(allowed[0]), brief(allowed[1]))
	}
	if n, err := m.find(".sallyport/tmp"); err != nil || len(n.entries) > 0 {
		return "temporaries remain"
	}
	if _, err := d.Put(t.Context(), "old/fresh", strings.NewReader("x"), 1, &driver.PutOptions{}); err != nil {
		return "put after the crash: " + err.Error()
	}
	if m.opened != 0 {
		return "files left open"
	}
	return ""
}

func TestCrashSweep(t *testing.T) {
	total := 0
	for name, calls := range scripts() {
		t.Run(name, func(t *testing.T) {
			states, problems := sweep(t, newModelFS(), calls)
			total += states
			for _, p := range problems[:min(3, len(problems))] {
				t.Error(p)
			}
			if len(problems) > 0 {
				t.Errorf("%d of %d states are wrong", len(problems), states)
			}
		})
	}
	t.Logf("%d crash states", total)
}

// TestCrashSweepSees gives the sweep disks that ignore syncs; each must be found out.
func TestCrashSweepSees(t *testing.T) {
	all := scripts()
	for _, name := range []string{"put", "overwrite", "condition", "upload", "resend", "notes", "complete"} {
		m := newModelFS()
		m.ignoreFileSync = true
		if _, problems := sweep(t, m, all[name]); len(problems) == 0 {
			t.Errorf("%s: no harm is seen when files are not synced", name)
		}
	}
	for name, calls := range all {
		m := newModelFS()
		m.ignoreDirSync = true
		if _, problems := sweep(t, m, calls); len(problems) == 0 {
			t.Errorf("%s: no harm is seen when directories are not synced", name)
		}
	}
}

// TestCrashAtCreation crashes while an empty folder becomes an escaped root: it must never come back as another layout.
func TestCrashAtCreation(t *testing.T) {
	m := newModelFS()
	d := openModel(t, m)
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	for k := range len(m.log) + 1 {
		kept, pending := durable(m.log, k)
		for choice := range 2 + len(pending) {
			chosen := map[int]bool{}
			for _, i := range kept {
				chosen[i] = true
			}
			for j, i := range pending {
				chosen[i] = choice == 1 || choice > 1 && j != choice-2
			}
			again, err := local.Open(t.Context(), &local.Config{Path: "model"}, &local.Options{FileSystem: after(m.log, chosen, nil)})
			if err != nil {
				t.Fatalf("at %d: %v", k, err)
			}
			if again.Layout() != local.LayoutEscaped {
				t.Fatalf("at %d, choice %d: comes back as %s", k, choice, again.Layout())
			}
			if names := listAll(t, again, driver.ListOptions{}); len(names) > 0 {
				t.Fatalf("at %d: holds %q", k, names)
			}
		}
	}
}
