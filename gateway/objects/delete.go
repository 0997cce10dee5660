package objects

import (
	"context"

	"sallyport/providers"
)

// DeleteInput is one DeleteObject. IfMatch is an ETag as clients see it, "*", or "".
type DeleteInput struct {
	Bucket, Key string
	IfMatch     string
}

// Delete removes an object. An absent key is success, as in S3, unless IfMatch is set.
func (s *Service) Delete(ctx context.Context, in *DeleteInput) error {
	if err := s.delete(ctx, in); err != nil {
		return fail(in.Bucket, in.Key, err)
	}
	return nil
}

func (s *Service) delete(ctx context.Context, in *DeleteInput) error {
	at, err := s.locate(ctx, in.Bucket, in.Key)
	if err != nil {
		return err
	}
	if in.IfMatch == "" {
		return at.store().Delete(ctx, at.backendKey, &providers.DeleteOptions{})
	}
	if !at.store().Capabilities().ConditionalDelete {
		return refuse(Unsupported, "this backend cannot decide If-Match of a delete atomically")
	}
	revision, err := s.match(ctx, at, in.IfMatch)
	if err != nil {
		return err
	}
	err = at.store().Delete(ctx, at.backendKey, &providers.DeleteOptions{IfMatch: revision})
	if providers.Is(err, providers.PreconditionFailed) {
		return s.overtaken(ctx, at, in.IfMatch, err)
	}
	return err
}
