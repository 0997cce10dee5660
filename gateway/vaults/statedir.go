package vaults

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"sallyport/crypto/vault"
)

// StateDir is where a gateway keeps what it has seen of one vault: the pin, and a copy of every generation of the vault file. Both are
// ciphertext or public. Losing the directory costs protection against rollback, not data.
type StateDir struct {
	path string
}

// NewStateDir returns the state of the vault called name below the gateway's state directory root. Nothing is created before it is needed.
func NewStateDir(root, name string) *StateDir {
	return &StateDir{path: filepath.Join(root, "vaults", name)}
}

const pinFile = "pin.json"

// maxPin bounds what is read of a pin.
const maxPin = 64 << 10

func (d *StateDir) readPin() ([]byte, error) {
	f, err := os.Open(filepath.Join(d.path, pinFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read pin: %w", err)
	}
	defer func() { _ = f.Close() }()
	data, err := io.ReadAll(io.LimitReader(f, maxPin))
	if err == nil && len(data) == 0 {
		err = errors.New("it is empty")
	}
	if err != nil {
		return nil, fmt.Errorf("read pin %s: %w (remove it only if you know that no newer vault file exists)", f.Name(), err)
	}
	return data, nil
}

// Remembers reports whether this gateway has used a vault of this name before.
func (d *StateDir) Remembers() (bool, error) {
	pin, err := d.readPin()
	return pin != nil, err
}

// checkWritable makes the directory and tries a file in it.
func (d *StateDir) checkWritable() error {
	f, err := d.temporary()
	if err == nil {
		err = errors.Join(f.Close(), os.Remove(f.Name()))
	}
	if err != nil {
		return fmt.Errorf("write to the state directory: %w", err)
	}
	return nil
}

// temporary makes an empty file for what is to be renamed into place.
func (d *StateDir) temporary() (*os.File, error) {
	if err := os.MkdirAll(d.path, 0o700); err != nil {
		return nil, err
	}
	return os.CreateTemp(d.path, ".new-*")
}

func (d *StateDir) writePin(pin []byte) error {
	if err := d.replace(pinFile, pin); err != nil {
		return fmt.Errorf("write pin: %w", err)
	}
	return nil
}

// copyGeneration keeps a copy of a vault file that was opened. What lies there under its name and is something else gives way to it: a damaged
// copy is replaced, and a vault file, which may be the last copy of its vault's keys, is kept under another name.
func (d *StateDir) copyGeneration(name string, file []byte) error {
	there, err := d.readFile(name)
	switch {
	case err == nil && bytes.Equal(there, file):
		return nil
	case err == nil && isVaultFile(there):
		sum := sha256.Sum256(there)
		err = os.Rename(filepath.Join(d.path, name), filepath.Join(d.path, fmt.Sprintf("%s.other-%x", name, sum[:8])))
	case errors.Is(err, fs.ErrNotExist):
		err = nil
	}
	if err == nil {
		err = d.replace(name, file)
	}
	if err != nil {
		return fmt.Errorf("copy vault file: %w", err)
	}
	return nil
}

func isVaultFile(b []byte) bool {
	_, err := vault.Parse(b)
	return err == nil || errors.Is(err, vault.ErrTooNew)
}

// readFile reads a file of the state directory, one byte more at most than a vault file has.
func (d *StateDir) readFile(name string) ([]byte, error) {
	f, err := os.Open(filepath.Join(d.path, name))
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	return io.ReadAll(io.LimitReader(f, vault.MaxFileSize+1))
}

// newestCopy returns the path of the newest copied generation of the pinned vault that is intact, "" if there is none: what an operator restores
// when the root lost its own.
func (d *StateDir) newestCopy() string {
	entries, err := os.ReadDir(d.path)
	if err != nil {
		return ""
	}
	for _, e := range slices.Backward(entries) {
		if _, ok := vault.ParseFileName(e.Name()); ok && d.isOwnCopy(e.Name()) {
			return filepath.Join(d.path, e.Name())
		}
	}
	return ""
}

// isOwnCopy reports whether a copy is a vault file, and of the pinned vault as far as that is known.
func (d *StateDir) isOwnCopy(name string) bool {
	b, err := d.readFile(name)
	if err != nil {
		return false
	}
	file, err := vault.Parse(b)
	if err != nil {
		return false
	}
	text, err := d.readPin()
	if err != nil {
		return true
	}
	pin, err := vault.ParsePin(text)
	return err != nil || pin.Vault() == file.ID()
}

// replace writes a file atomically and durably, readable by its owner only. What it holds already is not written again, so that a vault opens
// where nothing can be written but what is known: from a snapshot that is read-only, or beside a full disk.
func (d *StateDir) replace(name string, data []byte) (err error) {
	if there, err := d.readFile(name); err == nil && bytes.Equal(there, data) {
		return nil
	}
	f, err := d.temporary()
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(f.Name()))
		}
	}()
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return err
	}
	if err = os.Rename(f.Name(), filepath.Join(d.path, name)); err != nil {
		return err
	}
	// A directory that cannot be synced (Windows, some network file systems) still holds the rename in all but a power failure.
	if dir, openErr := os.Open(d.path); openErr == nil {
		_ = dir.Sync()
		_ = dir.Close()
	}
	return nil
}

// copyHint says where a copy of the vault file may be found.
func (d *StateDir) copyHint() string {
	if d != nil {
		if path := d.newestCopy(); path != "" {
			return "the copy in " + path
		}
	}
	return "a copy of it (the state directory of another gateway may hold one)"
}

// dropOlder removes the copies of all generations before newest, also of those that the root has lost since.
func (d *StateDir) dropOlder(newest uint64) error {
	entries, err := os.ReadDir(d.path)
	if err != nil {
		return fmt.Errorf("look for old copies of the vault file: %w", err)
	}
	for _, e := range entries {
		if g, ok := vault.ParseFileName(e.Name()); !ok || g >= newest {
			continue
		}
		if removeErr := os.Remove(filepath.Join(d.path, e.Name())); removeErr != nil && !errors.Is(removeErr, fs.ErrNotExist) {
			err = errors.Join(err, fmt.Errorf("remove old copy of vault file: %w", removeErr))
		}
	}
	return err
}
