package vault

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"sallyport/crypto/chunked"
	"sallyport/crypto/keys"
)

// RecordKind says what a system record is about.
type RecordKind byte

// The kinds of system records.
const (
	RecordBucket RecordKind = 'B'
	RecordName   RecordKind = 'N'
)

const (
	recordMagic   = "\x89SPR\r\n\x1a\n"
	recordVersion = 1
	recordSuite   = 1
	recordHeader  = len(recordMagic) + 4 + 4
	maxRecordName = 0xffff

	// MaxRecordSize is the largest content of a system record in bytes.
	MaxRecordSize = 64 << 10
)

// SealRecord seals a system record under the newest key, bound to this vault and to the backend key it will be stored at.
func (o *Opened) SealRecord(kind RecordKind, backendKey string, content []byte) ([]byte, error) {
	if err := checkRecord(kind, backendKey, content); err != nil {
		return nil, fmt.Errorf("seal system record: %w", err)
	}
	root, err := o.VRK(o.Epoch())
	if err != nil {
		return nil, fmt.Errorf("seal system record: %w", err)
	}
	defer root.Clear()
	key := root.RecordKey()
	defer key.Clear()
	header := append([]byte(recordMagic), recordVersion, recordSuite, byte(kind), 0)
	header = binary.BigEndian.AppendUint32(header, o.Epoch())
	return append(header, seal(key.Reveal(), o.recordContext(header, backendKey), content)...), nil
}

// OpenRecord opens a system record that was read from the given backend key. Bytes that are no record of that kind, an altered one,
// one of another vault and one from another key give [ErrUnsealable]; a later format [ErrTooNew]; a later epoch [ErrUnknownEpoch],
// after which the caller loads the newest vault file and tries again.
func (o *Opened) OpenRecord(kind RecordKind, backendKey string, data []byte) ([]byte, error) {
	content, err := o.openRecord(kind, backendKey, data)
	if err != nil {
		return nil, fmt.Errorf("open system record: %w", err)
	}
	return content, nil
}

func (o *Opened) openRecord(kind RecordKind, backendKey string, data []byte) ([]byte, error) {
	if len(data) < recordHeader || !bytes.HasPrefix(data, []byte(recordMagic)) || len(backendKey) > maxRecordName ||
		int64(len(data)) > int64(recordHeader)+chunked.SealedSize(MaxRecordSize) {
		return nil, ErrUnsealable
	}
	header := data[:recordHeader]
	version, suite, found, reserved := header[8], header[9], RecordKind(header[10]), header[11]
	if version != recordVersion || suite != recordSuite || reserved != 0 {
		return nil, ErrTooNew
	}
	if found != kind {
		return nil, ErrUnsealable
	}
	root, err := o.VRK(binary.BigEndian.Uint32(header[12:]))
	if err != nil {
		return nil, err
	}
	defer root.Clear()
	key := root.RecordKey()
	defer key.Clear()
	content, err := chunked.Open(key.Reveal(), o.recordContext(header, backendKey), data[recordHeader:])
	if err != nil {
		return nil, ErrUnsealable
	}
	return content, nil
}

func (o *Opened) recordContext(header []byte, backendKey string) []byte {
	context := append(keys.Label("record"), header...)
	context = append(context, o.file.id[:]...)
	return keys.AppendSized(context, []byte(backendKey))
}

func checkRecord(kind RecordKind, name string, content []byte) error {
	if kind != RecordBucket && kind != RecordName {
		return fmt.Errorf("unknown kind %q", byte(kind))
	}
	if len(name) > maxRecordName {
		return fmt.Errorf("name longer than %d bytes", maxRecordName)
	}
	if len(content) > MaxRecordSize {
		return fmt.Errorf("content larger than %d bytes", MaxRecordSize)
	}
	return nil
}

// BucketRecord is what a bucket's record says: a bucket exists if and only if its record does.
type BucketRecord struct {
	Created time.Time // to the millisecond
}

type bucketShape struct {
	Created int64  `json:"created"`
	Vault   string `json:"vault"`
}

// SealBucket seals a bucket's record for the given backend key.
func (o *Opened) SealBucket(backendKey string, record BucketRecord) ([]byte, error) {
	created := record.Created.UnixMilli()
	if created < 0 || created > lastMillis {
		return nil, errors.New("seal bucket record: creation time out of range")
	}
	return o.SealRecord(RecordBucket, backendKey, encodeJSON(bucketShape{Created: created, Vault: o.file.id.String()}))
}

// OpenBucket opens a bucket's record. Unknown fields are ignored when their names begin with a lower-case letter; others are [ErrTooNew]. Errors are those of [Opened.OpenRecord].
func (o *Opened) OpenBucket(backendKey string, data []byte) (BucketRecord, error) {
	content, err := o.OpenRecord(RecordBucket, backendKey, data)
	if err != nil {
		return BucketRecord{}, err
	}
	fields := readObject("bucket record", content)
	created := fields.unsigned("created", 0, lastMillis)
	var id ID
	fields.identifier("vault", id[:])
	fields.refuseUnknown()
	if errors.Is(fields.err, ErrTooNew) {
		return BucketRecord{}, fmt.Errorf("open bucket record: %w", ErrTooNew)
	}
	if fields.err != nil || id != o.file.id {
		return BucketRecord{}, fmt.Errorf("open bucket record: %w", ErrUnsealable)
	}
	return BucketRecord{Created: time.UnixMilli(int64(created)).UTC()}, nil
}
