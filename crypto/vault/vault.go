// Package vault reads and writes the vault file: the one small file that holds every key of a vault, sealed to each of its key slots
// (passwords and 64-digit recovery keys), and the small system records sealed under those keys.
//
// It promises:
//   - [Parse] is strict and bounded, and nothing it returns is believed until a slot opened the file;
//   - an opened file was written whole by somebody who held a key of the vault: no field, public key or keyring is used before the
//     authentication key of the slot has verified the file;
//   - a change of slots is a new generation of the file as bytes; what is in memory and on disk stays as it was until the caller has
//     stored the new one and read it back;
//   - a [Pin] notices older, different and foreign files;
//   - keys and passwords are in no error, log line or printed value.
//
// It does not promise that a removed password or key stops opening copies of the file that somebody took earlier, nor that objects
// written before the removal become unreadable to its holder. Whoever holds, or ever held, a slot can write a file that a gateway
// without a pin believes. It does no I/O: where the file lies, atomic creation and deletion of older generations are the caller's.
//
// Specification: docs/FORMAT.md, section "Vault file".
package vault

import (
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Directory is where the generations of the vault file lie, below the vault's root.
const Directory = ".sallyport/vault/"

const (
	// MaxFileSize is the largest vault file in bytes.
	MaxFileSize = 1 << 20
	// MaxGeneration is the last generation that a file name can hold.
	MaxGeneration = 9_999_999_999

	maxSlots        = 256
	maxOpenerSlots  = 16
	maxLabel        = 128
	fileFormat      = 1
	fileSuite       = 1
	generationWidth = 10
	fileSuffix      = ".json"
)

// FileName returns the name of a generation's file in [Directory], such as 0000000007.json. It panics for a generation that is not
// between 1 and [MaxGeneration].
func FileName(generation uint64) string {
	if generation < 1 || generation > MaxGeneration {
		panic("vault: internal error: generation out of range")
	}
	return fmt.Sprintf("%0*d%s", generationWidth, generation, fileSuffix)
}

// ParseFileName returns the generation that a file in [Directory] claims by its name, and false for any other name.
func ParseFileName(name string) (generation uint64, ok bool) {
	digits, found := strings.CutSuffix(name, fileSuffix)
	if !found || len(digits) != generationWidth {
		return 0, false
	}
	generation, err := strconv.ParseUint(digits, 10, 64)
	if err != nil || generation < 1 || FileName(generation) != name {
		return 0, false
	}
	return generation, true
}

// ID names a vault for life. It is public.
type ID [16]byte

// String returns the 32 lower-case hex digits.
func (id ID) String() string { return hex.EncodeToString(id[:]) }

// ParseID reads 32 lower-case hex digits.
func ParseID(text string) (ID, error) {
	var id ID
	if err := decodeHex(id[:], text); err != nil {
		return ID{}, fmt.Errorf("parse vault id: %w", err)
	}
	return id, nil
}

// SlotID names a key slot within one vault. It is public.
type SlotID [8]byte

// String returns the 16 lower-case hex digits.
func (id SlotID) String() string { return hex.EncodeToString(id[:]) }

// ParseSlotID reads 16 lower-case hex digits.
func ParseSlotID(text string) (SlotID, error) {
	var id SlotID
	if err := decodeHex(id[:], text); err != nil {
		return SlotID{}, fmt.Errorf("parse slot id: %w", err)
	}
	return id, nil
}

func decodeHex(dst []byte, text string) error {
	if len(text) != 2*len(dst) {
		return fmt.Errorf("%d characters, want %d", len(text), 2*len(dst))
	}
	if text != strings.ToLower(text) {
		return errors.New("upper-case hex digit")
	}
	if _, err := hex.Decode(dst, []byte(text)); err != nil {
		return errors.New("not a hex digit")
	}
	return nil
}

// Names says how object names are kept in a vault.
type Names string

// NamesPlain keeps names verbatim. It is the only way of this version: a vault that says another is refused, so that nothing is ever
// written into it under names of the wrong kind.
const NamesPlain Names = "plain"

// ETagPolicy says which ETags a vault shows.
type ETagPolicy string

// The ETag policies: exactly S3's MD5 ones, or ones derived from the backend's.
const (
	ETagMD5    ETagPolicy = "md5"
	ETagOpaque ETagPolicy = "opaque"
)

// Settings are a vault's choices for life.
type Settings struct {
	Names Names
	ETag  ETagPolicy
	// KeyMax is the longest backend key in bytes that encrypted names may grow to.
	KeyMax int
}

const (
	defaultKeyMax = 900
	minKeyMax     = 64
	maxKeyMax     = 65535
)

func (s Settings) validate() error {
	if s.Names != NamesPlain {
		return fmt.Errorf("unknown way of keeping names %q", s.Names)
	}
	if s.ETag != ETagMD5 && s.ETag != ETagOpaque {
		return fmt.Errorf("unknown ETag policy %q", s.ETag)
	}
	if s.KeyMax < minKeyMax || s.KeyMax > maxKeyMax {
		return fmt.Errorf("key_max %d is not between %d and %d", s.KeyMax, minKeyMax, maxKeyMax)
	}
	return nil
}
