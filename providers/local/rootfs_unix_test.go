//go:build unix

package local

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// TestNoCallFollowsALink is regression B9 at the last place that can hold it: a folder may become a link after the driver looked at it, and os.Root follows links
// that stay inside of the root, where one object's folder would pass for another's.
func TestNoCallFollowsALink(t *testing.T) {
	dir := t.TempDir()
	for _, d := range []string{"real", "real/empty"} {
		if err := os.Mkdir(filepath.Join(dir, d), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for _, f := range []string{"real/file", "file"} {
		if err := os.WriteFile(filepath.Join(dir, f), []byte(f), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for name, to := range map[string]string{"link": "real", "filelink": "real/file", "real/inner": "."} {
		if err := os.Symlink(to, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	tree := func() (all []string) {
		_ = filepath.WalkDir(dir, func(path string, d fs.DirEntry, _ error) error {
			all = append(all, path+" "+d.Type().String())
			return nil
		})
		return all
	}
	before := tree()
	r, err := openRootFS(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Close() }()
	for name, call := range map[string]func() error{
		"open":             func() error { _, err := r.Open("link/file"); return err },
		"open a link":      func() error { _, err := r.Open("filelink"); return err },
		"open in the loop": func() error { _, err := r.Open("real/inner/file"); return err },
		"open a folder":    func() error { _, err := r.OpenDir("link"); return err },
		"create":           func() error { _, err := r.Create("link/new"); return err },
		"create on a link": func() error { _, err := r.Create("filelink"); return err },
		"stat":             func() error { _, err := r.Stat("link/file"); return err },
		"mkdir":            func() error { return r.Mkdir("link/dir") },
		"rename from":      func() error { return r.Rename("link/file", "moved") },
		"rename to":        func() error { return r.Rename("file", "link/moved") },
		"link from":        func() error { return r.Link("link/file", "linked") },
		"link to":          func() error { return r.Link("file", "link/linked") },
		"remove":           func() error { return r.Remove("link/file") },
		"remove a folder":  func() error { return r.RemoveDir("link/empty") },
		"remove a link":    func() error { return r.RemoveDir("link") },
		"sync":             func() error { return r.SyncDir("link") },
		"lock":             func() error { _, err := r.Lock("link/lock", []byte("me")); return err },
	} {
		if err := call(); err == nil {
			t.Errorf("%s: done", name)
		} else if errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: told as absent: %v", name, err)
		}
		if after := tree(); !slices.Equal(after, before) {
			t.Fatalf("%s: there was\n%q\nand is\n%q", name, before, after)
		}
	}
}
