package s3

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/s3utils"
	"golang.org/x/sync/errgroup"

	"sallyport/providers/driver"
)

const (
	maxPartNumber = 10000
	noteLookups   = 32 // notes read or removed at once
	cleanUpWithin = 30 * time.Second
)

// Uploads implements driver.Driver.
func (b *Bucket) Uploads() driver.Uploads { return uploads{b} }

type uploads struct{ b *Bucket }

// enter refuses a call on what no upload can be called, and returns the object name of its key.
func (u uploads) enter(ctx context.Context, op string, up driver.Upload) (string, error) {
	if err := u.b.begin(ctx, op, up.Key); err != nil {
		return "", err
	}
	name, ok := u.b.names.of(up.Key)
	if !ok || up.ID == "" || len(up.ID) > driver.MaxUploadID {
		return "", fail(driver.NoSuchUpload, op, up.Key, nil)
	}
	return name, nil
}

func (u uploads) enterChange(ctx context.Context, op string, up driver.Upload) (string, error) {
	name, err := u.enter(ctx, op, up)
	if err == nil && u.b.readOnly {
		err = fail(driver.ReadOnly, op, up.Key, nil)
	}
	return name, err
}

// Create implements driver.Uploads.
func (u uploads) Create(ctx context.Context, key string, note func(uploadID string) ([]byte, error)) (string, error) {
	const op = "Uploads.Create"
	name, err := u.b.enterChange(ctx, op, key)
	if err != nil {
		return "", err
	}
	if err := u.b.clashes.look(ctx, op, key); err != nil {
		return "", err
	}
	id, err := u.b.createUpload(ctx, op, key, name)
	if err != nil {
		return "", err
	}
	up := driver.Upload{ID: id, Key: key}
	if err := u.storeFirst(ctx, op, up, note); err != nil {
		clean, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanUpWithin)
		defer cancel()
		_ = u.b.abortUpload(clean, op, up, name) // the service drops it by itself when it is old
		if driver.Is(err, driver.UnknownOutcome) {
			_ = u.b.remove(clean, op, key, u.b.names.prefix+folderOf(id)+driver.FirstNote, "") // swept otherwise
		}
		return "", err
	}
	return id, nil
}

func (u uploads) storeFirst(ctx context.Context, op string, up driver.Upload, note func(uploadID string) ([]byte, error)) error {
	var first []byte
	if note != nil {
		var err error
		if first, err = note(up.ID); err != nil {
			return fail(driver.Internal, op, up.Key, err)
		}
		if len(first) > driver.MaxNote {
			return fail(driver.TooLarge, op, up.Key, nil)
		}
	}
	return u.b.putNote(ctx, op, up, driver.FirstNote, first)
}

// createUpload begins an upload at the service.
func (b *Bucket) createUpload(ctx context.Context, op, key, name string) (string, error) {
	ctx, x := record(ctx, nil)
	c := &call{op: op, key: key, x: x, changes: true, notKey: true}
	id, err := b.core.NewMultipartUpload(ctx, b.bucket, name, minio.PutObjectOptions{})
	if err != nil {
		return "", b.classify(ctx, c, err)
	}
	if id == "" || len(id) > driver.MaxUploadID || !driver.ValidKey(id, driver.MaxUploadID) {
		return "", fail(driver.Corrupt, op, key, fmt.Errorf("%w: its upload id cannot be used", errContradiction))
	}
	return id, nil
}

// abortUpload drops an upload's parts at the service. Some answer success to any id.
func (b *Bucket) abortUpload(ctx context.Context, op string, up driver.Upload, name string) error {
	ctx, x := record(ctx, nil)
	c := &call{op: op, key: up.Key, x: x, changes: true}
	if err := b.core.AbortMultipartUpload(ctx, b.bucket, name, up.ID); err != nil {
		return asUpload(b.classify(ctx, c, err))
	}
	return nil
}

// asUpload reads a 404 without a code, and the refusal of a name, as NoSuchUpload: the upload's key was accepted as a name when the upload was begun.
func asUpload(err error) error {
	if e, ok := errors.AsType[*driver.Error](err); ok && (e.Kind == driver.NotFound || e.Kind == driver.InvalidKey && !errors.Is(err, errFolderClash)) {
		e.Kind = driver.NoSuchUpload
	}
	return err
}

