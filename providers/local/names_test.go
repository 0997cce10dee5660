package local

import (
	"fmt"
	"hash/maphash"
	"math/rand/v2"
	"path"
	"strings"
	"testing"

	"golang.org/x/text/unicode/norm"
)

func TestEscapedPath(t *testing.T) {
	n := strings.Repeat("n", 200)
	for key, want := range map[string]string{
		"a":                        "a",
		"a/b":                      "a,/b",
		"a/":                       "a,/%",
		"/":                        "%,/%",
		"//a":                      "%,/%,/a",
		".":                        "%2e",
		"..":                       "%2e%2e",
		"...":                      "..%2e",
		"../x":                     "%2e%2e,/x",
		"x.":                       "x%2e",
		"a.b-c_d":                  "a.b-c_d",
		"A":                        "%41",
		"%":                        "%25",
		"a,":                       "a%2c",
		"a+":                       "a%2b",
		"é":                        "%c3%a9",
		`..\x`:                     "..%5cx",
		`a\..\b`:                   "a%5c..%5cb",
		"c:d":                      "c%3ad",
		"a*?\"<>|~$ ;":             "a%2a%3f%22%3c%3e%7c%7e%24%20%3b",
		"\r\n\x7f":                 "%0d%0a%7f",
		"con":                      "%63on",
		"con.txt":                  "%63on.txt",
		"console":                  "console",
		"com0/lpt9.x":              "%63om0,/%6cpt9.x",
		n:                          n,
		n + "m":                    n + "+/m",
		n + "m/x":                  n + "+/m,/x",
		n + "con":                  n + "+/%63on",
		n + ".":                    n + "+/%2e",
		n[:199] + "A":              n[:199] + "+/%41",
		n[:198] + "A":              n[:198] + "+/%41",
		n[:197] + "Ab":             n[:197] + "%41+/b",
		".sallyport":               "%2esallyport",
		"x/.sallyport":             "x,/.sallyport",
		".sallyport/buckets/B":     ".sallyport/buckets/B",
		".sallyportx/y":            ".sallyportx,/y",
		".sallyport-new-00/y":      ".sallyport-new-00,/y",
		strings.Repeat("/", 3) + n: "%,/%,/%,/" + n,
	} {
		if got, ok := (&names{}).path(key); !ok || got != want {
			t.Errorf("%q: got %q, %v, want %q", key, got, ok, want)
		}
	}
}

// decodePath is the inverse of escapedPath as the listing does it, name by name.
func decodePath(p string) (string, bool) {
	var key strings.Builder
	var chain []string
	elements := strings.Split(p, "/")
	top := true
	for i, e := range elements {
		chain = append(chain, e)
		if i < len(elements)-1 && strings.HasSuffix(e, moreSuffix) {
			continue
		}
		segment, isDirectory, ok := segmentOf(chain, top)
		if !ok || isDirectory != (i < len(elements)-1) {
			return "", false
		}
		key.WriteString(segment)
		if isDirectory {
			key.WriteByte('/')
		}
		chain, top = nil, false
	}
	return key.String(), chain == nil
}

func FuzzEscapedPath(f *testing.F) {
	for _, s := range []string{
		"a/b", "..", "/", "//", "con.x/aux", "é/\xff\xfe", strings.Repeat("x", 199) + "%/.", "a,/b+", ".sallyport", "%2e", "\x00", "trailing.", strings.Repeat("A", 70),
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if len(s) > maxKey {
			s = s[:maxKey]
		}
		if s != "" && !strings.HasPrefix(s, systemPrefix) {
			p := escapedPath(s)
			checkSafe(t, s, p)
			if back, ok := decodePath(p); !ok || back != s {
				t.Fatalf("%q is written %q and read back %q, %v", s, p, back, ok)
			}
			if dir, ok := (&names{}).dir(s + "/"); s != systemDir && (!ok || escapedPath(s+"/x") != dir+"/x") {
				t.Fatalf("directory of %q is %q", s, dir)
			}
		}
		// Whatever decodes is what would be written for it: no two paths are one key.
		if key, ok := decodePath(s); ok && !strings.HasPrefix(key, systemPrefix) && escapedPath(key) != s {
			t.Fatalf("%q decodes to %q, which is written %q", s, key, escapedPath(key))
		}
	})
}

// checkSafe sees that a path means the same on every file system.
func checkSafe(t testing.TB, key, p string) {
	t.Helper()
	if path.Clean(p) != p || strings.HasPrefix(p, "/") || len(p) > 4000 {
		t.Fatalf("%q: path %q is not clean", key, p)
	}
	for e := range strings.SplitSeq(p, "/") {
		stem, _, _ := strings.Cut(strings.TrimRight(e, ",+"), ".")
		if len(e) > 210 || e == systemDir || strings.HasSuffix(e, ".") || isDeviceName(e) || stem != "" && isDeviceName(stem) {
			t.Fatalf("%q: element %q", key, e)
		}
		for i := range len(e) {
			if !strings.Contains("abcdefghijklmnopqrstuvwxyz0123456789._-%,+", e[i:i+1]) {
				t.Fatalf("%q: element %q", key, e)
			}
		}
	}
}

// merge is the harshest file system: it folds case, normalises, and forgets dots and spaces at the end.
func merge(p string) string {
	elements := strings.Split(strings.ToLower(norm.NFKD.String(strings.ToUpper(norm.NFC.String(p)))), "/")
	for i, e := range elements {
		elements[i] = strings.TrimRight(e, ". ")
	}
	return strings.Join(elements, "/")
}

