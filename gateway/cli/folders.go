package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"
	"time"

	"sallyport/providers/driver"
	"sallyport/providers/local"
)

// folderError says what is the matter with a folder, and what to do, in place of what the driver or the system knows.
type folderError struct {
	text string
	err  error
}

// Error returns the sentence for the operator.
func (e *folderError) Error() string { return e.text }

// Unwrap returns the error that was met, by whose kind others decide.
func (e *folderError) Unwrap() error { return e.err }

// explainFolder names the folder at path, and what to do, where opening or making it failed because it is not there, because another process has it,
// or because this one may not write there. Other failures stay as they are.
func explainFolder(path string, err error) error {
	if locked, ok := errors.AsType[*local.LockedError](err); ok {
		return &folderError{inUse(path, locked), err}
	}
	switch {
	case isAbsent(path) && (driver.Is(err, driver.NotFound) || errors.Is(err, fs.ErrNotExist)):
		return &folderError{fmt.Sprintf("folder %s: there is none, no such file or directory; make it, or mount the disk it is on", path), err}
	case driver.Is(err, driver.ReadOnly), errors.Is(err, syscall.EROFS):
		return &folderError{fmt.Sprintf("folder %s: it is on a read-only file system; mount it writable", path), err}
	case driver.Is(err, driver.Denied), errors.Is(err, fs.ErrPermission):
		return &folderError{fmt.Sprintf("folder %s: permission denied; give the user that runs sallyport the ownership of it and of everything in it", path), err}
	}
	return err
}

func isAbsent(path string) bool {
	_, err := os.Stat(path)
	return errors.Is(err, fs.ErrNotExist)
}

func inUse(path string, locked *local.LockedError) string {
	var owner struct {
		PID   int       `json:"pid"`
		Host  string    `json:"host"`
		Since time.Time `json:"since"`
	}
	by := "another process"
	if json.Unmarshal(locked.Owner, &owner) == nil && owner.PID != 0 {
		by = fmt.Sprintf("process %d on host %q since %s", owner.PID, owner.Host, owner.Since.Format(time.RFC3339))
	}
	return fmt.Sprintf("folder %s is in use by another gateway or command: %s; stop it first", path, by)
}
