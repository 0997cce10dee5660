package local

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"sync"
	"time"

	"sallyport/providers/driver"
)

// copyBuffer is the memory in bytes that one upload uses.
const copyBuffer = 256 << 10

// randomName returns 16 hex digits that nobody else uses.
func randomName() string {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails, by its documentation
	return hex.EncodeToString(b[:])
}

func isRandomName(s string) bool {
	if len(s) != 16 {
		return false
	}
	for i := range len(s) {
		if c := s[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

// nameSet is a set of names. Safe for concurrent use.
type nameSet struct {
	mu   sync.Mutex
	live map[string]struct{}
}

func (t *nameSet) add(name string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.live[name] = struct{}{}
}

func (t *nameSet) drop(name string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.live, name)
}

func (t *nameSet) has(name string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	_, ok := t.live[name]
	return ok
}

// temp is a complete and synced file that is not yet published.
type temp struct {
	path  string
	stat  Stat
	moved bool // published by a rename, so that nothing is left of it
}

// writeTemp makes a temporary with what fill writes, which must be size bytes, and syncs it. Its time of last change is later than
// previous. On an error nothing remains.
func (f *Folder) writeTemp(size int64, previous time.Time, fill func(File) error) (written *temp, err error) {
	name := randomName()
	f.temps.add(name)
	t := &temp{path: tempDir + "/" + name}
	file, err := f.files.Create(t.path)
	if err != nil {
		f.temps.drop(name)
		return nil, fmt.Errorf("create temporary: %w", err)
	}
	defer func() {
		if err != nil {
			f.dropTemp(t)
		}
	}()
	err = fill(file)
	if err == nil {
		err = f.seal(file, size, previous, &t.stat)
	}
	if closeErr := file.Close(); closeErr != nil && err == nil {
		f.degrade("close temporary", closeErr)
		err = fmt.Errorf("close temporary: %w", closeErr)
	}
	if err != nil {
		return nil, err
	}
	return t, nil
}

// seal sets the file's time, makes it durable and checks its length.
func (f *Folder) seal(file File, size int64, previous time.Time, stat *Stat) error {
	if err := file.SetModTime(f.clock.next(previous)); err != nil {
		return fmt.Errorf("set time of temporary: %w", err)
	}
	if err := f.syncFile(file); err != nil {
		return err
	}
	s, err := file.Stat()
	if err != nil {
		return fmt.Errorf("describe temporary: %w", err)
	}
	if s.Size != size {
		return &driver.Error{Kind: driver.Corrupt, Op: "Put", Err: fmt.Errorf("temporary holds %d bytes of %d written", s.Size, size)}
	}
	*stat = s
	return nil
}

// syncFile makes a file durable. It is called once per file: after a failure the system may take the lost pages for written.
func (f *Folder) syncFile(file File) error {
	if f.noSync {
		return nil
	}
	if err := file.Sync(); err != nil {
		f.degrade("sync file", err)
		return fmt.Errorf("sync file: %w", err)
	}
	return nil
}

// syncDirNow makes the entries of a directory durable, for callers that know of no other change to it. See syncShared.
func (f *Folder) syncDirNow(dir string) error {
	if f.noSync {
		return nil
	}
	err := f.files.SyncDir(dir)
	switch {
	case err == nil:
		f.settle(dir)
		return nil
	case isUnsupportedSync(err):
		f.noDirSync.Store(true) // the probe says so
		return nil
	case !errors.Is(err, ErrSyncNotBegun):
		f.doubt(err)
	case isAbsent(err):
		f.settle(dir)
	default:
		f.owe(dir, err)
	}
	return fmt.Errorf("sync directory: %w", err)
}

// isGone reports whether a directory could not be synced because there is none.
func isGone(err error) bool { return errors.Is(err, ErrSyncNotBegun) && isAbsent(err) }

// dropTemp removes a temporary as far as that works; a sweep gets the rest.
func (f *Folder) dropTemp(t *temp) {
	defer f.temps.drop(path.Base(t.path))
	if t.moved {
		return
	}
	if err := f.files.Remove(t.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		f.log.Warn("local folder: temporary left behind", "error", err)
	}
}

// writeFile writes a small new file durably, but for its directory.
func (f *Folder) writeFile(name string, content []byte) error {
	file, err := f.files.Create(name)
	if err != nil {
		return err
	}
	_, err = file.Write(content)
	if err == nil {
		err = f.syncFile(file)
	}
	return errors.Join(err, file.Close())
}

// copyBody copies exactly size bytes of body, and sees that there are no more.
func (f *Folder) copyBody(ctx context.Context, file File, body io.Reader, size int64) error {
	buffer, ok := f.buffers.Get().(*[copyBuffer]byte)
	if !ok {
		panic("local: internal error: foreign buffer in pool")
	}
	defer f.buffers.Put(buffer)
	exact := driver.ExactBody(body, size)
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		n, err := exact.Read(buffer[:])
		if n > 0 {
			if m, err := file.Write(buffer[:n]); err != nil {
				return fmt.Errorf("write temporary: %w", err)
			} else if m != n {
				return fmt.Errorf("write temporary: %w", io.ErrShortWrite)
			}
		}
		if err != nil {
			return unlessEnd(err)
		}
	}
}

// isEnd reports whether err is the clean end of a reader, which by io.Reader's contract is io.EOF itself: an error that wraps it is one.
func isEnd(err error) bool {
	return err == io.EOF //nolint:errorlint // see above
}

// unlessEnd returns err, or nil if it is a clean end.
func unlessEnd(err error) error {
	if isEnd(err) {
		return nil
	}
	return err
}

// failWrite classifies a failure to write, in which the body may have had a part.
func failWrite(ctx context.Context, op, key string, err error) error {
	if ctx.Err() != nil {
		return failAs(driver.Canceled, op, key, errors.Join(ctx.Err(), err))
	}
	if _, ok := errors.AsType[*driver.BodyError](err); ok {
		return failAs(driver.BadBody, op, key, err)
	}
	if e, ok := errors.AsType[*driver.Error](err); ok {
		return failAs(e.Kind, op, key, e.Err)
	}
	return fail(op, key, err)
}
