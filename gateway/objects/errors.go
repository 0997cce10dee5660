package objects

import "fmt"

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
