package jobs_test

import (
	"bytes"
	"crypto/rand"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"sallyport/crypto/object"
	"sallyport/gateway/jobs"
	"sallyport/gateway/objects"
)

// filesBelow are the files below dir with their contents.
func filesBelow(t *testing.T, dir string) map[string]string {
	t.Helper()
	found := map[string]string{}
	err := filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(p)
		rel, relErr := filepath.Rel(dir, p)
		if relErr != nil {
			return relErr
		}
		found[filepath.ToSlash(rel)] = string(b)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// TestRecoverLeavesEveryFileAlone: a file that is there already is never replaced, whatever it is called, and a stopped run's leftovers are not one.
func TestRecoverLeavesEveryFileAlone(t *testing.T) {
	f := fill(t)
	to := t.TempDir()
	mine := map[string]string{}
	for _, name := range []string{
		"backups/.sallyport-" + rand.Text(), "photos/.sallyport-0011223344556677", ".sallyport-" + rand.Text(), ".sallyport-recover/notes.txt",
		".sallyport-recover/.sallyport-x", "sallyport-renamed/mine",
	} {
		mine[name] = "the user's own file"
		name = filepath.Join(to, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte("the user's own file"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	left := filepath.Join(to, ".sallyport-recover", ".sallyport-"+rand.Text())
	if err := os.WriteFile(left, []byte("half an object"), 0o600); err != nil {
		t.Fatal(err)
	}
	r, err := f.recover(to)
	if err != nil {
		t.Fatal(err)
	}
	f.wantAll(to, r)
	there := filesBelow(t, to)
	for name, want := range mine {
		if there[name] != want {
			t.Errorf("%s holds %q", name, there[name])
		}
	}
	if len(there) != len(mine)+len(f.objects)+1 {
		t.Errorf("%d files, want those of the user, the objects and the list", len(there))
	}
	if _, err := os.Lstat(left); err == nil {
		t.Error("what a stopped run left is still there")
	}
}

// TestRecoverKeepsNoWorkDir: nothing that the user has to ask about stays in the output.
func TestRecoverKeepsNoWorkDir(t *testing.T) {
	f := fill(t)
	to := t.TempDir()
	if _, err := f.recover(to); err != nil {
		t.Fatal(err)
	}
	for name := range filesBelow(t, to) {
		if strings.Contains(name, ".sallyport") {
			t.Errorf("%s is left", name)
		}
	}
	if _, err := os.Lstat(filepath.Join(to, ".sallyport-recover")); err == nil {
		t.Error("the work folder is left")
	}
}

// TestRecoverPastUnluckyNames: an object may be called like what recoveries leave behind, for instance because somebody backed up such a folder.
func TestRecoverPastUnluckyNames(t *testing.T) {
	f := fill(t)
	f.again(func(s *objects.Service) {
		for i, key := range []string{".sallyport-0011223344556677", ".sallyport-" + rand.Text(), ".sallyport-recover/lock", "sallyport-recovered.jsonl"} {
			f.put(s, "backups", key, content(i, 100), nil)
		}
		if err := s.CreateBucket(t.Context(), "sallyport-recovered.jsonl"); err != nil {
			t.Fatal(err)
		}
		f.put(s, "sallyport-recovered.jsonl", "a", content(9, 100), nil)
	})
	to := t.TempDir()
	r, err := f.recover(to)
	if err != nil || r.Restored != len(f.objects) || len(r.Damaged) != 0 {
		t.Fatalf("%+v, %v", r, err)
	}
	f.wantAll(to, r)
}

// TestSecondRecoveryIntoAFolderIsRefused: and once the first has ended, the folder is free.
func TestSecondRecoveryIntoAFolderIsRefused(t *testing.T) {
	f := fill(t)
	to := t.TempDir()
	var second error
	tried := false
	r, err := jobs.Recover(t.Context(), &jobs.RecoverOptions{From: f.path, To: to, Keyring: f.keyring, Progress: func(p jobs.Progress) {
		if p.Bytes > 0 && !tried {
			tried = true
			_, second = f.recover(to)
		}
	}})
	if err != nil || !tried {
		t.Fatal(err, tried)
	}
	if second == nil || !strings.Contains(second.Error(), "another recovery is writing to this folder") {
		t.Errorf("the second: %v", second)
	}
	f.wantAll(to, r)
	if r, err = f.recover(to); err != nil || r.AlreadyThere != len(f.objects) {
		t.Errorf("afterwards: %+v, %v", r, err)
	}
}

// TestRecoverFollowsNoLinkOut: whoever can write to the output folder could send plaintext elsewhere.
func TestRecoverFollowsNoLinkOut(t *testing.T) {
	if runtime.GOOS == "windows" {
		return // links need a right of their own there
	}
	f := fill(t)
	to, outside := t.TempDir(), t.TempDir()
	target := filepath.Join(outside, "big")
	for name, at := range map[string]string{"photos": outside, "sallyport-recovered.jsonl": target} {
		if err := os.Symlink(at, filepath.Join(to, name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(to, "backups"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(target, filepath.Join(to, "backups", "a")); err != nil {
		t.Fatal(err)
	}
	r, err := f.recover(to)
	if err != nil || len(r.Damaged) != 0 {
		t.Fatalf("%+v, %v", r, err)
	}
	f.wantAll(to, r)
	if got := filesBelow(t, outside); len(got) != 0 {
		t.Errorf("%d files were written outside", len(got))
	}
	linked := filepath.Join(t.TempDir(), "out")
	if err := os.MkdirAll(linked, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(outside, filepath.Join(linked, ".sallyport-recover")); err != nil {
		t.Fatal(err)
	}
	if _, err := f.recover(linked); err == nil || !strings.Contains(err.Error(), ".sallyport-recover is in the way") {
		t.Errorf("the work folder is a link: %v", err)
	}
	src, size := openSource(t, f.find("backups", "a"))
	opened, err := object.OpenFile(src, size, f.keyring)
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(to, "link")
	if err := os.Symlink(target, name); err != nil {
		t.Fatal(err)
	}
	if err := jobs.DecryptFile(t.Context(), opened, name); err == nil {
		t.Error("decrypted to a link")
	}
	if got := filesBelow(t, outside); len(got) != 0 {
		t.Errorf("%d files were written outside", len(got))
	}
}

// TestDecryptFileLeavesNeighboursAlone: the name under which it writes first is nobody else's.
func TestDecryptFileLeavesNeighboursAlone(t *testing.T) {
	f := fill(t)
	src, size := openSource(t, f.find("backups", "a"))
	opened, err := object.OpenFile(src, size, f.keyring)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for _, name := range []string{"plain.part", ".sallyport-0011223344556677", ".sallyport-" + rand.Text()} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("mine"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := jobs.DecryptFile(t.Context(), opened, filepath.Join(dir, "plain")); err != nil {
		t.Fatal(err)
	}
	got := filesBelow(t, dir)
	if !bytes.Equal([]byte(got["plain"]), f.objects["backups/a"]) {
		t.Errorf("plain is %q", got["plain"])
	}
	delete(got, "plain")
	for name, b := range got {
		if b != "mine" {
			t.Errorf("%s is %q", name, b)
		}
	}
}
