package jobs_test

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"sallyport/crypto/object"
	"sallyport/gateway/jobs"
	"sallyport/gateway/objects"
)

// versions puts contents of one object one after another, each sealed later than the one before, and returns their files; the last is in the root.
func (f *folder) versions(bucket, key string, contents ...string) (files [][]byte) {
	f.t.Helper()
	var last time.Time
	f.again(func(s *objects.Service) {
		for _, c := range contents {
			for {
				f.put(s, bucket, key, []byte(c), nil)
				b, err := os.ReadFile(filepath.Join(f.path, bucket+",", key))
				if err != nil {
					f.t.Fatal(err)
				}
				o, err := object.OpenFile(bytes.NewReader(b), int64(len(b)), f.keyring)
				if err != nil {
					f.t.Fatal(err)
				}
				if o.Metadata.Time.After(last) { // times are whole milliseconds
					last, files = o.Metadata.Time, append(files, b)
					break
				}
			}
		}
	})
	return files
}

func (f *folder) write(path string, b []byte) {
	f.t.Helper()
	path = filepath.Join(f.path, filepath.FromSlash(path))
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		f.t.Fatal(err)
	}
	if err := os.WriteFile(path, b, 0o600); err != nil {
		f.t.Fatal(err)
	}
}

func problems(r *jobs.RecoverReport) map[string]string {
	all := map[string]string{}
	for _, p := range r.Renamed {
		if strings.Contains(p.Err.Error(), "cannot be a path") {
			continue
		}
		all[p.Path] = p.Err.Error()
	}
	return all
}

// TestRecoverGivesTheNameToTheObject: NAS systems and sync clients keep old versions in folders of their own, which as a rule sort before the
// buckets. Whatever they are called, the object is what lies in its place.
func TestRecoverGivesTheNameToTheObject(t *testing.T) {
	f := fill(t)
	files := f.versions("backups", "v", "the first", "the second", "the newest")
	for _, path := range []string{".stversions/backups,/v~1", ".Trash-1000/files/v", "#recycle/backups,/v", "@eaDir/v", "backups,/@eaDir/v", "zzz/v"} {
		f.write(path, files[0])
	}
	f.write("aaa/second", files[1])
	f.write("aaa/same", files[2])
	to := t.TempDir()
	for run := range 2 {
		r, err := f.recover(to)
		if err != nil || len(r.Damaged) != 0 || r.Strayed != 0 {
			t.Fatalf("%+v, %v", r, err)
		}
		if got, err := os.ReadFile(filepath.Join(to, "backups", "v")); err != nil || string(got) != "the newest" {
			t.Fatalf("backups/v is %q, %v", got, err)
		}
		older, same := 0, 0
		for path, why := range problems(r) {
			got, err := os.ReadFile(filepath.Join(to, filepath.FromSlash(path)))
			if err != nil {
				t.Fatal(err)
			}
			switch {
			case string(got) == "the newest" && strings.Contains(why, `"backups,/v" is the same object`):
				same++
			case string(got) != "the newest" && strings.Contains(why, `an older copy: "backups,/v" is of `):
				older++
			default:
				t.Errorf("%s holds %q and is said to be %s", path, got, why)
			}
		}
		if older != 7 || same != 1 {
			t.Errorf("run %d: %d older, %d same: %v", run, older, same, problems(r))
		}
	}
}

// TestRecoverTakesTheNewestWhereNothingIsInItsPlace: a folder of object files is no root, and yet everything in it is restored.
func TestRecoverTakesTheNewestWhereNothingIsInItsPlace(t *testing.T) {
	f := fill(t)
	files := f.versions("backups", "v", "the first", "the second", "the newest")
	if err := os.Remove(filepath.Join(f.path, "backups,", "v")); err != nil {
		t.Fatal(err)
	}
	f.write("a/1", files[0])
	f.write("b/3", files[2])
	f.write("c/2", files[1])
	f.write("d/3", files[2])
	to := t.TempDir()
	r, err := f.recover(to)
	if err != nil || r.Strayed != 1 || len(r.Damaged) != 0 {
		t.Fatalf("%+v, %v", r, err)
	}
	if got, err := os.ReadFile(filepath.Join(to, "backups", "v")); err != nil || string(got) != "the newest" {
		t.Errorf("backups/v is %q, %v", got, err)
	}
	said := slices.Sorted(maps.Values(problems(r)))
	if len(said) != 3 || !strings.Contains(said[0], `"b/3" is the same object`) || !strings.Contains(said[1], `older copy: "b/3"`) || !strings.Contains(said[2], `older copy: "b/3"`) {
		t.Errorf("the others: %q", said)
	}
}

