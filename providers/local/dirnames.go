package local

import (
	"errors"
	"io/fs"
	"path"
	"slices"
	"strings"

	"sallyport/providers/driver"
)

// eachName calls visit with the names that the directory at dir, for the keys beginning with prefix, holds: segments of objects, and
// segments of directories with a slash at the end. What this driver did not name so, or is neither file nor directory, is foreign: it
// is counted and left out. visit ends the walk by returning false.
func (f *Folder) eachName(prefix, dir string, visit func(name string) bool) error {
	if f.names.isVerbatimBelow(prefix) {
		return f.eachVerbatimName(prefix, dir, visit)
	}
	_, err := f.eachEscapedName(prefix == "", dir, nil, visit)
	return err
}

func (f *Folder) eachVerbatimName(prefix, dir string, visit func(name string) bool) error {
	return f.eachEntry(dir, func(e DirEntry) bool {
		if prefix == "" && (isRootInTheMaking(e.Name) || e.Name == systemDir && !isDir(e.Type)) || prefix == systemPrefix && driver.Reserved(prefix+e.Name) {
			return true
		}
		if !f.names.verbatimSegment(e.Name) {
			f.foreign.Add(1)
			return true
		}
		return f.visitTyped(e.Name, isDir(e.Type), e.Type, visit)
	})
}

// visitTyped hands on a segment if what carries it has the right type.
func (f *Folder) visitTyped(segment string, dir bool, mode fs.FileMode, visit func(name string) bool) bool {
	switch {
	case dir && isDir(mode):
		return visit(segment + "/")
	case !dir && isFile(mode):
		return visit(segment)
	}
	f.foreign.Add(1)
	return true
}

// eachEscapedName walks dir and the directories of further pieces in it; chain are the names of those above, within one segment.
func (f *Folder) eachEscapedName(top bool, dir string, chain []string, visit func(name string) bool) (goOn bool, err error) {
	var more []string
	goOn = true
	err = f.eachEntry(dir, func(e DirEntry) bool {
		if top && chain == nil && e.Name == systemDir && isDir(e.Type) {
			goOn = visit(systemPrefix)
			return goOn
		}
		if strings.HasSuffix(e.Name, moreSuffix) && isDir(e.Type) && len(chain) < maxPieces {
			more = append(more, e.Name)
			return true
		}
		segment, isDirectory, ok := segmentOf(append(slices.Clip(chain), e.Name), top)
		if !ok {
			f.foreign.Add(1)
			return true
		}
		goOn = f.visitTyped(segment, isDirectory, e.Type, visit)
		return goOn
	})
	if err != nil || !goOn {
		return goOn, err
	}
	for _, name := range more {
		goOn, err = f.eachEscapedName(top, path.Join(dir, name), append(slices.Clip(chain), name), visit)
		if errors.Is(err, fs.ErrNotExist) {
			continue // pruned meanwhile
		}
		if err != nil || !goOn {
			return goOn, err
		}
	}
	return true, nil
}

// maxPieces is more pieces than the longest key has.
const maxPieces = 3*maxKey/(pieceLen-2) + 1

// holdsObject reports whether there is any object below prefix.
func (f *Folder) holdsObject(prefix string) (bool, error) {
	dir, ok := f.names.dir(prefix)
	if !ok || len(prefix) > maxKey {
		return false, nil
	}
	var below []string
	found := false
	err := f.eachName(prefix, dir, func(name string) bool {
		if strings.HasSuffix(name, "/") {
			below = append(below, name)
			return true
		}
		_, found = f.names.path(prefix + name)
		return !found
	})
	if err != nil && !isAbsent(err) {
		return false, err
	}
	for i := 0; i < len(below) && !found; i++ {
		if found, err = f.holdsObject(prefix + below[i]); err != nil {
			return false, err
		}
	}
	return found, nil
}

// Foreign returns how many directory entries were met since Open that are no objects and not the driver's own. The same one counts
// each time it is met.
func (f *Folder) Foreign() int64 { return f.foreign.Load() }
