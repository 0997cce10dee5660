package local_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"sallyport/providers/driver"
	"sallyport/providers/local"
)

// fill makes n objects behind the driver's back, as a copy would.
func fill(t testing.TB, dir string, n int) (keys []string) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	for i := range n {
		name := fmt.Sprintf("%06d", i*7919%1_000_003)
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		keys = append(keys, name)
	}
	slices.Sort(keys)
	return keys
}

// TestWindows lists a directory that is larger than what is held of it, while it changes.
func TestWindows(t *testing.T) {
	for _, window := range []int{1, 64, 100, 999, 1000, 5000} {
		dir := t.TempDir()
		f := open(t, dir, local.LayoutVerbatim)
		local.SetWindow(f, window)
		n := 1000
		if window == 1 {
			n = 150
		}
		keys := fill(t, dir, n)
		for _, d := range []string{"dir", "dir-", "dir0"} { // directories between the windows
			put(t, f, d+"/k", "x")
			keys = append(keys, d+"/k")
		}
		slices.Sort(keys)
		random := rand.New(rand.NewPCG(uint64(window), 1))
		for range 30 {
			opts := driver.ListOptions{Limit: 1 + random.IntN(300)}
			if random.IntN(2) == 0 {
				opts.After = keys[random.IntN(len(keys))]
			}
			if random.IntN(3) == 0 {
				opts.Delimiter = []string{"/", "5", "00"}[random.IntN(3)]
			}
			if random.IntN(3) == 0 {
				opts.Prefix = fmt.Sprint(random.IntN(10))
			}
			if got, want := listAll(t, f, opts), model(keys, opts); !slices.Equal(got, want) {
				t.Fatalf("window %d, %+v: %s", window, opts, difference(got, want))
			}
		}
	}
}

// TestChangesShow pages through a directory that changes between the pages: each page has every change that was acknowledged before.
func TestChangesShow(t *testing.T) {
	eachLayout(t, func(t *testing.T, layout string) {
		f := open(t, t.TempDir(), layout)
		for i := range 300 {
			put(t, f, fmt.Sprintf("d/%03d", i), "x")
		}
		page := func(after string) *driver.Page {
			p, err := f.List(t.Context(), &driver.ListOptions{Prefix: "d/", After: after, Limit: 100})
			if err != nil {
				t.Fatal(err)
			}
			return p
		}
		holds := func(p *driver.Page, key string) bool {
			return slices.ContainsFunc(p.Entries, func(e driver.Entry) bool { return e.Key == key })
		}
		page("")
		for i := range 50 {
			key, long := fmt.Sprintf("d/1%02dx", i), fmt.Sprintf("d/1%02d", i)+strings.Repeat("l", 230)
			if layout == local.LayoutEscaped {
				put(t, f, long+"B", "x")
				page("d/100")
				put(t, f, long+"A/x", "x")
				if !holds(page(long), long+"A/x") && i < 30 {
					t.Fatalf("a key in a new long directory is not listed, round %d", i)
				}
				for _, k := range []string{long + "A/x", long + "B"} {
					if err := f.Delete(t.Context(), k, &driver.DeleteOptions{}); err != nil {
						t.Fatal(err)
					}
				}
				put(t, f, long, "x")
				if !holds(page("d/100"), long) && i < 30 {
					t.Fatalf("a new long key is not listed, round %d", i)
				}
				if err := f.Delete(t.Context(), long, &driver.DeleteOptions{}); err != nil {
					t.Fatal(err)
				}
				if holds(page("d/100"), long) {
					t.Fatal("a deleted long key is listed")
				}
			}
			put(t, f, key, "x")
			if !holds(page(fmt.Sprintf("d/1%02d", i)), key) {
				t.Fatal("a new key is not listed")
			}
			if err := f.Delete(t.Context(), key, &driver.DeleteOptions{}); err != nil {
				t.Fatal(err)
			}
			if holds(page(fmt.Sprintf("d/1%02d", i)), key) {
				t.Fatal("a deleted key is listed")
			}
			below := fmt.Sprintf("d/1%02dy/x", i)
			put(t, f, below, "x")
			if !holds(page(key), below) {
				t.Fatal("a key in a new directory is not listed")
			}
			if err := f.Delete(t.Context(), below, &driver.DeleteOptions{}); err != nil {
				t.Fatal(err)
			}
			up, err := f.Uploads().Create(t.Context(), key, nil)
			if err != nil {
				t.Fatal(err)
			}
			u := driver.Upload{ID: up, Key: key}
			part, err := f.Uploads().PutPart(t.Context(), u, 1, strings.NewReader("x"), 1)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := f.Uploads().Complete(t.Context(), u, []driver.Part{*part}, &driver.PutOptions{}); err != nil {
				t.Fatal(err)
			}
			if !holds(page(fmt.Sprintf("d/1%02d", i)), key) {
				t.Fatal("a completed key is not listed")
			}
		}
	})
}