// TestRecoverGivesNoNameToACopyOfADamagedObject: the copy may be older, and the object's name would say that it is not.
func TestRecoverGivesNoNameToACopyOfADamagedObject(t *testing.T) {
	for name, change := range map[string]func([]byte) []byte{
		"tail":    func(b []byte) []byte { b[len(b)-1] ^= 1; return b },
		"content": func(b []byte) []byte { b[130] ^= 1; return b },
		"cut":     func(b []byte) []byte { return b[:len(b)-3] },
	} {
		f := fill(t)
		files := f.versions("backups", "v", "the first", "the newest")
		f.write(".stversions/v", files[0])
		f.write("backups,/v", change(bytes.Clone(files[1])))
		to := t.TempDir()
		r, err := f.recover(to)
		if err != nil || len(r.Damaged)+len(r.Locked) != 2 || r.Strayed != 0 { // the customer's one is locked
			t.Errorf("%s: %+v, %v", name, r, err)
		}
		if _, err := os.Lstat(filepath.Join(to, "backups", "v")); err == nil {
			t.Errorf("%s: something has the object's name", name)
		}
		for path := range problems(r) {
			if got, err := os.ReadFile(filepath.Join(to, filepath.FromSlash(path))); err != nil || string(got) != "the first" {
				t.Errorf("%s: %q, %v", name, got, err)
			}
		}
		if len(problems(r)) != 1 {
			t.Errorf("%s: %v", name, problems(r))
		}
	}
}

