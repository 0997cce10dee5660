package objects

import (
	"context"
	"errors"
	"math"
	"time"

	"sallyport/crypto/object"
	"sallyport/gateway/vaults"
	"sallyport/providers"
)

// fail turns whatever went wrong below into the one error type that leaves a Service. An *Error stays what it is and only gets its
// object's name. Err is never nil.
func fail(bucket, key string, err error) error {
	e, ok := errors.AsType[*Error](err)
	if !ok {
		e = classify(err)
	}
	if e.Bucket == "" && e.Key == "" {
		named := *e
		named.Bucket, named.Key = bucket, key
		return &named
	}
	return e
}

// classify finds the kind of an error from vaults, crypto or the backend. Anything it does not know is Internal, without detail.
func classify(err error) *Error {
	e := &Error{Err: err}
	for _, known := range []struct {
		err     error
		kind    Kind
		message string
	}{
		{vaults.ErrNoSuchBucket, NoSuchBucket, "the bucket does not exist"},
		{vaults.ErrBucketExists, BucketExists, "the bucket exists already and is yours"},
		{vaults.ErrNoVault, InvalidBucketName, "no vault of this gateway takes buckets of this name"},
		{vaults.ErrLocked, Locked, "the vault is locked; unlock it at the gateway"},
		{vaults.ErrInvalidKey, InvalidKey, "a key must be UTF-8 without NUL and not empty"},
		{vaults.ErrKeyTooLong, KeyTooLong, "the key is too long"},
		{object.ErrMetadataTooLarge, MetadataTooLarge, "key, headers and user metadata together are too large"},
		{errChanged, Unavailable, "the object was replaced while it was being read"},
		{object.ErrInvalidMetadata, InvalidArgument, "a header or metadata name cannot be stored as it is"},
	} {
		if errors.Is(err, known.err) {
			e.Kind, e.Message = known.kind, known.message
			return e
		}
	}
	var p *providers.Error
	switch {
	case errors.As(err, &p):
		e.Kind, e.Message = providerKind(p.Kind)
		e.RetryAfter = int(math.Ceil(p.RetryAfter.Seconds()))
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		e.Kind, e.Message = Canceled, "the request ended before the operation did"
	default:
		e.Kind, e.Message = Internal, "internal error"
	}
	return e
}

// providerKind is the one table from what a backend says to what S3 clients see.
func providerKind(k providers.Kind) (Kind, string) {
	switch k {
	case providers.NotFound:
		return NoSuchKey, "the key does not exist"
	case providers.PreconditionFailed:
		return PreconditionFailed, "a precondition did not hold"
	case providers.Conflict:
		return Conflict, "a concurrent change got in between; nothing was changed"
	case providers.InvalidKey:
		return InvalidKey, "this backend cannot hold exactly this key"
	case providers.TooLarge:
		return EntityTooLarge, "larger than this backend holds"
	case providers.NoSuchUpload:
		return NoSuchUpload, "the upload does not exist"
	case providers.InvalidPart:
		return InvalidPart, "a part is absent or was replaced"
	case providers.Unsupported:
		return Unsupported, "this backend cannot do this safely"
	case providers.Unauthenticated, providers.Denied:
		return BackendDenied, "the backend refuses the gateway's credentials"
	case providers.Throttled:
		return Throttled, "the backend asks to slow down"
	case providers.Unavailable:
		return Unavailable, "the backend is not available at present"
	case providers.UnknownOutcome:
		return Unavailable, "the backend did not say whether the change happened; look before trying again"
	case providers.NoSpace:
		return NoSpace, "the backend is full"
	case providers.ReadOnly:
		return ReadOnly, "the backend accepts no writes at present"
	case providers.Corrupt:
		return Damaged, "the backend contradicts itself about this object"
	case providers.Canceled:
		return Canceled, "the request ended before the operation did"
	case providers.BadBody:
		return IncompleteBody, "the request body ended early or failed"
	case providers.InvalidRange, providers.Internal:
		// A range is only asked for inside a revision whose size is known, so this is our own mistake.
		return Internal, "internal error"
	}
	return Internal, "internal error"
}

// refuse is an error that the service itself decides on.
func refuse(kind Kind, message string) *Error { return &Error{Kind: kind, Message: message} }

// wholeSeconds is a time as clients see it.
func wholeSeconds(t time.Time) time.Time { return t.Truncate(time.Second).UTC() }
