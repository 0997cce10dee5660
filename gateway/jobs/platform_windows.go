package jobs

import (
	"errors"
	"os"

	"golang.org/x/sys/windows"
)

// errLocked is what lockFile fails with when another holds the lock.
var errLocked error = windows.ERROR_LOCK_VIOLATION

func lockFile(f *os.File) error {
	return windows.LockFileEx(windows.Handle(f.Fd()), windows.LOCKFILE_EXCLUSIVE_LOCK|windows.LOCKFILE_FAIL_IMMEDIATELY, 0, 1, 0, &windows.Overlapped{})
}

func isNoSpace(err error) bool {
	return errors.Is(err, windows.ERROR_DISK_FULL) || errors.Is(err, windows.ERROR_HANDLE_DISK_FULL) || errors.Is(err, windows.ERROR_DISK_QUOTA_EXCEEDED)
}

// syncDirectory does nothing: Windows cannot sync a folder.
func syncDirectory(*os.File) error { return nil }
