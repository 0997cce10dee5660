// Package jobs is the long work that needs no gateway: recovering a whole root, and looking into, decrypting or salvaging single files.
//
// It promises that nothing it restores is unverified, that what does not verify is named and never passed over in silence, and that
// output files appear whole or not at all. It needs neither the layout nor the names of a root: where an object belongs stands sealed in its
// tail. It writes plaintext where it is told to and nowhere else.
package jobs

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"sallyport/crypto/chunked"
	"sallyport/crypto/keys"
	"sallyport/crypto/object"
	"sallyport/crypto/vault"
)

// Errors of a keyring that lacks what an object needs.
var (
	ErrNeedsCustomerKey = errors.New("sealed with a key of the client's own (SSE-C), which was not given")
	ErrOtherCustomerKey = errors.New("sealed with a key of the client's own (SSE-C), and not with one that was given")
	ErrNeedsVault       = errors.New("sealed by a vault, whose key was not given")
	ErrOtherVault       = errors.New("sealed by another vault")
	ErrOlderVaultFile   = errors.New("sealed after the password was changed, and the vault file used here is from before that")
)

// Keyring opens objects with an opened vault, customers' keys, or both. The zero value opens nothing.
type Keyring struct {
	Vault     *vault.Opened
	Customers []keys.CustomerKey // OpenFile tries them in turn; as an object.Keyring it gives the first one's secrets
	// Of is the vault whose objects are wanted where its file is known and nothing opens it. Zero, and without Vault, a customer's key opens the
	// objects of any vault that were sealed with it.
	Of object.VaultID
}

// Secret implements object.Keyring. An object of another vault than the one that is known gives ErrOtherVault in either mode: a customer's key
// opens it all the same, and only the id in the tail says that it came from elsewhere.
func (k *Keyring) Secret(id object.Identity) (keys.ObjectSecret, error) {
	if of := k.VaultID(); of != id.VaultID && of != (object.VaultID{}) {
		return keys.ObjectSecret{}, fmt.Errorf("%w, %s; this one is %s", ErrOtherVault, id.VaultID, of)
	}
	if id.Mode == object.ModeCustomer {
		if len(k.Customers) == 0 {
			return keys.ObjectSecret{}, ErrNeedsCustomerKey
		}
		return keys.CustomerObjectSecret(k.Customers[0], id.Salt), nil
	}
	if k.Vault == nil {
		return keys.ObjectSecret{}, ErrNeedsVault
	}
	vrk, err := k.Vault.VRK(id.Epoch)
	if errors.Is(err, vault.ErrUnknownEpoch) {
		return keys.ObjectSecret{}, ErrOlderVaultFile
	}
	if err != nil {
		return keys.ObjectSecret{}, err
	}
	defer vrk.Clear()
	return keys.VaultObjectSecret(vrk, id.VaultID, id.Epoch, id.Salt), nil
}

// OpenFile is object.OpenFile with whichever customer's key fits, and tells a file that another customer's key sealed from one that is damaged: the
// first gives ErrOtherCustomerKey. That a key fits is seen at the file's beginning when its end does not open.
func OpenFile(src io.ReaderAt, size int64, keyring *Keyring) (*object.File, error) {
	file, err := openFile(src, size, keyring)
	for i := 1; i < len(keyring.Customers) && errors.Is(err, ErrOtherCustomerKey); i++ {
		next := *keyring
		next.Customers = keyring.Customers[i:]
		file, err = openFile(src, size, &next)
	}
	return file, err
}

func openFile(src io.ReaderAt, size int64, keyring object.Keyring) (*object.File, error) {
	file, err := object.OpenFile(src, size, keyring)
	if !errors.Is(err, object.ErrWrongKey) {
		return file, err
	}
	in, inspectErr := object.Inspect(src, size)
	if inspectErr != nil {
		return nil, inspectErr
	}
	if in.Tail == nil || in.Tail.Mode != object.ModeCustomer {
		return nil, err
	}
	for s, frameErr := range object.Salvage(src, min(size, object.FrameHeaderSize+chunked.TagSize), in.Tail.VaultID, keyring) {
		if frameErr == nil && s.Offset == 0 {
			return nil, fmt.Errorf("%w: its first part opens with this key and its end does not", object.ErrDamaged)
		}
	}
	return nil, ErrOtherCustomerKey
}

// VaultID returns the id of the vault that is opened or else of the one that is known, zero without either.
func (k *Keyring) VaultID() object.VaultID {
	if k.Vault == nil {
		return k.Of
	}
	return object.VaultID(k.Vault.ID())
}

