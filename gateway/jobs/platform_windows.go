package jobs

import (
	"os"

	"golang.org/x/sys/windows"
)

// errLocked is what lockFile fails with when another holds the lock.
var errLocked error = windows.ERROR_LOCK_VIOLATION

func lockFile(f *os.File) error {
	return windows.LockFileEx(windows.Handle(f.Fd()), windows.LOCKFILE_EXCLUSIVE_LOCK|windows.LOCKFILE_FAIL_IMMEDIATELY, 0, 1, 0, &windows.Overlapped{})
}
