package local

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"

	"sallyport/providers/driver"
)

// Delete removes the file of key, and then the directories that became empty.
func (f *Folder) Delete(ctx context.Context, key string, opts *driver.DeleteOptions) error {
	const op = "Delete"
	if err := f.beginChange(ctx, op, key); err != nil {
		return err
	}
	p, ok := f.names.path(key)
	if !ok {
		return failAs(driver.InvalidKey, op, key, nil)
	}
	dir := path.Dir(p)
	f.dirs.pin(dir) // until the sync: a directory that a neighbour removes cannot be synced, and could come back with this file in it
	err := f.remove(ctx, dir, p, opts)
	f.dirs.unpin(dir)
	if err != nil {
		return failCommit(op, key, err)
	}
	f.dirs.prune(dir)
	return nil
}

// remove unlinks the file at p, in dir, and makes that durable.
func (f *Folder) remove(ctx context.Context, dir, p string, opts *driver.DeleteOptions) error {
	end, err := f.commit()
	if err != nil {
		return err
	}
	defer end()
	if err := f.unlink(ctx, p, opts); err != nil {
		return err
	}
	f.listing.removed(dir)
	// Also if there was nothing: another call, or a process that was killed, may have removed it and not synced yet. If its sync failed, ours
	// proves nothing and says so.
	if err := f.syncs.do(dir); err != nil && !isGone(err) {
		return &driver.Error{Kind: driver.UnknownOutcome, Op: "Delete", Err: err}
	}
	return nil
}

// unlink removes the file at p under the conditions.
func (f *Folder) unlink(ctx context.Context, p string, opts *driver.DeleteOptions) error {
	unlock, err := f.keys.Lock(ctx, p)
	if err != nil {
		return err
	}
	defer unlock()
	s, err := f.files.Stat(p)
	switch {
	case err != nil && isAbsent(err), err == nil && !isFile(s.Mode):
		if opts.IfMatch != "" {
			return &driver.Error{Kind: driver.NotFound, Op: "Delete"}
		}
		return nil
	case err != nil:
		return fmt.Errorf("look at object: %w", err)
	case opts.IfMatch != "" && f.etagOf(s) != opts.IfMatch:
		return &driver.Error{Kind: driver.PreconditionFailed, Op: "Delete"}
	}
	if err := f.endBeforeChange(p); err != nil {
		return err
	}
	err = f.files.Remove(p)
	if err == nil || errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if _, statErr := f.files.Stat(p); statErr == nil {
		return fmt.Errorf("remove object: %w", err)
	}
	f.listing.removed(path.Dir(p))
	return &driver.Error{Kind: driver.UnknownOutcome, Op: "Delete", Err: fmt.Errorf("remove object: %w", err)}
}
