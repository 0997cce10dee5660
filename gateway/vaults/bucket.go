package vaults

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"sallyport/crypto/vault"
	"sallyport/providers"
)

const (
	systemPrefix  = ".sallyport/"
	bucketsPrefix = systemPrefix + "buckets/"

	// MaxKeyLength is S3's limit on an object's key, in bytes.
	MaxKeyLength = 1024
	// maxRecord bounds what is read of a bucket record; a sealed one is below 300 bytes.
	maxRecord = 4 << 10
)

// Bucket is an existing bucket and the vault that owns it.
type Bucket struct {
	Name    string
	Created time.Time
	Vault   *Vault
	Damaged bool // only in Buckets: the record does not verify, and Created is the time of its file
}

// Bucket returns the bucket of this name; ErrNoSuchBucket when it has no record, ErrLocked when its vault is not open. A found record is
// believed for ten seconds; an absence is never remembered.
func (s *Set) Bucket(ctx context.Context, name string) (*Bucket, error) {
	s.mu.Lock()
	c, ok := s.records[name]
	before := s.forgets
	s.mu.Unlock()
	if ok && s.now().Before(c.until) {
		if _, err := c.bucket.Vault.keyring(); err != nil {
			return nil, fmt.Errorf("open bucket %q: %w", name, err)
		}
		return c.bucket, nil
	}
	v, err := s.Owner(name)
	if err != nil {
		if errors.Is(err, ErrNoVault) {
			return nil, fmt.Errorf("open bucket %q: %w", name, ErrNoSuchBucket)
		}
		return nil, err
	}
	b, err := v.readBucket(ctx, name)
	if err != nil {
		s.forget(name)
		return nil, fmt.Errorf("open bucket %q: %w", name, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.forgets == before { // else it may have been deleted since it was read
		s.records[name] = cachedBucket{b, s.now().Add(recordLifetime)}
	}
	return b, nil
}

func (s *Set) forget(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.records, name)
	s.forgets++
}

func (v *Vault) readBucket(ctx context.Context, name string) (*Bucket, error) {
	ring, err := v.keyring()
	if err != nil {
		return nil, err
	}
	key := bucketsPrefix + name
	body, info, err := v.store.Get(ctx, key, &providers.GetOptions{})
	if err != nil {
		if providers.Is(err, providers.NotFound) || providers.Is(err, providers.InvalidKey) {
			return nil, ErrNoSuchBucket
		}
		return nil, fmt.Errorf("read bucket record: %w", err)
	}
	defer func() { _ = body.Close() }()
	sealed, err := io.ReadAll(io.LimitReader(body, maxRecord+1))
	if err != nil {
		return nil, fmt.Errorf("read bucket record: %w", err)
	}
	if info.Size > maxRecord {
		return nil, fmt.Errorf("read bucket record %q: %d bytes, more than any record has: %w", key, info.Size, ErrBucketRecord)
	}
	record, err := ring.opened.OpenBucket(key, sealed)
	if errors.Is(err, vault.ErrUnknownEpoch) {
		if ring, err = v.renewed(ctx, err); err == nil {
			record, err = ring.opened.OpenBucket(key, sealed)
		}
	}
	if errors.Is(err, ErrNoLook) {
		return nil, fmt.Errorf("open record of bucket %q: %w", name, err)
	}
	if err != nil {
		return nil, fmt.Errorf("open record of bucket %q: %w: %w", name, ErrBucketRecord, err)
	}
	return &Bucket{Name: name, Created: record.Created, Vault: v}, nil
}

// maxCreates is how often CreateBucket tries when the record comes and goes under its hands.
const maxCreates = 3

// CreateBucket writes the record of a new bucket; ErrBucketExists if it has one, ErrBucketRecord if that does not verify. Names are the
// caller's to check. Where the backend can decide it atomically, exactly one of several racing callers succeeds.
func (s *Set) CreateBucket(ctx context.Context, name string) error {
	v, err := s.Owner(name)
	if err != nil {
		return err
	}
	for range maxCreates {
		var created bool
		if created, err = v.createBucket(ctx, name, s.now()); created || err != nil && !providers.Is(err, providers.PreconditionFailed) {
			break
		}
	}
	if err != nil {
		return fmt.Errorf("create bucket %q: %w", name, err)
	}
	s.forget(name)
	return nil
}

// createBucket tries once. What it finds in the way must be a record that opens: only then is the bucket there.
func (v *Vault) createBucket(ctx context.Context, name string, now time.Time) (created bool, err error) {
	ring, err := v.keyring()
	if err != nil {
		return false, err
	}
	key := bucketsPrefix + name
	sealed, err := ring.opened.SealBucket(key, vault.BucketRecord{Created: now})
	if err != nil {
		return false, err
	}
	opts := &providers.PutOptions{IfNoneMatch: v.store.Capabilities().PutIfNoneMatch}
	if !opts.IfNoneMatch {
		if _, err := v.readBucket(ctx, name); !errors.Is(err, ErrNoSuchBucket) {
			return false, existing(err)
		}
	}
	_, err = v.store.Put(ctx, key, bytes.NewReader(sealed), int64(len(sealed)), opts)
	if !providers.Is(err, providers.PreconditionFailed) {
		return err == nil, err
	}
	if _, found := v.readBucket(ctx, name); !errors.Is(found, ErrNoSuchBucket) {
		return false, existing(found)
	}
	return false, err
}

// existing turns what reading a record came to into what CreateBucket says of it.
func existing(err error) error {
	if err == nil {
		return ErrBucketExists
	}
	return err
}

// DeleteBucketRecord removes the record of a bucket that the caller has found empty. Absent is success.
func (s *Set) DeleteBucketRecord(ctx context.Context, name string) error {
	v, err := s.Owner(name)
	if err != nil {
		return err
	}
	defer s.forget(name)
	if err := v.store.Delete(ctx, bucketsPrefix+name, &providers.DeleteOptions{}); err != nil {
		return fmt.Errorf("delete bucket %q: %w", name, err)
	}
	return nil
}

// Buckets returns every bucket of every open vault, by name. One whose record does not verify is among them, marked: a list without it would
// say less than is there. What is no bucket's name is left out: somebody else's file. Vaults that are locked are left out.
func (s *Set) Buckets(ctx context.Context) ([]*Bucket, error) {
	var all []*Bucket
	for _, v := range s.vaults {
		if _, err := v.keyring(); err != nil {
			continue
		}
		records, err := v.bucketRecords(ctx)
		if err != nil {
			return nil, err
		}
		for name, written := range records {
			owner, err := s.Owner(name)
			if err != nil || owner != v {
				continue // shadowed by an earlier vault's pattern, so unreachable
			}
			b, err := s.Bucket(ctx, name)
			switch {
			case errors.Is(err, ErrNoSuchBucket):
				continue
			case errors.Is(err, ErrBucketRecord):
				b = &Bucket{Name: name, Created: written, Vault: v, Damaged: true}
			case err != nil:
				return nil, err
			}
			all = append(all, b)
		}
	}
	slices.SortFunc(all, func(a, b *Bucket) int { return strings.Compare(a.Name, b.Name) })
	return all, nil
}

// bucketRecords returns the files that could be bucket records, by bucket, with their times.
func (v *Vault) bucketRecords(ctx context.Context) (map[string]time.Time, error) {
	found := map[string]time.Time{}
	after := ""
	for {
		page, err := v.store.List(ctx, &providers.ListOptions{Prefix: bucketsPrefix, After: after})
		if err != nil {
			return nil, fmt.Errorf("list buckets of vault %q: %w", v.name, err)
		}
		for _, e := range page.Entries {
			after = e.Key
			if name := strings.TrimPrefix(e.Key, bucketsPrefix); ValidBucketName(name) {
				found[name] = e.ModTime
			}
		}
		if !page.More {
			return found, nil
		}
	}
}

// BackendKey returns where the object lies in the vault's root. The key is any S3 key: 1…1024 bytes of UTF-8 without NUL; else
// ErrInvalidKey or ErrKeyTooLong. That the backend can hold it is the driver's to say.
func (b *Bucket) BackendKey(key string) (string, error) {
	switch {
	case len(key) > MaxKeyLength:
		return "", fmt.Errorf("key of %d bytes, at most %d: %w", len(key), MaxKeyLength, ErrKeyTooLong)
	case key == "" || !utf8.ValidString(key) || strings.ContainsRune(key, 0):
		return "", fmt.Errorf("key must be UTF-8 without NUL and not empty: %w", ErrInvalidKey)
	}
	backend := b.Name + "/" + key
	if limit := b.Vault.store.Capabilities().MaxKey; limit > 0 && len(backend) > limit {
		return "", fmt.Errorf("key of %d bytes, this backend holds %d with the bucket: %w", len(key), limit, ErrKeyTooLong)
	}
	return backend, nil
}

// PlainKey is the inverse of BackendKey; false for a backend key that is not of this bucket.
func (b *Bucket) PlainKey(backendKey string) (string, bool) {
	key, ok := strings.CutPrefix(backendKey, b.Name+"/")
	return key, ok && key != ""
}
