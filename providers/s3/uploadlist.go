package s3

import (
	"bytes"
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"sallyport/providers/driver"
)

// listedObject is an object in a list of the drivers' own files, by its path below the prefix.
type listedObject struct {
	Key, ETag    string
	LastModified time.Time
}

// eachName visits what lies below folder, in order. visit may return a path to go on behind.
func (b *Bucket) eachName(ctx context.Context, op, folder string, visit func(*listedObject) (skipTo string, err error)) error {
	base := b.names.prefix
	token, start := "", ""
	var pages progress
	for {
		query := url.Values{"prefix": {base + folder}, "max-keys": {"1000"}}
		if token != "" {
			query.Set("continuation-token", token)
		} else if start != "" {
			query.Set("start-after", base+start)
		}
		answer := listAnswer{}
		if err := b.listOnce(ctx, op, query, &answer); err != nil {
			return err
		}
		skip, last := "", pages.last
		for i := range answer.Contents {
			o := &answer.Contents[i]
			name, ok := strings.CutPrefix(o.Key, base)
			if !ok || !strings.HasPrefix(name, folder) || name <= last {
				return fail(driver.Corrupt, op, "", fmt.Errorf("%w: a list is out of order or holds what was not asked for", errContradiction))
			}
			last = name
			to, err := visit(&listedObject{Key: name, ETag: unquoted(o.ETag), LastModified: o.LastModified})
			if err != nil {
				return err
			}
			skip = to
		}
		if err := pages.page(op, &answer, last); err != nil || !answer.IsTruncated {
			return err
		}
		token = answer.NextContinuationToken
		if skip > last {
			token, start = "", skip
		}
	}
}

// foundUpload is what a list of the notes shows of an upload.
type foundUpload struct {
	note  listedObject // its first note, or any if there is no first
	first bool
	done  time.Time
}

// findUploads lists all uploads. It costs a request for each 1000 notes, and at most one more for each upload with more notes than that.
func (b *Bucket) findUploads(ctx context.Context, op string) ([]foundUpload, error) {
	var found []foundUpload
	err := b.eachName(ctx, op, uploadsDir, func(o *listedObject) (string, error) {
		folder, name := splitLast(o.Key)
		if len(folder) != len(uploadsDir)+65 || !driver.ValidNoteName(name) {
			return "", nil // not ours
		}
		if len(found) == 0 || !strings.HasPrefix(found[len(found)-1].note.Key, folder) {
			found = append(found, foundUpload{note: *o, first: name == driver.FirstNote})
		}
		if name == driver.DoneNote {
			found[len(found)-1].done = o.LastModified
			return "", nil
		}
		return folder + ":", nil // behind all attempts, before "done"
	})
	return found, err
}

// identify reads the notes that tell which uploads these are. Where a note is gone or damaged the record is nil.
func (b *Bucket) identify(ctx context.Context, op string, found []foundUpload) ([]*noteRecord, error) {
	records := make([]*noteRecord, len(found))
	group, groupCtx := errgroup.WithContext(ctx)
	group.SetLimit(noteLookups)
	for i := range found {
		n := &found[i].note
		if record, ok := b.firstNotes.get(n.Key, n.ETag, n.LastModified); ok {
			records[i] = &record
			continue
		}
		group.Go(func() error {
			record, err := b.getNote(groupCtx, op, n.Key)
			switch {
			case driver.Is(err, driver.NotFound):
				return nil
			case driver.Is(err, driver.Corrupt):
				b.log.Warn("s3: upload with a damaged note", "path", n.Key, "error", err)
				return nil
			case err != nil:
				return err
			}
			record.note.ModTime = n.LastModified
			if found[i].first {
				b.firstNotes.put(n.Key, n.ETag, n.LastModified, record)
			}
			records[i] = record
			return nil
		})
	}
	return records, group.Wait()
}

// List implements driver.Uploads.
func (u uploads) List(ctx context.Context, opts *driver.ListUploadsOptions) (*driver.UploadPage, error) {
	const op = "Uploads.List"
	if err := u.b.begin(ctx, op, ""); err != nil {
		return nil, err
	}
	found, err := u.b.findUploads(ctx, op)
	if err != nil {
		return nil, err
	}
	found = slices.DeleteFunc(found, func(f foundUpload) bool { return !f.first || !f.done.IsZero() })
	records, err := u.b.identify(ctx, op, found)
	if err != nil {
		return nil, err
	}
	var open []driver.OpenUpload
	for _, r := range records {
		if r == nil || len(r.note.Data) == 0 || !opts.Wants(r.upload) {
			continue
		}
		open = append(open, driver.OpenUpload{Upload: r.upload, Note: r.note})
	}
	slices.SortFunc(open, func(x, y driver.OpenUpload) int { return x.Compare(y.Upload) })
	limit := opts.PageSize()
	page := &driver.UploadPage{Uploads: open[:min(limit, len(open))], More: len(open) > limit}
	for i := range page.Uploads {
		page.Uploads[i].Note.Data = bytes.Clone(page.Uploads[i].Note.Data) // the cache keeps its own
	}
	return page, nil
}

// Stale implements driver.Uploads. For each upload begun before the given time that is not marked as done the service is asked whether it still takes parts.
func (u uploads) Stale(ctx context.Context, before time.Time) ([]driver.StaleUpload, error) {
	const op = "Uploads.Stale"
	if err := u.b.begin(ctx, op, ""); err != nil {
		return nil, err
	}
	found, err := u.b.findUploads(ctx, op)
	if err != nil {
		return nil, err
	}
	found = slices.DeleteFunc(found, func(f foundUpload) bool { return !f.note.LastModified.Before(before) })
	records, err := u.b.identify(ctx, op, found)
	if err != nil {
		return nil, err
	}
	var stale []driver.StaleUpload
	for i, r := range records {
		if r == nil {
			continue
		}
		s := driver.StaleUpload{Upload: r.upload, Begun: found[i].note.LastModified, Done: found[i].done, Closed: !found[i].done.IsZero()}
		s.SplitPut = found[i].first && len(r.note.Data) == 0
		if !s.Closed {
			_, err := u.b.listParts(ctx, op, r.upload, u.b.names.prefix+r.upload.Key, 1)
			if err != nil && !driver.Is(err, driver.NoSuchUpload) {
				return nil, err
			}
			s.Closed = err != nil
		}
		stale = append(stale, s)
	}
	return stale, nil
}
