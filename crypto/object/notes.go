package object

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"sallyport/crypto/chunked"
	"sallyport/crypto/format"
	"sallyport/crypto/keys"
)

const (
	noteHeaderSize = 40
	// MaxNoteSize bounds a sealed upload note in bytes.
	MaxNoteSize = 16 << 10

	uploadPart = 0      // the part number that stands for the upload itself
	donePart   = 0xffff // and the one that stands for its completion
	maxUpload  = 4096   // bytes of an upload id
)

// Upload says which multipart upload a note belongs to, and what its clear header holds. Identity.Epoch is that of the state key, in
// both modes, and is fixed when the upload is created; in mode C the frames of the object carry epoch 0 nevertheless.
type Upload struct {
	Identity
	ID string // the upload id as the driver gave it
}

// ObjectIdentity returns the identity that the frames, table and tail of the upload's object carry.
func (u Upload) ObjectIdentity() Identity {
	id := u.Identity
	if id.Mode == ModeCustomer {
		id.Epoch = 0
	}
	return id
}

// UploadNote is what is remembered of an upload from its creation on.
type UploadNote struct {
	Bucket, Key       string
	Principal         string
	Headers           map[string]string // as in [Metadata]
	UserMetadata      map[string]string // as in [Metadata]
	ChecksumAlgorithm string            // empty for none
	ChecksumType      string
	TableKey          keys.TableKey // in mode C only, because completion comes without the client's key
	TailKey           keys.TailKey  // likewise
}

// PartNote is what is remembered of one attempt to send one part.
type PartNote struct {
	Part        int
	Plain       int64
	MD5         []byte // 16 bytes or nil
	Checksum    []byte // raw, nil for none
	FrameSalt   [24]byte
	Commitment  [32]byte
	ETag        string // as the client saw it
	BackendETag string // of the part at the backend, empty when held
	Held        string // name of the held frame, empty when the backend has the part
	HeldSHA256  []byte // of the held frame, 32 bytes or nil; lets Complete verify it without the customer's key
}

// DoneNote says that an upload was completed.
type DoneNote struct {
	ETag string // as in [Metadata]: empty where it follows from the backend's
}

// ParseNoteHeader reads the clear bytes of a note, so that the state key can be found: mode, epoch and salt. They are not authenticated
// before the note is opened. The vault id is not among them and stays zero.
func ParseNoteHeader(note []byte) (Identity, error) {
	if len(note) < noteHeaderSize+chunked.HeaderSize+chunked.TagSize || len(note) > MaxNoteSize {
		return Identity{}, ErrForeign
	}
	id := Identity{Mode: Mode(note[1]), Epoch: binary.BigEndian.Uint32(note[4:8]), Salt: Salt(note[8:noteHeaderSize])}
	if note[0] != version || note[2] != 0 || note[3] != 0 || id.Mode != ModeVault && id.Mode != ModeCustomer {
		return Identity{}, ErrUnsupported
	}
	return id, nil
}

func (u Upload) header() []byte {
	b := append(make([]byte, 0, noteHeaderSize), version, byte(u.Mode), 0, 0)
	b = binary.BigEndian.AppendUint32(b, u.Epoch)
	return append(b, u.Salt[:]...)
}

func (u Upload) context(part int) []byte {
	b := append(keys.Label("upload"), u.VaultID[:]...)
	b = keys.AppendSized(b, []byte(u.ID))
	b = binary.BigEndian.AppendUint16(b, uint16(part))
	return append(b, u.header()...)
}

func (u Upload) seal(key keys.StateKey, part int, text []byte) ([]byte, error) {
	if u.Mode != ModeVault && u.Mode != ModeCustomer || u.ID == "" || len(u.ID) > maxUpload {
		return nil, errors.New("seal upload note: no mode, or upload id empty or too long")
	}
	sealed, err := chunked.Seal(key.Reveal(), u.context(part), text)
	if err != nil {
		return nil, err
	}
	note := append(u.header(), sealed...)
	if len(note) > MaxNoteSize {
		return nil, ErrMetadataTooLarge
	}
	return note, nil
}

