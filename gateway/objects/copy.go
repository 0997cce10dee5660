package objects

import (
	"context"

	"sallyport/gateway/checksum"
)

// CopySource names what a copy reads.
type CopySource struct {
	Bucket, Key string
	Conditions  ReadConditions
	CustomerKey *CustomerKey
}

// CopyInput is one CopyObject. With Replace the destination gets Content, else the source's. A copy onto itself without Replace and without a
// change of key mode is InvalidRequest, as in S3.
type CopyInput struct {
	Source      CopySource
	Bucket, Key string
	Replace     bool
	Content
	Algorithm   checksum.Algorithm // zero = keep the source's
	CustomerKey *CustomerKey
	Conditions  WriteConditions
}

// Copy re-encrypts the source under the destination's name and key.
func (s *Service) Copy(ctx context.Context, in *CopyInput) (*PutOutput, error) {
	out, err := s.copy(ctx, in)
	if err != nil {
		return nil, fail(in.Bucket, in.Key, err)
	}
	return out, nil
}