// TestRecoverFromAPartOfARoot: what lies in a bucket's folder is not in its place when that folder is all there is, and a key's place may hold another.
func TestRecoverFromAPartOfARoot(t *testing.T) {
	f := fill(t)
	files := f.versions("photos", "x", "short")
	f.objects["photos/photos/x"] = []byte("long")
	f.again(func(s *objects.Service) { f.put(s, "photos", "photos/x", []byte("long"), nil) })
	deep, err := os.ReadFile(filepath.Join(f.path, "photos,", "photos,", "x"))
	if err != nil {
		t.Fatal(err)
	}
	part := t.TempDir()
	if err := os.Mkdir(filepath.Join(part, "photos"), 0o700); err != nil {
		t.Fatal(err)
	}
	for name, b := range map[string][]byte{"x": files[0], "photos/x": deep} {
		if err := os.WriteFile(filepath.Join(part, filepath.FromSlash(name)), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	to := t.TempDir()
	r, err := jobs.Recover(t.Context(), &jobs.RecoverOptions{From: part, To: to, Keyring: f.keyring})
	if err != nil || r.Restored != 2 || r.Strayed != 2 || len(r.Renamed)+len(r.Damaged) != 0 {
		t.Errorf("%+v, %v", r, err)
	}
}

// TestRecoverNamesEmptiedObjects: a check of the file system or a full disk leaves files of zeros or of no length, and they were objects.
func TestRecoverNamesEmptiedObjects(t *testing.T) {
	f := fill(t)
	alter(t, f.find("backups", "a"), func([]byte) []byte { return nil })
	alter(t, f.find("photos", "big"), func(b []byte) []byte { clear(b); return b })
	f.write("photos,/added.txt", []byte("somebody's own, and yet in the place of an object"))
	foreign := []string{"holiday.jpg", "photos,/Thumbs.db", "photos,/@eaDir/x", "photos/x", "@eaDir/x", ".Trash-1000/files/a", "Photos,/x", "ab,/x"}
	for _, name := range foreign {
		f.write(name, []byte("somebody's own"))
	}
	to := t.TempDir()
	r, err := f.recover(to)
	if err != nil {
		t.Fatal(err)
	}
	damaged := map[string]error{}
	for _, p := range r.Damaged {
		damaged[p.Path] = p.Err
	}
	for path, key := range map[string]string{"backups,/a": "a", "photos,/big": "big", "photos,/added.txt": "added.txt"} {
		if err := damaged[path]; !errors.Is(err, jobs.ErrNoObject) || !strings.Contains(err.Error(), fmt.Sprintf("object %q", key)) {
			t.Errorf("%s: %v", path, err)
		}
	}
	slices.Sort(r.Foreign)
	slices.Sort(foreign)
	if len(damaged) != 3 || !slices.Equal(r.Foreign, foreign) {
		t.Errorf("damaged %v, foreign %q", damaged, r.Foreign)
	}
	f.wantAll(to, r, "backups/a", "photos/big")
}

// TestRecoverNamesWhatAVerbatimRootLost: any name may be an object's there, and only what lies outside of all buckets is foreign.
func TestRecoverNamesWhatAVerbatimRootLost(t *testing.T) {
	f := fill(t)
	whole, err := os.ReadFile(f.find("photos", "big"))
	if err != nil {
		t.Fatal(err)
	}
	root := t.TempDir()
	for name, b := range map[string][]byte{
		"photos/big": whole, "photos/Thumbs.db": []byte("x"), "photos/empty one": nil, "notes.txt": nil, "@eaDir/x": nil, "#recycle/photos/x": nil, "A/b": nil,
	} {
		name = filepath.Join(root, filepath.FromSlash(name))
		if err := errors.Join(os.MkdirAll(filepath.Dir(name), 0o700), os.WriteFile(name, b, 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	r, err := jobs.Recover(t.Context(), &jobs.RecoverOptions{From: root, To: t.TempDir(), Keyring: f.keyring})
	if err != nil || r.Restored != 1 || r.Strayed != 0 || len(r.Damaged) != 2 || len(r.Foreign) != 4 {
		t.Errorf("%+v, %v", r, err)
	}
}

// TestRecoverNamesLinksInTheRoot: a bucket that was moved to another disk is not passed over in silence.
func TestRecoverNamesLinksInTheRoot(t *testing.T) {
	if runtime.GOOS == "windows" {
		return // links need a right of their own there
	}
	f := fill(t)
	elsewhere := filepath.Join(t.TempDir(), "moved")
	if err := os.Rename(filepath.Join(f.path, "backups,"), elsewhere); err != nil {
		t.Fatal(err)
	}
	for name, to := range map[string]string{"backups,": elsewhere, "photos,/link": filepath.Join(elsewhere, "a"), "Else": elsewhere} {
		if err := os.Symlink(to, filepath.Join(f.path, filepath.FromSlash(name))); err != nil {
			t.Fatal(err)
		}
	}
	r, err := f.recover(t.TempDir())
	if err != nil || len(r.Damaged) != 2 || len(r.Foreign) != 1 || r.Foreign[0] != "Else" {
		t.Errorf("%+v, %v", r, err)
	}
	verbatim := t.TempDir()
	if err := os.Symlink(elsewhere, filepath.Join(verbatim, "backups")); err != nil {
		t.Fatal(err)
	}
	if v, err := jobs.Recover(t.Context(), &jobs.RecoverOptions{From: verbatim, To: t.TempDir(), Keyring: f.keyring}); err != nil || len(v.Damaged) != 1 {
		t.Errorf("a verbatim root: %+v, %v", v, err)
	}
	for _, p := range r.Damaged {
		if p.Path != "backups," && p.Path != "photos,/link" || !strings.Contains(p.Err.Error(), "links are not followed") {
			t.Errorf("%s: %v", p.Path, p.Err)
		}
	}
}
