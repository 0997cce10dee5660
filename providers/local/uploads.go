package local

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"sallyport/providers/driver"
)

// An upload is the directory .sallyport/uploads/<hex sha256(id)>: the notes, and in ".parts", which no note can be called, the parts by
// their numbers. The directory appears whole, with its note "0", and disappears whole, by one rename each. ".parts" is there as long
// as the upload can be completed.
const (
	partsName    = ".parts"
	maxParts     = 10000
	uploadIDSize = 16
)

// uploads is the multipart side of a Folder.
type uploads struct {
	*Folder
}

// Uploads returns the multipart side.
func (f *Folder) Uploads() driver.Uploads { return uploads{f} }

// uploadDir returns the directory of an upload.
func uploadDir(id string) string {
	return uploadsDir + "/" + driver.NoteFolder(id)
}

func partName(n int) string { return fmt.Sprintf("%05d", n) }

func failUpload(op string, up driver.Upload) error {
	return failAs(driver.NoSuchUpload, op, up.Key, nil)
}

// Create prepares the whole directory among the temporaries and moves it into place.
func (u uploads) Create(ctx context.Context, key string, note func(uploadID string) ([]byte, error)) (string, error) {
	const op = "Create"
	if err := u.beginChange(ctx, op, key); err != nil {
		return "", err
	}
	if _, ok := u.names.path(key); !ok {
		return "", failAs(driver.InvalidKey, op, key, nil)
	}
	up := driver.Upload{ID: randomName() + randomName(), Key: key}
	var data []byte
	if note != nil {
		var err error
		if data, err = note(up.ID); err != nil {
			return "", failAs(driver.Internal, op, key, fmt.Errorf("make first note: %w", err))
		}
		if len(data) > driver.MaxNote {
			return "", failAs(driver.TooLarge, op, key, nil)
		}
	}
	if err := u.makeUpload(up, data); err != nil {
		return "", failCommit(op, key, err)
	}
	return up.ID, nil
}

func (u uploads) makeUpload(up driver.Upload, note []byte) (err error) {
	end, err := u.commit()
	if err != nil {
		return err
	}
	defer end()
	name := randomName()
	u.temps.add(name)
	defer u.temps.drop(name)
	making := tempDir + "/" + name
	defer func() {
		if err != nil && !driver.Is(err, driver.UnknownOutcome) {
			u.discard(making)
		}
	}()
	for _, dir := range []string{making, making + "/" + partsName} {
		if err := u.files.Mkdir(dir); err != nil {
			return fmt.Errorf("make upload: %w", err)
		}
	}
	if err := u.writeFile(making+"/"+driver.FirstNote, driver.EncodeNote(up, note)); err != nil {
		return fmt.Errorf("write note: %w", err)
	}
	if err := u.syncs.do(making); err != nil {
		return err
	}
	if err := u.files.Rename(making, uploadDir(up.ID)); err != nil {
		// The rename may have happened all the same. Nobody knows this id yet, so the directory can go.
		u.discard(uploadDir(up.ID))
		if _, statErr := u.files.Stat(uploadDir(up.ID)); !errors.Is(statErr, fs.ErrNotExist) {
			return &driver.Error{Kind: driver.UnknownOutcome, Op: "Create", Err: err}
		}
		return fmt.Errorf("publish upload: %w", err)
	}
	if err := u.syncs.do(uploadsDir); err != nil {
		return &driver.Error{Kind: driver.UnknownOutcome, Op: "Create", Err: err}
	}
	return nil
}

// discard removes what is of no use any more, as far as that works; a sweep gets the rest.
func (u uploads) discard(p string) {
	if err := u.removeTree(p); err != nil {
		u.log.Warn("local folder: temporary left behind", "error", err)
	}
}

// known fails with NoSuchUpload unless up has a first note that names it.
func (u uploads) known(op string, up driver.Upload) error {
	if up.ID == "" || len(up.ID) > driver.MaxUploadID {
		return failUpload(op, up)
	}
	record, err := u.readNote(uploadDir(up.ID), driver.FirstNote)
	if errors.Is(err, fs.ErrNotExist) || err == nil && record.upload != up {
		return failUpload(op, up)
	}
	if err != nil {
		return fail(op, up.Key, err)
	}
	return nil
}

// open is known, and fails also if the upload was completed.
func (u uploads) open(op string, up driver.Upload) error {
	if err := u.known(op, up); err != nil {
		return err
	}
	s, err := u.files.Stat(uploadDir(up.ID) + "/" + partsName)
	if errors.Is(err, fs.ErrNotExist) || err == nil && !isDir(s.Mode) {
		return failUpload(op, up)
	}
	if err != nil {
		return fail(op, up.Key, err)
	}
	return nil
}

