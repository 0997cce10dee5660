package cache

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"time"

	"sallyport/crypto/chunked"
	"sallyport/crypto/keys"
)

// magic begins a file of rows; a file of another beginning is replaced.
const magic = "\x89SPC\r\n\x1a\n"

const (
	batchRows = 1024            // rows that wait at most before they are written
	batchAge  = 5 * time.Second // how long they wait at most while rows keep coming
	maxBatch  = 4 * batchRows * rowSize
)

// file is one vault's rows on disk: magic, then batches of u32 length ‖ COB(K_cache, "cache" ‖ vault id, rows), the oldest first. Batches are
// appended, and the file is written anew when it has grown to twice what memory holds. Nothing is synced: a lost batch costs time only.
type file struct {
	path    string
	mu      sync.Mutex // guards everything below and the file itself
	pending []row
	flushed time.Time
	stored  int  // rows in the file, those included that memory has forgotten
	closed  bool // the vault is locked: nothing more is kept
}

func newFile(dir string, vault [16]byte) *file {
	return &file{path: filepath.Join(dir, hex.EncodeToString(vault[:])+".etags")}
}

func context(vault [16]byte) []byte { return append(keys.Label("cache"), vault[:]...) }

// load takes the file's rows into memory. Whatever does not open is dropped from the file.
func (f *file) load(v *View) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.flushed = v.cache.now()
	sound := f.scan(v, func(r row) {
		f.stored++
		v.cache.mu.Lock()
		v.cache.rows.put(r)
		v.cache.mu.Unlock()
	})
	if sound && f.stored <= 2*v.cache.rows.limit {
		return
	}
	if err := f.rewrite(v); err != nil {
		v.cache.log.Warn("etag cache not rewritten", "error", err)
	}
}

// scan calls each for every row of the file and reports whether all of the file was as we wrote it. An absent file is sound.
func (f *file) scan(v *View, each func(row)) bool {
	in, err := os.Open(f.path)
	if err != nil {
		return errors.Is(err, os.ErrNotExist)
	}
	defer in.Close()
	return scanBatches(in, v.seal, v.vault, each)
}

// scanBatches reads what a file holds. It stops where a length makes no sense, because nothing behind it can be found, and passes over
// batches that do not open: those of an earlier epoch, for instance.
func scanBatches(in io.Reader, key *[keys.Size]byte, vault [16]byte, each func(row)) bool {
	r := bufio.NewReader(in)
	var head [len(magic)]byte
	if _, err := io.ReadFull(r, head[:]); err != nil || string(head[:]) != magic {
		return false
	}
	sound := true
	var sealed bytes.Buffer
	for {
		var length [4]byte
		if _, err := io.ReadFull(r, length[:]); err != nil {
			return sound && errors.Is(err, io.EOF)
		}
		n := int64(binary.BigEndian.Uint32(length[:]))
		if n > chunked.SealedSize(maxBatch) {
			return false
		}
		sealed.Reset()
		if got, err := io.CopyN(&sealed, r, n); err != nil || got != n {
			return false
		}
		plain, err := chunked.Open(key, context(vault), sealed.Bytes())
		if err != nil || len(plain)%rowSize != 0 {
			sound = false
			continue
		}
		for ; len(plain) > 0; plain = plain[rowSize:] {
			if w, ok := parseRow((*[rowSize]byte)(plain)); ok {
				each(w)
			} else {
				sound = false
			}
		}
	}
}

// add keeps a row for the next batch and writes the batch when it is due.
func (f *file) add(v *View, r row) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return nil
	}
	f.pending = append(f.pending, r)
	if len(f.pending) < batchRows && v.cache.now().Sub(f.flushed) < batchAge {
		return nil
	}
	return f.write(v)
}

func (f *file) flush(v *View) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.write(v)
}

func (f *file) close() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.closed = true
	f.pending = nil
}

// write appends the pending rows as one batch. After an error they are dropped, so that a full disk does not fill memory as well.
func (f *file) write(v *View) error {
	batch := f.pending
	f.pending, f.flushed = nil, v.cache.now()
	if len(batch) == 0 || f.closed {
		return nil
	}
	if f.stored+len(batch) > 2*v.cache.rows.limit {
		if err := f.rewrite(v); err != nil {
			return err
		}
	}
	if err := os.MkdirAll(filepath.Dir(f.path), 0o700); err != nil {
		return fmt.Errorf("make cache directory: %w", err)
	}
	out, err := os.OpenFile(f.path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return fmt.Errorf("open cache file: %w", err)
	}
	info, err := out.Stat()
	if err != nil {
		return errors.Join(fmt.Errorf("look at cache file: %w", err), out.Close())
	}
	var b []byte
	if info.Size() == 0 {
		b = append(b, magic...)
	}
	_, err = out.Write(appendBatch(b, v, batch))
	if err = errors.Join(err, out.Close()); err != nil {
		return fmt.Errorf("append to cache file: %w", err)
	}
	f.stored += len(batch)
	return nil
}

func appendBatch(b []byte, v *View, batch []row) []byte {
	plain := make([]byte, 0, len(batch)*rowSize)
	for i := range batch {
		plain = batch[i].append(plain)
	}
	sealed, err := chunked.Seal(v.seal, context(v.vault), plain)
	if err != nil {
		panic("cache: internal error: seal: " + err.Error())
	}
	b = binary.BigEndian.AppendUint32(b, uint32(len(sealed)))
	return append(b, sealed...)
}

// rewrite replaces the file by one that holds each row once, and only what memory still holds.
func (f *file) rewrite(v *View) (err error) {
	temp, err := os.CreateTemp(filepath.Dir(f.path), filepath.Base(f.path)+".new-*")
	if err != nil {
		return fmt.Errorf("rewrite cache file: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("rewrite cache file: %w", err), temp.Close(), os.Remove(temp.Name()))
		}
	}()
	out := bufio.NewWriter(temp)
	if _, err = out.WriteString(magic); err != nil {
		return err
	}
	kept, batch, seen := 0, make([]row, 0, batchRows), map[rowID]bool{}
	put := func() {
		kept += len(batch)
		_, _ = out.Write(appendBatch(nil, v, batch)) // the writer keeps its first error for Flush
		batch = batch[:0]
	}
	f.scan(v, func(r row) {
		v.cache.mu.Lock()
		live := v.cache.rows.has(r.id)
		v.cache.mu.Unlock()
		if !live || seen[r.id] {
			return
		}
		seen[r.id] = true
		if batch = append(batch, r); len(batch) == batchRows {
			put()
		}
	})
	if len(batch) > 0 {
		put()
	}
	if err = out.Flush(); err != nil {
		return err
	}
	if err = temp.Close(); err != nil {
		return err
	}
	if err = os.Rename(temp.Name(), f.path); err != nil {
		return err
	}
	f.stored = kept
	return nil
}
