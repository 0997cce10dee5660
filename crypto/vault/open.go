package vault

import (
	"bytes"
	"context"
	"crypto/hmac"
	"errors"
	"fmt"
	"slices"
	"sync"

	"sallyport/config/secret"
	"sallyport/crypto/chunked"
	"sallyport/crypto/keys"
)

// Opened is a vault file whose keys are in memory. It is safe for concurrent use; [Opened.Close] wipes the keys, after which every
// method that needs one returns [ErrClosed]. Keys handed out before are copies and stay usable.
type Opened struct {
	file *File
	with SlotID

	mu   sync.RWMutex
	auth *[authKeySize]byte // nil when closed
	ring *keyring
}

// OpenWithRecoveryKey opens the file with the 64-digit key. No slot of that key gives [ErrWrongKey]; a file that a holder of the
// vault's keys did not write as it is gives [ErrForged].
func (f *File) OpenWithRecoveryKey(key RecoveryKey) (*Opened, error) {
	if key.IsZero() {
		return nil, fmt.Errorf("open vault: %w: no key was given", ErrRecoveryKeyText)
	}
	opened, err := f.openAny(SlotRecovery, func(*slot) ([]byte, error) { return bytes.Clone(key.raw.Reveal()), nil })
	if err != nil {
		return nil, fmt.Errorf("open vault with 64-digit key: %w", err)
	}
	return opened, nil
}

// OpenWithPassword opens the file with a password; it tries every password slot, each at its own cost, so a wrong password takes as
// long as there are slots. Errors are those of [File.OpenWithRecoveryKey], and the context's when it ends between two attempts.
func (f *File) OpenWithPassword(ctx context.Context, hasher *Hasher, password secret.String) (*Opened, error) {
	if password.IsZero() {
		return nil, fmt.Errorf("open vault: %w", errNoPassword)
	}
	opened, err := f.openAny(SlotPassword, func(s *slot) ([]byte, error) { return hasher.derive(ctx, password, s.salt, s.cost) })
	if err != nil {
		return nil, fmt.Errorf("open vault with password: %w", err)
	}
	return opened, nil
}

// openAny tries the slots of one type with what input makes of the secret for each.
func (f *File) openAny(kind SlotType, input func(*slot) ([]byte, error)) (*Opened, error) {
	tried := 0
	for i := range f.slots {
		s := &f.slots[i]
		if s.kind != kind {
			continue
		}
		tried++
		known, err := input(s)
		if err != nil {
			return nil, err
		}
		key := slotKey(f.id, s.id, s.salt, known)
		clear(known)
		opened, err := f.openSlot(s, key)
		clear(key[:])
		if errors.Is(err, ErrWrongKey) {
			continue
		}
		return opened, err
	}
	if tried == 0 && kind == SlotPassword {
		return nil, ErrNoPasswordSlot
	}
	return nil, ErrWrongKey
}

// openSlot is where the file becomes trusted, in this order: the slot opens, its authentication key verifies line 2, and only then are
// public keys and the keyring looked at. The backend knows all public keys and could seal a keyring of its own to them.
func (f *File) openSlot(s *slot, key *[keys.Size]byte) (*Opened, error) {
	plain, err := chunked.Open(key, slotContext("slot-sk", f.id, s.id), s.sealed)
	if errors.Is(err, chunked.ErrCommitment) {
		return nil, ErrWrongKey
	}
	if err != nil || len(plain) != seedSize+authKeySize {
		return nil, ErrForged
	}
	defer clear(plain)
	seed, auth := plain[:seedSize], new([authKeySize]byte(plain[seedSize:]))
	if !hmac.Equal(fileMAC(auth, f.line), f.fileMAC) {
		clear(auth[:])
		return nil, ErrForged
	}
	ring, err := f.openKeyring(s, seed)
	if err != nil {
		clear(auth[:])
		return nil, err
	}
	return &Opened{file: f, with: s.id, auth: auth, ring: ring}, nil
}

