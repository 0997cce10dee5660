package local

import (
	"context"
	"errors"
	"io/fs"

	"sallyport/providers/driver"
)

// errClosed says that a call came after Close.
var errClosed = errors.New("the folder is closed")

// fail makes the driver error for cause, of the kind the cause tells.
func fail(op, key string, cause error) error {
	return failAs(kindOf(cause), op, key, cause)
}

// failAs makes the driver error of a kind that is known. A cause that is a driver error already is kept as it is.
func failAs(kind driver.Kind, op, key string, cause error) error {
	return &driver.Error{Kind: kind, Op: op, Key: key, Err: cause}
}

// kindOf classifies what the file system said. What fs.ErrNotExist says of an object is decided by the callers, who know what was
// looked for; here it means that something was taken away under our hands.
func kindOf(err error) driver.Kind {
	switch {
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return driver.Canceled
	case isNoSpace(err):
		return driver.NoSpace
	case isReadOnly(err):
		return driver.ReadOnly
	case errors.Is(err, driver.ErrDamagedNote):
		return driver.Corrupt
	case isTooLarge(err):
		return driver.TooLarge
	case isNotHeld(err), errors.Is(err, ErrNotPlain):
		return driver.InvalidKey
	case isPassing(err), errors.Is(err, errClosed), errors.Is(err, fs.ErrClosed), errors.Is(err, fs.ErrNotExist):
		return driver.Unavailable
	case errors.Is(err, fs.ErrPermission):
		return driver.Denied
	}
	return driver.Internal
}

// isAbsent reports whether err says that no object can be at a path: nothing is there, or the way there is none for objects.
func isAbsent(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || isNotHeld(err) || errors.Is(err, ErrNotPlain)
}
