package local

import (
	"errors"
	"io/fs"
	"os"

	"golang.org/x/sys/windows"
)

const (
	openDirectory = 0
	openNonblock  = 0
)

// errWouldBlock is what lockFile fails with when another holds the lock.
var errWouldBlock error = windows.ERROR_LOCK_VIOLATION

// lockFile locks one byte far behind the contents: Windows' locks are mandatory, and a refused gateway wants to read who holds it.
func lockFile(f *os.File) error {
	at := &windows.Overlapped{OffsetHigh: 0x40000000}
	return windows.LockFileEx(windows.Handle(f.Fd()), windows.LOCKFILE_EXCLUSIVE_LOCK|windows.LOCKFILE_FAIL_IMMEDIATELY, 0, 1, 0, at)
}

// syncDirectory does nothing: Windows cannot sync a directory, see Volume.NoDirSync.
func syncDirectory(*os.File) error { return nil }

func inodeOf(fs.FileInfo) uint64 { return 0 }

func isUnsupportedSync(error) bool { return false }

func isNoSpace(err error) bool {
	return errors.Is(err, windows.ERROR_DISK_FULL) || errors.Is(err, windows.ERROR_HANDLE_DISK_FULL) || errors.Is(err, windows.ERROR_DISK_QUOTA_EXCEEDED)
}

func isReadOnly(err error) bool { return errors.Is(err, windows.ERROR_WRITE_PROTECT) }

func isTooLarge(err error) bool { return errors.Is(err, windows.ERROR_FILE_TOO_LARGE) }

func isNotHeld(err error) bool {
	return errors.Is(err, windows.ERROR_INVALID_NAME) || errors.Is(err, windows.ERROR_FILENAME_EXCED_RANGE) || errors.Is(err, windows.ERROR_DIRECTORY)
}

func isNotEmpty(err error) bool { return errors.Is(err, windows.ERROR_DIR_NOT_EMPTY) }

// isPassing reports whether the same call may succeed later.
func isPassing(err error) bool {
	for _, errno := range []windows.Errno{
		windows.ERROR_SHARING_VIOLATION, windows.ERROR_LOCK_VIOLATION, windows.ERROR_TOO_MANY_OPEN_FILES, windows.ERROR_NOT_ENOUGH_MEMORY,
		windows.ERROR_CRC, windows.ERROR_IO_DEVICE, windows.ERROR_NOT_READY,
	} {
		if errors.Is(err, errno) {
			return true
		}
	}
	return false
}