// hookFS calls a function after a directory was read.
type hookFS struct {
	local.FileSystem
	afterRead func(path string)
}

func (h *hookFS) OpenDir(path string) (local.Directory, error) {
	d, err := h.FileSystem.OpenDir(path)
	if err != nil {
		return nil, err
	}
	return &hookDir{d, func() { h.afterRead(path) }}, nil
}

type hookDir struct {
	local.Directory
	then func()
}

func (d *hookDir) Close() error {
	defer d.then()
	return d.Directory.Close()
}

// TestChangeWhileReading makes an object just when its directory has been read: the next page has it.
func TestChangeWhileReading(t *testing.T) {
	for _, late := range []string{"d,/late", "d,/late,/x"} {
		h := &hookFS{FileSystem: newModelFS(), afterRead: func(string) {}}
		f, err := local.Open(t.Context(), &local.Config{Path: "model"}, &local.Options{FileSystem: h})
		if err != nil {
			t.Fatal(err)
		}
		for i := range 100 {
			put(t, f, fmt.Sprintf("d/%03d", i), "x")
		}
		key := strings.ReplaceAll(late, ",", "")
		done := false
		h.afterRead = func(path string) {
			if path == "d," && !done {
				done = true
				put(t, f, key, "x")
			}
		}
		listAll(t, f, driver.ListOptions{})
		if got := listAll(t, f, driver.ListOptions{}); !done || len(got) != 101 || got[100] != key {
			t.Errorf("%s: %d entries, last %q", late, len(got), got[len(got)-1])
		}
	}
}

// TestForeignChangesShow lets another program add and remove files.
func TestForeignChangesShow(t *testing.T) {
	dir := t.TempDir()
	now := time.Now()
	f, err := openWith(t, &local.Config{Path: dir, Layout: local.LayoutVerbatim}, &local.Options{Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	keys := fill(t, dir, 200)
	if got := listAll(t, f, driver.ListOptions{}); !slices.Equal(got, keys) {
		t.Fatal(difference(got, keys))
	}
	if err := os.Remove(filepath.Join(dir, keys[50])); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "zzz"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	want := append(slices.Delete(slices.Clone(keys), 50, 51), "zzz")
	if err := os.Chtimes(dir, time.Time{}, now.Add(time.Hour)); err != nil { // the change may have fallen into one tick
		t.Fatal(err)
	}
	if got := listAll(t, f, driver.ListOptions{}); !slices.Equal(got, want) {
		t.Error(difference(got, want))
	}
	put(t, f, "zzzz", "x") // from here the directory's time tells nothing
	if err := os.WriteFile(filepath.Join(dir, "zzzzz"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	now = now.Add(16 * time.Second)
	want = append(want, "zzzz", "zzzzz")
	if got := listAll(t, f, driver.ListOptions{}); !slices.Equal(got, want) {
		t.Error(difference(got, want))
	}
}

// TestPageLooksOnlyAtItsEntries counts what a page costs in a directory of many.
func TestPageLooksOnlyAtItsEntries(t *testing.T) {
	m := newModelFS()
	f := openModel(t, m)
	for i := range 3000 {
		put(t, f, fmt.Sprintf("d/%04d", i), "x")
	}
	calls := map[string]int{}
	m.fault = func(call, _ string) (error, bool) {
		calls[call]++
		return nil, false
	}
	opts := driver.ListOptions{Prefix: "d/", Limit: 100}
	if got := listAll(t, f, opts); len(got) != 3000 {
		t.Fatalf("%d entries", len(got))
	}
	if calls["opendir"] != 1 {
		t.Errorf("the directory was read %d times for 30 pages", calls["opendir"])
	}
	if calls["stat"] > 3000+30*3 {
		t.Errorf("%d looks at files for 3000 entries", calls["stat"])
	}
}

func BenchmarkList200k(b *testing.B) {
	dir := b.TempDir()
	f := open(b, dir, local.LayoutVerbatim)
	fill(b, dir, 200_000)
	b.Run("all pages", func(b *testing.B) {
		for b.Loop() {
			if got := listAll(b, f, driver.ListOptions{}); len(got) != 200_000 {
				b.Fatal(len(got))
			}
		}
	})
	b.Run("one page", func(b *testing.B) {
		for i := 0; b.Loop(); i++ {
			if _, err := f.List(b.Context(), &driver.ListOptions{After: fmt.Sprintf("%06d", i*7919%1_000_000)}); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("one page after a change", func(b *testing.B) {
		for i := 0; b.Loop(); i++ {
			put(b, f, "changing", "x")
			if _, err := f.List(b.Context(), &driver.ListOptions{After: fmt.Sprintf("%06d", i*7919%1_000_000)}); err != nil {
				b.Fatal(err)
			}
		}
	})
}
