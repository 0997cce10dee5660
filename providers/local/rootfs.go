package local

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"time"
)

// rootFS is the FileSystem of production: os.Root, and before each call a check that no component is a symbolic link. os.Root alone
// follows links that stay inside the root, and by those one object could pass for another.
type rootFS struct {
	root *os.Root
	top  *os.File // the root as a descriptor, for the calls os.Root lacks
}

// openRootFS opens the folder at path, which must exist and be a directory.
func openRootFS(path string) (*rootFS, error) {
	root, err := os.OpenRoot(path)
	if err != nil {
		return nil, err
	}
	top, err := root.Open(".")
	if err != nil {
		return nil, errors.Join(err, root.Close())
	}
	return &rootFS{root: root, top: top}, nil
}

func (r *rootFS) Close() error { return errors.Join(r.top.Close(), r.root.Close()) }

func (r *rootFS) Open(path string) (File, error) {
	f, err := r.openPlain(path, openNonblock)
	if err != nil {
		return nil, err
	}
	if info, err := f.Stat(); err != nil {
		return nil, errors.Join(err, f.Close())
	} else if !info.Mode().IsRegular() {
		return nil, errors.Join(fmt.Errorf("open %s: %w", path, ErrNotPlain), f.Close())
	}
	return &rootFile{File: f, fs: r, path: path}, nil
}

func (r *rootFS) Create(path string) (File, error) {
	if err := r.checkParent(path); err != nil {
		return nil, err
	}
	f, err := r.root.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	return &rootFile{File: f, fs: r, path: path}, nil
}

func (r *rootFS) OpenDir(path string) (Directory, error) {
	f, err := r.openPlain(path, openNonblock|openDirectory)
	if err != nil {
		return nil, err
	}
	return &rootDir{f}, nil
}

func (r *rootFS) Mkdir(path string) error {
	if err := r.checkParent(path); err != nil {
		return err
	}
	return r.root.Mkdir(path, 0o700)
}

func (r *rootFS) Rename(oldPath, newPath string) error {
	if err := errors.Join(r.checkParent(oldPath), r.checkParent(newPath)); err != nil {
		return err
	}
	return r.root.Rename(oldPath, newPath)
}

func (r *rootFS) Link(oldPath, newPath string) error {
	if err := errors.Join(r.checkParent(oldPath), r.checkParent(newPath)); err != nil {
		return err
	}
	return r.root.Link(oldPath, newPath)
}

func (r *rootFS) Remove(path string) error {
	if err := r.checkParent(path); err != nil {
		return err
	}
	return r.root.Remove(path)
}

func (r *rootFS) RemoveDir(path string) error {
	// Root.Remove would also remove a file that took the directory's place.
	if s, err := r.Stat(path); err != nil {
		return err
	} else if !isDir(s.Mode) {
		return fmt.Errorf("remove directory %s: %w", path, ErrNotPlain)
	}
	return r.root.Remove(path)
}

func (r *rootFS) SyncDir(path string) error {
	f, err := r.openPlain(path, openDirectory)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrSyncNotBegun, err)
	}
	return errors.Join(syncDirectory(f), f.Close())
}

func (r *rootFS) Lock(lockPath string, owner []byte) (io.Closer, error) {
	for {
		f, err := r.openLockFile(lockPath)
		if err != nil {
			return nil, err
		}
		if err := lockFile(f); err != nil {
			said, _ := io.ReadAll(io.LimitReader(f, 4096))
			if errors.Is(err, errWouldBlock) {
				err = &LockedError{Owner: said}
			}
			return nil, errors.Join(err, f.Close())
		}
		// If somebody removed the file between our open and our lock, we hold the lock of a file that nobody else will open.
		now, err := r.root.Lstat(lockPath)
		held, err2 := f.Stat()
		if err == nil && err2 == nil && os.SameFile(now, held) {
			return f, errors.Join(writeOwner(f, owner))
		}
		if err := f.Close(); err != nil {
			return nil, err
		}
		if err2 != nil {
			return nil, err2
		}
	}
}

func (r *rootFS) openLockFile(lockPath string) (*os.File, error) {
	if err := r.checkParent(lockPath); err != nil {
		return nil, err
	}
	if s, err := r.Stat(lockPath); err == nil && !isFile(s.Mode) {
		return nil, fmt.Errorf("open %s: %w", path.Base(lockPath), ErrNotPlain)
	}
	return r.root.OpenFile(lockPath, os.O_RDWR|os.O_CREATE, 0o600)
}

// writeOwner replaces the contents of the lock file, which no one needs after a crash.
func writeOwner(f *os.File, owner []byte) error {
	if !json.Valid(owner) {
		panic("local: internal error: lock owner is no JSON")
	}
	if err := f.Truncate(0); err != nil {
		return err
	}
	_, err := f.WriteAt(owner, 0)
	return err
}

// rootFile is an open file of a rootFS.
type rootFile struct {
	*os.File
	fs   *rootFS
	path string
}

// Stat describes the file.
func (f *rootFile) Stat() (Stat, error) {
	info, err := f.File.Stat()
	if err != nil {
		return Stat{}, err
	}
	return statOf(info), nil
}

// SeekTo sets the place of the next read or write.
func (f *rootFile) SeekTo(off int64) error {
	_, err := f.Seek(off, io.SeekStart)
	return err
}

// SetModTime sets the time of last change.
func (f *rootFile) SetModTime(t time.Time) error {
	return f.fs.root.Chtimes(f.path, time.Time{}, t)
}

// ReadFrom hands the descriptors down, so that the operating system can copy by itself.
func (f *rootFile) ReadFrom(r io.Reader) (int64, error) {
	switch src := r.(type) {
	case *rootFile:
		return f.File.ReadFrom(src.File)
	case *io.LimitedReader:
		if from, ok := src.R.(*rootFile); ok {
			return f.File.ReadFrom(&io.LimitedReader{R: from.File, N: src.N})
		}
	}
	return f.File.ReadFrom(r)
}

// rootDir is an open directory of a rootFS.
type rootDir struct {
	f *os.File
}

func (d *rootDir) Close() error { return d.f.Close() }

func (d *rootDir) Next(n int) ([]DirEntry, error) {
	list, err := d.f.ReadDir(n)
	entries := make([]DirEntry, len(list))
	for i, e := range list {
		entries[i] = DirEntry{Name: e.Name(), Type: e.Type()}
	}
	if len(entries) > 0 {
		return entries, nil
	}
	return nil, err
}

func statOf(info fs.FileInfo) Stat {
	return Stat{Size: info.Size(), ModTime: info.ModTime(), Inode: inodeOf(info), Mode: info.Mode()}
}
