package s3

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/minio/minio-go/v7"

	"sallyport/providers/driver"
)

// errClosed says that a call came after Close.
var errClosed = errors.New("the bucket is closed")

// errContradiction is the cause when an answer cannot be what the service means.
var errContradiction = errors.New("the service contradicts itself")

func fail(kind driver.Kind, op, key string, cause error) error {
	return &driver.Error{Kind: kind, Op: op, Key: key, Err: cause}
}

// codeKinds is what the codes of S3's error documents mean here. A code that is not listed means what its status means.
var codeKinds = map[string]driver.Kind{
	"NoSuchKey": driver.NotFound, "NoSuchVersion": driver.NotFound,
	// A bucket that is gone says nothing about an object: it must never read as one that is absent.
	"NoSuchBucket": driver.Unavailable, "NotFound": driver.NotFound,

	"PreconditionFailed": driver.PreconditionFailed,

	"ConditionalRequestConflict": driver.Conflict, "OperationAborted": driver.Conflict, "Conflict": driver.Conflict,

	"KeyTooLongError": driver.InvalidKey, "XMinioInvalidObjectName": driver.InvalidKey, "InvalidObjectName": driver.InvalidKey,
	"XMinioObjectExistsAsDirectory": driver.InvalidKey, "XMinioParentIsObject": driver.InvalidKey, "InvalidURI": driver.InvalidKey,
	"XMinioInvalidResourceName": driver.InvalidKey,
	"ObjectParentIsFile":        driver.InvalidKey, "ExistingObjectIsDirectory": driver.InvalidKey, // versitygw's

	"InvalidRange":   driver.InvalidRange,
	"EntityTooLarge": driver.TooLarge, "MaxMessageLengthExceeded": driver.TooLarge,
	"NoSuchUpload": driver.NoSuchUpload,
	"InvalidPart":  driver.InvalidPart, "InvalidPartOrder": driver.InvalidPart, "EntityTooSmall": driver.InvalidPart,
	"NotImplemented": driver.Unsupported, "XNotImplemented": driver.Unsupported,

	"InvalidAccessKeyId": driver.Unauthenticated, "SignatureDoesNotMatch": driver.Unauthenticated, "InvalidToken": driver.Unauthenticated,
	"ExpiredToken": driver.Unauthenticated, "InvalidTokenId": driver.Unauthenticated, "TokenRefreshRequired": driver.Unauthenticated, "RequestTimeTooSkewed": driver.Unauthenticated,
	"AuthorizationHeaderMalformed": driver.Unauthenticated, "AccessKeyDisabled": driver.Unauthenticated, "InvalidRegion": driver.Unauthenticated,
	"RequestExpired": driver.Unauthenticated,

	"AccessDenied": driver.Denied, "AllAccessDisabled": driver.Denied, "AccountProblem": driver.Denied, "NotSignedUp": driver.Denied,
	"InvalidObjectState": driver.Denied, "ObjectLocked": driver.Denied, "MethodNotAllowed": driver.Denied,

	"SlowDown": driver.Throttled, "SlowDownRead": driver.Throttled, "SlowDownWrite": driver.Throttled, "Throttling": driver.Throttled,
	"ThrottlingException": driver.Throttled, "TooManyRequests": driver.Throttled, "RequestLimitExceeded": driver.Throttled,
	"BandwidthLimitExceeded": driver.Throttled, "RequestThrottled": driver.Throttled, "ReduceYourRequestRate": driver.Throttled,

	"XMinioStorageFull": driver.NoSpace, "QuotaExceeded": driver.NoSpace, "XMinioAdminBucketQuotaExceeded": driver.NoSpace,
	"InsufficientStorage": driver.NoSpace, "ServiceLimitExceeded": driver.NoSpace,
	"XMinioReadQuorum": driver.Unavailable, "ReadOnly": driver.ReadOnly, "XMinioServerReadOnly": driver.ReadOnly,

	// The service found other bytes than were sent: nothing was stored, and the same call may succeed.
	"BadDigest": driver.Unavailable, "XAmzContentSHA256Mismatch": driver.Unavailable, "XAmzContentChecksumMismatch": driver.Unavailable,
	"IncompleteBody": driver.Unavailable, "RequestTimeout": driver.Unavailable,

	"ServiceUnavailable": driver.Unavailable, "XMinioServerNotInitialized": driver.Unavailable, "Busy": driver.Unavailable,
}

// lacksQuorum knows how MinIO says that too few of its drives took part. It sounds like a refusal and is none: some drives may have taken the change, it
// undoes that only where it can, and what enough of them hold is the object from then on.
func lacksQuorum(code string) bool { return code == "SlowDownWrite" || code == "SlowDownRead" }

// isRefusal knows codes of status 5xx with which a service says that it did nothing. Any other 5xx after the whole request leaves open what happened.
func isRefusal(code string) bool {
	if lacksQuorum(code) {
		return false
	}
	switch codeKinds[code] {
	case driver.Throttled, driver.NoSpace, driver.ReadOnly, driver.Unsupported, driver.Conflict:
		return true
	default:
		return code == "XMinioServerNotInitialized"
	}
}

