package sigv4

import (
	"errors"
	"fmt"
)

// Reason says why a request is refused; the package comment lists what each becomes towards S3 clients.
type Reason int

// The reasons. Zero is no reason.
const (
	Anonymous Reason = iota + 1
	MultipleAuth
	UnsupportedMechanism
	NotImplemented
	MalformedHeader
	MalformedQuery
	InvalidURI
	InvalidDate
	SecurityToken
	MissingPayloadHash
	InvalidPayloadHash
	UnsignedHeaders
	TimeSkewed
	NotYetValid
	Expired
	SignatureMismatch
)

// String returns the name of the constant.
func (r Reason) String() string {
	names := [...]string{
		"no reason", "Anonymous", "MultipleAuth", "UnsupportedMechanism", "NotImplemented", "MalformedHeader", "MalformedQuery", "InvalidURI", "InvalidDate",
		"SecurityToken", "MissingPayloadHash", "InvalidPayloadHash", "UnsignedHeaders", "TimeSkewed", "NotYetValid", "Expired", "SignatureMismatch",
	}
	if r < 0 || int(r) >= len(names) {
		return fmt.Sprintf("Reason(%d)", int(r))
	}
	return names[r]
}

// ErrAnonymous is what errors.Is finds in the error of a request without authentication.
var ErrAnonymous = errors.New("the request is not authenticated")

// ErrNotImplemented is what errors.Is finds in the error of a request in a SigV4A (ECDSA) form.
var ErrNotImplemented = errors.New("AWS4-ECDSA-P256-SHA256 is not implemented")

// Error is the only error type of this package. Message is fit for clients: it holds no secret and no header value.
type Error struct {
	Reason  Reason
	Message string
	Region  string   // the region to sign for, when the request's was wrong
	Headers []string // UnsignedHeaders: lower-case names, sorted
}

// Error returns the message.
func (e *Error) Error() string { return "verify signature: " + e.Message }

// Unwrap returns ErrAnonymous or ErrNotImplemented where they apply.
func (e *Error) Unwrap() error {
	switch e.Reason {
	case Anonymous:
		return ErrAnonymous
	case NotImplemented:
		return ErrNotImplemented
	default:
		return nil
	}
}

func refuse(reason Reason, format string, args ...any) *Error {
	return &Error{Reason: reason, Message: fmt.Sprintf(format, args...)}
}
