// Package mem is a driver whose root lives in this process's memory: the reference that other drivers and all decorators are tested
// against, and a backend for tests of the layers above.
//
// It promises all of the driver contract with every condition and strong lists; nothing survives the process. It does not promise to
// be frugal: objects and parts are whole byte slices, and a new key costs a move within the sorted key list.
package mem

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"io"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"sallyport/providers/driver"
)

// Options adjust a root. The zero value lacks nothing and limits little.
type Options struct {
	MaxObject  int64            // bytes; 0 = 1 TiB
	MinPart    int64            // bytes
	MaxPart    int64            // bytes; 0 = 5 GiB
	MaxKey     int              // bytes; 0 = 1088, a bucket, a slash and the longest key of S3
	SplitAbove int64            // bytes; 0 = never
	EqualParts bool             // all parts but the last must have one size
	Now        func() time.Time // nil = time.Now; called from many goroutines

	// What the root is to lack, for tests of what makes up for it.
	NoPutIfNoneMatch, NoPutIfMatch, NoCompleteIfNoneMatch, NoCompleteIfMatch, NoConditionalDelete, NoCopyPart, NoSeenIsDurable bool
}

// Driver is a handle on a root. Safe for concurrent use.
type Driver struct {
	root   *root
	closed atomic.Bool
}

type root struct {
	caps driver.Capabilities
	now  func() time.Time

	mu      sync.RWMutex
	serial  uint64 // the last ETag given out
	objects map[string]*object
	keys    []string // of objects, sorted
	uploads map[string]*upload
}

// object is never changed once it is in the map, so that readers need no lock.
type object struct {
	data    []byte
	etag    string
	modTime time.Time
}

// New returns a driver on a new, empty root.
func New(opts *Options) *Driver {
	r := &root{now: opts.Now, objects: map[string]*object{}, uploads: map[string]*upload{}}
	if r.now == nil {
		r.now = time.Now
	}
	r.caps = driver.Capabilities{
		PutIfNoneMatch: !opts.NoPutIfNoneMatch, PutIfMatch: !opts.NoPutIfMatch,
		CompleteIfNoneMatch: !opts.NoCompleteIfNoneMatch, CompleteIfMatch: !opts.NoCompleteIfMatch,
		ConditionalDelete: !opts.NoConditionalDelete, CopyPart: !opts.NoCopyPart,
		StrongList: true, SeenIsDurable: !opts.NoSeenIsDurable, EqualParts: opts.EqualParts,
		MinPart: opts.MinPart, MaxPart: opts.MaxPart, MaxObject: opts.MaxObject, SplitAbove: opts.SplitAbove, MaxKey: opts.MaxKey,
	}
	if r.caps.MaxObject == 0 {
		r.caps.MaxObject = 1 << 40
	}
	if r.caps.MaxPart == 0 {
		r.caps.MaxPart = 5 << 30
	}
	if r.caps.MaxKey == 0 {
		r.caps.MaxKey = 63 + 1 + 1024
	}
	return &Driver{root: r}
}

// Reopen returns another handle on d's root, also when d is closed.
func (d *Driver) Reopen() *Driver { return &Driver{root: d.root} }

// Capabilities implements driver.Driver.
func (d *Driver) Capabilities() driver.Capabilities { return d.root.caps }

// Close implements driver.Driver. The root stays in memory for Reopen.
func (d *Driver) Close() error {
	d.closed.Store(true)
	return nil
}

// Put implements driver.Driver.
func (d *Driver) Put(ctx context.Context, key string, body io.Reader, size int64, opts *driver.PutOptions) (*driver.Info, error) {
	if err := d.enterKey(ctx, "Put", key); err != nil {
		return nil, err
	}
	caps := &d.root.caps
	if opts.IfNoneMatch && !caps.PutIfNoneMatch || opts.IfMatch != "" && !caps.PutIfMatch {
		return nil, fail("Put", key, driver.Unsupported, nil)
	}
	if size > caps.MaxObject {
		return nil, fail("Put", key, driver.TooLarge, nil)
	}
	data, err := readBody(ctx, "Put", key, body, size)
	if err != nil {
		return nil, err
	}
	r := d.root
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := d.enter(ctx, "Put", key); err != nil {
		return nil, err
	}
	if err := r.check("Put", key, opts); err != nil {
		return nil, err
	}
	return r.store(key, data), nil
}

// check decides the conditions of a write; r.mu is held.
func (r *root) check(op, key string, opts *driver.PutOptions) error {
	old := r.objects[key]
	switch {
	case opts.IfNoneMatch && old != nil:
		return fail(op, key, driver.PreconditionFailed, nil)
	case opts.IfMatch != "" && old == nil:
		return fail(op, key, driver.NotFound, nil)
	case opts.IfMatch != "" && old.etag != opts.IfMatch:
		return fail(op, key, driver.PreconditionFailed, nil)
	}
	return nil
}

// store makes data the object at key; r.mu is held.
func (r *root) store(key string, data []byte) *driver.Info {
	o := &object{data: data, etag: r.nextETag(), modTime: r.now()}
	if _, ok := r.objects[key]; !ok {
		i, _ := slices.BinarySearch(r.keys, key)
		r.keys = slices.Insert(r.keys, i, key)
	}
	r.objects[key] = o
	return o.info(key)
}

func (r *root) nextETag() string {
	r.serial++
	return "m" + strconv.FormatUint(r.serial, 16)
}

