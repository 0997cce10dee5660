package cache

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"sallyport/crypto/keys"
)

var (
	vaultA = [16]byte{1}
	vaultB = [16]byte{2}
)

func etag(t testing.TB, s string) ETag {
	t.Helper()
	e, ok := ParseETag(s)
	if !ok {
		t.Fatalf("ParseETag(%q) refused", s)
	}
	return e
}

func etagN(t testing.TB, n int) ETag { return etag(t, fmt.Sprintf("%032x", n)) }

func cacheKey() keys.CacheKey { return keys.NewVRK().CacheKey() }

func TestETagText(t *testing.T) {
	md5 := "d41d8cd98f00b204e9800998ecf8427e"
	for _, s := range []string{md5, md5 + "-1", md5 + "-10000", md5 + "-0"} {
		if e, ok := ParseETag(s); !ok || e.String() != s || e.IsOpaque() {
			t.Errorf("ParseETag(%q) = %q, %v", s, e.String(), ok)
		}
	}
	for _, s := range []string{
		"", "x", md5[:31], md5 + "0", md5 + "-", md5 + "-01", md5 + "--1", md5 + "-+1", md5 + "-65536", md5 + "-1x", strings.ToUpper(md5), md5[:31] + "g",
	} {
		if e, ok := ParseETag(s); ok {
			t.Errorf("ParseETag(%q) = %q, want refusal", s, e.String())
		}
	}
	if o := Opaque(); !o.IsOpaque() || o.String() != "" {
		t.Errorf("Opaque is %q", o.String())
	}
}

func TestRowsAreToldApart(t *testing.T) {
	key := cacheKey()
	c := New(&Options{})
	a, b := c.View(vaultA, key), c.View(vaultB, cacheKey())
	a.Put("b/k", "1", etagN(t, 1))
	for _, miss := range []struct {
		v         *View
		key, etag string
	}{{a, "b/k", "2"}, {a, "b/k1", ""}, {a, "b/", "k1"}, {a, "b/l", "1"}, {b, "b/k", "1"}} {
		if e, ok := miss.v.Get(miss.key, miss.etag); ok {
			t.Errorf("Get(%q, %q) = %v", miss.key, miss.etag, e)
		}
	}
	if e, ok := a.Get("b/k", "1"); !ok || e != etagN(t, 1) {
		t.Errorf("Get = %v, %v", e, ok)
	}
	a.Put("b/k", "", etagN(t, 9))
	a.Put("b/z", "1", ETag{})
	if c.Len() != 1 {
		t.Errorf("%d rows, want 1: no revision and no ETag are nothing to remember", c.Len())
	}
}

// TestLeastRecentlyUsed compares with a slice kept in order.
func TestLeastRecentlyUsed(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		limit := rapid.IntRange(1, 4).Draw(t, "limit")
		r := newRows(limit)
		var model []row
		find := func(id rowID) int {
			for i := range model {
				if model[i].id == id {
					return i
				}
			}
			return -1
		}
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			id := rowID{rapid.Byte().Draw(t, "id") % 7}
			i := find(id)
			if rapid.Bool().Draw(t, "put") {
				w := row{id: id, etag: ETag{kind: whole, parts: uint16(rapid.IntRange(0, 2).Draw(t, "value"))}}
				want := i < 0 || model[i].etag != w.etag
				if i >= 0 {
					model = append(model[:i], model[i+1:]...)
				}
				if model = append(model, w); len(model) > limit {
					model = model[1:]
				}
				if got := r.put(w); got != want {
					t.Fatalf("put = %v, want %v", got, want)
				}
			} else {
				got, ok := r.get(id)
				if ok != (i >= 0) {
					t.Fatalf("get = %v, want %v", ok, i >= 0)
				}
				if i >= 0 {
					w := model[i]
					if model = append(append(model[:i:i], model[i+1:]...), w); got != w.etag {
						t.Fatalf("get = %v, want %v", got, w.etag)
					}
				}
			}
			if r.len() != len(model) || len(r.slots) > limit+1 {
				t.Fatalf("%d rows in %d slots, want %d", r.len(), len(r.slots), len(model))
			}
		}
	})
}

