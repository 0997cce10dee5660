package local

import (
	"errors"
	"fmt"
	"os"
)

// walkParents checks component by component that every directory above path is a directory and no link. Between the check and the call
// it guards a component can be swapped; os.Root then still keeps the call inside the root.
func (r *rootFS) walkParents(path string) error {
	for i := range len(path) {
		if path[i] != '/' {
			continue
		}
		info, err := r.root.Lstat(path[:i])
		if err != nil {
			return err
		}
		if !info.IsDir() {
			return fmt.Errorf("open %s: %w", path[:i], ErrNotPlain)
		}
	}
	return nil
}

// walkOpen is openPlain for systems that cannot be told not to follow links. An object replaced between the two looks is tried again.
func (r *rootFS) walkOpen(path string, flag int) (*os.File, error) {
	for {
		before, err := r.walkStat(path)
		if err != nil {
			return nil, err
		}
		if !isFile(before.Mode()) && !isDir(before.Mode()) {
			return nil, fmt.Errorf("open %s: %w", path, ErrNotPlain)
		}
		f, err := r.root.OpenFile(path, os.O_RDONLY|flag, 0)
		if err != nil {
			return nil, err
		}
		after, err := f.Stat()
		if err != nil {
			return nil, errors.Join(err, f.Close())
		}
		if os.SameFile(before, after) {
			return f, nil
		}
		if err := f.Close(); err != nil {
			return nil, err
		}
	}
}

func (r *rootFS) walkStat(path string) (os.FileInfo, error) {
	if err := r.walkParents(path); err != nil {
		return nil, err
	}
	return r.root.Lstat(path)
}
