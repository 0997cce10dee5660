package local

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"sync"

	"sallyport/providers/driver"
)

// After a completed upload's object appears and before the upload's parts are gone, nobody may complete the upload once more: the object may have
// been overwritten by then, and the upload's older bytes would come back. So the key stays locked over both steps, and only a crash or a failing disk
// can bring the one without the other. To notice that afterwards, the revision that is about to appear is written down first, under publishingName:
// whether it did appear is told by comparing it with the object that is there (docs/decisions/0019).

// publishingName is in an upload's directory while its object may have been published. No note can be called so.
const publishingName = ".publishing"

// unended are the directories of uploads whose object may have been published while they could not be ended. Safe for concurrent use.
type unended struct {
	mu      sync.Mutex
	objects map[string]string // the paths of the objects
}

func (s *unended) add(dir, p string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.objects[dir] = p
}

func (s *unended) drop(dir string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.objects, dir)
}

func (s *unended) has(dir string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, ok := s.objects[dir]
	return ok
}

// of returns the uploads of the object at p.
func (s *unended) of(p string) (dirs []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for dir, object := range s.objects {
		if object == p {
			dirs = append(dirs, dir)
		}
	}
	return dirs
}

// notePublishing writes down, durably, which revision is about to appear at p.
func (u uploads) notePublishing(up driver.Upload, p string, t *temp) error {
	record := driver.EncodeNote(up, []byte(u.etagOf(t.stat)))
	note, err := u.writeTemp(int64(len(record)), t.stat.ModTime, func(file File) error {
		_, err := file.Write(record)
		return err
	})
	if err != nil {
		return fmt.Errorf("note what is published: %w", err)
	}
	defer u.dropTemp(note)
	dir := uploadDir(up.ID)
	err = u.files.Rename(note.path, dir+"/"+publishingName)
	if note.moved = err == nil; note.moved {
		err = u.syncs.do(dir)
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return failUpload("Complete", up) // not fs.ErrNotExist, which place's caller takes for the object's directory
	case err != nil:
		return fmt.Errorf("note what is published: %w", err)
	}
	u.publishing.add(dir, p)
	return nil
}

// dropPublishing takes the record back when nothing was published. If that fails, what stays does no harm: it names a revision that nobody ever sees.
func (u uploads) dropPublishing(dir string) {
	u.publishing.drop(dir)
	if err := ignoreAbsent(u.files.Remove(dir + "/" + publishingName)); err != nil {
		u.log.Warn("local folder: record of an upload left behind", "error", err)
	}
}

// endIfDurable ends the upload in dir, whose object has just appeared at p, once the object is durable. Until then the upload stays open, because an
// upload that is gone tells callers that its object will last.
func (u uploads) endIfDurable(dir, p string) error {
	if err := u.syncs.do(path.Dir(p)); err != nil {
		return err
	}
	_ = u.retire(dir) // the object is there and durable; what stays of the upload is ended later
	return nil
}

// endPublished ends an upload whose object an earlier Complete published, or may have published, without being able to end the upload; it reports
// whether it did. If another object is at p by now, nobody can tell any more whether this one ever appeared. The upload is ended then as well: to
// send it again is safe, old bytes that come back are not.
func (u uploads) endPublished(up driver.Upload, p string) (ended bool, err error) {
	dir := uploadDir(up.ID)
	if !u.publishing.has(dir) {
		return false, nil
	}
	end, err := u.commit()
	if err != nil {
		return false, err
	}
	defer end()
	published, err := u.wasPublished(dir, p)
	if published && err == nil {
		err = u.makeLast(p)
	}
	if err == nil {
		err = u.retire(dir)
	}
	return err == nil, err
}

// endBeforeChange ends the uploads that published the object at p and could not be ended at the time. It is called with p locked, before the object
// is changed: once another object is there, the next Open could not tell any more that these uploads published theirs. On an error the object must
// stay as it is.
func (f *Folder) endBeforeChange(p string) error {
	for _, dir := range f.publishing.of(p) {
		published, err := f.wasPublished(dir, p)
		if err == nil && published {
			err = f.makeLast(p)
		}
		if err == nil && published || errors.Is(err, driver.ErrDamagedNote) {
			err = uploads{f}.retire(dir)
		}
		if ignoreAbsent(err) != nil { // absent: it was aborted, or ended by another call
			return fmt.Errorf("end the upload that made the object: %w", err)
		}
	}
	return nil
}

// wasPublished reports whether the object at p is the revision that the upload in dir was about to publish.
func (f *Folder) wasPublished(dir, p string) (bool, error) {
	record, err := f.readNote(dir, publishingName)
	if err != nil {
		return false, err
	}
	now, err := f.present(p)
	if errors.Is(err, ErrNotPlain) {
		return false, nil
	}
	return err == nil && now.exists && f.etagOf(now.stat) == string(record.data), err
}

// makeLast makes the name of an object that is there durable, and those of the directories above it; its content was synced before it got the name.
func (f *Folder) makeLast(p string) error {
	dir := path.Dir(p)
	f.dirs.pin(dir)
	defer f.dirs.unpin(dir)
	if err := f.dirs.ensure(dir); err != nil {
		return err
	}
	return f.syncs.do(dir)
}

// endAllPublished does at Open, before anybody else changes the folder, what a crash kept Complete from doing: it ends the uploads whose object
// appeared. For all others it drops the record: their object cannot have appeared, for it would still be there. It was locked, and nobody changes an
// object before the upload that made it is ended.
func (f *Folder) endAllPublished(ctx context.Context) error {
	u := uploads{f}
	return f.eachUpload(ctx, func(dir string, first *noteRecord) error {
		for _, name := range []string{publishingName, partsName} {
			if _, err := f.files.Stat(dir + "/" + name); err != nil {
				return ignoreAbsent(err)
			}
		}
		p, ok := f.names.path(first.upload.Key)
		if !ok {
			return nil
		}
		published, err := f.wasPublished(dir, p)
		switch {
		case err == nil && !published:
			u.dropPublishing(dir)
			return nil
		case err == nil:
			err = f.makeLast(p)
		}
		if err == nil || errors.Is(err, driver.ErrDamagedNote) {
			err = u.retire(dir)
		}
		if err != nil { // one upload is no reason not to serve the rest
			f.log.Warn("local folder: a completed upload could not be ended; its object cannot be changed before it is", "path", dir, "error", err)
			f.publishing.add(dir, p)
		}
		return nil
	})
}