// statusKind is what a status without a known code means.
func statusKind(status int) driver.Kind {
	switch status {
	case http.StatusNotFound:
		return driver.NotFound
	case http.StatusPreconditionFailed:
		return driver.PreconditionFailed
	case http.StatusConflict:
		return driver.Conflict
	case http.StatusRequestedRangeNotSatisfiable:
		return driver.InvalidRange
	case http.StatusUnauthorized:
		return driver.Unauthenticated
	case http.StatusForbidden:
		return driver.Denied
	case http.StatusRequestEntityTooLarge:
		return driver.TooLarge
	case http.StatusTooManyRequests:
		return driver.Throttled
	case http.StatusNotImplemented:
		return driver.Unsupported
	case http.StatusInsufficientStorage:
		return driver.NoSpace
	case http.StatusRequestTimeout, http.StatusInternalServerError, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return driver.Unavailable
	}
	if status >= 500 {
		return driver.Unavailable
	}
	return driver.Internal
}

// call is one request that may have failed.
type call struct {
	op, key string
	x       *exchange
	changes bool // the request changes something at the service
	notKey  bool // a 404 does not speak of the key
}

// classify turns what a request ended with into a driver error; err is not nil.
func (b *Bucket) classify(ctx context.Context, c *call, err error) error {
	if c.x.body != nil {
		source, refused := c.x.body.failure()
		// Once there is an answer the look that was still under way is given up, which is no failure of its own.
		if refused != nil && (c.x.status == 0 || !driver.Is(refused, driver.Canceled)) {
			return refused
		}
		if source != nil {
			return bodyFailure(ctx, c.op, c.key, source)
		}
	}
	open := c.changes && c.x.complete() // whether it happened is open, unless the answer says
	response, answered := errors.AsType[minio.ErrorResponse](err)
	if redirect, ok := errors.AsType[*redirectError](c.x.err); ok {
		return fail(driver.Unauthenticated, c.op, c.key, redirect)
	}
	if errors.Is(c.x.err, errForeignAnswer) {
		if open {
			return fail(driver.UnknownOutcome, c.op, c.key, c.x.err)
		}
		return fail(driver.Unavailable, c.op, c.key, c.x.err)
	}
	if c.x.status == 0 || !answered {
		return b.unanswered(ctx, c, open, err)
	}
	kind, known := codeKinds[response.Code]
	if !known {
		kind = statusKind(c.x.status)
	}
	if c.x.status >= 200 && c.x.status < 300 {
		// An error document behind a status that said success: the service began to answer before it knew.
		if !known {
			kind = driver.Unavailable
		}
		if open && (kind == driver.Unavailable || lacksQuorum(response.Code)) {
			kind = driver.UnknownOutcome
		}
	} else if open && c.x.status >= 500 && !isRefusal(response.Code) {
		kind = driver.UnknownOutcome
	}
	if kind == driver.Unauthenticated {
		b.credentials.Expire() // they may have been rotated already, or read while only one of their files was
	}
	if kind == driver.NotFound && c.notKey {
		kind = driver.Internal
	}
	e := &driver.Error{Kind: kind, Op: c.op, Key: c.key, Err: b.describe(c, &response)}
	if kind == driver.Throttled || kind == driver.Unavailable {
		e.RetryAfter = b.retryAfter(c.x.header)
	}
	return e
}

// unanswered classifies a request without an answer, or with one that could not be read.
func (b *Bucket) unanswered(ctx context.Context, c *call, open bool, err error) error {
	cause := err
	if c.x.err != nil {
		cause = c.x.err // minio-go words some of them anew and drops the cause
	}
	switch {
	case c.x.status >= 400 && c.x.status < 500 && c.x.status != http.StatusNotFound: // that leaves open what is absent, and who says so
		return fail(statusKind(c.x.status), c.op, c.key, cause)
	case open:
		return fail(driver.UnknownOutcome, c.op, c.key, cause)
	case ctx.Err() != nil:
		return fail(driver.Canceled, c.op, c.key, cause)
	case b.closed.Load():
		return fail(driver.Unavailable, c.op, c.key, errClosed)
	case errors.Is(cause, errForbiddenAddress):
		return fail(driver.Denied, c.op, c.key, cause)
	}
	if hint := b.connectionHint(cause); hint != "" {
		return fail(driver.Unavailable, c.op, c.key, fmt.Errorf("%s: %w", hint, cause))
	}
	return fail(driver.Unavailable, c.op, c.key, cause)
}

// describe is the text of an answer, without anything the request held.
func (b *Bucket) describe(c *call, r *minio.ErrorResponse) error {
	text := fmt.Sprintf("%d %s", c.x.status, r.Code)
	if r.Message != "" {
		text += ": " + r.Message
	}
	if r.RequestID != "" {
		text += " (request " + r.RequestID + ")"
	}
	var off time.Duration
	if date, err := http.ParseTime(c.x.header.Get("Date")); err == nil {
		off = b.now().Sub(date)
	}
	if hint := advice(r.Code, r.Region, c.x.permission, c.x.temporary, off); hint != "" {
		text += ": " + hint
	}
	if c.x.status == http.StatusBadRequest && strings.Contains(r.Message, "HTTP request to an HTTPS server") {
		text += ": the service speaks TLS on this port, write https://"
	}
	return errors.New(text)
}

// retryAfter reads the header in both its forms.
func (b *Bucket) retryAfter(header http.Header) time.Duration {
	text := header.Get("Retry-After")
	if seconds, err := strconv.ParseUint(text, 10, 31); err == nil {
		return time.Duration(seconds) * time.Second
	}
	if at, err := http.ParseTime(text); err == nil {
		return max(0, at.Sub(b.now()))
	}
	return 0
}
