package mem

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"time"

	"sallyport/providers/driver"
)

const maxPartNumber = 10000

type upload struct {
	driver.Upload
	begun     time.Time
	done      time.Time
	splitPut  bool
	completed bool
	parts     map[int]*object
	notes     map[string]*object
}

// Uploads implements driver.Driver.
func (d *Driver) Uploads() driver.Uploads { return uploads{d} }

type uploads struct{ d *Driver }

func (u uploads) Create(ctx context.Context, key string, note func(string) ([]byte, error)) (string, error) {
	if err := u.d.enterKey(ctx, "Uploads.Create", key); err != nil {
		return "", err
	}
	up := &upload{Upload: driver.Upload{ID: randomID(), Key: key}, splitPut: true, parts: map[int]*object{}, notes: map[string]*object{}}
	var first []byte
	if note != nil {
		var err error
		if first, err = note(up.ID); err != nil {
			return "", fail("Uploads.Create", key, driver.Internal, err)
		}
		if len(first) > driver.MaxNote {
			return "", fail("Uploads.Create", key, driver.TooLarge, nil)
		}
		up.splitPut = len(first) == 0
	}
	r := u.d.root
	r.mu.Lock()
	defer r.mu.Unlock()
	up.begun = r.now()
	up.notes[driver.FirstNote] = &object{data: bytes.Clone(first), modTime: up.begun}
	r.uploads[up.ID] = up
	return up.ID, nil
}

// find returns a known upload, and under openOnly only one that can still take parts; root.mu is held.
func (u uploads) find(op string, up driver.Upload, openOnly bool) (*upload, error) {
	got := u.d.root.uploads[up.ID]
	if got == nil || got.Key != up.Key || openOnly && got.completed {
		return nil, fail(op, up.Key, driver.NoSuchUpload, nil)
	}
	return got, nil
}

func (u uploads) PutPart(ctx context.Context, up driver.Upload, n int, body io.Reader, size int64) (*driver.Part, error) {
	const op = "Uploads.PutPart"
	if err := u.d.enter(ctx, op, up.Key); err != nil {
		return nil, err
	}
	if n < 1 || n > maxPartNumber {
		return nil, fail(op, up.Key, driver.InvalidPart, nil)
	}
	if size > u.d.root.caps.MaxPart {
		return nil, fail(op, up.Key, driver.TooLarge, nil)
	}
	data, err := readBody(ctx, op, up.Key, body, size)
	if err != nil {
		return nil, err
	}
	return u.storePart(op, up, n, data)
}

func (u uploads) storePart(op string, up driver.Upload, n int, data []byte) (*driver.Part, error) {
	r := u.d.root
	r.mu.Lock()
	defer r.mu.Unlock()
	got, err := u.find(op, up, true)
	if err != nil {
		return nil, err
	}
	part := &object{data: data, etag: r.nextETag(), modTime: r.now()}
	got.parts[n] = part
	return &driver.Part{N: n, Size: int64(len(data)), ETag: part.etag, ModTime: part.modTime}, nil
}

func (u uploads) CopyPart(ctx context.Context, up driver.Upload, n int, src string, off, length int64, ifMatch string) (*driver.Part, error) {
	const op = "Uploads.CopyPart"
	if !u.d.root.caps.CopyPart {
		return nil, fail(op, up.Key, driver.Unsupported, nil)
	}
	if n < 1 || n > maxPartNumber {
		return nil, fail(op, up.Key, driver.InvalidPart, nil)
	}
	o, err := u.d.lookup(ctx, op, src)
	if err != nil {
		return nil, err
	}
	if ifMatch != "" && o.etag != ifMatch {
		return nil, fail(op, src, driver.PreconditionFailed, nil)
	}
	if off < 0 || length < 0 || off > int64(len(o.data)) || length > int64(len(o.data))-off {
		return nil, fail(op, src, driver.InvalidRange, nil)
	}
	if length > u.d.root.caps.MaxPart {
		return nil, fail(op, up.Key, driver.TooLarge, nil)
	}
	return u.storePart(op, up, n, bytes.Clone(o.data[off:off+length]))
}

func (u uploads) Note(ctx context.Context, up driver.Upload, name string, note []byte) error {
	const op = "Uploads.Note"
	if err := u.d.enter(ctx, op, up.Key); err != nil {
		return err
	}
	if !driver.ValidNoteName(name) {
		return fail(op, up.Key, driver.InvalidKey, nil)
	}
	if len(note) > driver.MaxNote {
		return fail(op, up.Key, driver.TooLarge, nil)
	}
	r := u.d.root
	r.mu.Lock()
	defer r.mu.Unlock()
	got, err := u.find(op, up, false)
	if err != nil {
		return err
	}
	got.notes[name] = &object{data: bytes.Clone(note), modTime: r.now()}
	if name == driver.DoneNote && got.done.IsZero() {
		got.done = r.now()
	}
	return nil
}

