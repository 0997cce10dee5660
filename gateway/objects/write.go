package objects

import (
	"context"
	"time"

	"sallyport/crypto/keys"
	"sallyport/gateway/checksum"
)

// CustomerKey is a key the client sent with the request (SSE-C). It is never stored, logged or forwarded.
type CustomerKey = keys.CustomerKey

// WriteConditions make a write conditional; at most one is set. They are decided atomically by the backend or the write is refused with Unsupported.
type WriteConditions struct {
	IfNoneMatch bool   // If-None-Match: *
	IfMatch     string // an ETag as clients see it, without quotes
}

// Content is what a client says of an object besides its bytes. Names are lower-case; values raw bytes.
type Content struct {
	Headers  map[string]string // content-type, cache-control, content-disposition, content-encoding, content-language, expires
	Metadata map[string]string // user metadata without the x-amz-meta- prefix
}

// Checksum is an S3 checksum as clients see it: Value is base64, with -N when composite.
type Checksum struct {
	Algorithm checksum.Algorithm
	Composite bool
	Value     string
}

// PutInput is one PutObject.
type PutInput struct {
	Bucket, Key string
	Content
	Size        int64              // plaintext bytes, exact
	Body        *checksum.Reader   // verifies what the client promised before it says io.EOF; its digests feed ETag and checksum
	Algorithm   checksum.Algorithm // stored checksum; the zero value = none asked, then CRC64NVME is computed as AWS does
	CustomerKey *CustomerKey
	Conditions  WriteConditions
}

// PutOutput is what the answer shows.
type PutOutput struct {
	ETag     string // without quotes
	Checksum *Checksum
	ModTime  time.Time
}

// Put seals and stores one object. It returns only after the backend called it durable and the client's digests matched.
func (s *Service) Put(ctx context.Context, in *PutInput) (*PutOutput, error) {
	out, err := s.put(ctx, in)
	if err != nil {
		return nil, fail(in.Bucket, in.Key, err)
	}
	return out, nil
}

// ParseCustomerKey takes the 32 raw bytes of a customer's key. The error never repeats them.
func ParseCustomerKey(raw []byte) (*CustomerKey, error) {
	key, err := keys.ParseCustomerKey(raw)
	if err != nil {
		return nil, refuse(InvalidArgument, "a customer key must have 32 bytes")
	}
	return &key, nil
}
