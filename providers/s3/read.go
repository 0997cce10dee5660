package s3

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/minio/minio-go/v7"

	"sallyport/providers/driver"
)

// Head implements driver.Driver.
func (b *Bucket) Head(ctx context.Context, key string) (*driver.Info, error) {
	name, err := b.enter(ctx, "Head", key)
	if err != nil {
		return nil, err
	}
	return b.stat(ctx, "Head", key, name)
}

// bucketSeenFor is how long one success lets an absent object be believed without asking for the bucket.
const bucketSeenFor = 10 * time.Second

// stat asks for an object by its name.
func (b *Bucket) stat(ctx context.Context, op, key, name string) (*driver.Info, error) {
	ctx, x := record(ctx, nil)
	c := &call{op: op, key: key, x: x}
	found, err := b.core.StatObject(ctx, b.bucket, name, minio.StatObjectOptions{})
	if err != nil {
		err = b.classify(ctx, c, err)
		if driver.Is(err, driver.NotFound) && b.now().Sub(time.Unix(0, b.lastSuccess.Load())) > bucketSeenFor {
			// A HEAD does not tell an absent object from an absent bucket.
			if bucketErr := b.confirmBucket(ctx, op); bucketErr != nil {
				return nil, bucketErr
			}
		}
		return nil, err
	}
	if found.ETag == "" || found.Size < 0 {
		return nil, fail(driver.Corrupt, op, key, fmt.Errorf("%w: %w or no size", errContradiction, errNoETag))
	}
	return infoOf(key, &found), nil
}

func infoOf(key string, o *minio.ObjectInfo) *driver.Info {
	return &driver.Info{Key: key, Size: o.Size, ETag: o.ETag, ModTime: o.LastModified, VersionID: versionOf(o.VersionID)}
}

// Get implements driver.Driver.
func (b *Bucket) Get(ctx context.Context, key string, opts *driver.GetOptions) (io.ReadCloser, *driver.Info, error) {
	const op = "Get"
	name, err := b.enter(ctx, op, key)
	if err != nil {
		return nil, nil, err
	}
	return b.get(ctx, op, key, name, opts)
}

func (b *Bucket) get(ctx context.Context, op, key, name string, opts *driver.GetOptions) (io.ReadCloser, *driver.Info, error) {
	if opts.Suffix > 0 && !b.probe.SuffixRange {
		info, err := b.stat(ctx, op, key, name)
		if err != nil {
			return nil, nil, err
		}
		if opts.IfMatch != "" && opts.IfMatch != info.ETag {
			return nil, nil, fail(driver.PreconditionFailed, op, key, nil)
		}
		opts = &driver.GetOptions{Offset: max(0, info.Size-opts.Suffix), IfMatch: info.ETag}
	}
	var get minio.GetObjectOptions
	if header := rangeHeader(opts); header != "" {
		get.Set("Range", header)
	}
	if opts.IfMatch != "" {
		if !validETag(opts.IfMatch) {
			return nil, nil, b.refuseCondition(ctx, op, key, name)
		}
		get.Set("If-Match", quoted(opts.IfMatch))
	}
	outer := ctx
	ctx, cancel := context.WithCancel(ctx)
	sendCtx, x := record(ctx, nil)
	x.object = true
	c := &call{op: op, key: key, x: x}
	body, found, header, err := b.core.GetObject(sendCtx, b.bucket, name, get)
	if err != nil {
		defer cancel()
		err = b.classify(ctx, c, err)
		if driver.Is(err, driver.InvalidRange) {
			return b.outside(outer, op, key, name, opts)
		}
		return nil, nil, err
	}
	info := infoOf(key, &found)
	length := found.Size
	if err := locate(opts, x.status, header, info); err != nil {
		cancel()
		_ = body.Close()
		return nil, nil, fail(driver.Corrupt, op, key, fmt.Errorf("%w: %w", errContradiction, err))
	}
	return &objectReader{b: b, ctx: ctx, cancel: cancel, call: c, body: body, remaining: length}, info, nil
}

// outside answers for a range that the service refused: everything is outside an empty object, but its suffix of no bytes is read.
func (b *Bucket) outside(ctx context.Context, op, key, name string, opts *driver.GetOptions) (io.ReadCloser, *driver.Info, error) {
	info, err := b.stat(ctx, op, key, name)
	if err != nil {
		return nil, nil, err
	}
	if opts.IfMatch != "" && opts.IfMatch != info.ETag {
		return nil, nil, fail(driver.PreconditionFailed, op, key, nil)
	}
	if opts.Suffix > 0 && info.Size == 0 {
		return &objectReader{b: b, ctx: ctx, cancel: func() {}, call: &call{op: op, key: key}, body: http.NoBody}, info, nil
	}
	return nil, nil, fail(driver.InvalidRange, op, key, nil)
}

