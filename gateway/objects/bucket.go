package objects

import (
	"context"
	"errors"
	"time"

	"sallyport/gateway/vaults"
	"sallyport/providers"
)

// BucketInfo is one bucket.
type BucketInfo struct {
	Name    string
	Created time.Time
}

// CreateBucket makes a bucket; BucketExists if it is there already.
func (s *Service) CreateBucket(ctx context.Context, name string) error {
	if !vaults.ValidBucketName(name) {
		return fail(name, "", refuse(InvalidBucketName, "a bucket name has 3 to 63 of a-z, 0-9, dot and hyphen, and is no IP address"))
	}
	if err := s.vaults.CreateBucket(ctx, name); err != nil {
		return fail(name, "", s.checkRecord(name, err))
	}
	return nil
}

// HeadBucket returns the bucket or NoSuchBucket.
func (s *Service) HeadBucket(ctx context.Context, name string) (*BucketInfo, error) {
	b, err := s.bucket(ctx, name)
	if err != nil {
		return nil, fail(name, "", err)
	}
	return &BucketInfo{Name: b.Name, Created: b.Created}, nil
}

// bucket finds an existing bucket. A name that no bucket can have never reaches the backend.
func (s *Service) bucket(ctx context.Context, name string) (*vaults.Bucket, error) {
	if !vaults.ValidBucketName(name) {
		return nil, vaults.ErrNoSuchBucket
	}
	b, err := s.vaults.Bucket(ctx, name)
	return b, s.checkRecord(name, err)
}

// checkRecord raises the alarm for a bucket record that does not verify.
func (s *Service) checkRecord(name string, err error) error {
	if !errors.Is(err, vaults.ErrBucketRecord) {
		return err
	}
	vault := ""
	if v, ownerErr := s.vaults.Owner(name); ownerErr == nil {
		vault = v.Name()
	}
	s.alarm(vault, name, "", err.Error())
	return err
}

// DeleteBucket removes an empty bucket and aborts its open uploads. While a write into it is under way at this gateway it answers Conflict.
func (s *Service) DeleteBucket(ctx context.Context, name string) error {
	if err := s.deleteBucket(ctx, name); err != nil {
		return fail(name, "", err)
	}
	return nil
}

func (s *Service) deleteBucket(ctx context.Context, name string) error {
	open, err := s.gate.shut(name)
	if err != nil {
		return err
	}
	defer open()
	b, err := s.bucket(ctx, name)
	if err != nil {
		return err
	}
	if err := mustBeEmpty(ctx, b); err != nil {
		return err
	}
	if err := s.abortUploads(ctx, b); err != nil {
		return err
	}
	// From here on a client that leaves must not keep the record from being put back.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupTimeout)
	defer cancel()
	if err := s.vaults.DeleteBucketRecord(ctx, name); err != nil {
		return err
	}
	err = mustBeEmpty(ctx, b)
	if err == nil {
		return nil
	}
	// Another gateway stored an object after the first look, or we cannot tell: with its record the bucket stays reachable.
	if again := s.vaults.CreateBucket(ctx, name); again != nil && !errors.Is(again, vaults.ErrBucketExists) {
		return errors.Join(err, again)
	}
	return err
}

func mustBeEmpty(ctx context.Context, b *vaults.Bucket) error {
	page, err := b.Vault.Store().List(ctx, &providers.ListOptions{Prefix: b.Name + "/", Limit: 1})
	if err != nil {
		return err
	}
	if len(page.Entries) > 0 {
		return refuse(BucketNotEmpty, "the bucket is not empty")
	}
	return nil
}

func (s *Service) abortUploads(ctx context.Context, b *vaults.Bucket) error {
	uploads := b.Vault.Store().Uploads()
	opts := &providers.ListUploadsOptions{Prefix: b.Name + "/"}
	for {
		page, err := uploads.List(ctx, opts)
		if err != nil {
			return err
		}
		for _, up := range page.Uploads {
			if err := uploads.Abort(ctx, up.Upload); err != nil && !providers.Is(err, providers.NoSuchUpload) {
				return err
			}
			s.open.ended(b.Vault.Name())
			opts.After, opts.UploadAfter = up.Key, up.ID
		}
		if !page.More || len(page.Uploads) == 0 {
			return nil
		}
	}
}

// ListBuckets returns the buckets for which allowed answers true, by name. One whose record does not verify is among them, with the time of
// the record's file: it is there, and whoever looks for it must not be told that it is not.
func (s *Service) ListBuckets(ctx context.Context, allowed func(bucket string) bool) ([]BucketInfo, error) {
	all, err := s.vaults.Buckets(ctx)
	if err != nil {
		return nil, fail("", "", err)
	}
	shown := make([]BucketInfo, 0, len(all))
	for _, b := range all {
		if !allowed(b.Name) {
			continue
		}
		if b.Damaged {
			s.alarm(b.Vault.Name(), b.Name, "", "the record of the bucket does not verify")
		}
		shown = append(shown, BucketInfo{Name: b.Name, Created: b.Created})
	}
	return shown, nil
}
