//go:build unix

package local

import (
	"errors"
	"io/fs"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

const (
	openDirectory = syscall.O_DIRECTORY
	openNonblock  = syscall.O_NONBLOCK // so that a pipe in the folder cannot hold us up
)

// errWouldBlock is what lockFile fails with when another holds the lock.
var errWouldBlock error = unix.EWOULDBLOCK

func lockFile(f *os.File) error { return unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) }

func syncDirectory(f *os.File) error { return f.Sync() }

func inodeOf(info fs.FileInfo) uint64 {
	if s, ok := info.Sys().(*syscall.Stat_t); ok {
		return s.Ino
	}
	return 0
}

// isUnsupportedSync reports whether a directory sync failed because this file system has none.
func isUnsupportedSync(err error) bool {
	return errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOTSUP) || errors.Is(err, unix.ENOSYS)
}

func isNoSpace(err error) bool {
	return errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT)
}

func isReadOnly(err error) bool { return errors.Is(err, unix.EROFS) }

func isTooLarge(err error) bool { return errors.Is(err, unix.EFBIG) }

func isNotHeld(err error) bool {
	return errors.Is(err, unix.ENAMETOOLONG) || errors.Is(err, unix.EILSEQ) || errors.Is(err, unix.ENOTDIR) || errors.Is(err, unix.EISDIR) ||
		errors.Is(err, unix.ELOOP)
}

func isNotEmpty(err error) bool {
	return errors.Is(err, unix.ENOTEMPTY) || errors.Is(err, unix.EEXIST)
}

// isPassing reports whether the same call may succeed later.
func isPassing(err error) bool {
	for _, errno := range []unix.Errno{
		unix.EIO, unix.EMFILE, unix.ENFILE, unix.ENOMEM, unix.EAGAIN, unix.EINTR, unix.EBUSY, unix.ESTALE, unix.ETIMEDOUT, unix.ENODEV, unix.ENXIO,
	} {
		if errors.Is(err, errno) {
			return true
		}
	}
	return false
}