// rangeHeader returns what a range is called on the wire, "" for the whole.
func rangeHeader(opts *driver.GetOptions) string {
	switch {
	case opts.Suffix > 0:
		return "bytes=-" + strconv.FormatInt(opts.Suffix, 10)
	case opts.Length > 0 && opts.Offset <= 1<<63-1-opts.Length:
		return fmt.Sprintf("bytes=%d-%d", opts.Offset, opts.Offset+opts.Length-1)
	case opts.Offset > 0 || opts.Length > 0:
		return fmt.Sprintf("bytes=%d-", opts.Offset)
	}
	return ""
}

// locate checks that the answer is the range that was asked for, and puts the size of the whole object into info.
func locate(opts *driver.GetOptions, status int, header http.Header, info *driver.Info) error {
	length := info.Size
	if info.ETag == "" {
		return errNoETag
	}
	if length < 0 {
		return errors.New("the answer does not tell its length")
	}
	if rangeHeader(opts) == "" {
		if status != http.StatusOK {
			return fmt.Errorf("the whole was answered with status %d", status)
		}
		return nil
	}
	if status != http.StatusPartialContent {
		return fmt.Errorf("a range was answered with status %d", status)
	}
	if text := header.Get("Content-Range"); opts.Suffix > 0 && length == 0 && (text == "bytes 0--1/0" || text == "bytes */0") {
		return nil // of an empty object; MinIO answers so where others refuse
	}
	first, last, total, err := parseContentRange(header.Get("Content-Range"))
	if err != nil {
		return err
	}
	wantFirst, wantLast := opts.Offset, total-1
	switch {
	case opts.Suffix > 0:
		wantFirst = max(0, total-opts.Suffix)
	case opts.Length > 0 && opts.Offset <= 1<<63-1-opts.Length:
		wantLast = min(wantLast, opts.Offset+opts.Length-1)
	}
	if first != wantFirst || last != wantLast || length != last-first+1 {
		return fmt.Errorf("bytes %d to %d of %d were answered, in %d", first, last, total, length)
	}
	info.Size = total
	return nil
}

// parseContentRange reads "bytes first-last/total".
func parseContentRange(text string) (first, last, total int64, err error) {
	bad := fmt.Errorf("the range of the answer is %q", text)
	span, ok := strings.CutPrefix(text, "bytes ")
	if !ok {
		return 0, 0, 0, bad
	}
	span, totalText, ok := strings.Cut(span, "/")
	if !ok {
		return 0, 0, 0, bad
	}
	firstText, lastText, ok := strings.Cut(span, "-")
	if !ok {
		return 0, 0, 0, bad
	}
	numbers := [3]int64{}
	for i, text := range []string{firstText, lastText, totalText} {
		n, err := strconv.ParseUint(text, 10, 63)
		if err != nil {
			return 0, 0, 0, bad
		}
		numbers[i] = int64(n)
	}
	first, last, total = numbers[0], numbers[1], numbers[2]
	if first > last || last >= total {
		return 0, 0, 0, bad
	}
	return first, last, total, nil
}

// objectReader yields exactly the announced bytes of one answer.
type objectReader struct {
	b         *Bucket
	ctx       context.Context //nolint:containedctx // a reader outlives the call that made it, and its reads end with the call's ctx.
	cancel    func()
	call      *call
	body      io.ReadCloser
	remaining int64
	err       error
	closed    atomic.Bool
}

var errReaderClosed = errors.New("read after close")

// Read implements io.Reader.
func (r *objectReader) Read(p []byte) (int, error) {
	if r.closed.Load() {
		return 0, fail(driver.Unavailable, r.call.op, r.call.key, errReaderClosed)
	}
	if r.err != nil {
		return 0, r.err
	}
	if r.ctx.Err() != nil {
		return 0, r.broken(r.ctx.Err())
	}
	if r.remaining == 0 {
		r.err = io.EOF
		return 0, io.EOF
	}
	if int64(len(p)) > r.remaining {
		p = p[:r.remaining]
	}
	n, err := r.body.Read(p)
	r.remaining -= int64(n)
	if err == io.EOF && r.remaining > 0 {
		err = io.ErrUnexpectedEOF
	}
	if err != nil && err != io.EOF {
		return n, r.broken(err)
	}
	return n, nil
}

// broken classifies a reader that failed.
func (r *objectReader) broken(err error) error {
	kind := driver.Unavailable
	if r.ctx.Err() != nil {
		kind = driver.Canceled
	}
	r.err = fail(kind, r.call.op, r.call.key, err)
	if n := r.remaining; n > 0 && kind == driver.Unavailable {
		r.err = fail(kind, r.call.op, r.call.key, fmt.Errorf("%d bytes before the end: %w", n, err))
	}
	return r.err
}

// Close implements io.Closer.
func (r *objectReader) Close() error {
	if r.closed.Swap(true) {
		return nil
	}
	r.cancel()
	_ = r.body.Close()
	return nil
}
