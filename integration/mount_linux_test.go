package integration

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// namespaceVariable tells a copy of this test program that it was started by ranAsOwnRoot.
const namespaceVariable = "INTEGRATION_OWN_NAMESPACE"

// ranAsOwnRoot runs a test that has to mount in a copy of this program, which is root in a user namespace of its own: there anybody may mount. It
// reports true if that happened, and has judged the test then. Root itself needs none of it. Where namespaces are forbidden, the test says that it
// did not run, which is the one exception from the rule that nothing is left out: no program can grant that right.
func ranAsOwnRoot(t *testing.T) bool {
	t.Helper()
	if os.Geteuid() == 0 || os.Getenv(namespaceVariable) != "" {
		return false
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self, "-test.run=^"+t.Name()+"$", "-test.v")
	cmd.Env = append(os.Environ(), namespaceVariable+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  unix.CLONE_NEWUSER | unix.CLONE_NEWNS,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Geteuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getegid(), Size: 1}},
	}
	out, err := cmd.CombinedOutput()
	if exit := new(exec.ExitError); err != nil && !errors.As(err, &exit) {
		notRun(t, fmt.Sprintf("a file system cannot be mounted here (user %d, no user namespaces): %v", os.Getuid(), err))
	}
	if _, reason, left := strings.Cut(string(out), "NOT RUN: "); left {
		reason, _, _ = strings.Cut(reason, "\n")
		notRun(t, reason)
	}
	t.Logf("in a user namespace of its own:\n%s", out)
	if err != nil {
		t.Errorf("in a user namespace of its own: %v", err)
	}
	return true
}

// mounted returns a folder on a small file system of its own.
func mounted(t *testing.T, options string) string {
	t.Helper()
	dir := t.TempDir()
	err := unix.Mount("tmpfs", dir, "tmpfs", 0, options)
	if errors.Is(err, unix.EPERM) {
		notRun(t, fmt.Sprintf("a file system cannot be mounted here (user %d): %v", os.Getuid(), err))
	}
	if err != nil {
		t.Fatalf("mount: %v", err)
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