// open returns the JSON of a note. A note of another upload, part, vault or key gives ErrWrongKey.
func (u Upload) open(key keys.StateKey, part int, note []byte) (*format.Fields, error) {
	id, err := ParseNoteHeader(note)
	if err != nil {
		return nil, err
	}
	if u.ID == "" || len(u.ID) > maxUpload {
		return nil, ErrWrongKey
	}
	id.VaultID = u.VaultID
	if id != u.Identity {
		return nil, ErrWrongKey
	}
	text, err := chunked.Open(key.Reveal(), u.context(part), note[noteHeaderSize:])
	switch {
	case errors.Is(err, chunked.ErrCommitment):
		return nil, ErrWrongKey
	case err != nil:
		return nil, ErrDamaged
	}
	v, err := format.ParseObject(text)
	if err != nil {
		return nil, ErrDamaged
	}
	return format.NewFields(v), nil
}

// filled takes a string that must be there and not be empty.
func filled(f *format.Fields, key string) string {
	text := f.Str(key)
	if text == "" {
		f.Fail(key)
	}
	return text
}

// end refuses a note in which something was wrong. Unknown fields are ignored: notes are never rewritten.
func end(f *format.Fields) error {
	if _, err := f.Unknown(); err != nil {
		return ErrDamaged
	}
	return nil
}

// SealUploadNote seals the note of a new upload. It gives the errors of [Metadata.CheckBudget] for what would not fit into the tail.
func SealUploadNote(key keys.StateKey, u Upload, n *UploadNote) ([]byte, error) {
	m := Metadata{Bucket: n.Bucket, Key: n.Key, Headers: n.Headers, UserMetadata: n.UserMetadata}
	if err := m.CheckBudget(); err != nil {
		return nil, err
	}
	if customer := u.Mode == ModeCustomer; customer == n.TableKey.IsZero() || customer == n.TailKey.IsZero() {
		return nil, errors.New("seal upload note: table and tail key belong to mode C and only to it")
	}
	var e format.Encoder
	m.encodeBudgeted(&e)
	e.Str("pr", n.Principal)
	m.encodeMaps(&e)
	if (n.ChecksumAlgorithm == "") != (n.ChecksumType == "") {
		return nil, errors.New("seal upload note: checksum algorithm and type belong together")
	}
	if n.ChecksumAlgorithm != "" {
		e.Str("ca", n.ChecksumAlgorithm)
		e.Str("ct", n.ChecksumType)
	}
	if u.Mode == ModeCustomer {
		e.Bytes("kt", n.TableKey.Reveal()[:])
		e.Bytes("kl", n.TailKey.Reveal()[:])
	}
	return u.seal(key, uploadPart, e.Finish())
}

// OpenUploadNote opens the note of an upload. Errors are [ErrForeign], [ErrUnsupported], [ErrWrongKey] and [ErrDamaged].
func OpenUploadNote(key keys.StateKey, u Upload, note []byte) (*UploadNote, error) {
	f, err := u.open(key, uploadPart, note)
	if err != nil {
		return nil, err
	}
	n := &UploadNote{Bucket: filled(f, "b"), Key: filled(f, "k"), Principal: f.Str("pr")}
	n.Headers, n.UserMetadata = decodeMap(f, "h", "hx"), decodeMap(f, "m", "mx")
	if f.Has("ca") || f.Has("ct") {
		n.ChecksumAlgorithm, n.ChecksumType = filled(f, "ca"), filled(f, "ct")
	}
	if u.Mode == ModeVault && (f.Has("kt") || f.Has("kl")) {
		f.Fail("kt")
	}
	if u.Mode == ModeCustomer {
		table, tail := f.Bytes("kt", keys.Size), f.Bytes("kl", keys.Size)
		if len(table) == keys.Size && len(tail) == keys.Size {
			n.TableKey, _ = keys.ParseTableKey(table)
			n.TailKey, _ = keys.ParseTailKey(tail)
		}
		clear(table)
		clear(tail)
	}
	if err := end(f); err != nil {
		return nil, err
	}
	return n, nil
}

