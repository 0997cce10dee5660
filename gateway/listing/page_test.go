package listing

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// entries returns what a listing of names shows, straight from S3's definition: no paging, no state.
func entries(names []string, q Query) []string {
	var shown []string
	for _, name := range names {
		if !strings.HasPrefix(name, q.Prefix) {
			continue
		}
		entry := name
		if q.Delimiter != "" {
			if before, _, found := strings.Cut(name[len(q.Prefix):], q.Delimiter); found {
				entry = q.Prefix + before + q.Delimiter
			}
		}
		grouped := entry != name || q.Delimiter != "" && strings.HasSuffix(name, q.Delimiter) && len(name) >= len(q.Prefix)+len(q.Delimiter)
		if entry <= q.After || grouped && strings.HasPrefix(q.After, entry) {
			continue
		}
		shown = append(shown, entry)
	}
	slices.Sort(shown)
	return slices.Compact(shown)
}

func pageOf(names []string, q Query) *Page[string] {
	c := NewCollector[string](q)
	for _, name := range names {
		if !c.Add(name, name) {
			break
		}
	}
	return c.Page()
}

func shown(p *Page[string]) []string {
	all := slices.Concat(p.Items, p.Prefixes)
	slices.Sort(all)
	return all
}

func TestPages(t *testing.T) {
	names := []string{"a", "a/b", "a/c", "b", "b--c", "b--d", "c/", "c/d/e", "ä", "𝄞"}
	for _, tc := range []struct {
		what string
		q    Query
		want Page[string]
	}{
		{"everything", Query{Limit: 1000}, Page[string]{Items: names, Last: "𝄞"}},
		{"limit of exactly everything has no more", Query{Limit: 10}, Page[string]{Items: names, Last: "𝄞"}},
		{"one less has more", Query{Limit: 9}, Page[string]{Items: names[:9], More: true, Last: "ä"}},
		{"limit zero claims nothing", Query{}, Page[string]{}},
		{"negative limit is zero", Query{Limit: -1}, Page[string]{}},
		{"slash", Query{Delimiter: "/", Limit: 1000}, Page[string]{
			Items: []string{"a", "b", "b--c", "b--d", "ä", "𝄞"}, Prefixes: []string{"a/", "c/"}, Last: "𝄞",
		}},
		{"long delimiter", Query{Delimiter: "--", Limit: 1000}, Page[string]{
			Items: []string{"a", "a/b", "a/c", "b", "c/", "c/d/e", "ä", "𝄞"}, Prefixes: []string{"b--"}, Last: "𝄞",
		}},
		{"a prefix fills the page and the rest of its group is no reason for more", Query{Prefix: "b", Delimiter: "--", Limit: 2}, Page[string]{
			Items: []string{"b"}, Prefixes: []string{"b--"}, Last: "b--",
		}},
		{"prefix counts to the limit", Query{Delimiter: "/", Limit: 2}, Page[string]{
			Items: []string{"a"}, Prefixes: []string{"a/"}, More: true, Last: "a/",
		}},
		{"after a common prefix", Query{Delimiter: "/", After: "a/", Limit: 1}, Page[string]{Items: []string{"b"}, More: true, Last: "b"}},
		{"after a name inside a group leaves the group out", Query{Delimiter: "/", After: "a/b", Limit: 1}, Page[string]{
			Items: []string{"b"}, More: true, Last: "b",
		}},
		{"a name that is its own prefix", Query{Prefix: "c/", Delimiter: "/", Limit: 10}, Page[string]{
			Items: []string{"c/"}, Prefixes: []string{"c/d/"}, Last: "c/d/",
		}},
		{"prefix holds the delimiter", Query{Prefix: "a/", Delimiter: "/", Limit: 10}, Page[string]{Items: []string{"a/b", "a/c"}, Last: "a/c"}},
		{"after everything", Query{After: "\U0010ffff", Limit: 10}, Page[string]{}},
		{"prefix of nothing", Query{Prefix: "zz", Limit: 10}, Page[string]{}},
	} {
		if diff := cmp.Diff(&tc.want, pageOf(names, tc.q)); diff != "" {
			t.Errorf("%s: (-want +got)\n%s", tc.what, diff)
		}
	}
}

func TestPagesTogetherAreTheListing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		letters := rapid.StringOfN(rapid.SampledFrom([]rune("ab/-é")), 1, 6, -1)
		names := rapid.SliceOfDistinct(letters, rapid.ID[string]).Draw(t, "names")
		slices.Sort(names)
		q := Query{
			Prefix:    rapid.SampledFrom([]string{"", "a", "a/", "b-", "é"}).Draw(t, "prefix"),
			Delimiter: rapid.SampledFrom([]string{"", "/", "-", "/-", "a"}).Draw(t, "delimiter"),
			After:     rapid.OneOf(rapid.Just(""), letters).Draw(t, "after"),
			Limit:     rapid.IntRange(1, 5).Draw(t, "limit"),
		}
		want := entries(names, q)
		var got []string
		for {
			p := pageOf(names, q)
			page := shown(p)
			if len(page) > q.Limit || p.More && len(page) < q.Limit {
				t.Fatalf("page of %d entries with limit %d, more %v", len(page), q.Limit, p.More)
			}
			got = append(got, page...)
			if !p.More {
				break
			}
			if p.Last != page[len(page)-1] {
				t.Fatalf("Last is %q, want %q", p.Last, page[len(page)-1])
			}
			q.After = p.Last
		}
		if !slices.Equal(got, want) {
			t.Fatalf("pages hold %q, want %q", got, want)
		}
	})
}

// TestGroupedByTheBackend offers common prefixes as a backend groups them, and as one does that cuts a page inside a group.
func TestGroupedByTheBackend(t *testing.T) {
	c := NewCollector[string](Query{Prefix: "x", Delimiter: "/", After: "x0/", Limit: 2})
	for _, step := range []struct {
		prefix string
		want   bool
	}{{"w/", true}, {"x0/", true}, {"x1/", true}, {"x1/", true}, {"x2/", true}, {"x2/", true}, {"x3/", false}} {
		if got := c.AddPrefix(step.prefix); got != step.want {
			t.Errorf("AddPrefix(%q) = %v", step.prefix, got)
		}
	}
	want := &Page[string]{Prefixes: []string{"x1/", "x2/"}, More: true, Last: "x2/"}
	if diff := cmp.Diff(want, c.Page()); diff != "" {
		t.Error(diff)
	}
}

func TestRoomAndMarkMore(t *testing.T) {
	c := NewCollector[int](Query{Limit: 2})
	if c.Room() != 2 || c.Full() {
		t.Errorf("empty: room %d, full %v", c.Room(), c.Full())
	}
	c.Add("a", 1)
	c.Add("b", 2)
	if c.Room() != 0 || !c.Full() || c.Page().More {
		t.Errorf("full: room %d, full %v, more %v", c.Room(), c.Full(), c.Page().More)
	}
	if c.MarkMore(); !c.Page().More {
		t.Error("MarkMore did nothing")
	}
	none := NewCollector[int](Query{})
	if none.MarkMore(); none.Page().More {
		t.Error("a page of limit 0 claims more, and its client would ask for ever")
	}
}
