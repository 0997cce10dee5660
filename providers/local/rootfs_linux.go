package local

import (
	"errors"
	"fmt"
	"os"
	"path"
	"strings"

	"golang.org/x/sys/unix"
)

// openPlain opens path for reading, following no link. The kernel checks every component in the one call.
func (r *rootFS) openPlain(path string, flag int) (*os.File, error) {
	fd, err := r.openat2(path, unix.O_RDONLY|flag)
	if errors.Is(err, errors.ErrUnsupported) {
		return r.walkOpen(path, flag)
	}
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), path), nil
}

// Stat describes what stands at path, also if that is a link.
func (r *rootFS) Stat(path string) (Stat, error) {
	fd, err := r.openat2(path, unix.O_PATH|unix.O_NOFOLLOW)
	if err != nil {
		if !errors.Is(err, errors.ErrUnsupported) && !errors.Is(err, ErrNotPlain) {
			return Stat{}, err
		}
		info, err := r.walkStat(path)
		if err != nil {
			return Stat{}, err
		}
		return statOf(info), nil
	}
	f := os.NewFile(uintptr(fd), path)
	info, err := f.Stat()
	if err := errors.Join(err, f.Close()); err != nil {
		return Stat{}, err
	}
	return statOf(info), nil
}

// checkParent fails unless everything above p is plain directories.
func (r *rootFS) checkParent(p string) error {
	dir := path.Dir(p)
	if dir == "." {
		return nil
	}
	fd, err := r.openat2(dir, unix.O_PATH|unix.O_DIRECTORY)
	if errors.Is(err, errors.ErrUnsupported) {
		return r.walkParents(p)
	}
	if err != nil {
		return err
	}
	return unix.Close(fd)
}

// openat2 opens path below the root without following links. On kernels and sandboxes without the call: errors.ErrUnsupported.
func (r *rootFS) openat2(path string, flags int) (int, error) {
	how := unix.OpenHow{
		Flags:   uint64(flags | unix.O_CLOEXEC),
		Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_NO_MAGICLINKS,
	}
	raw, err := r.top.SyscallConn()
	if err != nil {
		return -1, err
	}
	fd, callErr := -1, error(nil)
	err = raw.Control(func(top uintptr) {
		for {
			fd, callErr = unix.Openat2(int(top), path, &how)
			if !errors.Is(callErr, unix.EINTR) && !errors.Is(callErr, unix.EAGAIN) {
				return
			}
		}
	})
	switch {
	case err != nil:
		return -1, err
	case errors.Is(callErr, unix.ENOSYS), errors.Is(callErr, unix.EPERM):
		return -1, errors.ErrUnsupported
	case errors.Is(callErr, unix.ELOOP):
		return -1, fmt.Errorf("open %s: %w", path, ErrNotPlain)
	case callErr != nil:
		return -1, &os.PathError{Op: "openat2", Path: path, Err: callErr}
	}
	return fd, nil
}

// Boot returns the kernel's name for the time since the machine was started.
func (r *rootFS) Boot() string {
	id, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(id))
}
