//go:build darwin || freebsd

package local

import (
	"golang.org/x/sys/unix"
)

// Volume describes the file system that holds the root.
func (r *rootFS) Volume() (Volume, error) {
	var s unix.Statfs_t
	if err := unix.Fstatfs(int(r.top.Fd()), &s); err != nil {
		return Volume{}, err
	}
	v := Volume{Type: unix.ByteSliceToString(s.Fstypename[:]), KnowsSpace: true, Total: s.Blocks * uint64(s.Bsize)}
	if s.Bavail > 0 { // negative on FreeBSD once the part kept for root is in use
		v.Free = uint64(s.Bavail) * uint64(s.Bsize)
	}
	switch v.Type {
	case "nfs", "afpfs", "webdav":
		v.Network = true
	case "smbfs":
		v.Network, v.UnstableInodes = true, true
	case "tmpfs":
		v.Volatile = true
	case "msdos", "msdosfs", "exfat":
		v.UnstableInodes, v.NoJournal = true, true
	case "fusefs", "macfuse", "osxfuse":
		v.UnstableInodes = true
	}
	return r.addMode(v)
}
