package providers

import (
	"context"
	"io"
	"time"

	"sallyport/providers/driver"
)

// verdict is what a look at the backend proved about a change of unknown outcome.
type verdict int

const (
	unclear   verdict = iota // the change may have happened and been overwritten since; or it may not
	happened                 // it did
	untouched                // it had not when we looked; it may be repeated, because should it happen after all, its own condition makes the repetition fail
)

// unknown returns err as an UnknownOutcome.
func unknown(op, key string, err error) error {
	if driver.Is(err, UnknownOutcome) {
		return err
	}
	return &Error{Kind: UnknownOutcome, Op: op, Key: key, Err: err}
}

func (r *retry) Put(ctx context.Context, key string, body io.Reader, size int64, opts *PutOptions) (*Info, error) {
	src, err := newSource(ctx, &r.buffers, "Put", key, body, size)
	if err != nil {
		return nil, err
	}
	defer src.release()
	tries := attempts{r: r, op: "Put"}
	doubt := false
	for {
		info, err := r.Driver.Put(ctx, key, src.body(), size, opts)
		if err == nil {
			r.budget.succeeded()
			return info, nil
		}
		canRepeat := src.rewind()
		if kind := driver.KindOf(err); !passing(kind) {
			// After an attempt of unknown outcome a condition may fail because that attempt succeeded.
			doubt = doubt || kind == UnknownOutcome
			if !doubt {
				return nil, err
			}
			if kind != UnknownOutcome && kind != PreconditionFailed && kind != NotFound {
				return nil, unknown("Put", key, err)
			}
			info, verdict := r.lookForPut(ctx, key, src, size, opts)
			if verdict == happened {
				r.budget.succeeded()
				return info, nil
			}
			canRepeat = verdict == untouched && src.rewind()
		}
		if canRepeat {
			err = tries.again(ctx, err)
			canRepeat = err == nil
		}
		if !canRepeat {
			if doubt {
				err = unknown("Put", key, err)
			}
			return nil, err
		}
	}
}

// lookForPut finds out what became of a Put. The body has been rewound. An absent key proves nothing: the object may have been there and
// been deleted by somebody, whose delete a repetition would undo.
func (r *retry) lookForPut(ctx context.Context, key string, src *source, size int64, opts *PutOptions) (*Info, verdict) {
	info, err := r.Head(ctx, key)
	switch {
	case err != nil:
		return nil, unclear
	case opts.IfMatch != "" && info.ETag == opts.IfMatch:
		return nil, untouched
	case info.Size != size || !src.retained() || !r.caps.SeenIsDurable:
		return nil, unclear
	}
	stored, _, err := r.Get(ctx, key, &GetOptions{IfMatch: info.ETag})
	if err != nil {
		return nil, unclear
	}
	defer stored.Close()
	if same, err := src.equal(stored, size); err != nil || !same {
		return nil, unclear
	}
	return info, happened
}

func (r *retry) Delete(ctx context.Context, key string, opts *DeleteOptions) error {
	tries := attempts{r: r, op: "Delete"}
	doubt := false
	for {
		err := r.Driver.Delete(ctx, key, opts)
		if err == nil {
			r.budget.succeeded()
			return nil
		}
		if kind := driver.KindOf(err); !passing(kind) {
			if doubt = doubt || kind == UnknownOutcome; !doubt {
				return err
			}
			if kind != UnknownOutcome {
				return unknown("Delete", key, err)
			}
			switch r.lookForDelete(ctx, key, opts) {
			case happened:
				r.budget.succeeded()
				return nil
			case unclear:
				return err
			case untouched:
			}
		}
		if err := tries.again(ctx, err); err != nil {
			if doubt {
				err = unknown("Delete", key, err)
			}
			return err
		}
	}
}

// lookForDelete finds out what became of a Delete. For a conditional one an absent key proves nothing: somebody else may have deleted the object.
func (r *retry) lookForDelete(ctx context.Context, key string, opts *DeleteOptions) verdict {
	info, err := r.Head(ctx, key)
	switch {
	case driver.Is(err, NotFound) && opts.IfMatch == "" && r.caps.SeenIsDurable:
		return happened
	case err == nil && opts.IfMatch != "" && info.ETag == opts.IfMatch:
		return untouched
	}
	return unclear
}

func (r *retry) Uploads() driver.Uploads { return retryUploads{u: r.Driver.Uploads(), r: r} }

