package integration

import (
	"fmt"
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

// mounted returns a folder on a small file system of its own. Only root may mount; for anyone else the test says that it did not run, which is
// the one exception from the rule that nothing is left out: no program can grant that right.
func mounted(t *testing.T, options string) string {
	t.Helper()
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, options); err != nil {
		notRun(t, fmt.Sprintf("a file system cannot be mounted here (user %d): %v", os.Getuid(), err))
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Errorf("unmount: %v", err)
		}
	})
	return dir
}

// makeReadOnly lets nothing be written to a mounted folder any more. No process may have a file open for writing there.
func makeReadOnly(t *testing.T, dir string) {
	t.Helper()
	if err := unix.Mount("", dir, "", unix.MS_REMOUNT|unix.MS_RDONLY, ""); err != nil {
		t.Fatalf("remount: %v", err)
	}
}
