package integration

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// noise returns n bytes that hardly compress, carry the suite's mark and are the same for the same seed.
func noise(seed uint64, n int) []byte {
	var key [32]byte
	for i := range 8 {
		key[i] = byte(seed >> (8 * i))
	}
	b := make([]byte, n)
	_, _ = rand.NewChaCha8(key).Read(b) // it cannot fail
	return theSuite().marked(b, 0)
}

// writeFile writes a file and the folders above it.
func writeFile(t testing.TB, path string, content []byte) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// writeNoise writes a file of any size without holding it in memory.
func writeNoise(t testing.TB, path string, seed uint64, size int64) string {
	t.Helper()
	writeFile(t, path, nil)
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	_, err = io.CopyN(f, &markedReader{Reader: rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8), 1})}, size)
	if closing := f.Close(); err == nil {
		err = closing
	}
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// sourceTree makes the files that a backup has to bring through: empty ones, odd names, sizes round the edges of chunk and part, duplicates.
func sourceTree(t testing.TB, dir string, small int) {
	t.Helper()
	const chunk, part = 16 << 10, 5 << 20
	for i, size := range []int{0, 1, chunk - 1, chunk, chunk + 1, 3*chunk + 7, part - 1, part, part + 1} {
		writeFile(t, filepath.Join(dir, "edges", fmt.Sprintf("size-%d.bin", size)), noise(uint64(i), size))
	}
	for _, name := range []string{"with space", "plus+sign", "percent%41", "ümläut-\u65e5\u672c", "semi;colon&amp=", "q?mark#hash", "UPPER", "upper", "trailing.", "con"} {
		writeFile(t, filepath.Join(dir, "names", name), []byte("content of "+name))
	}
	writeFile(t, filepath.Join(dir, "deep/a/b/c/d/e/f/g/h", strings.Repeat("n", 120)), noise(99, 5000))
	for i := range small {
		writeFile(t, filepath.Join(dir, "small", fmt.Sprintf("%02d", i%17), fmt.Sprintf("file-%05d", i)), noise(uint64(1000+i), 100+i%3000))
	}
}

// age dates every file below dir back. Clients that compare times see a file of the same second as newer than its object, whose time S3 gives in whole
// seconds.
func age(t testing.TB, dir string) {
	t.Helper()
	then := time.Now().Add(-time.Hour)
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		return os.Chtimes(path, then, then)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// digests maps every regular file below dir to the SHA-256 of its content.
func digests(t testing.TB, dir string) map[string]string {
	t.Helper()
	found := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		rel, err := filepath.Rel(dir, path)
		found[filepath.ToSlash(rel)] = digestOf(t, path)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// digestOf returns the SHA-256 of a file of any size.
func digestOf(t testing.TB, path string) string {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, f); err != nil {
		t.Fatal(err)
	}
	return hex.EncodeToString(sum.Sum(nil))
}

// sameTree fails the test unless both folders hold the same files with the same content.
func sameTree(t testing.TB, want, got string) {
	t.Helper()
	w, g := digests(t, want), digests(t, got)
	if len(w) == 0 {
		t.Fatalf("%s is empty: nothing would be compared", want)
	}
	var wrong []string
	for name, sum := range w {
		if g[name] != sum {
			wrong = append(wrong, fmt.Sprintf("%q: want %.12s, got %.12s", name, sum, g[name]))
		}
	}
	for name := range g {
		if _, ok := w[name]; !ok {
			wrong = append(wrong, fmt.Sprintf("%q should not be there", name))
		}
	}
	slices.Sort(wrong)
	if len(wrong) > 0 {
		t.Fatalf("%d of %d files differ:\n%s", len(wrong), len(w), strings.Join(wrong[:min(len(wrong), 20)], "\n"))
	}
}

// objectFiles returns the ciphertext files of objects below a vault's root.
func objectFiles(t testing.TB, root string) []string {
	t.Helper()
	var found []string
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && d.Name() == ".sallyport":
			return fs.SkipDir
		case d.Type().IsRegular():
			found = append(found, path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// readFile returns a file's content.
func readFile(t testing.TB, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// copyFile copies as any tool would: the bytes only.
func copyFile(t testing.TB, from, to string) string {
	t.Helper()
	return writeFile(t, to, readFile(t, from))
}

// sameBytes fails the test with where two contents part.
func sameBytes(t testing.TB, what string, want, got []byte) {
	t.Helper()
	if bytes.Equal(want, got) {
		return
	}
	i := 0
	for i < min(len(want), len(got)) && want[i] == got[i] {
		i++
	}
	t.Fatalf("%s: %d bytes wanted, %d got, the first difference is at %d", what, len(want), len(got), i)
}

func removeFile(t testing.TB, path string) {
	t.Helper()
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
}
