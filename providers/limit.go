package providers

import (
	"context"
	"io"
	"time"

	"golang.org/x/sync/semaphore"

	"sallyport/providers/driver"
)

// Limits bound how many calls of a kind run at once; the rest wait until their ctx ends. The lanes are apart so that slow clients cannot
// hold up short calls, and so that a write whose body is a read of the same root cannot wait for itself.
type Limits struct {
	Reads   int64 // Get until it is open, Head, lists; 0 = 64
	Writes  int64 // Delete, notes, Create, Complete, Abort, bodies of up to 1 MiB; 0 = 64
	Streams int64 // longer bodies, which run at their sender's pace; 0 = 256
}

const streamAbove = 1 << 20

// Limit returns d with at most so many calls at once. A Get counts until it returns and not until its reader is closed: how long that takes is up to
// whoever reads, such as a slow client, and other calls must not wait for that.
func Limit(d driver.Driver, limits Limits) driver.Driver {
	lane := func(n, otherwise int64) *semaphore.Weighted {
		if n <= 0 {
			n = otherwise
		}
		return semaphore.NewWeighted(n)
	}
	return &limiter{Driver: d, reads: lane(limits.Reads, 64), writes: lane(limits.Writes, 64), streams: lane(limits.Streams, 256)}
}

type limiter struct {
	driver.Driver
	reads, writes, streams *semaphore.Weighted
}

func enterLane(ctx context.Context, lane *semaphore.Weighted, op, key string) error {
	if lane.Acquire(ctx, 1) != nil {
		return &Error{Kind: Canceled, Op: op, Key: key, Err: context.Cause(ctx)}
	}
	return nil
}

func (l *limiter) bodyLane(size int64) *semaphore.Weighted {
	if size > streamAbove {
		return l.streams
	}
	return l.writes
}

func (l *limiter) Put(ctx context.Context, key string, body io.Reader, size int64, opts *PutOptions) (*Info, error) {
	lane := l.bodyLane(size)
	if err := enterLane(ctx, lane, "Put", key); err != nil {
		return nil, err
	}
	defer lane.Release(1)
	return l.Driver.Put(ctx, key, body, size, opts)
}

func (l *limiter) Get(ctx context.Context, key string, opts *GetOptions) (io.ReadCloser, *Info, error) {
	if err := enterLane(ctx, l.reads, "Get", key); err != nil {
		return nil, nil, err
	}
	defer l.reads.Release(1)
	return l.Driver.Get(ctx, key, opts)
}

func (l *limiter) Head(ctx context.Context, key string) (*Info, error) {
	if err := enterLane(ctx, l.reads, "Head", key); err != nil {
		return nil, err
	}
	defer l.reads.Release(1)
	return l.Driver.Head(ctx, key)
}

func (l *limiter) Delete(ctx context.Context, key string, opts *DeleteOptions) error {
	if err := enterLane(ctx, l.writes, "Delete", key); err != nil {
		return err
	}
	defer l.writes.Release(1)
	return l.Driver.Delete(ctx, key, opts)
}

func (l *limiter) List(ctx context.Context, opts *ListOptions) (*Page, error) {
	if err := enterLane(ctx, l.reads, "List", ""); err != nil {
		return nil, err
	}
	defer l.reads.Release(1)
	return l.Driver.List(ctx, opts)
}

func (l *limiter) Uploads() driver.Uploads { return limitedUploads{Uploads: l.Driver.Uploads(), l: l} }

type limitedUploads struct {
	driver.Uploads
	l *limiter
}

func (u limitedUploads) Create(ctx context.Context, key string, note func(string) ([]byte, error)) (string, error) {
	if err := enterLane(ctx, u.l.writes, "Uploads.Create", key); err != nil {
		return "", err
	}
	defer u.l.writes.Release(1)
	return u.Uploads.Create(ctx, key, note)
}

func (u limitedUploads) PutPart(ctx context.Context, up Upload, n int, body io.Reader, size int64) (*Part, error) {
	lane := u.l.bodyLane(size)
	if err := enterLane(ctx, lane, "Uploads.PutPart", up.Key); err != nil {
		return nil, err
	}
	defer lane.Release(1)
	return u.Uploads.PutPart(ctx, up, n, body, size)
}

func (u limitedUploads) CopyPart(ctx context.Context, up Upload, n int, src string, off, length int64, ifMatch string) (*Part, error) {
	if err := enterLane(ctx, u.l.streams, "Uploads.CopyPart", up.Key); err != nil {
		return nil, err
	}
	defer u.l.streams.Release(1)
	return u.Uploads.CopyPart(ctx, up, n, src, off, length, ifMatch)
}

func (u limitedUploads) Note(ctx context.Context, up Upload, name string, note []byte) error {
	if err := enterLane(ctx, u.l.writes, "Uploads.Note", up.Key); err != nil {
		return err
	}
	defer u.l.writes.Release(1)
	return u.Uploads.Note(ctx, up, name, note)
}

func (u limitedUploads) Read(ctx context.Context, up Upload) ([]Part, []Note, error) {
	if err := enterLane(ctx, u.l.reads, "Uploads.Read", up.Key); err != nil {
		return nil, nil, err
	}
	defer u.l.reads.Release(1)
	return u.Uploads.Read(ctx, up)
}

func (u limitedUploads) Complete(ctx context.Context, up Upload, parts []Part, opts *PutOptions) (*Info, error) {
	if err := enterLane(ctx, u.l.writes, "Uploads.Complete", up.Key); err != nil {
		return nil, err
	}
	defer u.l.writes.Release(1)
	return u.Uploads.Complete(ctx, up, parts, opts)
}

func (u limitedUploads) Abort(ctx context.Context, up Upload) error {
	if err := enterLane(ctx, u.l.writes, "Uploads.Abort", up.Key); err != nil {
		return err
	}
	defer u.l.writes.Release(1)
	return u.Uploads.Abort(ctx, up)
}

func (u limitedUploads) List(ctx context.Context, opts *ListUploadsOptions) (*UploadPage, error) {
	if err := enterLane(ctx, u.l.reads, "Uploads.List", ""); err != nil {
		return nil, err
	}
	defer u.l.reads.Release(1)
	return u.Uploads.List(ctx, opts)
}

func (u limitedUploads) Stale(ctx context.Context, before time.Time) ([]StaleUpload, error) {
	if err := enterLane(ctx, u.l.reads, "Uploads.Stale", ""); err != nil {
		return nil, err
	}
	defer u.l.reads.Release(1)
	return u.Uploads.Stale(ctx, before)
}