// PutPart writes a temporary and moves it among the parts.
func (u uploads) PutPart(ctx context.Context, up driver.Upload, n int, body io.Reader, size int64) (*driver.Part, error) {
	return u.storePart(ctx, "PutPart", up, n, size, func(file File) error { return u.copyBody(ctx, file, body, size) })
}

// CopyPart is PutPart from an object, which the operating system copies by itself where it can.
func (u uploads) CopyPart(ctx context.Context, up driver.Upload, n int, src string, off, length int64, ifMatch string) (*driver.Part, error) {
	const op = "CopyPart"
	if err := u.beginChange(ctx, op, up.Key); err != nil {
		return nil, err
	}
	p, ok := u.names.path(src)
	if !ok {
		return nil, failAs(driver.InvalidKey, op, src, nil)
	}
	if err := u.open(op, up); err != nil {
		return nil, err
	}
	file, err := u.files.Open(p)
	if err != nil {
		return nil, failRead(op, src, err)
	}
	part, err := u.copyFrom(ctx, up, n, src, file, off, length, ifMatch)
	if closeErr := file.Close(); closeErr != nil {
		u.log.Warn("local folder: close after copy", "error", closeErr)
	}
	return part, err
}

func (u uploads) copyFrom(ctx context.Context, up driver.Upload, n int, src string, from File, off, length int64, ifMatch string) (*driver.Part, error) {
	const op = "CopyPart"
	s, err := from.Stat()
	if err != nil {
		return nil, fail(op, src, err)
	}
	if ifMatch != "" && ifMatch != u.etagOf(s) {
		return nil, failAs(driver.PreconditionFailed, op, src, nil)
	}
	if off < 0 || length < 0 || off > s.Size || length > s.Size-off || length > 0 && off == s.Size {
		return nil, failAs(driver.InvalidRange, op, src, nil)
	}
	return u.storePart(ctx, op, up, n, length, func(file File) error {
		if err := from.SeekTo(off); err != nil {
			return fmt.Errorf("copy part: %w", err)
		}
		return copyFile(ctx, file, from, length)
	})
}

// copyStep is how many bytes are copied between two looks at ctx.
const copyStep = 64 << 20

// copyFile copies length bytes from where from stands.
func copyFile(ctx context.Context, to, from File, length int64) error {
	for length > 0 {
		if err := ctx.Err(); err != nil {
			return err
		}
		step := min(length, copyStep)
		n, err := to.ReadFrom(&io.LimitedReader{R: from, N: step})
		if err != nil {
			return fmt.Errorf("copy: %w", err)
		}
		if n != step {
			return &driver.Error{Kind: driver.Corrupt, Op: "Copy", Err: fmt.Errorf("source ended %d bytes early: %w", length-n, io.ErrUnexpectedEOF)}
		}
		length -= n
	}
	return ctx.Err()
}

// storePart makes what fill writes part n.
func (u uploads) storePart(ctx context.Context, op string, up driver.Upload, n int, size int64, fill func(File) error) (*driver.Part, error) {
	if err := u.beginChange(ctx, op, up.Key); err != nil {
		return nil, err
	}
	if err := u.open(op, up); err != nil {
		return nil, err
	}
	switch {
	case n < 1 || n > maxParts:
		return nil, failAs(driver.InvalidPart, op, up.Key, fmt.Errorf("part number %d", n))
	case size > maxObject:
		return nil, failAs(driver.TooLarge, op, up.Key, nil)
	case size < 0:
		return nil, failAs(driver.BadBody, op, up.Key, fmt.Errorf("size %d is negative", size))
	}
	if err := u.checkSpace(size); err != nil {
		return nil, failWrite(ctx, op, up.Key, err)
	}
	t, err := u.writeTemp(size, time.Time{}, fill)
	if err != nil {
		return nil, failWrite(ctx, op, up.Key, err)
	}
	defer u.dropTemp(t)
	if err := ctx.Err(); err != nil {
		return nil, fail(op, up.Key, err)
	}
	if err := u.replacePart(ctx, op, up, t, n); err != nil {
		return nil, err
	}
	return &driver.Part{N: n, Size: size, ETag: u.etagOf(t.stat), ModTime: t.stat.ModTime}, nil
}

