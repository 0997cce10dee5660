//go:build linux || darwin || freebsd

package cli

import (
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
)

// TestOnlyGivenDescriptorsAreRead: a redirection that was forgotten must not make a password of what this process happens to have open under
// that number, and not close it: it may be the folder's lock.
func TestOnlyGivenDescriptorsAreRead(t *testing.T) {
	file := filepath.Join(t.TempDir(), "open")
	if err := os.WriteFile(file, []byte("correct horse battery staple\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	own, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = own.Close() })
	c, dir, key := newConsole(t), filepath.Join(t.TempDir(), "vault"), keyFile(t)
	_, stop := c.quickstart("--dir", dir, "--key-file", key)
	stop()
	passwd := []string{"vault", "passwd", "--dir", dir, "--key-file", key, "--new-password-fd"}
	number := strconv.Itoa(int(own.Fd()))
	c.want(2, "descriptor "+number+": it was not given", append(passwd, number)...)
	if _, err := own.Stat(); err != nil {
		t.Errorf("it was closed: %v", err)
	}

	given, err := syscall.Dup(int(own.Fd())) // without the mark, as after an exec
	if err != nil {
		t.Fatal(err)
	}
	c.want(0, "is added", append(passwd, strconv.Itoa(given))...)
	c.want(0, "verified    yes", "vault", "status", "--dir", dir, "--password-file", file)
}
