package jobs

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

const (
	// renamedDir holds objects whose keys are no usable paths here; the manifest says which is which.
	renamedDir = "sallyport-renamed"
	// manifestName lists every restored object, one JSON row each.
	manifestName = "sallyport-recovered.jsonl"

	maxSegment = 255
	maxPath    = 3000
)

// keyPath returns bucket/key as a relative path with slashes, and whether the key can be exactly that path on any of the systems
// Sallyport runs on.
func keyPath(bucket, key string) (string, bool) {
	p := bucket + "/" + key
	if len(p) > maxPath || !filepath.IsLocal(filepath.FromSlash(p)) || bucket == renamedDir {
		return "", false
	}
	for segment := range strings.SplitSeq(p, "/") {
		if segment == "" || segment == "." || segment == ".." || len(segment) > maxSegment || strings.ContainsAny(segment, "\\:\x00") ||
			strings.HasSuffix(segment, ".") && os.PathSeparator == '\\' {
			return "", false
		}
	}
	return p, true
}

// renamedPath returns a path for a key that cannot be one. Distinct keys, and distinct sources of one key, get distinct paths.
func renamedPath(bucket, key, source string) string {
	sum := sha256.Sum256([]byte(bucket + "\x00" + key + "\x00" + source))
	return renamedDir + "/" + hex.EncodeToString(sum[:16])
}

// createManifest makes a list of its own for each run: an earlier one may be all that says what lies in renamedDir.
func createManifest(root *os.Root) (*os.File, error) {
	stem, extension, _ := strings.Cut(manifestName, ".")
	for n, name := 2, manifestName; ; n++ {
		f, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if !errors.Is(err, fs.ErrExist) {
			return f, err
		}
		name = fmt.Sprintf("%s-%d.%s", stem, n, extension)
	}
}

// errTaken says that a file of another content has the name already.
var errTaken = errors.New("another file is there and is left alone")

// writeWhole writes what body yields to name below root: whole and synced, or not at all. What is there already stays: with the same content
// it is as good, and there is true; else the error is errTaken. Writers of one root share naming, so that two names which the file system
// takes for one cannot both be free.
func writeWhole(root *os.Root, naming *sync.Mutex, name string, body io.Reader, size int64, modTime time.Time) (there bool, err error) {
	dir := path.Dir(name)
	if err := root.MkdirAll(dir, 0o700); err != nil {
		return false, err
	}
	sum := sha256.Sum256([]byte(name))
	temp := path.Join(dir, ".sallyport-"+hex.EncodeToString(sum[:8]))
	f, err := root.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return false, err
	}
	defer func() {
		if err != nil || there {
			err = errors.Join(err, root.Remove(temp))
		}
	}()
	n, err := io.Copy(f, body)
	if err == nil && n != size {
		err = fmt.Errorf("wrote %d bytes of %d", n, size)
	}
	if err == nil {
		err = f.Sync()
	}
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = root.Chtimes(temp, modTime, modTime)
	}
	if err != nil {
		return false, err
	}
	naming.Lock()
	defer naming.Unlock()
	switch _, statErr := root.Lstat(name); {
	case errors.Is(statErr, fs.ErrNotExist):
		return false, root.Rename(temp, name)
	case statErr != nil:
		return false, statErr
	}
	same, err := sameContent(root, temp, name)
	if err == nil && !same {
		err = errTaken
	}
	return same, err
}

// sameContent compares two files below root; what is no regular file is no other's equal.
func sameContent(root *os.Root, a, b string) (bool, error) {
	if info, err := root.Lstat(b); err != nil || !info.Mode().IsRegular() {
		return false, err
	}
	first, err := root.Open(a)
	if err != nil {
		return false, err
	}
	defer func() { _ = first.Close() }()
	second, err := root.Open(b)
	if err != nil {
		return false, err
	}
	defer func() { _ = second.Close() }()
	x, y := make([]byte, 64<<10), make([]byte, 64<<10)
	for {
		n, err := io.ReadFull(first, x)
		m, otherErr := io.ReadFull(second, y)
		if !bytes.Equal(x[:n], y[:m]) {
			return false, nil
		}
		if err = errors.Join(err, otherErr); errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return n == m, nil
		}
		if err != nil {
			return false, err
		}
	}
}
