//go:build darwin || freebsd

package cli

import "golang.org/x/sys/unix"

const (
	getTerminal           = unix.TIOCGETA
	setTerminal           = unix.TIOCSETA
	setTerminalDiscarding = unix.TIOCSETAF
)
