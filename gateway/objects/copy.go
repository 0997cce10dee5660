package objects

import (
	"context"
	"encoding/hex"
	"errors"

	"sallyport/crypto/object"
	"sallyport/gateway/checksum"
	"sallyport/providers"
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
	Room        Room // for what is read and what is written
}

// Copy re-encrypts the source under the destination's name and key.
func (s *Service) Copy(ctx context.Context, in *CopyInput) (*PutOutput, error) {
	out, err := s.copy(ctx, in)
	if err != nil {
		return nil, fail(in.Bucket, in.Key, err)
	}
	return out, nil
}

func (s *Service) copy(ctx context.Context, in *CopyInput) (*PutOutput, error) {
	leave, err := s.gate.enter(in.Bucket)
	if err != nil {
		return nil, err
	}
	defer leave()
	at, err := s.locate(ctx, in.Bucket, in.Key)
	if err != nil {
		return nil, err
	}
	return restarting(copyOvertaken(), func() (*PutOutput, error) { return s.copyOnce(ctx, at, in) })
}

func (s *Service) copyOnce(ctx context.Context, at *place, in *CopyInput) (*PutOutput, error) {
	src, err := s.read(ctx, &GetInput{
		Bucket: in.Source.Bucket, Key: in.Source.Key, Conditions: in.Source.Conditions, CustomerKey: in.Source.CustomerKey,
		Room: in.Room,
	}, asSource)
	if err != nil {
		return nil, fail(in.Source.Bucket, in.Source.Key, err)
	}
	defer func() { _ = src.Body.Close() }()
	if src.Size > MaxPutSize {
		return nil, refuse(InvalidRequest, "the source is above 5 GiB, which needs a multipart copy")
	}
	onto := in.Source.Bucket == in.Bucket && in.Source.Key == in.Key
	if onto && !in.Replace && !otherKey(in) {
		return nil, refuse(InvalidRequest, "a copy of an object onto itself must change its metadata or its key")
	}
	w := &write{place: at, content: in.Content, size: src.Size, algorithm: in.Algorithm, customer: in.CustomerKey, room: in.Room}
	if !in.Replace {
		w.content = src.Content
	}
	if w.algorithm == checksum.None && src.Checksum != nil {
		w.algorithm = src.Checksum.Algorithm
	}
	w.body = checksum.NewReader(src.Body, promised(src))
	defer func() { _ = w.body.Close() }()
	opts, err := s.admit(ctx, w, &in.Conditions)
	if err != nil {
		return nil, err
	}
	guarded := false
	if guard := (WriteConditions{IfMatch: src.revision}); onto && in.Conditions == (WriteConditions{}) {
		// A write that comes in between is newer than what is being copied, and must stand.
		if guarded = guard.check(at.store().Capabilities(), object.CanonicalSize(src.Size)) == nil; guarded {
			opts.IfMatch = src.revision
		}
	}
	out, err := s.sealAndStore(ctx, w, opts)
	switch {
	case err == nil:
		return out, nil
	case guarded && (providers.Is(err, providers.PreconditionFailed) || providers.Is(err, providers.NotFound)):
		return nil, errChanged
	case in.Conditions.IfMatch != "" && providers.Is(err, providers.PreconditionFailed):
		return nil, s.overtaken(ctx, at, in.Conditions.IfMatch, err)
	}
	if _, ok := errors.AsType[*checksum.Error](err); ok {
		return nil, &Error{Kind: Damaged, Message: "the source does not match its own checksum", Err: err}
	}
	return nil, err
}

// otherKey reports whether a copy changes the key an object is sealed with.
func otherKey(in *CopyInput) bool {
	from, to := in.Source.CustomerKey, in.CustomerKey
	if from == nil || to == nil {
		return from != to
	}
	return !from.Equal(*to)
}

// promised makes a copy verify the source's plaintext against the checksum and the ETag that are stored with it, where these are digests of the whole
// content: a composite checksum and the ETag of several parts are not.
func promised(src *GetOutput) *checksum.Options {
	opts := &checksum.Options{Size: src.Size}
	if c := src.Checksum; c != nil && !c.Composite {
		if value, err := checksum.ParseValue(c.Algorithm, c.Value); err == nil {
			opts.Value = value
		}
	}
	if sum, err := hex.DecodeString(src.ETag); err == nil && len(sum) == 16 {
		opts.ContentMD5 = (*[16]byte)(sum)
	}
	return opts
}