// ParseCustomerKey reads a customer's key as its owner may keep it: 32 raw bytes, 64 hex digits or base64, each with or without a line ending
// behind it. Exactly 32 bytes are always the key itself: the last of them may look like a line ending. The error never repeats the key.
func ParseCustomerKey(content []byte) (keys.CustomerKey, error) {
	text := withoutLineEnding(content)
	switch len(text) {
	case keys.Size:
		return keys.ParseCustomerKey(text)
	case hex.EncodedLen(keys.Size):
		raw := make([]byte, keys.Size)
		defer clear(raw)
		if _, err := hex.Decode(raw, text); err != nil {
			return keys.CustomerKey{}, errors.New("the customer key has 64 characters and they are not all hex digits")
		}
		return keys.ParseCustomerKey(raw)
	default:
		raw := make([]byte, base64.StdEncoding.DecodedLen(len(text)))
		defer clear(raw)
		n, err := base64.StdEncoding.Decode(raw, text)
		if err != nil || n != keys.Size {
			return keys.CustomerKey{}, fmt.Errorf("the customer key must be 32 raw bytes, 64 hex digits or 44 base64 characters, and it has %d bytes", len(content))
		}
		return keys.ParseCustomerKey(raw[:n])
	}
}

// withoutLineEnding takes nothing away from 32 bytes.
func withoutLineEnding(content []byte) []byte {
	if len(content) == keys.Size {
		return content
	}
	text, found := bytes.CutSuffix(content, []byte("\n"))
	if !found || len(text) == keys.Size {
		return text
	}
	return bytes.TrimSuffix(text, []byte("\r"))
}

// NamedVaultFile returns the vault file that path names: path itself, or of a folder the highest generation in it, as copies lie in the state
// directory, or in its .sallyport/vault. It looks nowhere else, for whoever named a file means that one.
func NamedVaultFile(path string) (*vault.File, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("read vault file: %w", err)
	}
	if !info.IsDir() {
		return readVaultFile(path)
	}
	file, damage := newestIn(path)
	if file != nil {
		return file, nil
	}
	file, err = newestIn(filepath.Join(path, filepath.FromSlash(vault.Directory)))
	switch {
	case file != nil:
		return file, nil // damage was about files that merely have such names
	case err != nil || damage != nil:
		return nil, errors.Join(damage, err)
	}
	return nil, fmt.Errorf("no vault file in %s nor in its %s", path, filepath.FromSlash(vault.Directory))
}

// FindVaultFile returns the newest readable vault file that belongs to what lies at path, a file or a folder: the one in the .sallyport/vault of
// that folder or of the nearest folder above it that has one.
func FindVaultFile(path string) (*vault.File, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("look for the vault file: %w", err)
	}
	dir, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("look for the vault file: %w", err)
	}
	if !info.IsDir() {
		dir = filepath.Dir(dir)
	}
	for from := dir; ; {
		file, err := newestIn(filepath.Join(dir, filepath.FromSlash(vault.Directory)))
		if err != nil || file != nil {
			return file, err
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return nil, fmt.Errorf("no vault file in %s nor in any folder above: name it with --vault-file; a copy is in the gateway's state directory",
				filepath.Join(from, filepath.FromSlash(vault.Directory)))
		}
		dir = parent
	}
}

// newestIn returns nil without an error when dir holds no vault file at all, and an error when it holds damaged ones only.
func newestIn(dir string) (*vault.File, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("look for the vault file: %w", err)
	}
	var damage error
	for _, e := range slices.Backward(entries) {
		generation, ok := vault.ParseFileName(e.Name())
		if !ok {
			continue
		}
		file, err := readVaultFile(filepath.Join(dir, e.Name()))
		if err == nil && file.Generation() == generation {
			return file, nil
		}
		if err == nil {
			err = fmt.Errorf("%s: it says that it is generation %d", filepath.Join(dir, e.Name()), file.Generation())
		}
		damage = errors.Join(damage, err)
	}
	return nil, damage
}

func readVaultFile(path string) (*vault.File, error) {
	src, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read vault file: %w", err)
	}
	defer func() { _ = src.Close() }()
	raw, err := io.ReadAll(io.LimitReader(src, vault.MaxFileSize+1)) // one byte more than Parse takes
	if err != nil {
		return nil, fmt.Errorf("read vault file: %w", err)
	}
	file, err := vault.Parse(raw)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return file, nil
}
