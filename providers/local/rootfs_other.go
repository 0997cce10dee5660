//go:build !linux

package local

import "os"

// openPlain opens path for reading, following no link.
func (r *rootFS) openPlain(path string, flag int) (*os.File, error) { return r.walkOpen(path, flag) }

// Stat describes what stands at path, also if that is a link.
func (r *rootFS) Stat(path string) (Stat, error) {
	info, err := r.walkStat(path)
	if err != nil {
		return Stat{}, err
	}
	return statOf(info), nil
}

// checkParent fails unless everything above path is plain directories.
func (r *rootFS) checkParent(path string) error { return r.walkParents(path) }

// Boot returns "".
func (r *rootFS) Boot() string { return "" }