type retryUploads struct {
	u driver.Uploads
	r *retry
}

// Create may be repeated after any outcome: an upload whose id nobody learned is swept.
func (u retryUploads) Create(ctx context.Context, key string, note func(string) ([]byte, error)) (string, error) {
	return do(ctx, u.r, "Uploads.Create", true, func() (string, error) { return u.u.Create(ctx, key, note) })
}

// PutPart may be repeated after any outcome: its answer is not given out before the last attempt, so nobody names an earlier one.
func (u retryUploads) PutPart(ctx context.Context, up Upload, n int, body io.Reader, size int64) (*Part, error) {
	const op = "Uploads.PutPart"
	src, err := newSource(ctx, &u.r.buffers, op, up.Key, body, size)
	if err != nil {
		return nil, err
	}
	defer src.release()
	tries := attempts{r: u.r, op: op}
	for {
		part, err := u.u.PutPart(ctx, up, n, src.body(), size)
		if err == nil {
			u.r.budget.succeeded()
			return part, nil
		}
		kind := driver.KindOf(err)
		if !src.rewind() || !passing(kind) && kind != UnknownOutcome {
			return nil, err
		}
		if err := tries.again(ctx, err); err != nil {
			return nil, err
		}
	}
}

func (u retryUploads) CopyPart(ctx context.Context, up Upload, n int, src string, off, length int64, ifMatch string) (*Part, error) {
	return do(ctx, u.r, "Uploads.CopyPart", true, func() (*Part, error) { return u.u.CopyPart(ctx, up, n, src, off, length, ifMatch) })
}

func (u retryUploads) Note(ctx context.Context, up Upload, name string, note []byte) error {
	return doErr(ctx, u.r, "Uploads.Note", true, func() error { return u.u.Note(ctx, up, name, note) })
}

func (u retryUploads) Read(ctx context.Context, up Upload) (parts []Part, notes []Note, err error) {
	err = doErr(ctx, u.r, "Uploads.Read", false, func() error {
		parts, notes, err = u.u.Read(ctx, up)
		return err
	})
	return parts, notes, err
}

// Complete is repeated after an UnknownOutcome only while the upload still holds every part it names, because then it did not happen.
func (u retryUploads) Complete(ctx context.Context, up Upload, parts []Part, opts *PutOptions) (*Info, error) {
	const op = "Uploads.Complete"
	tries := attempts{r: u.r, op: op}
	doubt := false
	for {
		info, err := u.u.Complete(ctx, up, parts, opts)
		if err == nil {
			u.r.budget.succeeded()
			return info, nil
		}
		if kind := driver.KindOf(err); !passing(kind) {
			if doubt = doubt || kind == UnknownOutcome; !doubt {
				return nil, err
			}
			if kind != UnknownOutcome || !u.stillOpen(ctx, up, parts) {
				return nil, unknown(op, up.Key, err)
			}
		}
		if err := tries.again(ctx, err); err != nil {
			if doubt {
				err = unknown(op, up.Key, err)
			}
			return nil, err
		}
	}
}

func (u retryUploads) stillOpen(ctx context.Context, up Upload, parts []Part) bool {
	stored, _, err := u.Read(ctx, up)
	if err != nil {
		return false
	}
	etags := make(map[int]string, len(stored))
	for _, p := range stored {
		etags[p.N] = p.ETag
	}
	for _, p := range parts {
		if etags[p.N] != p.ETag {
			return false
		}
	}
	return true
}

// Abort may be repeated after any outcome; that the upload is then gone is what was wanted.
func (u retryUploads) Abort(ctx context.Context, up Upload) error {
	doubt := false
	return doErr(ctx, u.r, "Uploads.Abort", true, func() error {
		err := u.u.Abort(ctx, up)
		if doubt && err != nil && driver.Is(err, NoSuchUpload) {
			return nil
		}
		doubt = doubt || err != nil && driver.Is(err, UnknownOutcome)
		return err
	})
}

func (u retryUploads) List(ctx context.Context, opts *ListUploadsOptions) (*UploadPage, error) {
	return do(ctx, u.r, "Uploads.List", false, func() (*UploadPage, error) { return u.u.List(ctx, opts) })
}

func (u retryUploads) Stale(ctx context.Context, before time.Time) ([]StaleUpload, error) {
	return do(ctx, u.r, "Uploads.Stale", false, func() ([]StaleUpload, error) { return u.u.Stale(ctx, before) })
}