// replacePart makes the temporary part n. Its time must come after that of the attempt it replaces: where times are coarse and inode numbers do not
// count, both would otherwise have one ETag, and Complete would take these bytes for the earlier attempt's.
func (u uploads) replacePart(ctx context.Context, op string, up driver.Upload, t *temp, n int) error {
	dir := uploadDir(up.ID) + "/" + partsName
	unlock, err := u.keys.Lock(ctx, dir+"/"+partName(n))
	if err != nil {
		return fail(op, up.Key, err)
	}
	defer unlock()
	old, err := u.present(dir + "/" + partName(n))
	if err != nil {
		return fail(op, up.Key, err)
	}
	if old.exists && !t.stat.ModTime.After(old.stat.ModTime) {
		if err := u.restamp(t, old); err != nil {
			return fail(op, up.Key, err)
		}
	}
	return u.moveInto(op, up, t, dir, partName(n))
}

// moveInto gives a temporary a name in a directory of an upload, which may have been closed or aborted meanwhile.
func (u uploads) moveInto(op string, up driver.Upload, t *temp, dir, name string) error {
	end, err := u.commit()
	if err != nil {
		return failCommit(op, up.Key, err)
	}
	defer end()
	p := dir + "/" + name
	err = u.files.Rename(t.path, p)
	if t.moved = err == nil; !t.moved {
		err = u.afterFailedPlace(t, p, err)
		if errors.Is(err, fs.ErrNotExist) && !driver.Is(err, driver.UnknownOutcome) {
			return failUpload(op, up)
		}
		return failCommit(op, up.Key, err)
	}
	if err := u.syncs.do(dir); err != nil {
		if isGone(err) {
			return failUpload(op, up)
		}
		return failAs(driver.UnknownOutcome, op, up.Key, err)
	}
	return nil
}

// Note writes a temporary and moves it into the upload's directory.
func (u uploads) Note(ctx context.Context, up driver.Upload, name string, note []byte) error {
	const op = "Note"
	if err := u.beginChange(ctx, op, up.Key); err != nil {
		return err
	}
	if !driver.ValidNoteName(name) {
		return failAs(driver.InvalidKey, op, up.Key, fmt.Errorf("note name %q", name))
	}
	if len(note) > driver.MaxNote {
		return failAs(driver.TooLarge, op, up.Key, nil)
	}
	if err := u.known(op, up); err != nil {
		return err
	}
	record := driver.EncodeNote(up, note)
	t, err := u.writeTemp(int64(len(record)), time.Time{}, func(file File) error {
		_, err := file.Write(record)
		return err
	})
	if err != nil {
		return failWrite(ctx, op, up.Key, err)
	}
	defer u.dropTemp(t)
	return u.moveInto(op, up, t, uploadDir(up.ID), name)
}

// Read reads the directory of the upload.
func (u uploads) Read(ctx context.Context, up driver.Upload) ([]driver.Part, []driver.Note, error) {
	const op = "Read"
	if err := u.begin(ctx, op, up.Key); err != nil {
		return nil, nil, err
	}
	if err := u.known(op, up); err != nil {
		return nil, nil, err
	}
	dir := uploadDir(up.ID)
	entries, err := u.readSome(dir, driver.ValidNoteName)
	if err != nil {
		return nil, nil, fail(op, up.Key, err)
	}
	var notes []driver.Note
	for _, e := range entries {
		if err := ctx.Err(); err != nil {
			return nil, nil, fail(op, up.Key, err)
		}
		record, err := u.readNote(dir, e.Name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, nil, fail(op, up.Key, err)
		}
		if record.upload == up {
			notes = append(notes, record.note(e.Name))
		}
	}
	if len(notes) == 0 {
		return nil, nil, failUpload(op, up) // aborted meanwhile
	}
	slices.SortFunc(notes, func(a, b driver.Note) int { return strings.Compare(a.Name, b.Name) })
	parts, err := u.parts(dir)
	if err != nil {
		return nil, nil, fail(op, up.Key, err)
	}
	return parts, notes, nil
}

// parts returns the parts of the upload in dir, in ascending order.
func (u uploads) parts(dir string) ([]driver.Part, error) {
	dir += "/" + partsName
	entries, err := u.readSome(dir, func(name string) bool { _, ok := partNumber(name); return ok })
	if err != nil {
		return nil, err
	}
	parts := make([]driver.Part, 0, len(entries))
	for _, e := range entries {
		s, err := u.files.Stat(path.Join(dir, e.Name))
		if errors.Is(err, fs.ErrNotExist) {
			continue // completed meanwhile
		}
		if err != nil {
			return nil, err
		}
		n, _ := partNumber(e.Name)
		parts = append(parts, driver.Part{N: n, Size: s.Size, ETag: u.etagOf(s), ModTime: s.ModTime})
	}
	slices.SortFunc(parts, func(a, b driver.Part) int { return a.N - b.N })
	return parts, nil
}

func partNumber(name string) (int, bool) {
	n, err := strconv.Atoi(name)
	return n, err == nil && n >= 1 && n <= maxParts && partName(n) == name
}