// SealPartNote seals the note of one attempt to send a part.
func SealPartNote(key keys.StateKey, u Upload, n *PartNote) ([]byte, error) {
	if n.Part < 1 || n.Part > MaxParts || n.Plain < 0 || n.Plain > MaxPlainSize || len(n.Checksum) > maxChecksum {
		return nil, fmt.Errorf("seal part note: part %d is out of range", n.Part)
	}
	if len(n.MD5) != 0 && len(n.MD5) != 16 {
		return nil, errors.New("seal part note: MD5 of wrong length")
	}
	if n.ETag == "" || (n.BackendETag == "") == (n.Held == "") {
		return nil, errors.New("seal part note: it says an ETag, and one place where the part is")
	}
	if len(n.HeldSHA256) != 0 && (len(n.HeldSHA256) != sha256.Size || n.Held == "") {
		return nil, errors.New("seal part note: SHA-256 of wrong length, or of no held frame")
	}
	var e format.Encoder
	e.Int("n", int64(n.Part))
	e.Int("p", n.Plain)
	if len(n.MD5) > 0 {
		e.Bytes("md5", n.MD5)
	}
	if len(n.Checksum) > 0 {
		e.Bytes("ck", n.Checksum)
	}
	e.Bytes("fs", n.FrameSalt[:])
	e.Bytes("fc", n.Commitment[:])
	e.Str("e", n.ETag)
	if n.BackendETag != "" {
		e.Str("be", n.BackendETag)
	}
	if n.Held != "" {
		e.Str("held", n.Held)
	}
	if len(n.HeldSHA256) > 0 {
		e.Bytes("hh", n.HeldSHA256)
	}
	return u.seal(key, n.Part, e.Finish())
}

// OpenPartNote opens the note of one attempt to send the given part. Errors are those of [OpenUploadNote].
func OpenPartNote(key keys.StateKey, u Upload, part int, note []byte) (*PartNote, error) {
	if part < 1 || part > MaxParts {
		return nil, ErrWrongKey
	}
	f, err := u.open(key, part, note)
	if err != nil {
		return nil, err
	}
	n := &PartNote{
		Part: boundedInt(f, "n", math.MaxInt32), Plain: f.Int("p"), Checksum: f.OptionalBytes("ck", -1), ETag: filled(f, "e"),
	}
	switch atBackend, held := f.Has("be"), f.Has("held"); {
	case atBackend == held:
		f.Fail("be")
	case atBackend:
		n.BackendETag = filled(f, "be")
	case held:
		n.Held = filled(f, "held")
	}
	if f.Has("md5") {
		n.MD5 = f.Bytes("md5", 16)
	}
	if n.HeldSHA256 = f.OptionalBytes("hh", sha256.Size); n.HeldSHA256 != nil && n.Held == "" {
		f.Fail("hh")
	}
	copy(n.FrameSalt[:], f.Bytes("fs", len(n.FrameSalt)))
	copy(n.Commitment[:], f.Bytes("fc", len(n.Commitment)))
	if n.Part != part || n.Plain > MaxPlainSize || len(n.Checksum) > maxChecksum {
		f.Fail("n")
	}
	if err := end(f); err != nil {
		return nil, err
	}
	return n, nil
}

// SealDoneNote seals the note of a completed upload.
func SealDoneNote(key keys.StateKey, u Upload, n *DoneNote) ([]byte, error) {
	var e format.Encoder
	e.Str("e", n.ETag)
	return u.seal(key, donePart, e.Finish())
}

// OpenDoneNote opens the note of a completed upload. Errors are those of [OpenUploadNote].
func OpenDoneNote(key keys.StateKey, u Upload, note []byte) (*DoneNote, error) {
	f, err := u.open(key, donePart, note)
	if err != nil {
		return nil, err
	}
	n := &DoneNote{ETag: f.Str("e")}
	if err := end(f); err != nil {
		return nil, err
	}
	return n, nil
}
