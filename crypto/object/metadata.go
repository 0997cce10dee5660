package object

import (
	"bytes"
	"time"

	"sallyport/crypto/chunked"
	"sallyport/crypto/format"
)

const (
	// MetadataBudget bounds, in bytes, the JSON of bucket, key, headers and user metadata.
	MetadataBudget = 3168
	metadataSize   = TailSize - tailClearSize - chunked.HeaderSize - chunked.TagSize // JSON and the zeros behind it
)

// Metadata is what an object's tail says about it.
type Metadata struct {
	Plain      int64    // plaintext bytes
	Frames     int      // number of frames, at least 1
	PartNumber *int     // exactly when there is one frame: 0 after a PUT, else the number of its only part
	FrameSalt  [24]byte // of the only frame, or of the table when there are several
	Commitment [32]byte // likewise

	Bucket, Key  string
	ETag         string            // without quotes, empty when the vault's policy is opaque
	Checksum     *Checksum         // nil when none was asked for
	Headers      map[string]string // content headers, lower-case names
	UserMetadata map[string]string // without prefix, lower-case names; values are raw bytes
	Time         time.Time         // whole milliseconds; later digits are cut off
	Writer       int               // number of the sealed credential that wrote the object, 0 for none

	unknown []format.Member // fields of a later version, kept on rewrite
}

// Checksum is a checksum as S3 knows it.
type Checksum struct {
	Algorithm string // CRC32, CRC32C, CRC64NVME, SHA1, SHA256, ...
	Type      string // FULL_OBJECT or COMPOSITE
	Value     string // S3's text
	PartValue string // the part's own value, exactly when there is one part by multipart

	unknown []format.Member
}

// byMultipartOfOne reports whether the object has one frame and that was a part.
func (m *Metadata) byMultipartOfOne() bool {
	return m.Frames == 1 && m.PartNumber != nil && *m.PartNumber > 0
}

// CheckBudget says whether bucket, key, headers and user metadata fit and can be stored, before anything is uploaded. It gives
// [ErrMetadataTooLarge] or [ErrInvalidMetadata].
func (m *Metadata) CheckBudget() error {
	if err := m.checkText(); err != nil {
		return err
	}
	var e format.Encoder
	m.encodeBudgeted(&e)
	m.encodeMaps(&e)
	if len(e.Finish()) > MetadataBudget {
		return ErrMetadataTooLarge
	}
	return nil
}

// decodeMetadata reads the opened content of a tail: JSON and zeros behind it.
func decodeMetadata(content []byte) (*Metadata, error) {
	m, err := parseMetadata(bytes.TrimRight(content, "\x00"))
	if err != nil {
		return nil, ErrDamaged
	}
	return m, nil
}
