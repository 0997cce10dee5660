//go:build unix

package local_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"sallyport/providers/driver"
	"sallyport/providers/local"
)

// TestForeign puts into a root what others may put there. Nothing of it is served, followed or harmed.
func TestForeign(t *testing.T) {
	eachLayout(t, func(t *testing.T, layout string) {
		outside := t.TempDir()
		secret := filepath.Join(outside, "secret")
		if err := os.WriteFile(secret, []byte("secret"), 0o600); err != nil {
			t.Fatal(err)
		}
		dir := t.TempDir()
		f := open(t, dir, layout)
		put(t, f, "real", "r")
		put(t, f, "d/x", "x")
		sub := map[string]string{local.LayoutEscaped: ",", local.LayoutVerbatim: ""}[layout]
		links := map[string]string{"link": secret, "inside": "real", "dangling": "nowhere", "dirlink" + sub: outside, "dirinside" + sub: "d" + sub}
		for name, target := range links {
			if err := os.Symlink(target, filepath.Join(dir, name)); err != nil {
				t.Fatal(err)
			}
		}
		if err := syscall.Mkfifo(filepath.Join(dir, "pipe"), 0o600); err != nil {
			t.Fatal(err)
		}
		if layout == local.LayoutEscaped {
			if err := os.WriteFile(filepath.Join(dir, "Foreign file.txt"), []byte("f"), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.MkdirAll(filepath.Join(dir, "lost+found", "x"), 0o700); err != nil {
				t.Fatal(err)
			}
		}
		if got := listAll(t, f, driver.ListOptions{}); !slices.Equal(got, []string{"d/x", "real"}) {
			t.Errorf("listed: %q", got)
		}
		if got := listAll(t, f, driver.ListOptions{Delimiter: "/"}); !slices.Equal(got, []string{"d/", "real"}) {
			t.Errorf("listed: %q", got)
		}
		if f.Foreign() == 0 {
			t.Error("nothing was counted")
		}
		for _, key := range []string{"link", "inside", "dangling", "pipe", "dirlink/secret", "dirinside/x"} {
			if _, err := f.Head(t.Context(), key); !driver.Is(err, driver.NotFound) {
				t.Errorf("Head %q: %v", key, err)
			}
			if _, _, err := f.Get(t.Context(), key, &driver.GetOptions{}); !driver.Is(err, driver.NotFound) {
				t.Errorf("Get %q: %v", key, err)
			}
			for _, opts := range []driver.PutOptions{{}, {IfNoneMatch: true}} {
				if _, err := f.Put(t.Context(), key, strings.NewReader("new"), 3, &opts); !driver.Is(err, driver.InvalidKey) {
					t.Errorf("Put %q: %v", key, err)
				}
			}
			if err := f.Delete(t.Context(), key, &driver.DeleteOptions{}); err != nil {
				t.Errorf("Delete %q: %v", key, err)
			}
		}
		for name, target := range links {
			if got, err := os.Readlink(filepath.Join(dir, name)); err != nil || got != target {
				t.Errorf("%s is now %q, %v", name, got, err)
			}
		}
		if b, err := os.ReadFile(secret); err != nil || string(b) != "secret" {
			t.Errorf("outside: %q, %v", b, err)
		}
		if entries, err := os.ReadDir(outside); err != nil || len(entries) != 1 {
			t.Errorf("outside: %v, %v", entries, err)
		}
		if got := get(t, f, "d/x"); got != "x" {
			t.Errorf("inside: %q", got)
		}
	})
}

func TestModes(t *testing.T) {
	dir := t.TempDir()
	old := syscall.Umask(0)
	defer syscall.Umask(old)
	f := open(t, dir, local.LayoutVerbatim)
	put(t, f, "a/b", "x")
	up, err := f.Uploads().Create(t.Context(), "a/c", nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Uploads().PutPart(t.Context(), driver.Upload{ID: up, Key: "a/c"}, 1, strings.NewReader("x"), 1); err != nil {
		t.Fatal(err)
	}
	err = filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || path == dir {
			return err
		}
		info, err := d.Info()
		want := os.FileMode(0o600)
		if d.IsDir() {
			want = 0o700
		}
		if err == nil && info.Mode().Perm() != want {
			t.Errorf("%s has mode %v", path, info.Mode())
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
