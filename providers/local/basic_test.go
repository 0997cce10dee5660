package local_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"sallyport/providers/driver"
	"sallyport/providers/local"
)

// open opens a fresh folder of the given layout and closes it with the test.
func open(t testing.TB, path, layout string) *local.Folder {
	t.Helper()
	f, err := local.Open(t.Context(), &local.Config{Path: path, Layout: layout, Durability: local.DurabilityOff}, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	})
	return f
}

func put(t testing.TB, d driver.Driver, key, body string) *driver.Info {
	t.Helper()
	info, err := d.Put(t.Context(), key, strings.NewReader(body), int64(len(body)), &driver.PutOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return info
}

func get(t testing.TB, d driver.Driver, key string) string {
	t.Helper()
	r, _, err := d.Get(t.Context(), key, &driver.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(r)
	if err := errors.Join(err, r.Close()); err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// listAll pages through a listing and returns the names.
func listAll(t testing.TB, d driver.Driver, opts driver.ListOptions) []string {
	t.Helper()
	var all []string
	for {
		page, err := d.List(t.Context(), &opts)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range page.Entries {
			all = append(all, e.Name())
		}
		if !page.More {
			return all
		}
		opts.After = all[len(all)-1]
	}
}

func eachLayout(t *testing.T, run func(t *testing.T, layout string)) {
	for _, layout := range []string{local.LayoutEscaped, local.LayoutVerbatim} {
		t.Run(layout, func(t *testing.T) { run(t, layout) })
	}
}

func TestRoundTrip(t *testing.T) {
	eachLayout(t, func(t *testing.T, layout string) {
		dir := t.TempDir()
		f := open(t, dir, layout)
		a := put(t, f, "b/k", "one")
		b := put(t, f, "b/k", "one")
		if a.ETag == b.ETag || !b.ModTime.After(a.ModTime) {
			t.Errorf("revision did not change: %+v, %+v", a, b)
		}
		if got := get(t, f, "b/k"); got != "one" {
			t.Errorf("got %q", got)
		}
		head, err := f.Head(t.Context(), "b/k")
		if err != nil || *head != *b {
			t.Errorf("head %+v, %v; want %+v", head, err, b)
		}
		if err := f.Delete(t.Context(), "b/k", &driver.DeleteOptions{}); err != nil {
			t.Error(err)
		}
		if _, err := f.Head(t.Context(), "b/k"); !driver.Is(err, driver.NotFound) {
			t.Errorf("after delete: %v", err)
		}
		entries, err := os.ReadDir(dir)
		if err != nil || len(entries) != 1 || entries[0].Name() != ".sallyport" {
			t.Errorf("left behind: %v, %v", entries, err)
		}
	})
}

// weirdKeys are keys that file systems find hard.
func weirdKeys() []string {
	keys := []string{
		"a", "a/b", "a/b/c", "a-", "a0", "a/", "a//", "a//b", "/", "//", "/a", "..", "../..", "../x", ".", "./", "./.", "x/../y", "x/./y",
		"con", "con.txt", "CON", "aux/nul", "com1", "lpt9.x", "trailing.", "trailing./x", "trailing ", "%", "%25", "a,", "a,/b", "a+", "a+/b",
		"Foo", "foo", "FOO/x", "é", "e\u0301", "\u212b", "\u00c5", "☃", "new\nline", "\x01\x7f", "back\\slash", "c:", "c:/x", "a:stream", "~1", "progra~1",
		".sallyport", ".sallyport-new-0123456789abcdef", ".Sallyport/x", "x/.sallyport", "x/.sallyport/y", ".sallyport,", strings.Repeat("/", 1024), strings.Repeat("a/", 512),
		strings.Repeat("ü", 512), strings.Repeat("n", 1024), strings.Repeat("..", 512), strings.Repeat("n", 200), strings.Repeat("n", 201),
		strings.Repeat("n", 200) + "/x", strings.Repeat("n", 200) + "-", strings.Repeat("n", 200) + "0/y", strings.Repeat("n", 201) + "/x", strings.Repeat("n", 200) + "con",
		strings.Repeat("n", 200) + ".", strings.Repeat("n", 199) + "é", strings.Repeat("n", 198) + "é", strings.Repeat("n", 198) + "\u0302on/z",
		".sallyport/buckets/b", ".sallyport/vault", ".sallyport/names/ab/cd",
	}
	slices.Sort(keys)
	return slices.Compact(keys)
}

func TestEscapedHoldsEveryKey(t *testing.T) {
	dir := t.TempDir()
	f := open(t, dir, local.LayoutEscaped)
	keys := weirdKeys()
	shuffled := slices.Clone(keys)
	rand.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
	for _, k := range shuffled {
		put(t, f, k, "body of "+k)
	}
	for _, k := range keys {
		if got := get(t, f, k); got != "body of "+k {
			t.Errorf("%q: got %q", k, got)
		}
	}
	for _, limit := range []int{3, 1000} {
		if got := listAll(t, f, driver.ListOptions{Limit: limit}); !slices.Equal(got, keys) {
			t.Fatalf("limit %d: %s", limit, difference(got, keys))
		}
	}
	if f.Foreign() != 0 {
		t.Errorf("%d foreign", f.Foreign())
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	f = open(t, dir, "")
	if got := listAll(t, f, driver.ListOptions{}); !slices.Equal(got, keys) {
		t.Fatalf("reopened: %s", difference(got, keys))
	}
	for _, k := range shuffled {
		if err := f.Delete(t.Context(), k, &driver.DeleteOptions{}); err != nil {
			t.Errorf("%q: %v", k, err)
		}
	}
	if got := listAll(t, f, driver.ListOptions{}); len(got) != 0 {
		t.Errorf("left: %q", got)
	}
}

func TestVerbatimHoldsExactlyOrRefuses(t *testing.T) {
	dir := t.TempDir()
	f := open(t, dir, local.LayoutVerbatim)
	var held []string
	for _, k := range weirdKeys() {
		_, err := f.Put(t.Context(), k, strings.NewReader(k), int64(len(k)), &driver.PutOptions{})
		if driver.Is(err, driver.InvalidKey) {
			if _, err := f.Head(t.Context(), k); err == nil {
				t.Errorf("%q refused and there", k)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		held = append(held, k)
	}
	for _, k := range held {
		if got := get(t, f, k); got != k {
			t.Errorf("%q: got %q", k, got)
		}
		if !strings.HasPrefix(k, ".sallyport/") {
			if b, err := os.ReadFile(filepath.Join(dir, k)); err != nil || string(b) != k {
				t.Errorf("%q is not at its path: %v", k, err)
			}
		}
	}
	if got := listAll(t, f, driver.ListOptions{Limit: 3}); !slices.Equal(got, held) {
		t.Errorf("got %q, want %q", got, held)
	}
}

// TestFoldingFileSystem runs both layouts where Foo and foo are one file: escaped keeps them apart, verbatim refuses what it cannot.
func TestFoldingFileSystem(t *testing.T) {
	openFolding := func(m *modelFS, layout string, readOnly bool) *local.Folder {
		f, err := local.Open(t.Context(), &local.Config{Path: "model", Layout: layout}, &local.Options{FileSystem: m, ReadOnly: readOnly})
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	m := newModelFS()
	m.fold = true
	f := openFolding(m, local.LayoutEscaped, false)
	if p := f.Probe(); !p.FoldsCase || !p.Normalises {
		t.Errorf("probe %+v", p)
	}
	keys := weirdKeys()
	for _, k := range keys {
		put(t, f, k, k)
	}
	for _, k := range keys {
		if got := get(t, f, k); got != k {
			t.Errorf("%.40q holds %.40q", k, got)
		}
	}
	if got := listAll(t, f, driver.ListOptions{}); !slices.Equal(got, keys) {
		t.Error(difference(got, keys))
	}

	m = newModelFS()
	m.fold = true
	f = openFolding(m, local.LayoutVerbatim, false)
	put(t, f, "foo/bar", "x")
	for _, k := range []string{"Foo/bar", "foo/Bar", "FOO", "\u00e9", "e\u0301", ".sallyport/X"} {
		if _, err := f.Put(t.Context(), k, strings.NewReader("x"), 1, &driver.PutOptions{}); !driver.Is(err, driver.InvalidKey) {
			t.Errorf("Put %q: %v", k, err)
		}
	}
	for _, d := range []*local.Folder{f, openFolding(m, "", true)} {
		if _, err := d.Head(t.Context(), "Foo/bar"); !driver.Is(err, driver.InvalidKey) {
			t.Errorf("Head under an alias: %v", err)
		}
		if got := listAll(t, d, driver.ListOptions{}); !slices.Equal(got, []string{"foo/bar"}) {
			t.Errorf("got %q", got)
		}
	}
}

// model lists a set of keys as the contract says.
func model(keys []string, opts driver.ListOptions) []string {
	var out []string
	for _, k := range keys {
		rest, ok := strings.CutPrefix(k, opts.Prefix)
		if !ok || k <= opts.After {
			continue
		}
		name := k
		if i := strings.Index(rest, opts.Delimiter); opts.Delimiter != "" && i >= 0 {
			name = k[:len(opts.Prefix)+i+len(opts.Delimiter)]
			if strings.HasPrefix(opts.After, name) {
				continue
			}
		}
		if len(out) == 0 || out[len(out)-1] != name {
			out = append(out, name)
		}
	}
	return out
}

func TestListAgainstModel(t *testing.T) {
	f := open(t, t.TempDir(), local.LayoutEscaped)
	random := rand.New(rand.NewPCG(1, 2))
	alphabet := []string{"a", "b", "-", "/", "/", "0", "B", "\u00e9", "//", strings.Repeat("q", 130), "."}
	word := func(n int) string {
		var b strings.Builder
		for range random.IntN(n) + 1 {
			b.WriteString(alphabet[random.IntN(len(alphabet))])
		}
		return b.String()
	}
	var keys []string
	for range 400 {
		if k := word(7); len(k) <= 1024 {
			keys = append(keys, k)
			put(t, f, k, "x")
		}
	}
	slices.Sort(keys)
	keys = slices.Compact(keys)
	for i := range 600 {
		opts := driver.ListOptions{Limit: []int{1, 3, 10, 1000}[random.IntN(4)]}
		if random.IntN(2) == 0 {
			opts.Prefix = word(3)
		}
		if random.IntN(2) == 0 {
			opts.Delimiter = []string{"/", "-", "/a", "//", "b", "a/b", "\u00e9", "qq"}[random.IntN(8)]
		}
		switch random.IntN(4) {
		case 0:
			opts.After = word(4)
		case 1:
			opts.After = keys[random.IntN(len(keys))]
		}
		if i%50 == 0 { // changes between pages must show
			k := keys[random.IntN(len(keys))]
			if err := f.Delete(t.Context(), k, &driver.DeleteOptions{}); err != nil {
				t.Fatal(err)
			}
			keys = slices.DeleteFunc(keys, func(x string) bool { return x == k })
		}
		want := model(keys, opts)
		if got := listAll(t, f, opts); !slices.Equal(got, want) {
			t.Fatalf("%+v:\n got %q\nwant %q", opts, got, want)
		}
	}
}

func TestPutLengths(t *testing.T) {
	f := open(t, t.TempDir(), "")
	put(t, f, "k", "old")
	for _, tc := range []struct {
		size int64
		body io.Reader
		want error
	}{
		{5, strings.NewReader("four"), io.ErrUnexpectedEOF},
		{3, strings.NewReader("four"), nil},
		{0, strings.NewReader("x"), nil},
		{4, io.MultiReader(strings.NewReader("four"), broken{}), errBroken},
		{4, broken{}, errBroken},
		{-1, strings.NewReader(""), nil},
	} {
		_, err := f.Put(t.Context(), "k", tc.body, tc.size, &driver.PutOptions{})
		if err == nil || tc.want != nil && !errors.Is(err, tc.want) {
			t.Errorf("size %d: %v", tc.size, err)
		}
		if got := get(t, f, "k"); got != "old" {
			t.Fatalf("old object is now %q", got)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	_, err := f.Put(ctx, "k", io.MultiReader(strings.NewReader("fo"), readerFunc(func([]byte) (int, error) { cancel(); return 0, nil })), 4, &driver.PutOptions{})
	if !driver.Is(err, driver.Canceled) {
		t.Errorf("canceled: %v", err)
	}
	for _, n := range []int{0, 1, 256<<10 - 1, 256 << 10, 256<<10 + 1, 5<<20 + 1} {
		body := bytes.Repeat([]byte("0123456789abcdef"), n/16+1)[:n]
		if _, err := f.Put(t.Context(), "k", bytes.NewReader(body), int64(n), &driver.PutOptions{}); err != nil {
			t.Fatal(err)
		}
		if got := get(t, f, "k"); got != string(body) {
			t.Errorf("%d bytes come back as %d", n, len(got))
		}
	}
}

var errBroken = errors.New("broken")

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, fmt.Errorf("wrapped: %w", errBroken) }

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// difference says where two lists part.
func difference(got, want []string) string {
	for i := range max(len(got), len(want)) {
		if i >= len(got) || i >= len(want) || got[i] != want[i] {
			return fmt.Sprintf("%d entries, want %d; from %d: %q, want %q", len(got), len(want), i, got[i:min(len(got), i+2)], want[i:min(len(want), i+2)])
		}
	}
	return "equal"
}
