package cli

import (
	"errors"

	"golang.org/x/sys/windows"
)

// hideEcho turns the console's echo off and returns what puts it back as it was; discard forgets what was typed and not read, so that half a
// password does not appear at the shell's prompt.
func hideEcho(fd int) (restore func(discard bool) error, err error) {
	console := windows.Handle(fd)
	var before uint32
	if err := windows.GetConsoleMode(console, &before); err != nil {
		return nil, err
	}
	quiet := before&^windows.ENABLE_ECHO_INPUT | windows.ENABLE_LINE_INPUT | windows.ENABLE_PROCESSED_INPUT
	if err := windows.SetConsoleMode(console, quiet); err != nil {
		return nil, err
	}
	return func(discard bool) error {
		err := windows.SetConsoleMode(console, before)
		if discard {
			err = errors.Join(err, windows.FlushConsoleInputBuffer(console))
		}
		return err
	}, nil
}
