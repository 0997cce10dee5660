package s3api

import (
	"context"
	"errors"
	"strings"

	"sallyport/gateway/awschunked"
	"sallyport/gateway/checksum"
	"sallyport/gateway/objects"
	"sallyport/gateway/sigv4"
)

// describe is the one map from errors to S3's. What the request itself did wrong comes before what the operation made of it, because that is the cause.
func describe(err error) *failure {
	if f, ok := errors.AsType[*failure](err); ok {
		return f
	}
	// A copy's source that contradicts its own checksum is damaged; the digests in the tree are not the client's promise.
	if e, ok := errors.AsType[*objects.Error](err); ok && e.Kind == objects.Damaged {
		return describeObject(e)
	}
	if e, ok := errors.AsType[*sigv4.Error](err); ok {
		return describeSignature(e)
	}
	if e, ok := errors.AsType[*awschunked.Error](err); ok {
		return describeChunks(e)
	}
	if e, ok := errors.AsType[*checksum.Error](err); ok {
		return describeChecksum(e)
	}
	if e, ok := errors.AsType[*objects.Error](err); ok {
		return describeObject(e)
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return refuse("ServiceUnavailable", "The request was cancelled.").because(err)
	}
	return internalError(err)
}

// internalError shows no detail: an error that nobody classified may say anything.
func internalError(cause error) *failure {
	return refuse("InternalError", "We encountered an internal error. Please try again.").because(cause)
}

func describeSignature(e *sigv4.Error) *failure {
	code := map[sigv4.Reason]string{
		sigv4.Anonymous: "AccessDenied", sigv4.MultipleAuth: "InvalidArgument", sigv4.UnsupportedMechanism: "InvalidRequest",
		sigv4.NotImplemented: "NotImplemented", sigv4.MalformedHeader: "AuthorizationHeaderMalformed",
		sigv4.MalformedQuery: "AuthorizationQueryParametersError", sigv4.InvalidURI: "InvalidURI", sigv4.InvalidDate: "AccessDenied",
		sigv4.SecurityToken: "InvalidToken", sigv4.MissingPayloadHash: "InvalidRequest", sigv4.InvalidPayloadHash: "InvalidArgument",
		sigv4.UnsignedHeaders: "AccessDenied", sigv4.TimeSkewed: "RequestTimeTooSkewed", sigv4.NotYetValid: "AccessDenied",
		sigv4.Expired: "AccessDenied", sigv4.SignatureMismatch: "SignatureDoesNotMatch",
	}[e.Reason]
	if code == "" {
		return accessDenied().because(e) // an unknown reason to refuse stays a refusal
	}
	f := refuse(code, e.Message).because(e)
	if e.Region != "" {
		f.with("Region", e.Region)
	}
	if len(e.Headers) > 0 {
		f.with("HeadersNotSigned", strings.Join(e.Headers, ", "))
	}
	return f
}

func describeChunks(e *awschunked.Error) *failure {
	code := map[awschunked.Reason]string{
		awschunked.MissingDecodedLength: "MissingContentLength", awschunked.InvalidDecodedLength: "InvalidArgument",
		awschunked.InvalidTrailerNames: "InvalidRequest", awschunked.MalformedChunk: "InvalidRequest", awschunked.Incomplete: "IncompleteBody",
		awschunked.TooLong: "IncompleteBody", awschunked.TrailingData: "InvalidRequest", awschunked.ChunkSignature: "SignatureDoesNotMatch",
		awschunked.TrailerSignature: "SignatureDoesNotMatch", awschunked.MalformedTrailer: "MalformedTrailerError",
	}[e.Reason]
	if code == "" {
		code = "InvalidRequest"
	}
	return refuse(code, e.Message).because(e)
}

func describeChecksum(e *checksum.Error) *failure {
	code := map[checksum.Reason]string{
		checksum.BadContentMD5: "BadDigest", checksum.ChecksumMismatch: "BadDigest", checksum.PayloadSHA256Mismatch: "XAmzContentSHA256Mismatch",
		checksum.InvalidContentMD5: "InvalidDigest", checksum.UnsupportedAlgorithm: "NotImplemented", checksum.InvalidTrailer: "MalformedTrailerError",
		checksum.Incomplete: "IncompleteBody", checksum.TooLong: "IncompleteBody",
	}[e.Reason]
	if code == "" {
		code = "InvalidRequest"
	}
	f := refuse(code, e.Message).because(e)
	if e.Expected != "" {
		f.with("ExpectedDigest", e.Expected).with("CalculatedDigest", e.Computed)
	}
	return f
}

// describeObject maps the kinds of package objects. A kind without a line here is an InternalError.
func describeObject(e *objects.Error) *failure {
	code, message := objectCode(e.Kind)
	if code == "" {
		return internalError(e)
	}
	if e.Message != "" && showsMessage(e.Kind) {
		message = e.Message
	}
	f := refuse(code, message).because(e)
	switch e.Kind {
	case objects.NoSuchBucket, objects.BucketExists, objects.BucketNotEmpty, objects.InvalidBucketName:
		f.with("BucketName", e.Bucket)
	case objects.NoSuchKey:
		f.with("Key", e.Key)
	case objects.InvalidRange:
		f.with("ActualObjectSize", itoa64(e.ActualSize)).setHeader("Content-Range", "bytes */"+itoa64(e.ActualSize))
	case objects.NotModified:
		if e.ETag != "" {
			f.setHeader("Etag", quoteETag(e.ETag))
		}
	case objects.Throttled, objects.Unavailable, objects.Locked:
		if e.RetryAfter > 0 {
			f.setHeader("Retry-After", itoa(e.RetryAfter))
		}
	default:
	}
	return f
}

