//go:build unix

package local

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"syscall"
	"testing"

	"sallyport/providers/driver"
)

func TestKinds(t *testing.T) {
	for cause, want := range map[error]driver.Kind{
		syscall.ENOSPC: driver.NoSpace, syscall.EDQUOT: driver.NoSpace, syscall.EROFS: driver.ReadOnly, syscall.EFBIG: driver.TooLarge,
		syscall.EIO: driver.Unavailable, syscall.EMFILE: driver.Unavailable, syscall.ENFILE: driver.Unavailable, syscall.ESTALE: driver.Unavailable,
		syscall.EACCES: driver.Denied, syscall.EPERM: driver.Denied, syscall.ENAMETOOLONG: driver.InvalidKey, syscall.ENOTDIR: driver.InvalidKey,
		syscall.EISDIR: driver.InvalidKey, syscall.ELOOP: driver.InvalidKey, ErrNotPlain: driver.InvalidKey, driver.ErrDamagedNote: driver.Corrupt,
		context.Canceled: driver.Canceled, context.DeadlineExceeded: driver.Canceled, fs.ErrClosed: driver.Unavailable,
		errors.New("something else"): driver.Internal,
	} {
		wrapped := fail("Put", "k", fmt.Errorf("layer: %w", &fs.PathError{Op: "open", Path: "p", Err: cause}))
		if got := driver.KindOf(wrapped); got != want {
			t.Errorf("%v: %v, want %v", cause, got, want)
		}
		if !errors.Is(wrapped, cause) {
			t.Errorf("%v is lost in %v", cause, wrapped)
		}
	}
}
