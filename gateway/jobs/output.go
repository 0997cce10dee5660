package jobs

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"
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

// writeWhole writes what body yields to name below root: whole and synced, or not at all. An existing file is replaced only at the end.
func writeWhole(root *os.Root, name string, body io.Reader, size int64, modTime time.Time) (err error) {
	dir := path.Dir(name)
	if err := root.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	sum := sha256.Sum256([]byte(name))
	temp := path.Join(dir, ".sallyport-"+hex.EncodeToString(sum[:8]))
	f, err := root.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
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
	if err == nil {
		err = root.Rename(temp, name)
	}
	return err
}
