package vaults

import (
	"encoding/base32"
	"fmt"
	"log/slog"
	"sync"

	"sallyport/config/secret"
	"sallyport/crypto/keys"
	"sallyport/crypto/object"
	"sallyport/crypto/vault"
	"sallyport/providers"
)

// Options say which vault a Vault is. All but Log and State are required; without State nothing is pinned, which suits reading commands only.
type Options struct {
	Name     string // as configured
	Store    *providers.Store
	Patterns []string // of the buckets it owns
	State    *StateDir
	Hasher   *vault.Hasher
	Log      *slog.Logger
}

// Vault is one root with, while it is open, its keys.
type Vault struct {
	name     string
	store    *providers.Store
	patterns []string
	state    *StateDir
	hasher   *vault.Hasher
	log      *slog.Logger

	renewal  *Renewal
	renewing chan struct{} // has room for one, who renews
	refused  refusal       // guarded by renewing

	mu   sync.RWMutex
	ring *ring // nil = locked
}

// ring is an opened vault file with the keys of each epoch derived once.
type ring struct {
	opened *vault.Opened
	epochs map[uint32]epochKeys
}

type epochKeys struct {
	object keys.ObjectKey
	state  keys.StateKey
	cache  keys.CacheKey
}

// New returns a vault that is locked.
func New(opts *Options) *Vault {
	v := &Vault{
		name: opts.Name, store: opts.Store, patterns: append([]string(nil), opts.Patterns...), state: opts.State, hasher: opts.Hasher, log: opts.Log,
		renewing: make(chan struct{}, 1),
	}
	if v.log == nil {
		v.log = slog.New(slog.DiscardHandler)
	}
	return v
}

// Name returns the configured name.
func (v *Vault) Name() string { return v.name }

// Store returns where the vault's bytes lie.
func (v *Vault) Store() *providers.Store { return v.store }

// Lock forgets the keys. Requests under way that hold theirs finish. The keys of the vault file are wiped; those derived from them are left to
// the collector, because a request that took one a moment ago must not find zeros in its place and seal with them.
func (v *Vault) Lock() {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.ring == nil {
		return
	}
	v.ring.opened.Close()
	v.ring = nil
}

func newRing(opened *vault.Opened) (*ring, error) {
	r := &ring{opened: opened, epochs: map[uint32]epochKeys{}}
	for _, e := range opened.Epochs() {
		vrk, err := opened.VRK(e)
		if err != nil {
			return nil, err
		}
		r.epochs[e] = epochKeys{vrk.ObjectKey(), vrk.StateKey(), vrk.CacheKey()}
		vrk.Clear()
	}
	return r, nil
}

func (v *Vault) keyring() (*ring, error) {
	v.mu.RLock()
	defer v.mu.RUnlock()
	if v.ring == nil {
		return nil, fmt.Errorf("vault %q: %w", v.name, ErrLocked)
	}
	return v.ring, nil
}

func (v *Vault) epoch(n uint32) (epochKeys, error) {
	r, err := v.keyring()
	if err != nil {
		return epochKeys{}, err
	}
	k, ok := r.epochs[n]
	if !ok {
		return epochKeys{}, fmt.Errorf("vault %q, epoch %d: %w", v.name, n, ErrUnknownEpoch)
	}
	return k, nil
}

// ID returns the vault's id; ErrLocked when it is not open.
func (v *Vault) ID() (object.VaultID, error) {
	r, err := v.keyring()
	if err != nil {
		return object.VaultID{}, err
	}
	return object.VaultID(r.opened.ID()), nil
}

// Generation returns the number of the opened vault file, false when it is not open.
func (v *Vault) Generation() (uint64, bool) {
	r, err := v.keyring()
	if err != nil {
		return 0, false
	}
	return r.opened.Generation(), true
}

// Policy returns which ETags the vault shows; ErrLocked when it is not open.
func (v *Vault) Policy() (vault.ETagPolicy, error) {
	r, err := v.keyring()
	if err != nil {
		return "", err
	}
	return r.opened.Settings().ETag, nil
}

// NewIdentity returns what a new object sealed by this vault is known by: a fresh salt under the newest epoch, or under none for a
// customer's key.
func (v *Vault) NewIdentity(mode object.Mode) (object.Identity, error) {
	r, err := v.keyring()
	if err != nil {
		return object.Identity{}, err
	}
	id := object.Identity{Mode: mode, VaultID: object.VaultID(r.opened.ID()), Salt: object.NewSalt()}
	if mode == object.ModeVault {
		id.Epoch = r.opened.Epoch()
	}
	return id, nil
}

// ObjectSecret returns the secret of an object in mode V. An epoch that the loaded vault file lacks is ErrUnknownEpoch: the vault was changed
// elsewhere since it was opened; see LearnEpoch.
func (v *Vault) ObjectSecret(id object.Identity) (keys.ObjectSecret, error) {
	k, err := v.epoch(id.Epoch)
	if err != nil {
		return keys.ObjectSecret{}, err
	}
	return k.object.Secret(id.VaultID, id.Epoch, id.Salt), nil
}

// StateKey returns the key that seals upload notes of an epoch.
func (v *Vault) StateKey(epoch uint32) (keys.StateKey, error) {
	k, err := v.epoch(epoch)
	return k.state, err
}

// NewestStateKey returns the key for new upload notes, and its epoch.
func (v *Vault) NewestStateKey() (keys.StateKey, uint32, error) {
	r, err := v.keyring()
	if err != nil {
		return keys.StateKey{}, 0, err
	}
	e := r.opened.Epoch()
	return r.epochs[e].state, e, nil
}

// CacheKey returns the key of the first epoch for cache rows and tokens: it outlives password changes, because what it seals is local or
// short-lived and worthless without the vault.
func (v *Vault) CacheKey() (keys.CacheKey, error) {
	r, err := v.keyring()
	if err != nil {
		return keys.CacheKey{}, err
	}
	return r.epochs[r.opened.Epochs()[0]].cache, nil
}

const (
	ownerAccessKeySize = 10 // bytes; 16 base32 characters
	ownerSecretSize    = 25 // bytes; 40 base32 characters, as long as AWS's
)

// OwnerCredential returns the S3 access key of a single-owner gateway. It is derived from the vault's newest key, so that it is the same at
// every start and nothing of it is stored. A changed or removed password changes it too: whoever was removed must not be able to derive it.
func (v *Vault) OwnerCredential() (accessKey string, secretKey secret.String, err error) {
	r, err := v.keyring()
	if err != nil {
		return "", secret.String{}, err
	}
	vrk, err := r.opened.VRK(r.opened.Epoch())
	if err != nil {
		return "", secret.String{}, fmt.Errorf("derive access key: %w", err)
	}
	defer vrk.Clear()
	raw := keys.Expand(vrk.Reveal()[:], keys.Label("owner-credential"), ownerAccessKeySize+ownerSecretSize)
	defer clear(raw)
	encoding := base32.StdEncoding.WithPadding(base32.NoPadding)
	return "OWNR" + encoding.EncodeToString(raw[:ownerAccessKeySize]), secret.NewString(encoding.EncodeToString(raw[ownerAccessKeySize:])), nil
}
