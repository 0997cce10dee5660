package objects

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"sallyport/crypto/object"
	"sallyport/crypto/vault"
	"sallyport/gateway/vaults"
	"sallyport/providers"
)

// Kind says what went wrong, in terms of S3. Package s3api has the table from Kind to code and status.
type Kind int

// The kinds. Internal is the zero value: an unclassified failure shows no detail to clients.
const (
	Internal Kind = iota
	NoSuchBucket
	NoSuchKey
	NoSuchUpload
	BucketExists   // owned by the caller
	BucketNotEmpty // delete refused
	InvalidBucketName
	InvalidKey // the backend cannot hold this key exactly
	KeyTooLong
	MetadataTooLarge
	EntityTooLarge
	EntityTooSmall // a part but the last is below 5 MiB
	InvalidPart
	InvalidPartOrder
	InvalidRange
	PreconditionFailed
	NotModified
	Conflict // ConditionalRequestConflict: a concurrent change, nothing done
	InvalidRequest
	InvalidArgument
	BadDigest        // Content-MD5 does not match
	ChecksumMismatch // x-amz-checksum-* does not match
	IncompleteBody
	CustomerKeyRequired // the object is sealed with a customer key and none was sent
	CustomerKeyUnwanted // a customer key was sent for an object sealed by the vault
	CustomerKeyWrong    // the key does not open the object
	Locked              // the vault is not open
	Foreign             // the stored file is not ours
	Damaged             // ours, and it does not verify
	Misplaced           // ours and intact, and it belongs under another name
	Unsupported         // 501: the backend cannot do this safely
	Throttled
	Unavailable
	NoSpace
	ReadOnly
	BackendDenied
	Canceled
	NoRoom // a Room refused
)

// Error is the only error type a Service returns. Message is for clients: it names what happened and what to do, never a secret, never
// a backend path. Err is the cause, for the log only.
type Error struct {
	Kind        Kind
	Bucket, Key string
	Message     string
	RetryAfter  int    // seconds; 0 = unsaid
	ActualSize  int64  // InvalidRange: the object's size
	ETag        string // NotModified: what the answer shows
	Err         error
}

// Error returns message and cause, for the log.
func (e *Error) Error() string {
	s := e.Message
	if e.Bucket != "" {
		s = fmt.Sprintf("%s/%s: %s", e.Bucket, e.Key, s)
	}
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

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
		{vault.ErrUnknownEpoch, Damaged, "the record of the bucket is sealed under an epoch that this gateway's vault file does not know: if the vault's password was changed elsewhere, see that this gateway's configuration names the key or the new password, and restart it; else the record was altered"},
		{vaults.ErrBucketRecord, Damaged, "the record of the bucket does not verify: put back an intact copy of its file below .sallyport/buckets/, or remove that file and create the bucket again; the bucket's objects are not touched by either"},
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
		return InvalidKey, "this storage cannot hold exactly this key, or not beside an object that has the name of its folder or lies below it"
	case providers.TooLarge:
		return EntityTooLarge, "larger than this backend holds"
	case providers.NoSuchUpload:
		return NoSuchUpload, "the upload does not exist"
	case providers.InvalidPart:
		return InvalidPart, "a part is absent or was replaced"
	case providers.Unsupported:
		return Unsupported, "this backend cannot do this safely"
	case providers.Unauthenticated, providers.Denied:
		return BackendDenied, "the backend denies the gateway this access"
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
