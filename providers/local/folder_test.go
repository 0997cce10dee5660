package local_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"sallyport/providers/driver"
	"sallyport/providers/local"
)

func openWith(t *testing.T, config *local.Config, opts *local.Options) (*local.Folder, error) {
	t.Helper()
	f, err := local.Open(t.Context(), config, opts)
	if err == nil {
		t.Cleanup(func() {
			if err := f.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	return f, err
}

func TestOneGatewayAtATime(t *testing.T) {
	dir := t.TempDir()
	first, err := openWith(t, &local.Config{Path: dir}, nil)
	if err != nil {
		t.Fatal(err)
	}
	put(t, first, "k", "v")
	_, err = openWith(t, &local.Config{Path: dir}, nil)
	if !driver.Is(err, driver.Conflict) || !strings.Contains(err.Error(), fmt.Sprintf("in use by process %d on ", os.Getpid())) {
		t.Errorf("second gateway: %v", err)
	}
	reader, err := openWith(t, &local.Config{Path: dir}, &local.Options{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	if got := get(t, reader, "k"); got != "v" {
		t.Errorf("got %q", got)
	}
	if got := listAll(t, reader, driver.ListOptions{}); !slices.Equal(got, []string{"k"}) {
		t.Errorf("got %q", got)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	second, err := openWith(t, &local.Config{Path: dir}, nil)
	if err != nil {
		t.Fatalf("after the first stopped: %v", err)
	}
	if got := get(t, second, "k"); got != "v" {
		t.Errorf("got %q", got)
	}
}

func TestReadOnlyWritesNothing(t *testing.T) {
	dir := t.TempDir()
	f, err := openWith(t, &local.Config{Path: dir}, &local.Options{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	up := driver.Upload{ID: "u", Key: "k"}
	_, putErr := f.Put(t.Context(), "k", strings.NewReader("x"), 1, &driver.PutOptions{})
	_, createErr := f.Uploads().Create(t.Context(), "k", nil)
	_, partErr := f.Uploads().PutPart(t.Context(), up, 1, strings.NewReader("x"), 1)
	_, completeErr := f.Uploads().Complete(t.Context(), up, nil, &driver.PutOptions{})
	_, sweepErr := f.Sweep(t.Context())
	for name, err := range map[string]error{
		"Put": putErr, "Create": createErr, "PutPart": partErr, "Complete": completeErr, "Sweep": sweepErr,
		"Delete": f.Delete(t.Context(), "k", &driver.DeleteOptions{}), "Abort": f.Uploads().Abort(t.Context(), up), "Note": f.Uploads().Note(t.Context(), up, "0", nil),
	} {
		if !driver.Is(err, driver.ReadOnly) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if got := listAll(t, f, driver.ListOptions{}); len(got) != 0 {
		t.Errorf("got %q", got)
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 0 {
		t.Errorf("left %v, %v", entries, err)
	}
}

func TestOpenRefuses(t *testing.T) {
	dir := t.TempDir()
	escaped, verbatim, unknown, file := filepath.Join(dir, "e"), filepath.Join(dir, "v"), filepath.Join(dir, "u"), filepath.Join(dir, "f")
	for _, p := range []string{escaped, verbatim, filepath.Join(unknown, ".sallyport")} {
		if err := os.MkdirAll(p, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for p, content := range map[string]string{filepath.Join(unknown, ".sallyport", "local.json"): `{"layout":"next"}`, file: ""} {
		if err := os.WriteFile(p, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for path, layout := range map[string]string{escaped: local.LayoutEscaped, verbatim: local.LayoutVerbatim} {
		f, err := openWith(t, &local.Config{Path: path, Layout: layout}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
		if f, err = openWith(t, &local.Config{Path: path}, nil); err != nil || f.Layout() != layout {
			t.Fatalf("%s reopened: %v", layout, err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
	}
	for name, config := range map[string]local.Config{
		"escaped as verbatim": {Path: escaped, Layout: local.LayoutVerbatim}, "verbatim as escaped": {Path: verbatim, Layout: local.LayoutEscaped},
		"a newer layout": {Path: unknown}, "a file": {Path: file}, "nothing there": {Path: filepath.Join(dir, "absent")}, "no path": {},
		"bad layout": {Path: escaped, Layout: "flat"}, "bad durability": {Path: escaped, Durability: "most"}, "bad reserve": {Path: escaped, ReserveBytes: -2},
	} {
		if _, err := openWith(t, &config, nil); err == nil {
			t.Errorf("%s: opened", name)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "absent")); !errors.Is(err, os.ErrNotExist) {
		t.Error("a missing folder was made")
	}
	if _, err := local.DecodeConfig(func(into any) error {
		c, ok := into.(*local.Config)
		if ok {
			c.Path, c.Layout = "x", "flat"
		}
		return nil
	}); err == nil || !strings.Contains(err.Error(), "layout") {
		t.Errorf("decoding a bad configuration: %v", err)
	}
}

func TestSystemDirIsALink(t *testing.T) {
	dir, outside := t.TempDir(), t.TempDir()
	if err := os.Symlink(outside, filepath.Join(dir, ".sallyport")); err != nil {
		t.Fatal(err)
	}
	if _, err := openWith(t, &local.Config{Path: dir}, nil); err == nil {
		t.Error("opened")
	}
	if entries, err := os.ReadDir(outside); err != nil || len(entries) != 0 {
		t.Errorf("outside: %v, %v", entries, err)
	}
}

// TestClock steps the clock back, stops it, and puts an object from the future in the way: revisions still differ and grow.
func TestClock(t *testing.T) {
	dir := t.TempDir()
	now := time.Unix(1_800_000_000, 0)
	f, err := openWith(t, &local.Config{Path: dir, Layout: local.LayoutVerbatim}, &local.Options{Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	var last time.Time
	for i := range 40 {
		switch i {
		case 10:
			now = now.Add(-time.Hour)
		case 20:
			if err := os.Chtimes(filepath.Join(dir, "k"), time.Time{}, now.AddDate(100, 0, 0)); err != nil {
				t.Fatal(err)
			}
		case 30:
			now = now.AddDate(-20, 0, 0)
		}
		if present, err := f.Head(t.Context(), "k"); err == nil && present.ModTime.After(last) {
			last = present.ModTime
		}
		info := put(t, f, "k", "same")
		if seen[info.ETag] || !info.ModTime.After(last) {
			t.Errorf("write %d: %+v after %v", i, info, last)
		}
		seen[info.ETag], last = true, info.ModTime
	}
	if info := put(t, f, "other", "x"); info.ModTime.Year() > now.Year()+30 {
		t.Errorf("one file from the future moved the clock to %v", info.ModTime)
	}
	for i := range 20 { // deleted and made anew within one tick
		if err := f.Delete(t.Context(), "d", &driver.DeleteOptions{}); err != nil {
			t.Fatal(err)
		}
		info := put(t, f, "d", "same")
		if seen[info.ETag] {
			t.Errorf("write %d has an old ETag", i)
		}
		seen[info.ETag] = true
	}
}

// syncHookFS calls a function when a new file is synced.
type syncHookFS struct {
	local.FileSystem
	atSync func()
}

func (h *syncHookFS) Create(path string) (local.File, error) {
	f, err := h.FileSystem.Create(path)
	return &syncHookFile{f, h}, err
}

type syncHookFile struct {
	local.File
	fs *syncHookFS
}

func (f *syncHookFile) Sync() error {
	if then := f.fs.atSync; then != nil {
		f.fs.atSync = nil
		then()
	}
	return f.File.Sync()
}

// TestOvertaken lets a write finish between another's stamp and its publication: the later one is still the newer.
func TestOvertaken(t *testing.T) {
	m := newModelFS()
	h := &syncHookFS{FileSystem: m}
	f, err := local.Open(t.Context(), &local.Config{Path: "model"}, &local.Options{FileSystem: h})
	if err != nil {
		t.Fatal(err)
	}
	var inner *driver.Info
	h.atSync = func() { inner = put(t, f, "k", "inner") }
	outer := put(t, f, "k", "outer")
	if !outer.ModTime.After(inner.ModTime) || outer.ETag == inner.ETag {
		t.Errorf("outer %+v, inner %+v", outer, inner)
	}
	if got := get(t, f, "k"); got != "outer" {
		t.Errorf("got %q", got)
	}
	if head, err := f.Head(t.Context(), "k"); err != nil || *head != *outer {
		t.Errorf("head %+v, %v, want %+v", head, err, outer)
	}
	kept, _ := durable(m.log, len(m.log))
	set := map[int]bool{}
	for _, i := range kept {
		set[i] = true
	}
	if head, err := openModel(t, after(m.log, set, nil)).Head(t.Context(), "k"); err != nil || head.ETag != outer.ETag {
		t.Errorf("after a power failure: %+v, %v", head, err)
	}
}

// TestSweepAge leaves alone what is young, foreign or being written.
func TestSweepAge(t *testing.T) {
	dir := t.TempDir()
	tmp := filepath.Join(dir, ".sallyport", "tmp")
	now := time.Now()
	config, opts := &local.Config{Path: dir}, &local.Options{Now: func() time.Time { return now }}
	f, err := openWith(t, config, opts)
	if err != nil {
		t.Fatal(err)
	}
	write := func(name string) {
		if err := os.WriteFile(filepath.Join(tmp, name), []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	names := func() (all []string) {
		entries, err := os.ReadDir(tmp)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			all = append(all, e.Name())
		}
		return all
	}
	write("0123456789abcdef")
	write("foreign.txt")
	if err := os.MkdirAll(filepath.Join(tmp, "00000000000000aa", ".parts"), 0o700); err != nil {
		t.Fatal(err)
	}
	if n, err := f.Sweep(t.Context()); n != 0 || err != nil {
		t.Errorf("young: %d, %v", n, err)
	}
	now = now.Add(25 * time.Hour)
	body := bodyFunc(func([]byte) (int, error) {
		if n, err := f.Sweep(t.Context()); n != 2 || err != nil {
			t.Errorf("old: %d, %v", n, err)
		}
		if got := names(); len(got) != 2 {
			t.Errorf("left while writing: %q", got)
		}
		now = now.Add(25 * time.Hour)
		if n, err := f.Sweep(t.Context()); n != 0 || err != nil {
			t.Errorf("while writing: %d, %v", n, err)
		}
		return 0, io.EOF
	})
	if _, err := f.Put(t.Context(), "k", body, 0, &driver.PutOptions{}); err != nil {
		t.Error(err)
	}
	write("0123456789abcde0")
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := openWith(t, config, opts); err != nil {
		t.Fatal(err)
	}
	if got := names(); !slices.Equal(got, []string{"foreign.txt"}) {
		t.Errorf("left after opening: %q", got)
	}
}

// bodyFunc calls the function once and then ends.
func bodyFunc(f func([]byte) (int, error)) io.Reader {
	return io.MultiReader(readerFunc(f), bytes.NewReader(nil))
}

// TestNeighbours deletes and makes objects in the same directories at once: no write may fail or vanish because a directory was removed.
func TestNeighbours(t *testing.T) {
	f := open(t, t.TempDir(), "")
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			key := fmt.Sprintf("a/b/c/%d", g)
			for range 150 {
				if _, err := f.Put(t.Context(), key, strings.NewReader("x"), 1, &driver.PutOptions{}); err != nil {
					t.Error(err)
					return
				}
				if _, err := f.Head(t.Context(), key); err != nil {
					t.Error(err)
					return
				}
				if err := f.Delete(t.Context(), key, &driver.DeleteOptions{}); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	if pins := local.Pins(f); pins != 0 {
		t.Errorf("%d directories stay pinned", pins)
	}
	if got := listAll(t, f, driver.ListOptions{Delimiter: "/"}); len(got) != 0 {
		t.Errorf("left: %q", got)
	}
}

// TestForeignRemoval removes directories under the driver's hands.
func TestForeignRemoval(t *testing.T) {
	dir := t.TempDir()
	f := open(t, dir, local.LayoutVerbatim)
	for range 20 {
		put(t, f, "a/b/k", "x")
		if err := os.RemoveAll(filepath.Join(dir, "a")); err != nil {
			t.Fatal(err)
		}
		if got := listAll(t, f, driver.ListOptions{}); len(got) != 0 {
			t.Fatalf("listed %q", got)
		}
	}
}

func TestReaderKeepsItsRevision(t *testing.T) {
	f := open(t, t.TempDir(), "")
	body := strings.Repeat("old", 100_000)
	put(t, f, "k", body)
	r, _, err := f.Get(t.Context(), "k", &driver.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	put(t, f, "k", "new")
	if err := f.Delete(t.Context(), "k", &driver.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	if b, err := io.ReadAll(r); err != nil || string(b) != body {
		t.Errorf("read %d bytes, %v", len(b), err)
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
}

// TestCutFile shortens a file that is being read.
func TestCutFile(t *testing.T) {
	dir := t.TempDir()
	f := open(t, dir, local.LayoutVerbatim)
	put(t, f, "k", strings.Repeat("x", 100))
	r, _, err := f.Get(t.Context(), "k", &driver.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(filepath.Join(dir, "k"), 40); err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(r)
	if len(b) != 40 || !driver.Is(err, driver.Corrupt) {
		t.Errorf("read %d bytes, %v", len(b), err)
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
}

// TestCloseCutsWrites closes the folder while a body is being read: the write fails, and nothing changes after Close returned.
func TestCloseCutsWrites(t *testing.T) {
	dir := t.TempDir()
	f := open(t, dir, "")
	put(t, f, "k", "old")
	_, err := f.Put(t.Context(), "k", io.MultiReader(readerFunc(func([]byte) (int, error) {
		if err := f.Close(); err != nil {
			return 0, err
		}
		return 0, io.EOF
	})), 0, &driver.PutOptions{})
	if err == nil {
		t.Error("acknowledged after Close")
	}
	g := open(t, dir, "")
	if got := get(t, g, "k"); got != "old" {
		t.Errorf("got %q", got)
	}
}

// TestNothingChangesAfterClose is TestCloseCutsWrites where the file system itself does not mind.
func TestNothingChangesAfterClose(t *testing.T) {
	m := newModelFS()
	f := openModel(t, m)
	put(t, f, "k", "old")
	up, err := f.Uploads().Create(t.Context(), "up", nil)
	if err != nil {
		t.Fatal(err)
	}
	closeThenEnd := io.MultiReader(readerFunc(func([]byte) (int, error) {
		if err := f.Close(); err != nil {
			return 0, err
		}
		return 0, io.EOF
	}))
	if _, err := f.Put(t.Context(), "k", closeThenEnd, 0, &driver.PutOptions{}); !driver.Is(err, driver.Unavailable) {
		t.Errorf("put: %v", err)
	}
	if _, err := f.Uploads().PutPart(t.Context(), driver.Upload{ID: up, Key: "up"}, 1, strings.NewReader(""), 0); !driver.Is(err, driver.Unavailable) {
		t.Errorf("part: %v", err)
	}
	if got := get(t, openModel(t, m), "k"); got != "old" {
		t.Errorf("got %q", got)
	}
}

// TestProbe sees what Open finds on the disk of this machine.
func TestProbe(t *testing.T) {
	f, err := openWith(t, &local.Config{Path: t.TempDir()}, nil)
	if err != nil {
		t.Fatal(err)
	}
	p := f.Probe()
	if p.TimeStep <= 0 || p.Total == 0 || p.Class == "" {
		t.Errorf("%+v", p)
	}
	t.Logf("%+v", p)
	g := open(t, t.TempDir(), "")
	if p := g.Probe(); p.Class != local.ClassNone || len(p.Warnings) == 0 {
		t.Errorf("without syncing: %+v", p)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := local.Open(ctx, &local.Config{Path: t.TempDir()}, nil); !driver.Is(err, driver.Canceled) {
		t.Errorf("ended ctx: %v", err)
	}
}
