package jobs

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"sync"
)

// disk is what output asks of the operating system and tests watch.
type disk interface {
	Create(root *os.Root, name string) (diskFile, error)
	SyncDir(root *os.Root, name string) error
}

type diskFile interface {
	io.Writer
	Sync() error
	Close() error
}

type realDisk struct{}

// Create makes a new file.
func (realDisk) Create(root *os.Root, name string) (diskFile, error) {
	return root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
}

// SyncDir makes the names in a folder durable, where the file system can.
func (realDisk) SyncDir(root *os.Root, name string) error {
	f, err := root.Open(name)
	if err != nil {
		return err
	}
	return errors.Join(syncDirectory(f), f.Close())
}

// maxUnsynced bounds the folders that are remembered, and so the memory they take.
const maxUnsynced = 4096

// unsynced are folders with names that may not be durable yet.
type unsynced struct {
	mu   sync.Mutex
	dirs map[string]struct{}
	err  error // of folders that were synced meanwhile
}

// named remembers that a file has got its name. The folders above may be new too.
func (o *output) named(name string) {
	o.names.mu.Lock()
	defer o.names.mu.Unlock()
	if o.names.dirs == nil {
		o.names.dirs = map[string]struct{}{}
	}
	for dir := path.Dir(name); ; dir = path.Dir(dir) {
		_, known := o.names.dirs[dir] // and so are those above it
		o.names.dirs[dir] = struct{}{}
		if known || dir == "." {
			break
		}
	}
	if len(o.names.dirs) >= maxUnsynced {
		o.syncRemembered()
	}
}

// syncNames makes all names durable that files have got; only then is it true that they are there.
func (o *output) syncNames() error {
	o.names.mu.Lock()
	defer o.names.mu.Unlock()
	o.syncRemembered()
	return o.names.err
}

func (o *output) syncRemembered() {
	for dir := range o.names.dirs {
		if err := o.disk.SyncDir(o.root, dir); err != nil {
			o.names.err = errors.Join(o.names.err, fmt.Errorf("sync the folder %q: %w", dir, err))
		}
	}
	clear(o.names.dirs)
}

// makeDurable is os.MkdirAll for a folder whose own name is durable afterwards.
func makeDurable(dir string) error {
	var above []string // of folders that are not there yet
	for at := filepath.Clean(dir); ; at = filepath.Dir(at) {
		if _, err := os.Stat(at); !errors.Is(err, fs.ErrNotExist) || at == filepath.Dir(at) {
			break
		}
		above = append(above, filepath.Dir(at))
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	for _, at := range above {
		f, err := os.Open(at)
		if errors.Is(err, fs.ErrPermission) {
			continue // one may make folders where one may not look
		}
		if err != nil {
			return err
		}
		if err := errors.Join(syncDirectory(f), f.Close()); err != nil {
			return fmt.Errorf("sync the folder %q: %w", at, err)
		}
	}
	return nil
}
