// Package vaults opens, locks and routes vaults: which vault owns a bucket, which key seals or opens an object, which buckets exist.
//
// A vault is one root at one provider with its own keys (docs/FORMAT.md, "Vault file"). Keys are in memory only, from Open to Lock.
// What has been seen of a vault is pinned in the gateway's state directory, so that a provider which brings back an older vault file, or
// another one, is refused; every generation seen is copied there too, because the vault file is as precious as the key.
//
// It promises: a configured vault without its file is an error and never a reason to make a new one; a new generation is used only
// after it was read back. It does not promise to notice an older vault file before it has pinned a newer one.
//
// All types are safe for concurrent use.
package vaults

import (
	"errors"
	"fmt"
	"path"
	"sync"
	"time"
)

// Errors that callers tell apart.
var (
	ErrNoSuchBucket = errors.New("no such bucket")
	ErrBucketExists = errors.New("bucket exists")
	ErrBucketRecord = errors.New("bucket record does not verify")
	ErrNoVault      = errors.New("no vault is configured for this bucket name")
	ErrLocked       = errors.New("vault is locked")
	ErrInvalidKey   = errors.New("key cannot be held")
	ErrKeyTooLong   = errors.New("key too long")
	ErrNoVaultFile  = errors.New("no vault file")
	ErrVaultExists  = errors.New("a vault exists already")
	ErrUnknownEpoch = errors.New("sealed under an epoch this vault file does not know")
	ErrNoLook       = errors.New("sealed under an epoch this vault file does not know, and whether there is a newer vault file could not be found out")
)

// recordLifetime is how long a bucket record is believed without asking the backend again; another gateway's DeleteBucket is seen after it.
const recordLifetime = 10 * time.Second

// Set is the configured vaults in order: the first whose patterns match a bucket's name owns it.
type Set struct {
	vaults []*Vault
	now    func() time.Time

	mu      sync.Mutex
	records map[string]cachedBucket
	forgets uint64 // counts what was forgotten, so that nothing read before is remembered after
}

type cachedBucket struct {
	bucket *Bucket
	until  time.Time
}

// NewSet returns the vaults in order of precedence. A nil now means time.Now.
func NewSet(now func() time.Time, vaults ...*Vault) *Set {
	if now == nil {
		now = time.Now
	}
	return &Set{vaults: vaults, now: now, records: map[string]cachedBucket{}}
}

// All returns the vaults in order. The slice is the caller's.
func (s *Set) All() []*Vault { return append([]*Vault(nil), s.vaults...) }

// Owner returns the vault that owns buckets of this name, whether or not the bucket exists; ErrNoVault if none does.
func (s *Set) Owner(bucket string) (*Vault, error) {
	for _, v := range s.vaults {
		if v.owns(bucket) {
			return v, nil
		}
	}
	return nil, fmt.Errorf("route bucket %q: %w", bucket, ErrNoVault)
}

func (v *Vault) owns(bucket string) bool {
	for _, p := range v.patterns {
		if ok, err := path.Match(p, bucket); err == nil && ok {
			return true
		}
	}
	return false
}