func TestKeptAcrossRuns(t *testing.T) {
	dir, key := filepath.Join(t.TempDir(), "cache"), cacheKey()
	c := New(&Options{Dir: dir})
	v := c.View(vaultA, key)
	const n = 2*batchRows + 7
	for i := range n {
		v.Put(fmt.Sprintf("bucket/secret-name-%d", i), "rev", etagN(t, i))
	}
	v.Put("bucket/customer", "rev", Opaque())
	if err := c.Flush(); err != nil {
		t.Fatal(err)
	}
	if err := c.Flush(); err != nil {
		t.Fatal(err)
	}

	again := New(&Options{Dir: dir}).View(vaultA, key)
	for i := range n {
		if e, ok := again.Get(fmt.Sprintf("bucket/secret-name-%d", i), "rev"); !ok || e != etagN(t, i) {
			t.Fatalf("row %d is %v, %v", i, e, ok)
		}
	}
	if e, ok := again.Get("bucket/customer", "rev"); !ok || !e.IsOpaque() {
		t.Errorf("opaque row is %v, %v", e, ok)
	}

	stored := readAll(t, dir)
	for _, clear := range []string{"secret-name", "bucket", "rev", fmt.Sprintf("%032x", 5), string(make([]byte, 15)) + "\x05"} {
		if bytes.Contains(stored, []byte(clear)) {
			t.Errorf("%q stands readable in the file", clear)
		}
	}
	if other := New(&Options{Dir: dir}); other.View(vaultA, cacheKey()) != nil && other.Len() != 0 {
		t.Error("rows opened under another key")
	}
	if info, err := os.Stat(filepath.Join(dir, entry(t, dir))); err != nil {
		t.Error(err)
	} else if runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v", info.Mode())
	}
}

func entry(t *testing.T, dir string) string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 1 {
		t.Fatalf("%d entries in the cache directory, %v", len(entries), err)
	}
	return entries[0].Name()
}

func readAll(t *testing.T, dir string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, entry(t, dir)))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestAnotherEpoch begins anew under a new key, and the old rows leave the file.
func TestAnotherEpoch(t *testing.T) {
	dir, oldKey, newKey := t.TempDir(), cacheKey(), cacheKey()
	c := New(&Options{Dir: dir})
	c.View(vaultA, oldKey).Put("k", "1", etagN(t, 1))
	if err := c.Flush(); err != nil {
		t.Fatal(err)
	}
	v := c.View(vaultA, newKey)
	if _, ok := v.Get("k", "1"); ok {
		t.Error("a row of the old key was found under the new one")
	}
	if string(readAll(t, dir)) != magic {
		t.Error("the old epoch's rows are still in the file")
	}
	v.Put("k", "2", etagN(t, 2))
	if err := c.Flush(); err != nil {
		t.Fatal(err)
	}
	if _, ok := New(&Options{Dir: dir}).View(vaultA, newKey).Get("k", "2"); !ok {
		t.Error("the new key's row is lost")
	}
}

// TestFileStaysBounded writes far more rows than memory holds.
func TestFileStaysBounded(t *testing.T) {
	dir, key := t.TempDir(), cacheKey()
	const limit = 2 * batchRows
	c := New(&Options{Dir: dir, MaxRows: limit})
	v := c.View(vaultA, key)
	last := 20*limit + 5
	for i := range last {
		v.Put("k", fmt.Sprint(i), etagN(t, i))
	}
	if err := c.Flush(); err != nil {
		t.Fatal(err)
	}
	if c.Len() != limit {
		t.Errorf("%d rows in memory, limit %d", c.Len(), limit)
	}
	if size := len(readAll(t, dir)); size > 3*limit*rowSize {
		t.Errorf("file of %d bytes for %d rows", size, limit)
	}
	again := New(&Options{Dir: dir, MaxRows: limit})
	w := again.View(vaultA, key)
	for _, i := range []int{last - 1, last - limit} {
		if e, ok := w.Get("k", fmt.Sprint(i)); !ok || e != etagN(t, i) {
			t.Errorf("row %d of the newest %d is %v, %v", i, limit, e, ok)
		}
	}
	if _, ok := w.Get("k", fmt.Sprint(last-limit-1)); ok {
		t.Error("an evicted row came back in the place of a newer one")
	}
}

func TestOldRowsAreWrittenInTime(t *testing.T) {
	dir, now := t.TempDir(), time.Unix(0, 0)
	c := New(&Options{Dir: dir, Now: func() time.Time { return now }})
	v := c.View(vaultA, cacheKey())
	v.Put("k", "1", etagN(t, 1))
	if entries, _ := os.ReadDir(dir); len(entries) != 0 {
		t.Error("a single row was written at once")
	}
	now = now.Add(batchAge)
	v.Put("k", "2", etagN(t, 2))
	if len(readAll(t, dir)) <= len(magic) {
		t.Error("nothing was written after the batch grew old")
	}
}

func TestForget(t *testing.T) {
	dir, key := t.TempDir(), cacheKey()
	c := New(&Options{Dir: dir})
	v := c.View(vaultA, key)
	v.Put("k", "1", etagN(t, 1))
	key.Clear() // as a vault does when it is locked: the rows must not be sealed with zeros
	if err := c.Forget(vaultA); err != nil {
		t.Fatal(err)
	}
	before := readAll(t, dir)
	for i := range 2 * batchRows {
		v.Put("k", fmt.Sprint("late", i), etagN(t, 2))
	}
	if !bytes.Equal(before, readAll(t, dir)) {
		t.Error("a forgotten view wrote")
	}
	if err := c.Forget(vaultB); err != nil {
		t.Error(err)
	}
	scanBatches(bytes.NewReader(before), new([keys.Size]byte), vaultA, func(row) { t.Error("a row is sealed under zeros") })
}

