package local

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"time"
)

// sweepAge is how long what nobody knows of is left alone: longer than any one write takes.
const sweepAge = 24 * time.Hour

// Sweep removes temporaries that crashed writes left a day ago or longer, and returns how many. Open does it for those of any age, since
// the lock says that nobody is writing. The program calls it every hour; it may run beside everything else.
func (f *Folder) Sweep(ctx context.Context) (removed int, err error) {
	if err := f.beginChange(ctx, "Sweep", ""); err != nil {
		return 0, err
	}
	removed, err = f.sweepDir(tempDir, sweepAge)
	if err != nil {
		return removed, fail("Sweep", "", err)
	}
	return removed, nil
}

// sweepAll removes all temporaries, and what an interrupted creation of .sallyport left.
func (f *Folder) sweepAll() error {
	if _, err := f.sweepDir(tempDir, 0); err != nil {
		return err
	}
	entries, err := f.readSome(".", isRootLeft)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if !isDir(e.Type) {
			continue // in the escaped layout a file of this name is an object, and a directory is not
		}
		// Nothing but these two steps, which remove only what createSystemDir makes.
		if err := ignoreAbsent(f.files.Remove(e.Name + "/" + path.Base(markerFile))); err != nil {
			return err
		}
		if err := ignoreAbsent(f.files.RemoveDir(e.Name)); err != nil && !isNotEmpty(err) {
			return err
		}
	}
	return nil
}

// sweepDir removes what has a temporary's name in dir, is older than age and is not being written.
func (f *Folder) sweepDir(dir string, age time.Duration) (removed int, err error) {
	entries, err := f.readSome(dir, isTempName)
	if err != nil {
		return 0, err
	}
	for _, e := range entries {
		p := dir + "/" + e.Name
		if f.temps.has(e.Name[:16]) || !f.isOlder(p, age) {
			continue
		}
		if err := f.removeTree(p); err != nil {
			return removed, fmt.Errorf("remove temporary: %w", err)
		}
		removed++
	}
	return removed, nil
}

func (f *Folder) isOlder(p string, age time.Duration) bool {
	if age == 0 {
		return true
	}
	s, err := f.files.Stat(p)
	return err == nil && f.now().Sub(s.ModTime) > age
}

// isTempName reports whether name is one that this driver gives to temporaries: 16 hex digits, and perhaps a dash and more.
func isTempName(name string) bool {
	return len(name) >= 16 && isRandomName(name[:16]) && (len(name) == 16 || name[16] == '-')
}

// readBatch is how many directory entries are read at a time.
const readBatch = 1024

// readSome returns the entries of dir whose names are wanted; of an absent directory none.
func (f *Folder) readSome(dir string, wanted func(name string) bool) ([]DirEntry, error) {
	var found []DirEntry
	err := f.eachEntry(dir, func(e DirEntry) bool {
		if wanted(e.Name) {
			found = append(found, e)
		}
		return true
	})
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return found, err
}

// eachEntry calls visit with every entry of dir until it returns false.
func (f *Folder) eachEntry(dir string, visit func(DirEntry) bool) error {
	d, err := f.files.OpenDir(dir)
	if err != nil {
		return err
	}
	for {
		entries, err := d.Next(readBatch)
		if err != nil {
			if isEnd(err) {
				err = nil
			}
			return errors.Join(err, d.Close())
		}
		for _, e := range entries {
			if !visit(e) {
				return d.Close()
			}
		}
	}
}

// removeTree removes a file, or a directory with what is in it. Absent is done.
func (f *Folder) removeTree(p string) error {
	s, err := f.files.Stat(p)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if !isDir(s.Mode) {
		return ignoreAbsent(f.files.Remove(p))
	}
	entries, err := f.readSome(p, func(string) bool { return true })
	if err != nil {
		return err
	}
	for _, e := range entries {
		if err := f.removeTree(p + "/" + e.Name); err != nil {
			return err
		}
	}
	return ignoreAbsent(f.files.RemoveDir(p))
}

func ignoreAbsent(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