// TestNoTwoKeysMeet puts a million keys that differ as little as may be into a file system that merges names: none may meet another,
// nor be a directory where another is a file.
func TestNoTwoKeysMeet(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	atoms := []string{
		"a", "A", "b", "B", "é", "e\u0301", "É", "\u212b", "Å", "A\u030a", "ß", "ss", "K", "\u212a", "ı", "i", "İ", "/", "/", "//", ".", "..", " ", "%", "%2e", "%41", "+", ",",
		"con", "CON", "nul.", "~1", "\\", ":", "\n", "-", "_", "0", strings.Repeat("q", 99), strings.Repeat("Q", 33), "\ufb01", "fi",
	}
	seed := maphash.MakeSeed()
	files := make(map[uint64]uint64, 1<<20) // hash of the merged path → hash of the key
	dirs := make(map[uint64]struct{}, 1<<20)
	for len(files) < 1_000_000 {
		var b strings.Builder
		for range 1 + random.IntN(8) {
			b.WriteString(atoms[random.IntN(len(atoms))])
		}
		key := b.String()
		if len(key) > maxKey || strings.HasPrefix(key, systemPrefix) {
			continue
		}
		p := escapedPath(key)
		if len(files)%64 == 0 {
			checkSafe(t, key, p)
		}
		merged := merge(p)
		h, k := maphash.String(seed, merged), maphash.String(seed, key)
		if other, ok := files[h]; ok && other != k {
			t.Fatalf("%q meets another key at %q", key, p)
		}
		files[h] = k
		for d := path.Dir(merged); d != "."; d = path.Dir(d) {
			dirs[maphash.String(seed, d)] = struct{}{}
		}
	}
	for h := range dirs {
		if _, ok := files[h]; ok {
			t.Fatal("a directory stands where a file does")
		}
	}
}

func TestForeignNamesDoNotDecode(t *testing.T) {
	for _, p := range []string{
		"Foo", "a b", "%2E", "%2e.", "%61", "%", "%,/x", "a%", "a%2", "a%zz", "é", "a+", "a,", "a+/", strings.Repeat("n", 201), strings.Repeat("n", 199) + "+/x",
		"%2f", "a%2fb", ".sallyport", ".sallyport,/x", "con", "con.txt", "x.", "~", "a+/b", "%2esallyport,/x", ".DS_Store", "file.txt~", "#x#",
	} {
		key, ok := decodePath(p)
		if ok && escapedPath(key) != p {
			t.Errorf("%q decodes to %q", p, key)
		}
		if ok && p != "%" && p != "%,/x" {
			t.Errorf("%q passes for the key %q", p, key)
		}
	}
}

func TestVerbatim(t *testing.T) {
	posix, mac := names{verbatim: true}, names{verbatim: true, strict: verbatimRules{foldsCase: true, normalises: true}}
	win := names{verbatim: true, strict: verbatimRules{foldsCase: true, windows: true}}
	for _, tc := range []struct {
		key             string
		posix, mac, win bool
	}{
		{"a/b-c_d.e", true, true, true},
		{"b/3q2f0v9c", true, true, true},
		{"A", true, false, false},
		{"é", true, false, false},
		{"con", true, true, false},
		{"a/nul.txt", true, true, false},
		{"conin$", true, true, false},
		{"a:b", true, true, false},
		{"a\\b", true, true, false},
		{"x.", true, true, false},
		{"x ", true, true, false},
		{"a~1", true, true, false},
		{"a~b", true, true, true},
		{"a\nb", true, true, false},
		{"a//b", false, false, false},
		{"/a", false, false, false},
		{"a/", false, false, false},
		{"a/./b", false, false, false},
		{"..", false, false, false},
		{"a/../b", false, false, false},
		{".sallyport", false, false, false},
		{".sallyport-new-0123456789abcdef/x", false, false, false},
		{".sallyport/x", true, true, true},
		{".sallyport/X", true, false, false},
		{".Sallyport/x", true, false, false},
		{".sallyport/tmp/x", false, false, false},
		{".sallyport/", false, false, false},
		{strings.Repeat("x", 255), true, true, true},
		{strings.Repeat("x", 256), false, false, false},
		{"a\x00b", false, false, false},
		{"a\xff", false, false, false},
	} {
		for name, c := range map[string]struct {
			n    names
			want bool
		}{"posix": {posix, tc.posix}, "mac": {mac, tc.mac}, "windows": {win, tc.win}} {
			if p, ok := c.n.path(tc.key); ok != c.want || ok && p != tc.key {
				t.Errorf("%q on %s: %q, %v", tc.key, name, p, ok)
			}
		}
	}
}

func TestPartNames(t *testing.T) {
	for _, n := range []int{1, 9, 10, 9999, 10000} {
		if got, ok := partNumber(partName(n)); !ok || got != n {
			t.Errorf("%d is %q", n, partName(n))
		}
	}
	for _, name := range []string{"", "0", "00000", "1", "10001", "-0001", "+0001", "0001x", "000001"} {
		if n, ok := partNumber(name); ok {
			t.Errorf("%q passes for %d", name, n)
		}
	}
	if fmt.Sprint(isUploadDir(strings.Repeat("0a", 32)), isUploadDir(strings.Repeat("0A", 32)), isUploadDir("00")) != "true false false" {
		t.Error("upload directories")
	}
}