// PutPart implements driver.Uploads.
func (u uploads) PutPart(ctx context.Context, up driver.Upload, n int, body io.Reader, size int64) (*driver.Part, error) {
	const op = "Uploads.PutPart"
	name, err := u.enterChange(ctx, op, up)
	if err != nil {
		return nil, err
	}
	if err := checkPart(op, up.Key, n, size); err != nil {
		return nil, err
	}
	return u.b.putPart(ctx, op, up, name, n, body, size)
}

func checkPart(op, key string, n int, size int64) error {
	if n < 1 || n > maxPartNumber {
		return fail(driver.InvalidPart, op, key, nil)
	}
	if size > maxPart {
		return fail(driver.TooLarge, op, key, nil)
	}
	return nil
}

func (b *Bucket) putPart(ctx context.Context, op string, up driver.Upload, name string, n int, body io.Reader, size int64) (*driver.Part, error) {
	o, err := b.prepare(ctx, op, up.Key, body, size, b.keepsFiles, func() error { return nil })
	if err != nil {
		return nil, err
	}
	sendCtx, x := record(ctx, o.body)
	put := minio.PutObjectPartOptions{Sha256Hex: o.sha256, Trailer: o.trailer, DisableContentSha256: o.inMemory || !b.settings.signBodies, CustomHeader: http.Header{}}
	for name, value := range o.header {
		put.CustomHeader.Set(name, value)
	}
	sent, err := b.core.PutObjectPart(sendCtx, b.bucket, name, up.ID, n, o.body, size, put)
	b.shut(o)
	c := &call{op: op, key: up.Key, x: x, changes: true}
	if err != nil {
		return nil, asUpload(b.classify(ctx, c, err))
	}
	if err := b.verifySent(c, o, sent.ETag); err != nil {
		return nil, err
	}
	return &driver.Part{N: n, Size: size, ETag: sent.ETag, ModTime: b.dateOf(x)}, nil
}

// CopyPart implements driver.Uploads. Amazon S3 copies no range of an object below 5 MiB; it says so with InvalidRange or Internal.
func (u uploads) CopyPart(ctx context.Context, up driver.Upload, n int, src string, off, length int64, ifMatch string) (*driver.Part, error) {
	const op = "Uploads.CopyPart"
	name, err := u.enterChange(ctx, op, up)
	if err != nil {
		return nil, err
	}
	if err := checkPart(op, up.Key, n, 0); err != nil {
		return nil, err
	}
	from, ok := u.b.names.of(src)
	if !ok {
		return nil, fail(driver.InvalidKey, op, src, nil)
	}
	// The service is asked for exactly the revision that was looked at, because its own answers to ranges outside differ.
	info, err := u.b.stat(ctx, op, src, from)
	if err != nil {
		return nil, err
	}
	if ifMatch != "" && ifMatch != info.ETag {
		return nil, fail(driver.PreconditionFailed, op, src, nil)
	}
	if off < 0 || length < 0 || off > info.Size || length > info.Size-off {
		return nil, fail(driver.InvalidRange, op, src, nil)
	}
	if err := checkPart(op, up.Key, n, length); err != nil {
		return nil, err
	}
	if length == 0 {
		return u.b.putPart(ctx, op, up, name, n, http.NoBody, 0)
	}
	sendCtx, x := record(ctx, nil)
	request := &own{method: http.MethodPut, name: name, query: url.Values{"partNumber": {strconv.Itoa(n)}, "uploadId": {up.ID}}, header: http.Header{
		"X-Amz-Copy-Source":          {s3utils.EncodePath(u.b.bucket + "/" + from)},
		"X-Amz-Copy-Source-Range":    {fmt.Sprintf("bytes=%d-%d", off, off+length-1)},
		"X-Amz-Copy-Source-If-Match": {quoted(info.ETag)},
	}}
	var answer struct {
		ETag         string
		LastModified time.Time
	}
	c := &call{op: op, key: up.Key, x: x, changes: true}
	if err := u.b.send(sendCtx, x, request, &answer); err != nil {
		return nil, u.b.classify(ctx, c, err)
	}
	etag := unquoted(answer.ETag)
	if etag == "" {
		return nil, fail(driver.UnknownOutcome, op, up.Key, fmt.Errorf("%w: %w", errContradiction, errNoETag))
	}
	return &driver.Part{N: n, Size: length, ETag: etag, ModTime: answer.LastModified}, nil
}

