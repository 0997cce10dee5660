package local_test

import (
	"math/rand/v2"
	"strings"
	"testing"
	"testing/fstest"

	"sallyport/providers/local"
)

func TestPathKey(t *testing.T) {
	n := strings.Repeat("n", 200)
	for _, c := range []struct {
		layout, path, key string
		isDir, ok         bool
	}{
		{"escaped", "photos,/a", "photos/a", false, true},
		{"escaped", "photos,/a,/b", "photos/a/b", false, true},
		{"escaped", "photos,/%", "photos/", false, true},
		{"escaped", "photos,/%,/x", "photos//x", false, true},
		{"escaped", "photos,", "photos/", true, true},
		{"escaped", "photos,/" + n + "+/m", "photos/" + n + "m", false, true},
		{"escaped", "photos,/" + n + "+/m,/x", "photos/" + n + "m/x", false, true},
		{"escaped", "photos,/%41", "photos/A", false, true},
		{"escaped", "photos,/A", "", false, false},
		{"escaped", "photos,/%61", "", false, false}, // "a" needs no escape
		{"escaped", "photos,/a~1", "", false, false},
		{"escaped", "photos/a", "", false, false},
		{"escaped", "photos,/" + n + "+", "", false, false},
		{"escaped", ".stversions/photos,/a", "", false, false},
		{"escaped", "@eaDir/photos,/a", "", false, false},
		{"escaped", ".sallyport,/x", "", false, false},
		{"verbatim", "photos/a", "photos/a", false, true},
		{"verbatim", "photos,/a", "photos,/a", false, true},
		{"verbatim", "photos/A b~1", "photos/A b~1", false, true},
		{"verbatim", ".sallyport-new-0/a", "", false, false},
	} {
		key, isDir, ok := local.PathKey(c.layout, c.path)
		if ok != c.ok || ok && (key != c.key || isDir != c.isDir) {
			t.Errorf("%s, %q: %q, %v, %v", c.layout, c.path, key, isDir, ok)
		}
	}
	rnd := rand.New(rand.NewPCG(1, 2))
	for range 20000 {
		b := make([]byte, 1+rnd.IntN(400))
		for i := range b {
			b[i] = "ab/.,+%AZ~ conx0"[rnd.IntN(16)]
		}
		for _, layout := range []string{local.LayoutEscaped, local.LayoutVerbatim} {
			path, ok := local.KeyPath(layout, string(b))
			if !ok {
				continue
			}
			if key, isDir, ok := local.PathKey(layout, path); !ok || isDir || key != string(b) {
				t.Fatalf("%s: %q lies at %q, which is %q, %v, %v", layout, b, path, key, isDir, ok)
			}
		}
	}
}

func TestLayoutOf(t *testing.T) {
	object := &fstest.MapFile{Data: []byte("x")}
	for name, c := range map[string]struct {
		root fstest.MapFS
		want string
	}{
		"marked":               {fstest.MapFS{".sallyport/local.json": object}, local.LayoutEscaped},
		"not marked":           {fstest.MapFS{".sallyport/vault/x": object, "photos/a": object}, local.LayoutVerbatim},
		"without .sallyport":   {fstest.MapFS{"photos,/a": object}, local.LayoutEscaped},
		"a file with a comma":  {fstest.MapFS{"photos,": object}, local.LayoutVerbatim},
		"a folder nobody made": {fstest.MapFS{"Photos,/a": object}, local.LayoutVerbatim},
		"empty":                {fstest.MapFS{}, local.LayoutVerbatim},
	} {
		if got, err := local.LayoutOf(c.root); err != nil || got != c.want {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
}

func FuzzPathKey(f *testing.F) {
	for _, seed := range []string{"photos,/a", "photos,", "a+/b", "%,/%", ".sallyport/x", "a,/../b", "%2", "+", ""} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, path string) {
		for _, layout := range []string{local.LayoutEscaped, local.LayoutVerbatim} {
			key, isDir, ok := local.PathKey(layout, path)
			if !ok || isDir {
				continue
			}
			if again, ok := local.KeyPath(layout, key); !ok || again != path {
				t.Errorf("%s: %q is the path of %q, which lies at %q, %v", layout, path, key, again, ok)
			}
		}
	})
}
