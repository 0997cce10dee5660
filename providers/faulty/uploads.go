package faulty

import (
	"context"
	"io"
	"time"

	"sallyport/providers/driver"
)

// Uploads implements driver.Driver.
func (d *Driver) Uploads() driver.Uploads { return uploads{d: d, inner: d.inner.Uploads()} }

type uploads struct {
	d     *Driver
	inner driver.Uploads
}

func (u uploads) Create(ctx context.Context, key string, note func(string) ([]byte, error)) (string, error) {
	return apply(ctx, u.d, "Uploads.Create", key, 0, func() (string, error) { return u.inner.Create(ctx, key, note) })
}

func (u uploads) PutPart(ctx context.Context, up driver.Upload, n int, body io.Reader, size int64) (*driver.Part, error) {
	return write(ctx, u.d, "Uploads.PutPart", up.Key, n, body, size, func(body io.Reader) (*driver.Part, error) {
		return u.inner.PutPart(ctx, up, n, body, size)
	})
}

func (u uploads) CopyPart(ctx context.Context, up driver.Upload, n int, src string, off, length int64, ifMatch string) (*driver.Part, error) {
	return apply(ctx, u.d, "Uploads.CopyPart", up.Key, n, func() (*driver.Part, error) {
		return u.inner.CopyPart(ctx, up, n, src, off, length, ifMatch)
	})
}

func (u uploads) Note(ctx context.Context, up driver.Upload, name string, note []byte) error {
	return applyErr(ctx, u.d, "Uploads.Note", up.Key, func() error { return u.inner.Note(ctx, up, name, note) })
}

func (u uploads) Read(ctx context.Context, up driver.Upload) (parts []driver.Part, notes []driver.Note, err error) {
	err = applyErr(ctx, u.d, "Uploads.Read", up.Key, func() error {
		parts, notes, err = u.inner.Read(ctx, up)
		return err
	})
	if err != nil {
		return nil, nil, err
	}
	return parts, notes, nil
}

func (u uploads) Complete(ctx context.Context, up driver.Upload, parts []driver.Part, opts *driver.PutOptions) (*driver.Info, error) {
	return apply(ctx, u.d, "Uploads.Complete", up.Key, 0, func() (*driver.Info, error) { return u.inner.Complete(ctx, up, parts, opts) })
}

func (u uploads) Abort(ctx context.Context, up driver.Upload) error {
	return applyErr(ctx, u.d, "Uploads.Abort", up.Key, func() error { return u.inner.Abort(ctx, up) })
}

func (u uploads) List(ctx context.Context, opts *driver.ListUploadsOptions) (*driver.UploadPage, error) {
	return apply(ctx, u.d, "Uploads.List", opts.Prefix, 0, func() (*driver.UploadPage, error) { return u.inner.List(ctx, opts) })
}

func (u uploads) Stale(ctx context.Context, before time.Time) ([]driver.StaleUpload, error) {
	return apply(ctx, u.d, "Uploads.Stale", "", 0, func() ([]driver.StaleUpload, error) { return u.inner.Stale(ctx, before) })
}
