package jobs

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"sallyport/crypto/object"
	"sallyport/gateway/vaults"
	"sallyport/providers/local"
)

// claim is what an object file says that it is.
type claim struct {
	bucket, key string
	sealed      time.Time
	id          object.Identity
}

func claimOf(f *object.File) claim {
	return claim{f.Metadata.Bucket, f.Metadata.Key, f.Metadata.Time, f.Layout.Identity()}
}

// sameKey reports whether both claim one key.
func (c claim) sameKey(other claim) bool { return c.bucket == other.bucket && c.key == other.key }

// against says what a copy is beside the one that has its name.
func (c claim) against(other claim, path string) error {
	switch {
	case c.id == other.id:
		return fmt.Errorf("%q is the same object", path)
	case c.sealed.Before(other.sealed):
		return fmt.Errorf("an older copy: %q is of %s, this one of %s", path, stamp(other.sealed), stamp(c.sealed))
	case c.sealed.After(other.sealed):
		return fmt.Errorf("a newer copy, away from its place: %q, which lies there, is of %s, this one of %s", path, stamp(other.sealed), stamp(c.sealed))
	default:
		return fmt.Errorf("another copy of the same time as %q", path)
	}
}

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05.000 MST") }

// stray is an object file that does not lie where a gateway puts its key.
type stray struct {
	source
	claim
}

// placed is where a file's plaintext goes.
type placed struct {
	name    string
	problem error // why that is not the key's own path
	strayed bool  // under its own path, and the file was not in its place
}

// place gives a key its own path where it can be one.
func place(c claim, source string) placed {
	if name, ok := keyPath(c.bucket, c.key); ok {
		return placed{name: name}
	}
	return placed{name: renamedPath(c.bucket, c.key, source), problem: errors.New("its name cannot be a path")}
}

func aside(s stray, why error) placed {
	return placed{name: renamedPath(s.bucket, s.key, s.path), problem: why}
}

// settleStrays yields every stray with the path it goes to. Each key's come together, the one sealed last first.
func (r *recovery) settleStrays() iter.Seq2[stray, placed] {
	slices.SortFunc(r.strays, func(a, b stray) int {
		return cmp.Or(strings.Compare(a.bucket, b.bucket), strings.Compare(a.key, b.key), b.sealed.Compare(a.sealed), strings.Compare(a.path, b.path))
	})
	return func(yield func(stray, placed) bool) {
		var newest stray
		var home owner
		for i, s := range r.strays {
			first := i == 0 || !s.sameKey(newest.claim)
			if first {
				newest, home = s, r.ownerOf(s.claim)
			}
			var to placed
			switch {
			case home.unreadable:
				to = aside(s, fmt.Errorf("what lies in its place, %q, could not be read, and this copy may be an older one", home.path))
			case home.is:
				to = aside(s, s.against(home.claim, home.path))
			case first:
				to = place(s.claim, s.path)
				to.strayed = to.problem == nil
			default:
				to = aside(s, s.against(newest.claim, newest.path))
			}
			if !yield(s, to) {
				return
			}
		}
	}
}

// home is the path below From where a gateway keeps the key.
func (r *recovery) home(c claim) (string, bool) { return local.KeyPath(r.layout, c.bucket+"/"+c.key) }

// owner is the file in a key's place.
type owner struct {
	path           string
	claim          claim
	is, unreadable bool // at most one; none when nothing lies there, or an object of another key, as in a copy of a part of a root
}

func (r *recovery) ownerOf(c claim) owner {
	at, ok := r.home(c)
	if !ok {
		return owner{}
	}
	info, err := r.from.Lstat(filepath.FromSlash(at))
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) || err == nil && info.IsDir() {
		return owner{}
	}
	unreadable := owner{path: at, unreadable: true}
	if err != nil || !info.Mode().IsRegular() {
		return unreadable
	}
	f, err := r.from.Open(filepath.FromSlash(at))
	if err != nil {
		return unreadable
	}
	defer func() { _ = f.Close() }()
	opened, err := OpenFile(f, info.Size(), r.opts.Keyring)
	if err != nil {
		return unreadable
	}
	found := claimOf(opened)
	return owner{path: at, claim: found, is: found.sameKey(c)}
}

// ErrNoObject is about a file in the place of an object that holds nothing of Sallyport's. An emptied or overwritten object cannot be told from a file
// that somebody put among the objects.
var ErrNoObject = errors.New("holds nothing of Sallyport's")

// inAnObjectsPlace returns an ErrNoObject with the name of the object whose place the path is, or of the folder of objects; nil for the paths
// of no object. What is no regular file may stand for a whole folder of them.
func (r *recovery) inAnObjectsPlace(path string, regular bool) error {
	name, isDir, ok := local.PathKey(r.layout, path)
	bucket, key, below := strings.Cut(name, "/")
	switch {
	case !ok || !vaults.ValidBucketName(bucket):
		return nil
	case isDir || !below && !regular:
		return fmt.Errorf("it lies where a folder of objects of bucket %q would, and %w", bucket, ErrNoObject)
	case !below || key == "":
		return nil
	}
	return fmt.Errorf("it lies where object %q of bucket %q would, and %w", key, bucket, ErrNoObject)
}
