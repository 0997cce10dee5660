package providers

import (
	"context"
	"errors"
	"io"
	"time"

	"sallyport/providers/driver"
)

// storeUploads validates what the chain is then given.
type storeUploads struct {
	s *Store
	u Uploads
}

func (u storeUploads) Create(ctx context.Context, key string, note func(uploadID string) ([]byte, error)) (string, error) {
	if !u.s.validKey(key) {
		return "", u.s.fail("Uploads.Create", key, InvalidKey, nil)
	}
	return u.u.Create(ctx, key, note)
}

// check answers NoSuchUpload for what no upload can be called, so that drivers see only ids and keys of plain text.
func (u storeUploads) check(op string, up Upload) error {
	const maxID = 1024
	if up.ID == "" || len(up.ID) > maxID || !validText(up.ID) || !u.s.validKey(up.Key) {
		return u.s.fail(op, up.Key, NoSuchUpload, nil)
	}
	return nil
}

func (u storeUploads) checkPart(op string, up Upload, n int, size int64) error {
	switch {
	case n < 1 || n > MaxPartNumber:
		return u.s.fail(op, up.Key, InvalidPart, nil)
	case size < 0:
		return u.s.fail(op, up.Key, Internal, errors.New("negative size"))
	case size > u.s.caps.MaxPart:
		return u.s.fail(op, up.Key, TooLarge, nil)
	}
	return u.check(op, up)
}

func (u storeUploads) PutPart(ctx context.Context, up Upload, n int, body io.Reader, size int64) (*Part, error) {
	if err := u.checkPart("Uploads.PutPart", up, n, size); err != nil {
		return nil, err
	}
	return u.u.PutPart(ctx, up, n, body, size)
}

func (u storeUploads) CopyPart(ctx context.Context, up Upload, n int, src string, off, length int64, ifMatch string) (*Part, error) {
	const op = "Uploads.CopyPart"
	switch {
	case !u.s.caps.CopyPart:
		return nil, u.s.fail(op, up.Key, Unsupported, nil)
	case !u.s.validKey(src):
		return nil, u.s.fail(op, src, InvalidKey, nil)
	case off < 0 || length < 0:
		return nil, u.s.fail(op, src, InvalidRange, nil)
	}
	if err := u.checkPart(op, up, n, 0); err != nil {
		return nil, err
	}
	return u.u.CopyPart(ctx, up, n, src, off, length, ifMatch)
}

func (u storeUploads) Note(ctx context.Context, up Upload, name string, note []byte) error {
	const op = "Uploads.Note"
	if err := u.check(op, up); err != nil {
		return err
	}
	if !driver.ValidNoteName(name) {
		return u.s.fail(op, up.Key, InvalidKey, nil)
	}
	if len(note) > MaxNote {
		return u.s.fail(op, up.Key, TooLarge, nil)
	}
	return u.u.Note(ctx, up, name, note)
}

func (u storeUploads) Read(ctx context.Context, up Upload) ([]Part, []Note, error) {
	if err := u.check("Uploads.Read", up); err != nil {
		return nil, nil, err
	}
	return u.u.Read(ctx, up)
}

func (u storeUploads) Complete(ctx context.Context, up Upload, parts []Part, opts *PutOptions) (*Info, error) {
	const op = "Uploads.Complete"
	if opts == nil {
		opts = &PutOptions{}
	}
	if err := u.check(op, up); err != nil {
		return nil, err
	}
	if err := u.s.checkPut(op, up.Key, 0, opts, true); err != nil {
		return nil, err
	}
	if len(parts) == 0 || len(parts) > MaxPartNumber {
		return nil, u.s.fail(op, up.Key, InvalidPart, nil)
	}
	last := 0
	for _, p := range parts {
		if p.N <= last || p.N > MaxPartNumber || p.ETag == "" {
			return nil, u.s.fail(op, up.Key, InvalidPart, nil)
		}
		last = p.N
	}
	return u.u.Complete(ctx, up, parts, opts)
}

func (u storeUploads) Abort(ctx context.Context, up Upload) error {
	if err := u.check("Uploads.Abort", up); err != nil {
		return err
	}
	return u.u.Abort(ctx, up)
}

func (u storeUploads) List(ctx context.Context, opts *ListUploadsOptions) (*UploadPage, error) {
	const op = "Uploads.List"
	if opts == nil {
		opts = &ListUploadsOptions{}
	}
	if !validText(opts.Prefix) || !validText(opts.After) || !validText(opts.UploadAfter) {
		return nil, u.s.fail(op, "", InvalidKey, nil)
	}
	if opts.Limit < 0 || opts.Limit > MaxPage {
		return nil, u.s.fail(op, "", Internal, errors.New("limit out of range"))
	}
	return u.u.List(ctx, opts)
}

func (u storeUploads) Stale(ctx context.Context, before time.Time) ([]StaleUpload, error) {
	return u.u.Stale(ctx, before)
}