// Note implements driver.Uploads.
func (u uploads) Note(ctx context.Context, up driver.Upload, name string, note []byte) error {
	const op = "Uploads.Note"
	if _, err := u.enterChange(ctx, op, up); err != nil {
		return err
	}
	if !driver.ValidNoteName(name) {
		return fail(driver.InvalidKey, op, up.Key, nil)
	}
	if len(note) > driver.MaxNote {
		return fail(driver.TooLarge, op, up.Key, nil)
	}
	return u.b.putNote(ctx, op, up, name, note)
}

// Read implements driver.Uploads.
func (u uploads) Read(ctx context.Context, up driver.Upload) ([]driver.Part, []driver.Note, error) {
	const op = "Uploads.Read"
	name, err := u.enter(ctx, op, up)
	if err != nil {
		return nil, nil, err
	}
	parts, err := u.b.listParts(ctx, op, up, name, maxPage)
	open := err == nil
	if err != nil && !driver.Is(err, driver.NoSuchUpload) {
		return nil, nil, err
	}
	paths, err := u.b.notePaths(ctx, op, up)
	if err != nil {
		return nil, nil, err
	}
	notes, err := u.b.readNotes(ctx, op, up, paths)
	if err != nil {
		return nil, nil, err
	}
	if !open && len(notes) == 0 {
		return nil, nil, fail(driver.NoSuchUpload, op, up.Key, nil)
	}
	return parts, notes, nil
}

// partsAnswer is a page of parts. An answer that is something else must not read as a page without parts, which means that the upload is gone.
type partsAnswer struct {
	XMLName     xml.Name `xml:"ListPartsResult"`
	IsTruncated bool
	Parts       []struct {
		PartNumber   int
		ETag         string
		Size         int64
		LastModified time.Time
	} `xml:"Part"`
}

// listParts returns the parts of an upload that is open at the service, asking for at most so many at once. With 1 only the first page is read.
func (b *Bucket) listParts(ctx context.Context, op string, up driver.Upload, name string, most int) ([]driver.Part, error) {
	var parts []driver.Part
	for marker := 0; ; {
		sendCtx, x := record(ctx, nil)
		c := &call{op: op, key: up.Key, x: x}
		var answer partsAnswer
		err := b.send(sendCtx, x, &own{method: http.MethodGet, name: name, query: url.Values{
			"uploadId": {up.ID}, "part-number-marker": {strconv.Itoa(marker)}, "max-parts": {strconv.Itoa(most)},
		}}, &answer)
		if err != nil {
			return nil, asUpload(b.classify(ctx, c, err))
		}
		for _, p := range answer.Parts {
			if p.PartNumber <= marker {
				return nil, fail(driver.Corrupt, op, up.Key, fmt.Errorf("%w: a list of parts is out of order", errContradiction))
			}
			marker = p.PartNumber
			parts = append(parts, driver.Part{N: p.PartNumber, Size: p.Size, ETag: unquoted(p.ETag), ModTime: p.LastModified})
		}
		if !answer.IsTruncated || most == 1 {
			return parts, nil
		}
		if len(answer.Parts) == 0 {
			return nil, fail(driver.Corrupt, op, up.Key, fmt.Errorf("%w: a list of parts goes on and does not say where", errContradiction))
		}
	}
}

// notePaths lists the notes of an upload in order of their names, by their paths below the prefix.
func (b *Bucket) notePaths(ctx context.Context, op string, up driver.Upload) ([]string, error) {
	var paths []string
	err := b.eachName(ctx, op, folderOf(up.ID), func(e *listedObject) (string, error) {
		if driver.ValidNoteName(e.Key[strings.LastIndexByte(e.Key, '/')+1:]) {
			paths = append(paths, e.Key)
		}
		return "", nil
	})
	return paths, err
}

