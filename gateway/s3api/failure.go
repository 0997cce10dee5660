package s3api

import (
	"fmt"
	"net/http"
)

// failure is an error as the client sees it. code, message, extra and header go out; cause goes to the log only.
type failure struct {
	code    string
	message string
	extra   []field
	header  http.Header
	cause   error
}

// field is one further element of an error answer.
type field struct{ name, value string }

// Error returns code, message and cause, for the log.
func (f *failure) Error() string {
	s := f.code + ": " + f.message
	if f.cause != nil {
		s += ": " + f.cause.Error()
	}
	return s
}

// Unwrap returns the cause.
func (f *failure) Unwrap() error { return f.cause }

func refuse(code, message string) *failure { return &failure{code: code, message: message} }

func refusef(code, format string, args ...any) *failure {
	return &failure{code: code, message: fmt.Sprintf(format, args...)}
}

func (f *failure) with(name, value string) *failure {
	f.extra = append(f.extra, field{name, value})
	return f
}

func (f *failure) because(cause error) *failure {
	f.cause = cause
	return f
}

func (f *failure) setHeader(name, value string) *failure {
	if f.header == nil {
		f.header = http.Header{}
	}
	f.header.Set(name, value)
	return f
}

// invalidArgument is S3's InvalidArgument with the argument it is about.
func invalidArgument(name, value, message string) *failure {
	return refuse("InvalidArgument", message).with("ArgumentName", name).with("ArgumentValue", value)
}

// notImplementedHeader is S3's answer to a header that it, or we, cannot honour.
func notImplementedHeader(name string) *failure {
	return refuse("NotImplemented", "A header you provided implies functionality that is not implemented.").with("Header", name)
}

func malformedXML(cause error) *failure {
	return refuse("MalformedXML", "The XML you provided was not well-formed or did not validate against our published schema.").because(cause)
}

func accessDenied() *failure { return refuse("AccessDenied", "Access Denied") }

// statusOf is the HTTP status of every code this package sends; an unknown code is a programming error and shows as 500.
func statusOf(code string) int {
	switch code {
	case "NotModified":
		return http.StatusNotModified
	case "AuthorizationHeaderMalformed", "AuthorizationQueryParametersError", "BadDigest", "BadRequest", "EntityTooLarge", "EntityTooSmall",
		"IllegalLocationConstraintException", "IncompleteBody", "InvalidArgument", "InvalidBucketName", "InvalidDigest",
		"InvalidEncryptionAlgorithmError", "InvalidLocationConstraint", "InvalidPart", "InvalidPartOrder", "InvalidRequest",
		"InvalidStorageClass", "InvalidToken", "InvalidURI", "KeyTooLongError", "MalformedTrailerError", "MalformedXML", "MaxMessageLengthExceeded", "MetadataTooLarge",
		"MissingRequestBodyError", "MissingSecurityHeader", "RequestHeaderSectionTooLarge", "RequestTimeout", "XAmzContentChecksumMismatch",
		"XAmzContentSHA256Mismatch":
		return http.StatusBadRequest
	case "AccessDenied", "AccessForbidden", "InvalidAccessKeyId", "RequestTimeTooSkewed", "SignatureDoesNotMatch":
		return http.StatusForbidden
	case "NoSuchBucket", "NoSuchBucketPolicy", "NoSuchCORSConfiguration", "NoSuchConfiguration", "NoSuchKey", "NoSuchLifecycleConfiguration",
		"NoSuchPublicAccessBlockConfiguration", "NoSuchTagSet", "NoSuchUpload", "NoSuchVersion", "NoSuchWebsiteConfiguration",
		"ObjectLockConfigurationNotFoundError", "OwnershipControlsNotFoundError", "ReplicationConfigurationNotFoundError",
		"ServerSideEncryptionConfigurationNotFoundError":
		return http.StatusNotFound
	case "MethodNotAllowed":
		return http.StatusMethodNotAllowed
	case "BucketAlreadyOwnedByYou", "BucketNotEmpty", "ConditionalRequestConflict", "OperationAborted":
		return http.StatusConflict
	case "MissingContentLength":
		return http.StatusLengthRequired
	case "PreconditionFailed":
		return http.StatusPreconditionFailed
	case "InvalidPartNumber", "InvalidRange":
		return http.StatusRequestedRangeNotSatisfiable
	case "NotImplemented":
		return http.StatusNotImplemented
	case "ServiceUnavailable", "SlowDown":
		return http.StatusServiceUnavailable
	case "InsufficientStorage":
		return http.StatusInsufficientStorage
	default: // InternalError, ObjectDamaged, ObjectForeign
		return http.StatusInternalServerError
	}
}
