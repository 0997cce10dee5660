package drivertest

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"sallyport/providers/driver"
)

// expected is the reference: the names of a whole listing of keys under opts, Limit aside, from the definition alone.
func expected(keys []string, opts driver.ListOptions) []string {
	var all []string
	for _, key := range keys {
		rest, ok := strings.CutPrefix(key, opts.Prefix)
		if !ok {
			continue
		}
		name := key
		if opts.Delimiter != "" {
			if before, _, found := strings.Cut(rest, opts.Delimiter); found {
				name = opts.Prefix + before + opts.Delimiter
			}
		}
		if name > opts.After {
			all = append(all, name)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// listKeys are close to one another in every way that matters to order: '-' and '.' sort before '/', '0' after it, so that "a-" and
// "a.b" come before everything in the folder "a/" and "a0" after it.
var listKeys = []string{
	"a", "a-", "a-/x", "a--b", "a---b", "a-b", "a.", "a.b", "a/", "a//", "a//b", "a/-", "a/b", "a/b/c", "a/b/d", "a/b-c", "a/b.c", "a/b0", "a/z", "a0", "a0/x",
	"aa", "ab", "ab/c", "ab/cd", "abc", "b", "b/c/d/e", "é/x", "é/y", "éa", "\U0001f980/1", "A", "Z/1",
}

func testList(t *testing.T, h *Harness) {
	t.Run("Empty", func(t *testing.T) {
		d := h.NewDriver(t)
		for _, opts := range []driver.ListOptions{{}, {Prefix: "a"}, {Delimiter: "/"}, {After: "x"}, {Prefix: "a/b/", Delimiter: "/", After: "a/b/c", Limit: 1}} {
			page, err := d.List(t.Context(), &opts)
			wantNil(t, "List of an empty root", err)
			if page == nil || len(page.Entries) != 0 || page.More {
				t.Fatalf("List of an empty root: %+v", page)
			}
		}
	})
	t.Run("Pages", func(t *testing.T) {
		d := h.NewDriver(t)
		var keys []string
		for _, key := range listKeys {
			if h.possible(key) {
				put(t, d, key, []byte(key))
				keys = append(keys, key)
			}
		}
		check := func(opts driver.ListOptions) {
			wantNames(t, fmt.Sprintf("List %+v", opts), names(t, d, opts), expected(keys, opts))
		}
		for _, prefix := range []string{"", "a", "a-", "a/", "a//", "a/b", "a/b/", "a.", "ab", "b/c", "é", "é/", "z", "a/b/c", "a/b/c/", "\U0001f980"} {
			for _, delimiter := range []string{"", "/", "-", "--", "/b", "b/", "a", "é", "//", "zz"} {
				for _, limit := range []int{0, 1, 2} {
					check(driver.ListOptions{Prefix: prefix, Delimiter: delimiter, Limit: limit})
				}
			}
		}
		after := []string{"0", "a/a", "a/b/", "a/b/cc", "a/~", "a/\U0010ffff", "é/", "é", "\U0010ffff", "a---", "b/c/", "b/c/d/", "a/b/c/d/e"}
		for _, key := range slices.Concat(keys, after) {
			for _, at := range []driver.ListOptions{{}, {Delimiter: "/"}, {Prefix: "a"}, {Prefix: "a/", Delimiter: "/"}, {Prefix: "a", Delimiter: "-"}, {Prefix: "a/b", Delimiter: "/"}} {
				at.After = key
				check(at)
			}
		}
	})
	t.Run("More", func(t *testing.T) {
		d := h.NewDriver(t)
		for _, key := range []string{"a", "b", "c/1", "c/2"} {
			put(t, d, key, nil)
		}
		for _, c := range []struct {
			opts driver.ListOptions
			n    int
			more bool
		}{
			{driver.ListOptions{Limit: 3}, 3, true},
			{driver.ListOptions{Limit: 4}, 4, false},
			{driver.ListOptions{Limit: 5}, 4, false},
			{driver.ListOptions{Limit: 1000}, 4, false},
			{driver.ListOptions{}, 4, false},
			{driver.ListOptions{Delimiter: "/", Limit: 2}, 2, true},
			{driver.ListOptions{Delimiter: "/", Limit: 3}, 3, false},
			{driver.ListOptions{After: "c/1", Limit: 1}, 1, false},
			{driver.ListOptions{After: "c/2", Limit: 1}, 0, false},
			{driver.ListOptions{After: "b", Delimiter: "/", Limit: 1}, 1, false},
			{driver.ListOptions{After: "c/", Delimiter: "/", Limit: 1}, 0, false},
			{driver.ListOptions{Prefix: "b", Limit: 1}, 1, false},
		} {
			page, err := d.List(t.Context(), &c.opts)
			wantNil(t, "List", err)
			if len(page.Entries) != c.n || page.More != c.more {
				t.Fatalf("List %+v: %d entries, more %v; want %d, %v", c.opts, len(page.Entries), page.More, c.n, c.more)
			}
		}
	})
	t.Run("Entries", func(t *testing.T) {
		d := h.NewDriver(t)
		want := map[string]*driver.Info{}
		for i, key := range []string{"a", "a.b/c", "b/c", "b/d", "z"} {
			want[key] = put(t, d, key, pattern(uint64(i), i*1000))
		}
		page, err := d.List(t.Context(), &driver.ListOptions{})
		wantNil(t, "List", err)
		if len(page.Entries) != len(want) {
			t.Fatalf("%d entries, want %d", len(page.Entries), len(want))
		}
		for i := range page.Entries {
			e := &page.Entries[i]
			h.wantSameInfo(t, "listed "+e.Key, &e.Info, want[e.Key])
		}
	})
	t.Run("Thousand", func(t *testing.T) {
		d := h.NewDriver(t)
		var keys []string
		for i := range 1003 {
			keys = append(keys, fmt.Sprintf("many/%04d", i))
		}
		var writers sync.WaitGroup
		for n := range 8 {
			writers.Go(func() {
				for i := n; i < len(keys); i += 8 {
					if _, err := d.Put(t.Context(), keys[i], strings.NewReader("x"), 1, &driver.PutOptions{}); err != nil {
						t.Errorf("Put: %v", err)
					}
				}
			})
		}
		writers.Wait()
		page, err := d.List(t.Context(), &driver.ListOptions{})
		wantNil(t, "List", err)
		if len(page.Entries) != 1000 || !page.More {
			t.Fatalf("List without a limit: %d entries, more %v", len(page.Entries), page.More)
		}
		wantNames(t, "all", names(t, d, driver.ListOptions{}), keys)
		wantNames(t, "from the middle", names(t, d, driver.ListOptions{Prefix: "many/", After: "many/0500", Limit: 999}), keys[501:])
		wantNames(t, "grouped", names(t, d, driver.ListOptions{Delimiter: "/"}), []string{"many/"})
	})
	t.Run("Deleted", func(t *testing.T) {
		d := h.NewDriver(t)
		put(t, d, "a/b/c/d", nil)
		put(t, d, "a/x", nil)
		wantNil(t, "Delete", d.Delete(t.Context(), "a/b/c/d", &driver.DeleteOptions{}))
		wantNames(t, "no empty prefix", names(t, d, driver.ListOptions{Prefix: "a/", Delimiter: "/"}), []string{"a/x"})
		wantNil(t, "Delete", d.Delete(t.Context(), "a/x", &driver.DeleteOptions{}))
		wantNames(t, "no empty prefix", names(t, d, driver.ListOptions{Delimiter: "/"}), nil)
	})
	t.Run("AfterDeletedKey", func(t *testing.T) {
		d := h.NewDriver(t)
		for _, key := range []string{"a", "b", "b/c", "c", "d"} {
			if h.possible(key) {
				put(t, d, key, nil)
			}
		}
		wantNil(t, "Delete", d.Delete(t.Context(), "c", &driver.DeleteOptions{}))
		wantNames(t, "a page that begins after a key that is gone", names(t, d, driver.ListOptions{After: "c"}), []string{"d"})
	})
	t.Run("Stable", func(t *testing.T) { testStablePaging(t, h) })
}

// testStablePaging pages through a root while other keys come and go: those that stay must be seen once each, in order.
func testStablePaging(t *testing.T, h *Harness) {
	d := h.NewDriver(t)
	var stay []string
	for i := range 40 {
		key := fmt.Sprintf("p/%02d", i)
		if i%3 == 0 {
			key = fmt.Sprintf("p/%02d/x", i)
		}
		put(t, d, key, nil)
		stay = append(stay, key)
	}
	slices.Sort(stay)
	stop := make(chan struct{})
	var churn sync.WaitGroup
	for n := range 2 {
		churn.Go(func() {
			for i := n; ; i += 2 {
				select {
				case <-stop:
					return
				default:
				}
				key := fmt.Sprintf("p/%02d-%d", (i*7)%40, n)
				if _, err := d.Put(t.Context(), key, strings.NewReader(""), 0, &driver.PutOptions{}); err != nil {
					t.Errorf("Put: %v", err)
					return
				}
				if err := d.Delete(t.Context(), key, &driver.DeleteOptions{}); err != nil {
					t.Errorf("Delete: %v", err)
					return
				}
			}
		})
	}
	for round := range 10 {
		for _, opts := range []driver.ListOptions{{Prefix: "p/", Limit: 3}, {Limit: 1 + round}, {Prefix: "p/", Delimiter: "/", Limit: 4}} {
			want := expected(stay, opts)
			var got []string
			for _, name := range names(t, d, opts) {
				if slices.Contains(want, name) {
					got = append(got, name)
				}
			}
			if !slices.Equal(got, want) {
				t.Errorf("List %+v while others change:\n got %q\nwant %q", opts, got, want)
			}
		}
	}
	close(stop)
	churn.Wait()
}
