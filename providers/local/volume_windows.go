package local

import (
	"golang.org/x/sys/windows"
)

// Volume describes the file system that holds the root.
func (r *rootFS) Volume() (Volume, error) {
	v := Volume{Windows: true, NoDirSync: true, UnstableInodes: true}
	path, err := windows.UTF16PtrFromString(r.root.Name())
	if err != nil {
		return Volume{}, err
	}
	if err := windows.GetDiskFreeSpaceEx(path, &v.Free, &v.Total, nil); err != nil {
		return Volume{}, err
	}
	v.KnowsSpace = true
	return v, nil
}
