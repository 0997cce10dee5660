package s3

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"sallyport/providers/driver"
)

const (
	firstNote   = "0"
	doneNote    = "done"
	maxUploadID = 1024
	// maxNoteRecord bounds what is read of a note.
	maxNoteRecord = 2 + maxUploadID + 2 + maxName + driver.MaxNote
)

var errNote = errors.New("damaged note")

// folderOf returns the folder of an upload's notes, below the prefix.
func folderOf(id string) string {
	sum := sha256.Sum256([]byte(id))
	return uploadsDir + hex.EncodeToString(sum[:]) + "/"
}

// encodeNote is lp(upload id) ‖ lp(key) ‖ note, lp being a big-endian 16-bit length before the bytes.
func encodeNote(up driver.Upload, note []byte) []byte {
	b := make([]byte, 0, 4+len(up.ID)+len(up.Key)+len(note))
	b = binary.BigEndian.AppendUint16(b, uint16(len(up.ID)))
	b = append(b, up.ID...)
	b = binary.BigEndian.AppendUint16(b, uint16(len(up.Key)))
	b = append(b, up.Key...)
	return append(b, note...)
}

// decodeNote undoes encodeNote. The note is a slice of b.
func decodeNote(b []byte) (up driver.Upload, note []byte, err error) {
	id, b, ok := cutPrefixed(b)
	if !ok || len(id) == 0 || len(id) > maxUploadID {
		return up, nil, fmt.Errorf("%w: upload id", errNote)
	}
	key, b, ok := cutPrefixed(b)
	if !ok || !driver.ValidKey(string(key), maxName) {
		return up, nil, fmt.Errorf("%w: key", errNote)
	}
	if len(b) > driver.MaxNote {
		return up, nil, fmt.Errorf("%w: length", errNote)
	}
	return driver.Upload{ID: string(id), Key: string(key)}, b, nil
}

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

// noteRecord is a note as it is stored.
type noteRecord struct {
	upload driver.Upload
	note   driver.Note
}

// putNote stores one note.
func (b *Bucket) putNote(ctx context.Context, op string, up driver.Upload, name string, note []byte) error {
	record := encodeNote(up, note)
	_, err := b.putObject(ctx, op, up.Key, b.names.prefix+folderOf(up.ID)+name, bytes.NewReader(record), int64(len(record)), &driver.PutOptions{}, nil)
	return err
}

// getNote reads one note by its path below the prefix. A damaged one, or one in another upload's folder, is Corrupt.
func (b *Bucket) getNote(ctx context.Context, op, path string) (*noteRecord, error) {
	body, info, err := b.get(ctx, op, "", b.names.prefix+path, &driver.GetOptions{})
	if err != nil {
		return nil, err
	}
	defer body.Close()
	data, err := io.ReadAll(io.LimitReader(body, maxNoteRecord+1))
	if err != nil {
		return nil, err
	}
	up, note, err := decodeNote(data)
	if err == nil && !strings.HasPrefix(path, folderOf(up.ID)) {
		err = fmt.Errorf("%w: it lies in another upload's folder", errNote)
	}
	if err != nil {
		return nil, fail(driver.Corrupt, op, "", fmt.Errorf("read note %s: %w", path, err))
	}
	return &noteRecord{upload: up, note: driver.Note{Name: path[strings.LastIndexByte(path, '/')+1:], Data: note, ModTime: info.ModTime}}, nil
}

const maxCached = 8 << 20 // bytes of notes

// noteCache keeps first notes, which never change, by path and ETag.
type noteCache struct {
	mu      sync.Mutex
	entries map[string]cachedNote
	size    int
}

type cachedNote struct {
	etag    string
	modTime time.Time
	record  noteRecord
}

func (c *noteCache) get(path, etag string, modTime time.Time) (noteRecord, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.entries[path]
	return e.record, ok && e.etag == etag && e.modTime.Equal(modTime)
}

func (c *noteCache) put(path, etag string, modTime time.Time, record *noteRecord) {
	size := len(path) + len(record.upload.ID) + len(record.upload.Key) + len(record.note.Data) + 200
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.size += size; c.size > maxCached {
		clear(c.entries)
		c.size = size
	}
	c.entries[path] = cachedNote{etag: etag, modTime: modTime, record: *record}
}