// TestClearedKey keeps rows in memory only when the vault is being locked meanwhile.
func TestClearedKey(t *testing.T) {
	dir, key := t.TempDir(), cacheKey()
	key.Clear()
	c := New(&Options{Dir: dir})
	c.View(vaultA, key).Put("k", "1", etagN(t, 1))
	if err := c.Flush(); err != nil {
		t.Fatal(err)
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 0 {
		t.Errorf("%d files were written under a key of zeros, %v", len(entries), err)
	}
}

// TestDamage alters, cuts and extends the file at every place: nothing false comes out, and the cache works on.
func TestDamage(t *testing.T) {
	dir, key := t.TempDir(), cacheKey()
	c := New(&Options{Dir: dir})
	for i := range 3 {
		c.View(vaultA, key).Put("k", fmt.Sprint(i), etagN(t, i))
		if err := c.Flush(); err != nil {
			t.Fatal(err)
		}
	}
	path := filepath.Join(dir, entry(t, dir))
	sound := readAll(t, dir)
	check := func(what string, b []byte) {
		t.Helper()
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		d := New(&Options{Dir: dir})
		v := d.View(vaultA, key)
		for i := range 3 {
			if e, ok := v.Get("k", fmt.Sprint(i)); ok && e != etagN(t, i) {
				t.Fatalf("%s: row %d is %v", what, i, e)
			}
		}
		if d.Len() > 3 {
			t.Fatalf("%s: %d rows", what, d.Len())
		}
		v.Put("k", "new", etagN(t, 7))
		if err := d.Flush(); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		if e, ok := New(&Options{Dir: dir}).View(vaultA, key).Get("k", "new"); !ok || e != etagN(t, 7) {
			t.Fatalf("%s: a row written after the damage is %v, %v", what, e, ok)
		}
	}
	for i := range sound {
		flipped := bytes.Clone(sound)
		flipped[i] ^= 0x40
		check(fmt.Sprint("bit flipped at ", i), flipped)
		check(fmt.Sprint("cut at ", i), sound[:i])
	}
	check("extended", append(bytes.Clone(sound), "more"...))
	check("another vault's", bytes.Clone(foreignFile(t)))
}

func foreignFile(t *testing.T) []byte {
	dir := t.TempDir()
	c := New(&Options{Dir: dir})
	c.View(vaultB, cacheKey()).Put("k", "1", etagN(t, 1))
	if err := c.Flush(); err != nil {
		t.Fatal(err)
	}
	return readAll(t, dir)
}

// TestDirectoryThatCannotBeWritten loses persistence and nothing else.
func TestDirectoryThatCannotBeWritten(t *testing.T) {
	blocked := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(blocked, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	c := New(&Options{Dir: filepath.Join(blocked, "cache")})
	v := c.View(vaultA, cacheKey())
	for i := range 3*batchRows + 1 {
		v.Put("k", fmt.Sprint(i), etagN(t, i))
	}
	if e, ok := v.Get("k", "5"); !ok || e != etagN(t, 5) {
		t.Errorf("row is %v, %v", e, ok)
	}
	if err := c.Flush(); err == nil {
		t.Error("Flush claims success")
	}
	if n := len(v.file.pending); n != 0 {
		t.Errorf("%d rows wait for a disk that does not take them", n)
	}
}

func TestConcurrentUse(t *testing.T) {
	c := New(&Options{Dir: t.TempDir(), MaxRows: 500})
	key := cacheKey()
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for i := range 1000 {
				v := c.View([16]byte{byte(g % 2)}, key)
				name := fmt.Sprint(i % 700)
				v.Put(name, "1", etagN(t, i%700))
				if e, ok := v.Get(name, "1"); ok && e != etagN(t, i%700) {
					t.Errorf("row %s is %v", name, e)
				}
				if i%300 == 0 {
					_ = c.Flush()
				}
			}
		})
	}
	wg.Wait()
}

func FuzzFile(f *testing.F) {
	key := [keys.Size]byte{7}
	c := New(&Options{})
	v := &View{cache: c, vault: vaultA, seal: &key}
	sound := appendBatch([]byte(magic), v, []row{{etag: etagN(f, 1)}})
	f.Add(sound)
	f.Add([]byte(magic))
	f.Add([]byte(magic + "\xff\xff\xff\xff"))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		n := 0
		scanBatches(bytes.NewReader(b), &key, vaultA, func(r row) {
			if n++; r.etag != etagN(t, 1) || r.id != (rowID{}) {
				t.Errorf("a row that was never sealed: %v", r)
			}
		})
	})
}

func BenchmarkGet(b *testing.B) {
	v := New(&Options{}).View(vaultA, cacheKey())
	v.Put("bucket/some/longer/key/name.txt", "0123456789abcdef", etagN(b, 1))
	b.ReportAllocs()
	for b.Loop() {
		v.Get("bucket/some/longer/key/name.txt", "0123456789abcdef")
	}
}
