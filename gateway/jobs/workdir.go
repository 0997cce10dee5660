package jobs

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strings"
)

// errBusy says that another run writes to the folder.
var errBusy = errors.New("another recovery is writing to this folder: let it end, or give another folder")

// openOutput makes the folder at to and takes it for this run alone; what a killed run left half written is removed. close gives it back.
func openOutput(to string) (o *output, closeOutput func() error, err error) {
	if err := makeDurable(to); err != nil {
		return nil, nil, err
	}
	root, err := os.OpenRoot(to)
	if err != nil {
		return nil, nil, err
	}
	unlock, err := takeWorkDir(root)
	if err != nil {
		return nil, nil, errors.Join(err, root.Close())
	}
	return &output{root: root, disk: realDisk{}, temps: workDir}, func() error {
		unlock()
		return root.Close()
	}, nil
}

const lockName = workDir + "/lock"

// takeWorkDir makes workDir and locks it. Where files cannot be locked, two runs at once do each other no harm, because each writes files of its own;
// then nothing is swept, because it may be the other's.
func takeWorkDir(root *os.Root) (unlock func(), err error) {
	for {
		if err := root.Mkdir(workDir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
			return nil, err
		}
		if info, err := root.Lstat(workDir); err == nil && !info.IsDir() {
			return nil, fmt.Errorf("%s is in the way: it is no folder", workDir)
		}
		f, err := root.OpenFile(lockName, os.O_RDWR|os.O_CREATE, 0o600)
		if errors.Is(err, fs.ErrNotExist) {
			continue // a run that just ended removed the folder
		}
		if err != nil {
			return nil, err
		}
		lockErr := lockFile(f)
		if errors.Is(lockErr, errLocked) {
			return nil, errors.Join(errBusy, f.Close())
		}
		// If somebody removed the file between our open and our lock, we hold the lock of a file that nobody else will open.
		now, err := root.Lstat(lockName)
		held, heldErr := f.Stat()
		if err != nil || heldErr != nil || !os.SameFile(now, held) {
			if closeErr := f.Close(); closeErr != nil || heldErr != nil || err != nil && !errors.Is(err, fs.ErrNotExist) {
				return nil, errors.Join(err, heldErr, closeErr)
			}
			continue
		}
		if lockErr == nil {
			if err := sweep(root); err != nil {
				return nil, errors.Join(fmt.Errorf("remove what a stopped run left: %w", err), f.Close())
			}
		}
		return func() { giveBack(root, f) }, nil
	}
}

// sweep removes half written files. Nothing else in workDir is touched.
func sweep(root *os.Root) error {
	entries, err := fs.ReadDir(root.FS(), workDir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if rest, ok := strings.CutPrefix(e.Name(), tempPrefix); ok && len(rest) == len(randomText) && e.Type().IsRegular() {
			err = errors.Join(err, root.Remove(path.Join(workDir, e.Name())))
		}
	}
	return err
}

// randomText has the length of crypto/rand.Text.
const randomText = "abcdefghijklmnopqrstuvwxyz"

// giveBack removes the lock and the folder if it is empty. It fails silently: what stays is swept by the next run.
func giveBack(root *os.Root, f *os.File) {
	removed := root.Remove(lockName) == nil // before it is unlocked, where open files can be removed
	_ = f.Close()
	if !removed {
		_ = root.Remove(lockName)
	}
	_ = root.Remove(workDir)
}
