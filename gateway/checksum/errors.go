package checksum

import "fmt"

// Reason says what was wrong; the package comment lists what each becomes towards S3 clients.
type Reason int

// The reasons. Zero is no reason.
const (
	BadContentMD5 Reason = iota + 1
	ChecksumMismatch
	PayloadSHA256Mismatch
	InvalidContentMD5
	InvalidValue
	UnknownAlgorithm
	UnsupportedAlgorithm
	MultipleChecksums
	AlgorithmConflict
	MissingChecksum
	InvalidTrailer
	InvalidType
	Incomplete
	TooLong
)

// String returns the name of the constant.
func (r Reason) String() string {
	names := [...]string{
		"no reason", "BadContentMD5", "ChecksumMismatch", "PayloadSHA256Mismatch", "InvalidContentMD5", "InvalidValue", "UnknownAlgorithm",
		"UnsupportedAlgorithm", "MultipleChecksums", "AlgorithmConflict", "MissingChecksum", "InvalidTrailer", "InvalidType", "Incomplete",
		"TooLong",
	}
	if r < 0 || int(r) >= len(names) {
		return fmt.Sprintf("Reason(%d)", int(r))
	}
	return names[r]
}

// Error is the only error type this package makes. Message is fit for clients. Expected and Computed are set on mismatches, in the form
// the client sent (base64, or hex for the payload hash).
type Error struct {
	Reason             Reason
	Algorithm          Algorithm // the algorithm concerned; None for MD5, payload hash and sizes
	Message            string
	Expected, Computed string
	Err                error // the cause, if there is one: what the trailer source returned
}

// Error returns message and cause.
func (e *Error) Error() string {
	if e.Err != nil {
		return "verify checksum: " + e.Message + ": " + e.Err.Error()
	}
	return "verify checksum: " + e.Message
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }
