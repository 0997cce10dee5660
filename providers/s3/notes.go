package s3

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"sallyport/providers/driver"
)

// folderOf returns the folder of an upload's notes, below the prefix.
func folderOf(id string) string {
	return uploadsDir + driver.NoteFolder(id) + "/"
}

// noteRecord is a note as it is stored.
type noteRecord struct {
	upload driver.Upload
	note   driver.Note
}

// putNote stores one note.
func (b *Bucket) putNote(ctx context.Context, op string, up driver.Upload, name string, note []byte) error {
	record := driver.EncodeNote(up, note)
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
	data, err := io.ReadAll(io.LimitReader(body, driver.MaxStoredNote(maxName)+1))
	if err != nil {
		return nil, err
	}
	up, note, err := driver.DecodeNote(data, maxName)
	if err == nil && !strings.HasPrefix(path, folderOf(up.ID)) {
		err = fmt.Errorf("%w: it lies in another upload's folder", driver.ErrDamagedNote)
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
