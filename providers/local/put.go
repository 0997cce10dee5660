package local

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"

	"sallyport/providers/driver"
)

// Put writes a temporary and publishes it at key.
func (f *Folder) Put(ctx context.Context, key string, body io.Reader, size int64, opts *driver.PutOptions) (*driver.Info, error) {
	const op = "Put"
	if err := f.beginChange(ctx, op, key); err != nil {
		return nil, err
	}
	p, ok := f.names.path(key)
	if !ok {
		return nil, failAs(driver.InvalidKey, op, key, nil)
	}
	if size > maxObject {
		return nil, failAs(driver.TooLarge, op, key, nil)
	}
	if err := checkNegative(size); err != nil {
		return nil, failAs(driver.BadBody, op, key, err)
	}
	old, err := f.present(p)
	if err == nil {
		err = f.checkConditions(old, opts)
	}
	if err == nil {
		err = f.checkSpace(size)
	}
	if err != nil {
		return nil, failWrite(ctx, op, key, err)
	}
	t, err := f.writeTemp(size, old.stat.ModTime, func(file File) error { return f.copyBody(ctx, file, body, size) })
	if err != nil {
		return nil, failWrite(ctx, op, key, err)
	}
	defer f.dropTemp(t)
	if err := ctx.Err(); err != nil {
		return nil, fail(op, key, err)
	}
	if err := f.publish(ctx, t, key, p, opts, nil); err != nil {
		return nil, failCommit(op, key, err)
	}
	return f.info(key, t.stat), nil
}

func checkNegative(size int64) error {
	if size < 0 {
		return fmt.Errorf("size %d is negative", size)
	}
	return nil
}

// failCommit classifies a failure of publish, which says itself whether the outcome is known.
func failCommit(op, key string, err error) error {
	if e, ok := errors.AsType[*driver.Error](err); ok {
		return failAs(e.Kind, op, key, e.Err)
	}
	return fail(op, key, err)
}

func (f *Folder) info(key string, s Stat) *driver.Info {
	return &driver.Info{Key: key, Size: s.Size, ETag: f.etagOf(s), ModTime: s.ModTime}
}

// object is what stands at a path.
type object struct {
	exists bool
	stat   Stat
}

// present looks at path. What is no regular file cannot be replaced by an object: ErrNotPlain.
func (f *Folder) present(p string) (object, error) {
	s, err := f.files.Stat(p)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return object{}, nil
	case err != nil:
		return object{}, fmt.Errorf("look at object: %w", err)
	case !isFile(s.Mode):
		return object{}, fmt.Errorf("look at object: %w", ErrNotPlain)
	}
	return object{exists: true, stat: s}, nil
}

// checkConditions compares what is present with what the caller demands.
func (f *Folder) checkConditions(old object, opts *driver.PutOptions) error {
	switch {
	case opts.IfNoneMatch && old.exists:
		return &driver.Error{Kind: driver.PreconditionFailed, Op: "Put"}
	case opts.IfMatch != "" && !old.exists:
		return &driver.Error{Kind: driver.NotFound, Op: "Put"}
	case opts.IfMatch != "" && f.etagOf(old.stat) != opts.IfMatch:
		return &driver.Error{Kind: driver.PreconditionFailed, Op: "Put"}
	}
	return nil
}

// publishTries bounds how often a directory that another program removes under our hands is made again.
const publishTries = 5

// around is what happens right before and right after a temporary becomes the object, while the key is locked. If before fails, the temporary does
// not become the object; if after fails, the outcome is unknown.
type around struct {
	before func(t *temp) error
	after  func() error
}

// publish gives the temporary the name p under the conditions, and makes that durable. Unless the error is UnknownOutcome, what was at
// p before still is. The temporary may remain and is the caller's to drop. steps may be nil.
func (f *Folder) publish(ctx context.Context, t *temp, key, p string, opts *driver.PutOptions, steps *around) error {
	end, err := f.commit()
	if err != nil {
		return err
	}
	defer end()
	dir := path.Dir(p)
	f.dirs.pin(dir)
	err = f.publishIn(ctx, dir, t, key, p, opts, steps)
	f.dirs.unpin(dir)
	if err != nil {
		f.dirs.prune(dir) // what was made for nothing
	}
	return err
}

// publishIn is publish with the object's directory pinned.
func (f *Folder) publishIn(ctx context.Context, dir string, t *temp, key, p string, opts *driver.PutOptions, steps *around) error {
	for try := 1; ; try++ {
		if err := f.dirs.ensure(dir); err != nil {
			return fmt.Errorf("make directory: %w", err)
		}
		err := f.place(ctx, t, p, opts, steps)
		if errors.Is(err, fs.ErrNotExist) && !driver.Is(err, driver.UnknownOutcome) && try < publishTries {
			f.dirs.forget(dir)
			continue
		}
		if err != nil {
			if driver.Is(err, driver.UnknownOutcome) {
				f.listing.added(key)
			}
			return err
		}
		break
	}
	f.listing.added(key)
	if err := f.syncs.do(dir); err != nil {
		return &driver.Error{Kind: driver.UnknownOutcome, Op: "Put", Err: err}
	}
	return nil
}

// place is the one step that makes the temporary the object.
func (f *Folder) place(ctx context.Context, t *temp, p string, opts *driver.PutOptions, steps *around) error {
	unlock, err := f.keys.Lock(ctx, p)
	if err != nil {
		return err
	}
	defer unlock()
	old, err := f.present(p)
	if err != nil {
		return err
	}
	if err := f.checkConditions(old, opts); err != nil {
		return err
	}
	if err := f.endBeforeChange(p); err != nil {
		return err
	}
	if old.exists && !t.stat.ModTime.After(old.stat.ModTime) {
		// The object is newer than the temporary: another write of this key was begun later and finished first.
		if err := f.restamp(t, old); err != nil {
			return err
		}
	}
	if steps != nil {
		if err := steps.before(t); err != nil {
			return err
		}
	}
	exclusive := opts.IfNoneMatch && f.probe.Links
	if exclusive {
		err = f.files.Link(t.path, p)
	} else {
		err = f.files.Rename(t.path, p)
		t.moved = err == nil
	}
	if err != nil {
		err = f.afterFailedPlace(t, p, err)
		if exclusive && errors.Is(err, fs.ErrExist) && !driver.Is(err, driver.UnknownOutcome) {
			return &driver.Error{Kind: driver.PreconditionFailed, Op: "Put"} // by another program, since we hold the key
		}
		return err
	}
	if steps != nil {
		if err := steps.after(); err != nil {
			return &driver.Error{Kind: driver.UnknownOutcome, Op: "Put", Err: err}
		}
	}
	return nil
}

// afterFailedPlace finds out whether the step took place although the system said it failed. Also when it said that the new name is taken, or the
// old one gone: a network file system that repeats a call whose answer was lost says so of its own success.
func (f *Folder) afterFailedPlace(t *temp, p string, cause error) error {
	now, err := f.files.Stat(p)
	if err == nil && f.etagOf(now) != f.etagOf(t.stat) || errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("publish: %w", cause)
	}
	return &driver.Error{Kind: driver.UnknownOutcome, Op: "Put", Err: fmt.Errorf("publish: %w", errors.Join(cause, err))}
}

// restamp gives the temporary a time after old's.
func (f *Folder) restamp(t *temp, old object) error {
	file, err := f.files.Open(t.path)
	if err != nil {
		return fmt.Errorf("open temporary again: %w", err)
	}
	err = f.seal(file, t.stat.Size, old.stat.ModTime, &t.stat)
	return errors.Join(err, file.Close())
}
