//go:build unix

package local_test

import (
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"sallyport/providers/driver"
	"sallyport/providers/local"
)

// treeOf returns what a folder holds: names with contents, and where links point.
func treeOf(t *testing.T, dir string) []string {
	t.Helper()
	var all []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		if d.Type()&fs.ModeSymlink != 0 {
			target, err := os.Readlink(path)
			all = append(all, name+" -> "+target)
			return err
		}
		b, err := os.ReadFile(path)
		all = append(all, name+": "+string(b))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func outsideFolder(t *testing.T, dir string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Join(dir, "sub"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"secret", "x", "sub/x"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("outside "+name), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// tryEverything does to a key what a client can: none of it may be seen outside. It returns what a read gave.
func tryEverything(t *testing.T, f *local.Folder, key string) (read string) {
	t.Helper()
	if r, _, err := f.Get(t.Context(), key, &driver.GetOptions{}); err == nil {
		b, err := io.ReadAll(r)
		_ = r.Close()
		if err == nil {
			read = string(b)
		}
	}
	_, _ = f.Head(t.Context(), key)
	for _, opts := range []driver.PutOptions{{}, {IfNoneMatch: true}, {IfMatch: "x"}} {
		_, _ = f.Put(t.Context(), key, strings.NewReader("new"), 3, &opts)
	}
	if id, err := f.Uploads().Create(t.Context(), key, nil); err == nil {
		up := driver.Upload{ID: id, Key: key}
		if p, err := f.Uploads().PutPart(t.Context(), up, 1, strings.NewReader("part"), 4); err == nil {
			_, _ = f.Uploads().Complete(t.Context(), up, []driver.Part{*p}, &driver.PutOptions{})
		}
		_ = f.Uploads().Abort(t.Context(), up)
	}
	_, _ = f.List(t.Context(), &driver.ListOptions{Prefix: key})
	_, _ = f.List(t.Context(), &driver.ListOptions{Prefix: key + "/", Delimiter: "/"})
	_ = f.Delete(t.Context(), key, &driver.DeleteOptions{})
	return read
}

// TestKeysStayInTheRoot is regression B1, B5, B6, B8 and B10: whatever a key says, nothing beside the root is read, written or removed: not above it, not
// in a neighbour whose name begins with the root's, not by a backslash.
func TestKeysStayInTheRoot(t *testing.T) {
	eachLayout(t, func(t *testing.T, layout string) {
		base := t.TempDir()
		root := filepath.Join(base, "data")
		for _, neighbour := range []string{"database", "data2", "data..", "data-old", "dat"} {
			outsideFolder(t, filepath.Join(base, neighbour))
		}
		if err := os.WriteFile(filepath.Join(base, "secret"), []byte("outside secret"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Mkdir(root, 0o700); err != nil {
			t.Fatal(err)
		}
		f := open(t, root+"/", layout) // as operators write it
		inside := func(entry string) bool { return strings.HasPrefix(entry, "data/") }
		before := slices.DeleteFunc(treeOf(t, base), inside)
		put(t, f, "bucket/kept", "kept")
		for _, key := range []string{
			"..", "../secret", "../../secret", "../database/secret", "../data2/secret", "../data/../secret", "../data2", "base/secret", "2/secret", "/../secret", "//../secret",
			"./../secret", "bucket/../../secret", "bucket/../../database/x", "a/b/../../../data2/sub/x", `..\secret`, `..\..\secret`, `bucket\..\..\secret`, `\secret`, `..\data2\secret`,
			"..%2fsecret", "%2e%2e/secret", "%2e%2e%2fsecret", "..%5csecret", "..;/secret", ".../secret", "..\x00/secret", "../secret\x00", "\x00", filepath.Join(base, "secret"), "/" + base + "/secret",
			"C:/secret", "//?/C:/secret", "file:///secret", "~/secret", "$HOME/secret", "..", ".", "./", "../", "bucket/..", "bucket/../", "bucket/.",
			"x/../bucket/kept", "bucket/../bucket/kept", "bucket/./kept", "bucket//kept", "./bucket/kept", "/bucket/kept", `bucket\kept`, "bucket/kept/", "bucket/kept/.",
		} {
			if read := tryEverything(t, f, key); strings.HasPrefix(read, "outside") || read == "kept" {
				t.Errorf("%q reads %q", key, read)
			}
		}
		if after := slices.DeleteFunc(treeOf(t, base), inside); !slices.Equal(after, before) {
			t.Errorf("beside the root there was\n%q\nand is\n%q", before, after)
		}
		if got := get(t, f, "bucket/kept"); got != "kept" {
			t.Errorf("the neighbour in the root is %q", got)
		}
	})
}

// TestLinksAreNeverWalked is regression B9 and B11: links in place of files, folders and ancestors, with slashes and dots behind them, dangling ones that a
// write would create, and such that were put in while the folder was open.
func TestLinksAreNeverWalked(t *testing.T) {
	eachLayout(t, func(t *testing.T, layout string) {
		outside, dir := t.TempDir(), t.TempDir()
		outsideFolder(t, outside)
		f := open(t, dir, layout)
		put(t, f, "real/x", "inside")
		suffix := map[string]string{local.LayoutEscaped: ",", local.LayoutVerbatim: ""}[layout]
		relative, err := filepath.Rel(dir, outside)
		if err != nil {
			t.Fatal(err)
		}
		for name, target := range map[string]string{
			"file": filepath.Join(outside, "secret"), "new": filepath.Join(outside, "created"), "folder" + suffix: outside, "relative" + suffix: relative, "up" + suffix: "..", "self" + suffix: ".",
			"loop" + suffix: "loop" + suffix, "tofolder": outside, "proc" + suffix: "/proc/self/root" + outside, "real" + suffix + "/sub" + suffix: outside, "real" + suffix + "/new": filepath.Join(outside, "created"),
		} {
			if err := os.Symlink(target, filepath.Join(dir, name)); err != nil {
				t.Fatal(err)
			}
		}
		before, links := treeOf(t, outside), treeOf(t, dir)
		for _, name := range []string{"file", "new", "folder", "relative", "up", "self", "loop", "tofolder", "proc", "real/sub", "real/new"} {
			for _, behind := range []string{"", "/", "//", "/.", "/..", "/./", "/x", "/sub/x", "//x", "/./x", "/../x", "/sub/../x", "/secret", "/new", "/sub/", "/sub/new"} {
				key := name + behind
				if read := tryEverything(t, f, key); strings.HasPrefix(read, "outside") {
					t.Errorf("%q reads %q", key, read)
				}
			}
		}
		if after := treeOf(t, outside); !slices.Equal(after, before) {
			t.Errorf("outside there was\n%q\nand is\n%q", before, after)
		}
		for _, link := range links {
			if strings.Contains(link, " -> ") && !slices.Contains(treeOf(t, dir), link) {
				t.Errorf("%s is gone or points elsewhere", link)
			}
		}
		if got := get(t, f, "real/x"); got != "inside" {
			t.Errorf("got %q", got)
		}
		// The folder of a key becomes a link after it was used.
		real := filepath.Join(dir, "real"+suffix)
		if err := os.Rename(real, real+"-away"); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(outside, real); err != nil {
			t.Fatal(err)
		}
		for _, key := range []string{"real/x", "real/secret", "real/created", "real/sub/x"} {
			if read := tryEverything(t, f, key); strings.HasPrefix(read, "outside") {
				t.Errorf("%q reads %q", key, read)
			}
		}
		if after := treeOf(t, outside); !slices.Equal(after, before) {
			t.Errorf("after a folder became a link, outside there was\n%q\nand is\n%q", before, after)
		}
	})
}

// TestRemovalFollowsNoLink is the RemoveAll of regression B9: links among what the driver itself removes whole are removed, and not what they lead to.
func TestRemovalFollowsNoLink(t *testing.T) {
	outside, dir := t.TempDir(), t.TempDir()
	outsideFolder(t, outside)
	before := treeOf(t, outside)
	now := time.Now()
	f, err := openWith(t, &local.Config{Path: dir}, &local.Options{Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	tmp := filepath.Join(dir, ".sallyport", "tmp")
	if err := os.MkdirAll(filepath.Join(tmp, "0123456789abcdee", "deep"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, link := range []string{"0123456789abcdef", "0123456789abcdee/x", "0123456789abcdee/deep/y"} {
		if err := os.Symlink(outside, filepath.Join(tmp, link)); err != nil {
			t.Fatal(err)
		}
	}
	id, err := f.Uploads().Create(t.Context(), "key", func(string) ([]byte, error) { return []byte("note"), nil })
	if err != nil {
		t.Fatal(err)
	}
	up := driver.Upload{ID: id, Key: "key"}
	part, err := f.Uploads().PutPart(t.Context(), up, 1, strings.NewReader("part"), 4)
	if err != nil {
		t.Fatal(err)
	}
	// Every folder of the upload gets a link, and in the end its parts are one.
	folders := 0
	err = filepath.WalkDir(filepath.Join(dir, ".sallyport", "uploads"), func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() && filepath.Base(path) != "uploads" {
			folders++
			return os.Symlink(outside, filepath.Join(path, "link"))
		}
		return err
	})
	if err != nil || folders == 0 {
		t.Fatalf("%d folders of uploads, %v", folders, err)
	}
	now = now.Add(25 * time.Hour)
	if n, err := f.Sweep(t.Context()); err != nil || n < 2 {
		t.Errorf("swept %d, %v", n, err)
	}
	if entries, err := os.ReadDir(tmp); err != nil || len(entries) != 0 {
		t.Errorf("left in tmp: %v, %v", entries, err)
	}
	_, _ = f.Uploads().Complete(t.Context(), up, []driver.Part{*part}, &driver.PutOptions{})
	if err := f.Uploads().Abort(t.Context(), up); err != nil {
		t.Logf("abort: %v", err)
	}
	if after := treeOf(t, outside); !slices.Equal(after, before) {
		t.Errorf("outside there was\n%q\nand is\n%q", before, after)
	}
	// The upload's own folder is a link: whatever is answered, nothing is put or removed behind it.
	if id, err = f.Uploads().Create(t.Context(), "key", nil); err != nil {
		t.Fatal(err)
	}
	folder, err := filepath.Glob(filepath.Join(dir, ".sallyport", "uploads", "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range folder {
		if err := os.RemoveAll(path); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(outside, path); err != nil {
			t.Fatal(err)
		}
	}
	up = driver.Upload{ID: id, Key: "key"}
	_, _ = f.Uploads().PutPart(t.Context(), up, 1, strings.NewReader("part"), 4)
	_ = f.Uploads().Note(t.Context(), up, "1-0123456789abcdef", []byte("note"))
	_, _ = f.Uploads().Complete(t.Context(), up, []driver.Part{*part}, &driver.PutOptions{})
	_ = f.Uploads().Abort(t.Context(), up)
	if after := treeOf(t, outside); !slices.Equal(after, before) {
		t.Errorf("behind the upload's folder there was\n%q\nand is\n%q", before, after)
	}
}
