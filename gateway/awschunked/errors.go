package awschunked

import "fmt"

// Reason says what was wrong; the package comment lists what each becomes towards S3 clients.
type Reason int

// The reasons. Zero is no reason.
const (
	MissingDecodedLength Reason = iota + 1
	InvalidDecodedLength
	InvalidTrailerNames
	MalformedChunk
	Incomplete
	TooLong
	TrailingData
	ChunkSignature
	TrailerSignature
	MalformedTrailer
)

// String returns the name of the constant.
func (r Reason) String() string {
	names := [...]string{
		"no reason", "MissingDecodedLength", "InvalidDecodedLength", "InvalidTrailerNames", "MalformedChunk", "Incomplete", "TooLong", "TrailingData",
		"ChunkSignature", "TrailerSignature", "MalformedTrailer",
	}
	if r < 0 || int(r) >= len(names) {
		return fmt.Sprintf("Reason(%d)", int(r))
	}
	return names[r]
}

// Error is the error type of this package. Message is fit for clients and repeats nothing of the body.
type Error struct {
	Reason  Reason
	Message string
	Err     error // what the source said, with Incomplete
}

// Error returns message and cause.
func (e *Error) Error() string {
	if e.Err != nil {
		return "decode aws-chunked body: " + e.Message + ": " + e.Err.Error()
	}
	return "decode aws-chunked body: " + e.Message
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

func refuse(reason Reason, message string) *Error { return &Error{Reason: reason, Message: message} }