// readNotes reads notes. Those that are gone meanwhile, and those of another key, are left out.
func (b *Bucket) readNotes(ctx context.Context, op string, up driver.Upload, paths []string) ([]driver.Note, error) {
	found := make([]*noteRecord, len(paths))
	group, groupCtx := errgroup.WithContext(ctx)
	group.SetLimit(noteLookups)
	for i, path := range paths {
		group.Go(func() error {
			note, err := b.getNote(groupCtx, op, path)
			if driver.Is(err, driver.NotFound) {
				return nil
			}
			found[i] = note
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	var notes []driver.Note
	for _, r := range found {
		if r != nil && r.upload == up {
			notes = append(notes, r.note)
		}
	}
	return notes, nil
}

// Complete implements driver.Uploads.
func (u uploads) Complete(ctx context.Context, up driver.Upload, parts []driver.Part, opts *driver.PutOptions) (*driver.Info, error) {
	const op = "Uploads.Complete"
	name, err := u.enterChange(ctx, op, up)
	if err != nil {
		return nil, err
	}
	if opts.IfNoneMatch && !u.b.caps.CompleteIfNoneMatch || opts.IfMatch != "" && !u.b.caps.CompleteIfMatch {
		return nil, fail(driver.Unsupported, op, up.Key, nil)
	}
	return u.b.complete(ctx, op, up, name, parts, opts)
}

func (b *Bucket) complete(ctx context.Context, op string, up driver.Upload, name string, parts []driver.Part, opts *driver.PutOptions) (*driver.Info, error) {
	list, size, err := completeList(op, up.Key, parts)
	if err != nil {
		return nil, err
	}
	var put minio.PutObjectOptions
	switch {
	case opts.IfNoneMatch:
		put.SetMatchETagExcept("*")
	case opts.IfMatch != "" && !validETag(opts.IfMatch):
		return nil, b.refuseCondition(ctx, op, up.Key, name)
	case opts.IfMatch != "":
		put.SetMatchETag(opts.IfMatch)
	}
	if err := b.clashes.look(ctx, op, up.Key); err != nil {
		return nil, err
	}
	sendCtx, x := record(ctx, nil)
	c := &call{op: op, key: up.Key, x: x, changes: true}
	made, err := b.core.CompleteMultipartUpload(sendCtx, b.bucket, name, up.ID, list, put)
	if err != nil {
		err = b.classify(ctx, c, err)
		if opts.IfMatch == "" {
			err = asUpload(err)
		}
		return nil, err
	}
	if made.ETag == "" {
		return nil, fail(driver.UnknownOutcome, op, up.Key, fmt.Errorf("%w: %w", errContradiction, errNoETag))
	}
	b.clashes.wrote(up.Key)
	return &driver.Info{Key: up.Key, Size: size, ETag: made.ETag, ModTime: b.dateOf(x), VersionID: versionOf(made.VersionID)}, nil
}

// completeList checks what the service need not be asked for.
func completeList(op, key string, parts []driver.Part) (list []minio.CompletePart, size int64, err error) {
	last := 0
	for _, p := range parts {
		if p.N <= last || p.N > maxPartNumber || !validETag(p.ETag) {
			return nil, 0, fail(driver.InvalidPart, op, key, nil)
		}
		last = p.N
		if size += p.Size; size > maxObject {
			return nil, 0, fail(driver.TooLarge, op, key, nil)
		}
		list = append(list, minio.CompletePart{PartNumber: p.N, ETag: p.ETag})
	}
	if len(list) == 0 {
		return nil, 0, fail(driver.InvalidPart, op, key, errors.New("no parts"))
	}
	return list, size, nil
}

// Abort implements driver.Uploads. Whether there is an upload is told by its notes first: some services know any id.
func (u uploads) Abort(ctx context.Context, up driver.Upload) error {
	const op = "Uploads.Abort"
	name, err := u.enterChange(ctx, op, up)
	if err != nil {
		return err
	}
	paths, err := u.b.notePaths(ctx, op, up)
	if err != nil {
		return err
	}
	known := false
	for _, path := range paths {
		first, err := u.b.getNote(ctx, op, path)
		if driver.Is(err, driver.NotFound) {
			continue
		}
		if err != nil {
			return err
		}
		if first.upload != up {
			return fail(driver.NoSuchUpload, op, up.Key, nil)
		}
		known = true
		break
	}
	if !known {
		if _, err := u.b.listParts(ctx, op, up, name, 1); err != nil {
			return err
		}
	}
	if err := u.b.abortUpload(ctx, op, up, name); err != nil && !driver.Is(err, driver.NoSuchUpload) {
		return err
	}
	return u.b.removeNotes(ctx, op, up, paths)
}

// removeNotes removes the first note last, so that what an interruption leaves is found again.
func (b *Bucket) removeNotes(ctx context.Context, op string, up driver.Upload, paths []string) error {
	group, groupCtx := errgroup.WithContext(ctx)
	group.SetLimit(noteLookups)
	first := folderOf(up.ID) + driver.FirstNote
	for _, path := range paths {
		if path != first {
			group.Go(func() error { return b.remove(groupCtx, op, up.Key, b.names.prefix+path, "") })
		}
	}
	if err := group.Wait(); err != nil {
		return err
	}
	if slices.Contains(paths, first) {
		return b.remove(ctx, op, up.Key, b.names.prefix+first, "")
	}
	return nil
}
