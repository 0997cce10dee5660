//go:build linux || darwin || freebsd

package cli

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// checkGiven refuses a descriptor that nobody gave this process. What it opened itself, the runtime's files, the folder's lock and its socket among
// them, has a low number too: one of these would be read as the secret, and closed. They all are marked to be closed on exec, and what came
// through an exec is not.
func checkGiven(fd uint) error {
	flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0)
	if err == nil && flags&unix.FD_CLOEXEC != 0 {
		err = errors.New("it was not given to this process")
	}
	if err != nil {
		return fmt.Errorf("read secret from descriptor %d: %w: open it where sallyport is called, as in %d<FILE", fd, err, fd)
	}
	return nil
}