func (o *object) info(key string) *driver.Info {
	return &driver.Info{Key: key, Size: int64(len(o.data)), ETag: o.etag, ModTime: o.modTime}
}

// Get implements driver.Driver.
func (d *Driver) Get(ctx context.Context, key string, opts *driver.GetOptions) (io.ReadCloser, *driver.Info, error) {
	o, err := d.lookup(ctx, "Get", key)
	if err != nil {
		return nil, nil, err
	}
	if opts.IfMatch != "" && opts.IfMatch != o.etag {
		return nil, nil, fail("Get", key, driver.PreconditionFailed, nil)
	}
	data, ok := slice(o.data, opts)
	if !ok {
		return nil, nil, fail("Get", key, driver.InvalidRange, nil)
	}
	return &reader{ctx: ctx, key: key, rest: data}, o.info(key), nil
}

func slice(data []byte, opts *driver.GetOptions) ([]byte, bool) {
	size := int64(len(data))
	if opts.Suffix > 0 {
		return data[size-min(size, opts.Suffix):], true
	}
	if opts.Offset == 0 && opts.Length == 0 {
		return data, true
	}
	if opts.Offset < 0 || opts.Length < 0 || opts.Offset >= size {
		return nil, false
	}
	data = data[opts.Offset:]
	if opts.Length > 0 && opts.Length < int64(len(data)) {
		data = data[:opts.Length]
	}
	return data, true
}

// reader yields a slice of an object. It keeps ctx because io.Reader has no other way to end with it.
type reader struct {
	ctx    context.Context
	key    string
	rest   []byte
	closed bool
}

func (r *reader) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, fail("Get", r.key, driver.Canceled, context.Cause(r.ctx))
	}
	if r.closed {
		return 0, fail("Get", r.key, driver.Internal, errClosed)
	}
	if len(r.rest) == 0 {
		return 0, io.EOF
	}
	n := copy(p, r.rest)
	r.rest = r.rest[n:]
	return n, nil
}

func (r *reader) Close() error {
	r.closed = true
	return nil
}

// Head implements driver.Driver.
func (d *Driver) Head(ctx context.Context, key string) (*driver.Info, error) {
	o, err := d.lookup(ctx, "Head", key)
	if err != nil {
		return nil, err
	}
	return o.info(key), nil
}

func (d *Driver) lookup(ctx context.Context, op, key string) (*object, error) {
	if err := d.enterKey(ctx, op, key); err != nil {
		return nil, err
	}
	d.root.mu.RLock()
	defer d.root.mu.RUnlock()
	if o := d.root.objects[key]; o != nil {
		return o, nil
	}
	return nil, fail(op, key, driver.NotFound, nil)
}

// Delete implements driver.Driver.
func (d *Driver) Delete(ctx context.Context, key string, opts *driver.DeleteOptions) error {
	if err := d.enterKey(ctx, "Delete", key); err != nil {
		return err
	}
	r := d.root
	if opts.IfMatch != "" && !r.caps.ConditionalDelete {
		return fail("Delete", key, driver.Unsupported, nil)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.check("Delete", key, &driver.PutOptions{IfMatch: opts.IfMatch}); err != nil {
		return err
	}
	if _, ok := r.objects[key]; ok {
		i, _ := slices.BinarySearch(r.keys, key)
		r.keys = slices.Delete(r.keys, i, i+1)
		delete(r.objects, key)
	}
	return nil
}

var errClosed = errors.New("driver is closed")

func (d *Driver) enter(ctx context.Context, op, key string) error {
	if ctx.Err() != nil {
		return fail(op, key, driver.Canceled, context.Cause(ctx))
	}
	if d.closed.Load() {
		return fail(op, key, driver.Internal, errClosed)
	}
	return nil
}

func (d *Driver) enterKey(ctx context.Context, op, key string) error {
	if err := d.enter(ctx, op, key); err != nil {
		return err
	}
	if !driver.ValidKey(key, d.root.caps.MaxKey) {
		return fail(op, key, driver.InvalidKey, nil)
	}
	return nil
}

// firstAllocation bounds what a declared size alone can make readBody allocate.
const firstAllocation = 1 << 20

func readBody(ctx context.Context, op, key string, body io.Reader, size int64) ([]byte, error) {
	src := driver.ExactBody(body, size)
	data := make([]byte, 0, min(size, firstAllocation))
	for {
		if ctx.Err() != nil {
			return nil, fail(op, key, driver.Canceled, context.Cause(ctx))
		}
		if len(data) == cap(data) && int64(len(data)) < size {
			data = slices.Grow(data, int(min(size-int64(len(data)), int64(len(data))+512)))
		}
		n, err := src.Read(data[len(data):cap(data)])
		data = data[:len(data)+n]
		if err == io.EOF { //nolint:errorlint // Body returns the bare value.
			return data, nil
		}
		if err != nil && ctx.Err() != nil {
			return nil, fail(op, key, driver.Canceled, err)
		}
		if err != nil {
			return nil, fail(op, key, driver.BadBody, err)
		}
	}
}

func randomID() string {
	var b [16]byte
	rand.Read(b[:])
	return hex.EncodeToString(b[:])
}

func fail(op, key string, kind driver.Kind, cause error) error {
	return &driver.Error{Kind: kind, Op: op, Key: key, Err: cause}
}
