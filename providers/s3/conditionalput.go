package s3

import (
	"context"
	"errors"
	"io"

	"sallyport/providers/driver"
)

// putAsUpload is a Put under a condition by way of an upload of one part, which holds no lock while its body is on the way.
func (b *Bucket) putAsUpload(ctx context.Context, key string, body io.Reader, size int64, opts *driver.PutOptions) (*driver.Info, error) {
	const op = "Put"
	if opts.IfNoneMatch && !b.caps.CompleteIfNoneMatch || opts.IfMatch != "" && !b.caps.CompleteIfMatch {
		return nil, fail(driver.Unsupported, op, key, nil)
	}
	if err := b.mayHold(ctx, op, key, opts); err != nil {
		return nil, err
	}
	u := uploads{b}
	id, err := u.Create(ctx, key, nil)
	if err != nil {
		return nil, asPut(err)
	}
	up, name := driver.Upload{ID: id, Key: key}, b.names.prefix+key
	part, err := b.putPart(ctx, op, up, name, 1, body, size)
	var info *driver.Info
	gone := false
	if err == nil {
		info, err = b.complete(ctx, op, up, name, []driver.Part{*part}, opts)
		gone = driver.Is(err, driver.NoSuchUpload)
	} else if driver.Is(err, driver.UnknownOutcome) {
		err = fail(driver.Unavailable, op, key, err) // of a part only: the object is as it was
	}
	if gone {
		// It took its part a moment ago: either a request that arrived twice has completed it the first time, or the service has dropped it.
		err = fail(driver.UnknownOutcome, op, key, err)
	}
	if err == nil || gone || !driver.Is(err, driver.UnknownOutcome) {
		clean, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanUpWithin)
		defer cancel()
		_ = u.Abort(clean, up) // if that fails it stays as a split PUT, which the sweep removes
	}
	return info, asPut(err)
}

// mayHold spares the sending of a long body whose condition fails already. The decision that counts is Complete's.
func (b *Bucket) mayHold(ctx context.Context, op, key string, opts *driver.PutOptions) error {
	info, err := b.stat(ctx, op, key, b.names.prefix+key)
	switch {
	case driver.Is(err, driver.NotFound) && opts.IfNoneMatch:
		return nil
	case err != nil:
		return err
	case opts.IfNoneMatch || info.ETag != opts.IfMatch:
		return fail(driver.PreconditionFailed, op, key, nil)
	}
	return nil
}

// asPut presents a failed step as what the caller asked for. That its own upload is gone is nothing a caller of Put knows of.
func asPut(err error) error {
	e, ok := errors.AsType[*driver.Error](err)
	if !ok {
		return err
	}
	kind := e.Kind
	if kind == driver.NoSuchUpload || kind == driver.InvalidPart {
		kind = driver.Unavailable
	}
	return &driver.Error{Kind: kind, Op: "Put", Key: e.Key, RetryAfter: e.RetryAfter, Err: err}
}