func (f *File) openKeyring(s *slot, seed []byte) (*keyring, error) {
	private, err := kem().NewPrivateKey(seed)
	if err != nil {
		return nil, fmt.Errorf("%w: private key: %w", ErrForged, err)
	}
	if !bytes.Equal(private.PublicKey().Bytes(), s.public) {
		return nil, fmt.Errorf("%w: the slot's public key is not its own", ErrForged)
	}
	ringKey, err := unwrap(private, s.wrapped, f.id, s.id, f.generation)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrForged, err)
	}
	defer clear(ringKey[:])
	plain, err := chunked.Open(ringKey, keyringContext(f.id, f.generation), f.keyring)
	if err != nil {
		return nil, fmt.Errorf("%w: open keyring: %w", ErrForged, err)
	}
	defer clear(plain)
	ring, err := parseKeyring(plain)
	if errors.Is(err, ErrTooNew) {
		return nil, err
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrForged, err)
	}
	if ring.epoch() != f.epoch {
		ring.clear()
		return nil, fmt.Errorf("%w: the file and its keyring name different epochs", ErrForged)
	}
	newest, _ := ring.find(f.epoch)
	if !hmac.Equal(chainMAC(newest, f.line), f.chainMAC) {
		ring.clear()
		return nil, fmt.Errorf("%w: line 3 does not belong to the vault's key", ErrForged)
	}
	return ring, nil
}

// File returns the file that was opened; now what it says is authentic.
func (o *Opened) File() *File { return o.file }

// ID returns the vault's id.
func (o *Opened) ID() ID { return o.file.id }

// Generation returns the number of the opened file.
func (o *Opened) Generation() uint64 { return o.file.generation }

// Epoch returns the number of the key that new objects are sealed under.
func (o *Opened) Epoch() uint32 { return o.file.epoch }

// Settings returns the vault's settings.
func (o *Opened) Settings() Settings { return o.file.settings }

// OpenedWith returns the slot that opened the vault, and false when a change has since removed or replaced it.
func (o *Opened) OpenedWith() (SlotInfo, bool) {
	s := o.file.find(o.with)
	if s == nil {
		return SlotInfo{}, false
	}
	return s.info(), true
}

func (f *File) find(id SlotID) *slot {
	i := slices.IndexFunc(f.slots, func(s slot) bool { return s.id == id })
	if i < 0 {
		return nil
	}
	return &f.slots[i]
}

// VRK returns a copy of the root key of an epoch. An epoch this generation does not hold gives [ErrUnknownEpoch]: load the newest
// file and ask again. The caller may wipe its copy.
func (o *Opened) VRK(epoch uint32) (keys.VRK, error) {
	o.mu.RLock()
	defer o.mu.RUnlock()
	if o.auth == nil {
		return keys.VRK{}, ErrClosed
	}
	key, ok := o.ring.find(epoch)
	if !ok {
		return keys.VRK{}, fmt.Errorf("find key of epoch %d: %w", epoch, ErrUnknownEpoch)
	}
	return copyVRK(key), nil
}

// Epochs returns the numbers of all keys the vault holds, ascending; nil when closed.
func (o *Opened) Epochs() []uint32 {
	o.mu.RLock()
	defer o.mu.RUnlock()
	if o.auth == nil {
		return nil
	}
	var epochs []uint32
	for _, entry := range o.ring.epochs {
		epochs = append(epochs, entry.epoch)
	}
	return epochs
}

// VNK returns a copy of the name key, which the caller may wipe.
func (o *Opened) VNK() (keys.VNK, error) {
	o.mu.RLock()
	defer o.mu.RUnlock()
	if o.auth == nil {
		return keys.VNK{}, ErrClosed
	}
	return copyVNK(o.ring.names), nil
}

// Close wipes the keys. It may be called more than once and beside other methods, which it waits for.
func (o *Opened) Close() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.auth == nil {
		return
	}
	clear(o.auth[:])
	o.auth = nil
	o.ring.clear()
}
