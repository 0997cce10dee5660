// Package object is the object file: one or more sealed frames, zero padding, a sealed table when there are several frames, and a
// sealed tail of fixed size that holds the metadata.
//
// It promises that the length of a file follows from the length of its plaintext and nothing else, in both directions; that a reader
// releases only bytes that were verified and belong where they are read; that frames, tables and tails of different objects, or of
// different attempts to send the same part, cannot be combined; and that frames can be found and opened when tail or table are lost.
// It does not promise freshness: an older file in the place of a newer one opens.
//
// It knows no backend and no HTTP: files are readers and byte ranges. Types are safe for one goroutine at a time, except that a
// [Layout] is immutable and may be shared.
//
// Specification: docs/FORMAT.md sections 2, 3 and 6.
package object

import (
	"errors"

	"sallyport/crypto/chunked"
)

var (
	// ErrForeign says that the bytes do not bear the magic of an object file.
	ErrForeign = errors.New("not an object file")
	// ErrUnsupported says that the file is of another version, suite or mode than this program knows, or has flags set.
	ErrUnsupported = errors.New("object file of an unsupported version, suite or mode")
	// ErrWrongKey says that the tail was not sealed with this key, or that its clear bytes were altered: the two cannot be told apart.
	ErrWrongKey = errors.New("key does not fit the object")
	// ErrDamaged says that the object is not what was sealed: altered, cut, extended, or put together from several. It never says
	// where.
	ErrDamaged = errors.New("object is damaged")
	// ErrMetadataTooLarge says that bucket, key, headers and user metadata together exceed what a tail holds.
	ErrMetadataTooLarge = errors.New("metadata too large")
	// ErrInvalidMetadata says that metadata cannot be stored as it is: a string that must be UTF-8 is not, or a name is not lower-case.
	ErrInvalidMetadata = errors.New("invalid metadata")
	// ErrTooLong says that a source held more bytes than announced. A shorter one gives io.ErrUnexpectedEOF.
	ErrTooLong = chunked.ErrTooLong
)
