package local

import (
	"strconv"

	"golang.org/x/sys/unix"
)

// Volume describes the file system that holds the root.
func (r *rootFS) Volume() (Volume, error) {
	var s unix.Statfs_t
	if err := unix.Fstatfs(int(r.top.Fd()), &s); err != nil {
		return Volume{}, err
	}
	v := Volume{KnowsSpace: true, Free: s.Bavail * uint64(s.Bsize), Total: s.Blocks * uint64(s.Bsize)}
	switch uint32(s.Type) {
	case unix.EXT4_SUPER_MAGIC:
		v.Type = "ext"
	case unix.XFS_SUPER_MAGIC:
		v.Type = "xfs"
	case unix.BTRFS_SUPER_MAGIC:
		v.Type = "btrfs"
	case unix.F2FS_SUPER_MAGIC:
		v.Type = "f2fs"
	case 0x2fc12fc1:
		v.Type = "zfs"
	case unix.OVERLAYFS_SUPER_MAGIC:
		v.Type = "overlay"
	case unix.TMPFS_MAGIC:
		v.Type, v.Volatile = "tmpfs", true
	case unix.RAMFS_MAGIC:
		v.Type, v.Volatile = "ramfs", true
	case unix.NFS_SUPER_MAGIC:
		v.Type, v.Network = "nfs", true
	case unix.SMB_SUPER_MAGIC, unix.CIFS_SUPER_MAGIC, unix.SMB2_SUPER_MAGIC:
		v.Type, v.Network, v.UnstableInodes = "smb", true, true
	case unix.CEPH_SUPER_MAGIC:
		v.Type, v.Network = "ceph", true
	case unix.V9FS_MAGIC:
		v.Type, v.Network = "9p", true
	case unix.FUSE_SUPER_MAGIC:
		v.Type, v.UnstableInodes = "fuse", true
	case unix.MSDOS_SUPER_MAGIC:
		v.Type, v.UnstableInodes, v.NoJournal = "fat", true, true
	case unix.EXFAT_SUPER_MAGIC:
		v.Type, v.UnstableInodes, v.NoJournal = "exfat", true, true
	default:
		v.Type = "0x" + strconv.FormatUint(uint64(uint32(s.Type)), 16)
	}
	return r.addMode(v)
}
