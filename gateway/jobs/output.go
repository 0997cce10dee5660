package jobs

import (
	"bytes"
	"crypto/rand"
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

	// workDir holds the lock and what is not whole yet. No bucket can be called so.
	workDir = ".sallyport-recover"
	// tempPrefix begins the names of files that are not whole.
	tempPrefix = ".sallyport-"

	maxSegment = 255
	maxPath    = 3000
)

// keyPath returns bucket/key as a relative path with slashes, and whether the key can be exactly that path on any of the systems
// Sallyport runs on.
func keyPath(bucket, key string) (string, bool) {
	p := bucket + "/" + key
	if len(p) > maxPath || !filepath.IsLocal(filepath.FromSlash(p)) || bucket == renamedDir || strings.HasPrefix(bucket, ".") {
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

// ErrNotWritten is about plaintext that could not be written. It says nothing about the encrypted file.
var ErrNotWritten = errors.New("could not be written")

// errNoSpace ends a run.
var errNoSpace = errors.New("no space is left there: make room and run it again to go on")

// output writes files below a folder: whole and synced, or not at all. Its methods may be called at the same time.
type output struct {
	root   *os.Root
	disk   disk
	temps  string     // folder below root for files that are not whole
	naming sync.Mutex // so that two names which the file system takes for one cannot both be free
	names  unsynced
}

// stage writes what body yields to a new file of a name of its own and returns its path below the root. Without an error the file is whole and
// synced, and the caller publishes or removes it. Errors are body's or ErrNotWritten.
func (o *output) stage(body io.Reader, size int64, modTime time.Time) (temp string, err error) {
	temp = path.Join(o.temps, tempPrefix+rand.Text())
	f, err := o.disk.Create(o.root, temp)
	if err != nil {
		return "", notWritten(err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, o.root.Remove(temp))
		}
	}()
	in := &reader{r: body}
	n, err := io.Copy(f, in)
	switch {
	case in.err != nil:
		err = in.err
	case err != nil:
		err = notWritten(err)
	case n != size:
		err = fmt.Errorf("%d bytes came instead of %d", n, size)
	default:
		err = notWritten(f.Sync())
	}
	if closeErr := f.Close(); err == nil {
		err = notWritten(closeErr)
	}
	if err == nil {
		err = notWritten(o.root.Chtimes(temp, modTime, modTime))
	}
	return temp, err
}

// reader remembers a failure, which io.Copy does not tell from one to write.
type reader struct {
	r   io.Reader
	err error
}

// Read implements io.Reader.
func (r *reader) Read(p []byte) (int, error) {
	n, err := r.r.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		r.err = err
	}
	return n, err
}

// notWritten marks an error that is not nil.
func notWritten(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%w: %w", ErrNotWritten, err)
}

// publish gives a staged file its name, which syncNames makes durable. A file that has the name already is left alone: if its content is the same,
// there is true and the staged file is removed; otherwise the error is errTaken. After an error the staged file is still there.
func (o *output) publish(temp, name string) (there bool, err error) {
	if err := o.root.MkdirAll(path.Dir(name), 0o700); err != nil {
		return false, err
	}
	o.naming.Lock()
	defer o.naming.Unlock()
	switch _, err := o.root.Lstat(name); {
	case errors.Is(err, fs.ErrNotExist):
		if err := o.root.Rename(temp, name); err != nil {
			return false, err
		}
		o.named(name)
		return false, nil
	case err != nil:
		return false, err
	}
	same, err := sameContent(o.root, temp, name)
	if err != nil {
		return false, err
	}
	if !same {
		return false, errTaken
	}
	o.named(name)
	return true, o.root.Remove(temp)
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