// showsMessage reports whether the service's own message tells the client more than S3's standard text.
func showsMessage(k objects.Kind) bool {
	switch k {
	case objects.NoSuchBucket, objects.NoSuchKey, objects.NoSuchUpload, objects.BucketNotEmpty, objects.PreconditionFailed, objects.NotModified, objects.InvalidRange,
		objects.CustomerKeyWrong, objects.BackendDenied, objects.ReadOnly, objects.Canceled, objects.Internal:
		return false
	default:
		return true
	}
}

func objectCode(k objects.Kind) (code, message string) {
	switch k {
	case objects.NoSuchBucket:
		return "NoSuchBucket", "The specified bucket does not exist"
	case objects.NoSuchKey:
		return "NoSuchKey", "The specified key does not exist."
	case objects.NoSuchUpload:
		return "NoSuchUpload", "The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted or completed."
	case objects.BucketExists:
		return "BucketAlreadyOwnedByYou", "Your previous request to create the named bucket succeeded and you already own it."
	case objects.BucketNotEmpty:
		return "BucketNotEmpty", "The bucket you tried to delete is not empty"
	case objects.InvalidBucketName:
		return "InvalidBucketName", "The specified bucket is not valid."
	case objects.InvalidKey:
		return "InvalidArgument", "The storage behind this bucket cannot hold this key."
	case objects.KeyTooLong:
		return "KeyTooLongError", "Your key is too long"
	case objects.MetadataTooLarge:
		return "MetadataTooLarge", "Your metadata headers exceed the maximum allowed metadata size."
	case objects.EntityTooLarge:
		return "EntityTooLarge", "Your proposed upload exceeds the maximum allowed object size."
	case objects.EntityTooSmall:
		return "EntityTooSmall", "Your proposed upload is smaller than the minimum allowed size"
	case objects.InvalidPart:
		return "InvalidPart", "One or more of the specified parts could not be found. The part may not have been uploaded, or the specified entity tag may not match the part's entity tag."
	case objects.InvalidPartOrder:
		return "InvalidPartOrder", "The list of parts was not in ascending order. Parts must be ordered by part number."
	case objects.InvalidRange:
		return "InvalidRange", "The requested range is not satisfiable"
	case objects.PreconditionFailed:
		return "PreconditionFailed", "At least one of the pre-conditions you specified did not hold"
	case objects.NotModified:
		return "NotModified", "Not Modified"
	case objects.Conflict:
		return "ConditionalRequestConflict", "The conditional request cannot succeed due to a conflicting operation against this resource."
	case objects.InvalidRequest:
		return "InvalidRequest", "Invalid Request"
	case objects.InvalidArgument:
		return "InvalidArgument", "Invalid Argument"
	case objects.BadDigest:
		return "BadDigest", "The Content-MD5 you specified did not match what we received."
	case objects.ChecksumMismatch:
		return "BadDigest", "The checksum you specified did not match the calculated checksum."
	case objects.IncompleteBody:
		return "IncompleteBody", "You did not provide the number of bytes specified by the Content-Length HTTP header"
	default:
		return storageCode(k)
	}
}

// storageCode maps the kinds that are about keys and the storage behind, for most of which S3 has no code of its own.
func storageCode(k objects.Kind) (code, message string) {
	switch k {
	case objects.CustomerKeyRequired:
		return "InvalidRequest", "The object was stored using a form of Server Side Encryption. The correct parameters must be provided to retrieve the object."
	case objects.CustomerKeyUnwanted:
		return "InvalidRequest", "The encryption parameters are not applicable to this object."
	case objects.CustomerKeyWrong:
		return "AccessDenied", "Access Denied"
	case objects.Locked:
		return "ServiceUnavailable", "The vault of this bucket is locked."
	case objects.Foreign:
		return "ObjectForeign", "What is stored under this key was not written by this gateway, and it was not touched."
	case objects.Damaged:
		return "ObjectDamaged", "The stored object is damaged: it does not verify, so nothing of it is given out."
	case objects.Misplaced:
		return "ObjectDamaged", "The stored object belongs under another name: it was moved or copied outside of the gateway."
	case objects.Unsupported:
		return "NotImplemented", "The storage behind this bucket cannot do this safely."
	case objects.Throttled, objects.NoRoom:
		return "SlowDown", "Please reduce your request rate."
	case objects.Unavailable:
		return "ServiceUnavailable", "The storage behind this bucket is not available. Please try again."
	case objects.NoSpace:
		return "InsufficientStorage", "The storage behind this bucket is full."
	case objects.ReadOnly:
		// Not AccessDenied: the client's rights are not to blame, and it may well try again once the gateway's are put right.
		return "ServiceUnavailable", "The storage behind this bucket is read-only and denies the gateway this access. Whoever runs the gateway has to look at it."
	case objects.BackendDenied:
		return "ServiceUnavailable", "The storage behind this bucket denies the gateway this access. Whoever runs the gateway has to look at its rights there."
	case objects.Canceled:
		return "ServiceUnavailable", "The request was cancelled."
	default: // Internal and what is yet to come
		return "", ""
	}
}

func keyTooLong(size int) *failure {
	return refuse("KeyTooLongError", "Your key is too long").with("Size", itoa(size)).with("MaxSizeAllowed", itoa(maxKey))
}

// isKind reports whether an error of package objects is of the kind.
func isKind(err error, kind objects.Kind) bool {
	e, ok := errors.AsType[*objects.Error](err)
	return ok && e.Kind == kind
}
