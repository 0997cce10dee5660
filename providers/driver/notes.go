package driver

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
)

const (
	// FirstNote is the name of the note that is stored with the upload itself.
	FirstNote = "0"
	// DoneNote is the name of the note that says that the upload was completed.
	DoneNote = "done"
	// MaxNote is the largest note in bytes.
	MaxNote = 16 << 10
	// MaxUploadID is the longest upload id in bytes.
	MaxUploadID = 1 << 10
)

// ErrDamagedNote is the cause when stored bytes are no note.
var ErrDamagedNote = errors.New("damaged note")

// ValidNoteName reports whether name may name a note: 1…64 bytes of [0-9a-z-].
func ValidNoteName(name string) bool {
	if name == "" || len(name) > 64 {
		return false
	}
	for i := range len(name) {
		c := name[i]
		if c != '-' && (c < '0' || c > '9') && (c < 'a' || c > 'z') {
			return false
		}
	}
	return true
}

// NoteFolder returns the name of the folder that an upload's notes lie in: 64 hexadecimal digits, whatever the id holds.
func NoteFolder(uploadID string) string {
	sum := sha256.Sum256([]byte(uploadID))
	return hex.EncodeToString(sum[:])
}

// EncodeNote returns a note as it is stored: lp(upload id) ‖ lp(key) ‖ note, lp being a big-endian 16-bit length before the bytes. Id, key and
// note are what DecodeNote takes.
func EncodeNote(up Upload, note []byte) []byte {
	b := make([]byte, 0, 4+len(up.ID)+len(up.Key)+len(note))
	b = binary.BigEndian.AppendUint16(b, uint16(len(up.ID)))
	b = append(b, up.ID...)
	b = binary.BigEndian.AppendUint16(b, uint16(len(up.Key)))
	b = append(b, up.Key...)
	return append(b, note...)
}

// MaxStoredNote returns how many bytes EncodeNote makes at most of an upload whose key has maxKey bytes at most.
func MaxStoredNote(maxKey int) int64 { return int64(2 + MaxUploadID + 2 + maxKey + MaxNote) }

// DecodeNote undoes EncodeNote; keys keep ValidKey with maxKey. The note is a slice of b. What EncodeNote cannot have made is
// ErrDamagedNote.
func DecodeNote(b []byte, maxKey int) (up Upload, note []byte, err error) {
	id, b, ok := cutPrefixed(b)
	if !ok || len(id) == 0 || len(id) > MaxUploadID {
		return up, nil, fmt.Errorf("%w: upload id", ErrDamagedNote)
	}
	key, b, ok := cutPrefixed(b)
	if !ok || !ValidKey(string(key), maxKey) {
		return up, nil, fmt.Errorf("%w: key", ErrDamagedNote)
	}
	if len(b) > MaxNote {
		return up, nil, fmt.Errorf("%w: length", ErrDamagedNote)
	}
	return Upload{ID: string(id), Key: string(key)}, b, nil
}

// cutPrefixed cuts a field behind its length off b.
func cutPrefixed(b []byte) (field, rest []byte, ok bool) {
	if len(b) < 2 {
		return nil, nil, false
	}
	n := int(binary.BigEndian.Uint16(b))
	if len(b)-2 < n {
		return nil, nil, false
	}
	return b[2 : 2+n], b[2+n:], true
}
