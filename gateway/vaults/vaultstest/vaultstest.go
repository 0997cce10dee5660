// Package vaultstest makes open vaults for tests, with a known key and a password function as cheap as the format permits.
package vaultstest

import (
	"testing"

	"sallyport/crypto/vault"
	"sallyport/gateway/vaults"
	"sallyport/providers"
	"sallyport/providers/mem"
)

// KeyText is the 64-digit key of every vault made here.
const KeyText = "0123 4567 89ab cdef 0123 4567 89ab cdef 0123 4567 89ab cdef 0123 4567 89ab cdef"

// Options choose what New makes; the zero value is one vault over memory that owns every bucket, with MD5 ETags.
type Options struct {
	Store  *providers.Store // nil = memory
	ETag   vault.ETagPolicy // "" = md5
	Locked bool
}

// Hasher returns the cheapest hasher the format permits.
func Hasher(t testing.TB) *vault.Hasher {
	t.Helper()
	h, err := vault.NewHasher(vault.Cost{Time: 1, MemoryKiB: 19 << 10, Lanes: 1})
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// Key returns the key of KeyText.
func Key(t testing.TB) vault.RecoveryKey {
	t.Helper()
	key, err := vault.ParseRecoveryKey(KeyText)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// NewVault returns a vault that owns every bucket. If the store holds a vault already it is opened, not made.
func NewVault(t testing.TB, opts Options) *vaults.Vault {
	t.Helper()
	if opts.Store == nil {
		opts.Store = providers.Open("memory", mem.New(&mem.Options{MaxKey: 2048}), &providers.StoreOptions{})
	}
	if opts.ETag == "" {
		opts.ETag = vault.ETagMD5
	}
	v := vaults.New(&vaults.Options{Name: "test", Store: opts.Store, Patterns: []string{"*"}, Hasher: Hasher(t)})
	exists, err := v.Exists(t.Context())
	if err == nil && !exists {
		err = v.Create(t.Context(), &vaults.CreateOptions{Key: Key(t), ETag: opts.ETag})
	}
	if err == nil && !opts.Locked {
		err = v.Open(t.Context(), vaults.Unlock{Key: Key(t)})
	}
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// New returns a set of one vault made by NewVault.
func New(t testing.TB, opts Options) *vaults.Set {
	t.Helper()
	return vaults.NewSet(nil, NewVault(t, opts))
}
