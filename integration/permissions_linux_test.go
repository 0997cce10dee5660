package integration

import (
	"fmt"
	"testing"

	"golang.org/x/sys/unix"
)

// obeyPermissions has what this thread starts from now on obey permission bits, which root does not by itself: root's right to pass them over
// is taken out of all that the child can ever get. The thread must end with its goroutine. For anybody else there is nothing to take.
func obeyPermissions() error {
	if unix.Geteuid() != 0 {
		return nil
	}
	for _, right := range []uintptr{unix.CAP_DAC_OVERRIDE, unix.CAP_DAC_READ_SEARCH} {
		if err := unix.Prctl(unix.PR_CAPBSET_DROP, right, 0, 0, 0); err != nil {
			return fmt.Errorf("drop capability %d: %w", right, err)
		}
	}
	return nil
}

// needsPermissions ends a test where permission bits bind nobody.
func needsPermissions(*testing.T) {}
