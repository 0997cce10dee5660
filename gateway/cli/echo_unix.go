//go:build linux || darwin || freebsd

package cli

import "golang.org/x/sys/unix"

// hideEcho turns the terminal's echo off and returns what puts it back as it was; discard forgets what was typed and not read, so that half a
// password does not appear at the shell's prompt.
func hideEcho(fd int) (restore func(discard bool) error, err error) {
	before, err := unix.IoctlGetTermios(fd, getTerminal)
	if err != nil {
		return nil, err
	}
	quiet := *before
	quiet.Lflag &^= unix.ECHO
	quiet.Lflag |= unix.ICANON | unix.ISIG
	quiet.Iflag |= unix.ICRNL
	if err := unix.IoctlSetTermios(fd, setTerminal, &quiet); err != nil {
		return nil, err
	}
	return func(discard bool) error {
		if discard {
			return unix.IoctlSetTermios(fd, setTerminalDiscarding, before)
		}
		return unix.IoctlSetTermios(fd, setTerminal, before)
	}, nil
}
