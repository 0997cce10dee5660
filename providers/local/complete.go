package local

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"sallyport/providers/driver"
)

// Complete copies the parts into a temporary, publishes that, and takes the parts away before anybody else can change the object. Where the file
// system can share blocks the copy is cheap; elsewhere it reads and writes everything once more. What a crash between the last two steps leaves is
// retired by the next Open, see publishing.go: completing it again would put these bytes over what others wrote since.
func (u uploads) Complete(ctx context.Context, up driver.Upload, parts []driver.Part, opts *driver.PutOptions) (*driver.Info, error) {
	const op = "Complete"
	if err := u.beginChange(ctx, op, up.Key); err != nil {
		return nil, err
	}
	unlock, err := u.ends.Lock(ctx, uploadDir(up.ID))
	if err != nil {
		return nil, fail(op, up.Key, err)
	}
	defer unlock()
	if err := u.open(op, up); err != nil {
		return nil, err
	}
	p, ok := u.names.path(up.Key)
	if !ok {
		return nil, failAs(driver.InvalidKey, op, up.Key, nil)
	}
	switch ended, err := u.endPublished(up, p); {
	case err != nil:
		return nil, failCommit(op, up.Key, err)
	case ended:
		return nil, failUpload(op, up)
	}
	size, err := u.checkParts(up, parts)
	if err != nil {
		return nil, failCommit(op, up.Key, err)
	}
	old, err := u.present(p)
	if err == nil {
		err = u.checkConditions(old, opts)
	}
	if err == nil {
		err = u.checkSpace(size)
	}
	if err != nil {
		return nil, failWrite(ctx, op, up.Key, err)
	}
	t, err := u.writeTemp(size, old.stat.ModTime, func(file File) error { return u.join(ctx, file, up, parts) })
	if err != nil {
		return nil, failWrite(ctx, op, up.Key, err)
	}
	defer u.dropTemp(t)
	steps := around{
		before: func(t *temp) error { return u.notePublishing(up, p, t) },
		after:  func() error { return u.endIfDurable(uploadDir(up.ID), p) },
	}
	if err := u.publish(ctx, t, up.Key, p, opts, &steps); err != nil {
		if !driver.Is(err, driver.UnknownOutcome) {
			u.dropPublishing(uploadDir(up.ID))
		}
		return nil, failCommit(op, up.Key, err)
	}
	return u.info(up.Key, t.stat), nil
}

// checkParts sees that every listed part is there as it was, in ascending order, and returns the length of the whole.
func (u uploads) checkParts(up driver.Upload, parts []driver.Part) (size int64, err error) {
	last := 0
	for _, part := range parts {
		if part.N <= last || part.N > maxParts {
			return 0, invalidPart(part, "is out of order")
		}
		last = part.N
		s, err := u.files.Stat(partPath(up, part))
		if err := u.checkPart(part, s, err); err != nil {
			return 0, err
		}
		if size += s.Size; size > maxObject {
			return 0, &driver.Error{Kind: driver.TooLarge, Op: "Complete"}
		}
	}
	if len(parts) == 0 {
		return 0, &driver.Error{Kind: driver.InvalidPart, Op: "Complete", Err: errors.New("no parts are listed")}
	}
	return size, nil
}

func partPath(up driver.Upload, part driver.Part) string {
	return uploadDir(up.ID) + "/" + partsName + "/" + partName(part.N)
}

func invalidPart(part driver.Part, why string) error {
	return &driver.Error{Kind: driver.InvalidPart, Op: "Complete", Err: fmt.Errorf("part %d %s", part.N, why)}
}

// checkPart judges what a look at the part's file gave.
func (u uploads) checkPart(part driver.Part, s Stat, err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist), err == nil && !isFile(s.Mode):
		return invalidPart(part, "is not there")
	case err != nil:
		return fmt.Errorf("look at part %d: %w", part.N, err)
	case part.ETag != u.etagOf(s):
		return invalidPart(part, "is another one by now")
	}
	return nil
}

// join appends the parts to file.
func (u uploads) join(ctx context.Context, file File, up driver.Upload, parts []driver.Part) error {
	for _, part := range parts {
		if err := u.appendPart(ctx, file, up, part); err != nil {
			return err
		}
	}
	return ctx.Err()
}

func (u uploads) appendPart(ctx context.Context, file File, up driver.Upload, part driver.Part) error {
	from, err := u.files.Open(partPath(up, part))
	if err != nil {
		return u.checkPart(part, Stat{}, err)
	}
	s, err := from.Stat()
	if err = u.checkPart(part, s, err); err == nil { // what is open now stays what it is, also if the part is sent again
		err = copyFile(ctx, file, from, s.Size)
	}
	if closeErr := from.Close(); err == nil && closeErr != nil {
		err = fmt.Errorf("close part: %w", closeErr)
	}
	return err
}

// retire takes the parts away from a completed upload. The object is there and durable, so a failure is no failure of Complete: the
// upload then stays open, with its record of what was published, until it is completed again, the folder is opened again or a sweep aborts it.
func (u uploads) retire(dir string) error {
	name := randomName()
	u.temps.add(name)
	defer u.temps.drop(name)
	retired := tempDir + "/" + name
	err := ignoreAbsent(u.files.Rename(dir+"/"+partsName, retired)) // absent: an earlier try took them away, and perhaps could not sync that
	if err == nil {
		if err = u.syncs.do(dir); isGone(err) {
			err = nil // aborted
		}
		u.discard(retired)
	}
	if err == nil {
		u.publishing.drop(dir) // not before: a power failure could bring the parts back, beside another object than theirs
	}
	if err != nil {
		u.log.Warn("local folder: parts of a completed upload left behind", "error", err)
	}
	return err
}

// Abort moves the upload's directory among the temporaries and removes it there.
func (u uploads) Abort(ctx context.Context, up driver.Upload) error {
	const op = "Abort"
	if err := u.beginChange(ctx, op, up.Key); err != nil {
		return err
	}
	dir := uploadDir(up.ID)
	unlock, err := u.ends.Lock(ctx, dir)
	if err != nil {
		return fail(op, up.Key, err)
	}
	defer unlock()
	// Again, since a Complete may just have ended: without the upload its object counts as durable.
	if err := u.recoverHealth(op, up.Key); err != nil {
		return err
	}
	if err := u.known(op, up); err != nil {
		return err
	}
	end, err := u.commit()
	if err != nil {
		return failCommit(op, up.Key, err)
	}
	defer end()
	name := randomName()
	u.temps.add(name)
	defer u.temps.drop(name)
	aborted := tempDir + "/" + name
	if err := u.files.Rename(dir, aborted); err != nil {
		if _, statErr := u.files.Stat(dir); statErr == nil {
			return fail(op, up.Key, err)
		}
		return failAs(driver.UnknownOutcome, op, up.Key, err)
	}
	err = u.syncs.do(uploadsDir)
	if err != nil {
		return failAs(driver.UnknownOutcome, op, up.Key, err)
	}
	u.publishing.drop(dir)
	u.discard(aborted)
	return nil
}
