package local

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"
	"time"

	"sallyport/providers/driver"
)

// noteRecord is a note's file.
type noteRecord struct {
	upload driver.Upload
	data   []byte
	stat   Stat
}

func (r *noteRecord) note(name string) driver.Note {
	return driver.Note{Name: name, Data: r.data, ModTime: r.stat.ModTime}
}

// readNote reads one note. A damaged one is Corrupt.
func (f *Folder) readNote(dir, name string) (*noteRecord, error) {
	file, err := f.files.Open(dir + "/" + name)
	if err != nil {
		return nil, err
	}
	b, err := io.ReadAll(io.LimitReader(file, driver.MaxStoredNote(maxKey)+1))
	s, statErr := file.Stat()
	if err := errors.Join(err, statErr, file.Close()); err != nil {
		return nil, fmt.Errorf("read note: %w", err)
	}
	up, data, err := driver.DecodeNote(b, maxKey)
	if err != nil {
		return nil, fmt.Errorf("read note %s/%s: %w", dir, name, err)
	}
	return &noteRecord{upload: up, data: data, stat: s}, nil
}

// eachUpload calls visit with the directory and first note of every upload, in no order. Damaged ones are logged and left out.
func (f *Folder) eachUpload(ctx context.Context, visit func(dir string, first *noteRecord) error) error {
	entries, err := f.readSome(uploadsDir, isUploadDir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if err := ctx.Err(); err != nil {
			return err
		}
		dir := uploadsDir + "/" + e.Name
		first, err := f.readNote(dir, driver.FirstNote)
		if isAbsent(err) {
			continue
		}
		if errors.Is(err, driver.ErrDamagedNote) || err == nil && uploadDir(first.upload.ID) != dir {
			f.log.Warn("local folder: upload with a damaged note", "path", dir, "error", err)
			continue
		}
		if err != nil {
			return err
		}
		if err := visit(dir, first); err != nil {
			return err
		}
	}
	return nil
}

func isUploadDir(name string) bool {
	return len(name) == 64 && strings.Trim(name, hexDigits) == ""
}

// doneAt returns when the upload in dir was marked as done; zero = it was not.
func (f *Folder) doneAt(dir string) (time.Time, error) {
	s, err := f.files.Stat(dir + "/" + driver.DoneNote)
	if err != nil {
		return time.Time{}, ignoreAbsent(err)
	}
	return s.ModTime, nil
}

// List reads the first notes of all uploads, sorts them and returns a page. Its cost is in proportion to the uploads that exist.
func (u uploads) List(ctx context.Context, opts *driver.ListUploadsOptions) (*driver.UploadPage, error) {
	const op = "ListUploads"
	if err := u.begin(ctx, op, ""); err != nil {
		return nil, err
	}
	var found []driver.Upload
	err := u.eachUpload(ctx, func(dir string, first *noteRecord) error {
		if len(first.data) == 0 || !opts.Wants(first.upload) {
			return nil
		}
		done, err := u.doneAt(dir)
		if err == nil && done.IsZero() {
			found = append(found, first.upload)
		}
		return err
	})
	if err != nil {
		return nil, fail(op, "", err)
	}
	slices.SortFunc(found, driver.Upload.Compare)
	limit := opts.PageSize()
	page := &driver.UploadPage{}
	for _, up := range found {
		// Read again, rather than hold the notes of all.
		first, err := u.readNote(uploadDir(up.ID), driver.FirstNote)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fail(op, up.Key, err)
		}
		if len(page.Uploads) == limit {
			page.More = true
			break
		}
		page.Uploads = append(page.Uploads, driver.OpenUpload{Upload: up, Note: first.note(driver.FirstNote)})
	}
	return page, nil
}

// Stale reads the first notes of all uploads.
func (u uploads) Stale(ctx context.Context, before time.Time) ([]driver.StaleUpload, error) {
	const op = "Stale"
	if err := u.begin(ctx, op, ""); err != nil {
		return nil, err
	}
	var stale []driver.StaleUpload
	err := u.eachUpload(ctx, func(dir string, first *noteRecord) error {
		if !first.stat.ModTime.Before(before) {
			return nil
		}
		done, err := u.doneAt(dir)
		if err != nil {
			return err
		}
		_, err = u.files.Stat(dir + "/" + partsName)
		stale = append(stale, driver.StaleUpload{
			Upload: first.upload, Begun: first.stat.ModTime, Done: done, Closed: errors.Is(err, fs.ErrNotExist), SplitPut: len(first.data) == 0,
		})
		return ignoreAbsent(err)
	})
	if err != nil {
		return nil, fail(op, "", err)
	}
	return stale, nil
}