func (u uploads) Read(ctx context.Context, up driver.Upload) ([]driver.Part, []driver.Note, error) {
	const op = "Uploads.Read"
	if err := u.d.enter(ctx, op, up.Key); err != nil {
		return nil, nil, err
	}
	u.d.root.mu.RLock()
	defer u.d.root.mu.RUnlock()
	got, err := u.find(op, up, false)
	if err != nil {
		return nil, nil, err
	}
	var parts []driver.Part
	for n, p := range got.parts {
		parts = append(parts, driver.Part{N: n, Size: int64(len(p.data)), ETag: p.etag, ModTime: p.modTime})
	}
	slices.SortFunc(parts, func(a, b driver.Part) int { return cmp.Compare(a.N, b.N) })
	var notes []driver.Note
	for name, n := range got.notes {
		notes = append(notes, driver.Note{Name: name, Data: bytes.Clone(n.data), ModTime: n.modTime})
	}
	slices.SortFunc(notes, func(a, b driver.Note) int { return strings.Compare(a.Name, b.Name) })
	return parts, notes, nil
}

func (u uploads) Complete(ctx context.Context, up driver.Upload, parts []driver.Part, opts *driver.PutOptions) (*driver.Info, error) {
	const op = "Uploads.Complete"
	if err := u.d.enter(ctx, op, up.Key); err != nil {
		return nil, err
	}
	caps := &u.d.root.caps
	if opts.IfNoneMatch && !caps.CompleteIfNoneMatch || opts.IfMatch != "" && !caps.CompleteIfMatch {
		return nil, fail(op, up.Key, driver.Unsupported, nil)
	}
	r := u.d.root
	r.mu.Lock()
	defer r.mu.Unlock()
	got, err := u.find(op, up, true)
	if err != nil {
		return nil, err
	}
	total, err := got.fits(parts, caps)
	if err != nil {
		return nil, err
	}
	if err := r.check(op, up.Key, opts); err != nil {
		return nil, err
	}
	whole := make([]byte, 0, total)
	for _, p := range parts {
		whole = append(whole, got.parts[p.N].data...)
	}
	got.completed, got.parts = true, nil
	return r.store(up.Key, whole), nil
}

// fits returns the length of the parts put together, or why they cannot be.
func (up *upload) fits(parts []driver.Part, caps *driver.Capabilities) (int64, error) {
	const op = "Uploads.Complete"
	if len(parts) == 0 {
		return 0, fail(op, up.Key, driver.InvalidPart, errors.New("no parts"))
	}
	var total int64
	for i, p := range parts {
		stored := up.parts[p.N]
		if stored == nil || stored.etag != p.ETag || i > 0 && p.N <= parts[i-1].N {
			return 0, fail(op, up.Key, driver.InvalidPart, nil)
		}
		size := int64(len(stored.data))
		if i < len(parts)-1 && (size < caps.MinPart || caps.EqualParts && size != int64(len(up.parts[parts[0].N].data))) {
			return 0, fail(op, up.Key, driver.InvalidPart, errors.New("part size"))
		}
		if total += size; total > caps.MaxObject {
			return 0, fail(op, up.Key, driver.TooLarge, nil)
		}
	}
	return total, nil
}

func (u uploads) Abort(ctx context.Context, up driver.Upload) error {
	const op = "Uploads.Abort"
	if err := u.d.enter(ctx, op, up.Key); err != nil {
		return err
	}
	u.d.root.mu.Lock()
	defer u.d.root.mu.Unlock()
	if _, err := u.find(op, up, false); err != nil {
		return err
	}
	delete(u.d.root.uploads, up.ID)
	return nil
}

func (u uploads) List(ctx context.Context, opts *driver.ListUploadsOptions) (*driver.UploadPage, error) {
	if err := u.d.enter(ctx, "Uploads.List", ""); err != nil {
		return nil, err
	}
	u.d.root.mu.RLock()
	defer u.d.root.mu.RUnlock()
	var open []driver.OpenUpload
	for _, up := range u.d.root.uploads {
		if up.splitPut || up.notes[driver.DoneNote] != nil || !opts.Wants(up.Upload) {
			continue
		}
		first := up.notes[driver.FirstNote]
		open = append(open, driver.OpenUpload{Upload: up.Upload, Note: driver.Note{Name: driver.FirstNote, Data: bytes.Clone(first.data), ModTime: first.modTime}})
	}
	slices.SortFunc(open, func(a, b driver.OpenUpload) int { return a.Compare(b.Upload) })
	limit := opts.PageSize()
	if len(open) > limit {
		return &driver.UploadPage{Uploads: open[:limit:limit], More: true}, nil
	}
	return &driver.UploadPage{Uploads: open}, nil
}

func (u uploads) Stale(ctx context.Context, before time.Time) ([]driver.StaleUpload, error) {
	if err := u.d.enter(ctx, "Uploads.Stale", ""); err != nil {
		return nil, err
	}
	u.d.root.mu.RLock()
	defer u.d.root.mu.RUnlock()
	var stale []driver.StaleUpload
	for _, up := range u.d.root.uploads {
		if up.begun.Before(before) {
			stale = append(stale, driver.StaleUpload{Upload: up.Upload, Begun: up.begun, Done: up.done, Closed: up.completed, SplitPut: up.splitPut})
		}
	}
	return stale, nil
}
