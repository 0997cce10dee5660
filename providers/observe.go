package providers

import (
	"context"
	"io"
	"log/slog"
	"slices"
	"time"

	"sallyport/providers/driver"
)

// Call is one finished call of a Store, with its retries.
type Call struct {
	Provider string
	Op       string // the method, such as "Put" or "Uploads.PutPart"
	Failed   bool
	Kind     Kind          // when Failed
	Duration time.Duration // of a Get until its reader was closed
	Sent     int64         // bytes of a body that was stored
	Received int64         // bytes that a Get's reader gave out
}

// Result returns "ok" or the kind in words: a label of few values.
func (c *Call) Result() string {
	if c.Failed {
		return c.Kind.String()
	}
	return "ok"
}

// Sink takes what is counted. Its methods are called from many goroutines, on the path of the call, and must not block.
type Sink interface {
	// CallDone is told of every call when it is over.
	CallDone(Call)
	// CallRetried is told of every retry before its wait: the failed attempt's kind.
	CallRetried(provider, op string, kind Kind)
}

type observation struct {
	provider string
	sink     Sink
	logger   *slog.Logger
	reached  *reached
}

func (o *observation) retried(op string, kind Kind, wait time.Duration) {
	if o.sink != nil {
		o.sink.CallRetried(o.provider, op, kind)
	}
	if o.logger != nil {
		o.logger.Info("backend call is repeated", slog.String("provider", o.provider), slog.String("operation", op),
			slog.String("kind", kind.String()), slog.Int64("ms", wait.Milliseconds()))
	}
}

// done reports a call. What the caller asked for in vain is no failure of the backend and is not logged.
func (o *observation) done(c *Call) {
	o.reached.note(c)
	if o.sink != nil {
		o.sink.CallDone(*c)
	}
	if o.logger == nil || !c.Failed {
		return
	}
	if asked := []Kind{NotFound, PreconditionFailed, InvalidKey, InvalidRange, NoSuchUpload, InvalidPart, TooLarge, Unsupported, Canceled, BadBody}; slices.Contains(asked, c.Kind) {
		return
	}
	o.logger.Warn("backend call failed", slog.String("provider", c.Provider), slog.String("operation", c.Op), slog.String("kind", c.Result()),
		slog.Int64("ms", c.Duration.Milliseconds()))
}

// observer is the outermost decorator: it measures calls as the gateway sees them and puts the provider's name into their errors.
type observer struct {
	driver.Driver
	observation
}

// finish reports a call that began at start and returns its error with the provider's name.
func (o *observation) finish(op, key string, start time.Time, sent, received int64, err error) error {
	err = named(o.provider, op, key, err)
	c := Call{Provider: o.provider, Op: op, Duration: time.Since(start), Sent: sent, Received: received}
	if err != nil {
		c.Failed, c.Kind, c.Sent = true, driver.KindOf(err), 0
	}
	o.done(&c)
	return err
}

func (o *observer) Put(ctx context.Context, key string, body io.Reader, size int64, opts *PutOptions) (*Info, error) {
	start := time.Now()
	info, err := o.Driver.Put(ctx, key, body, size, opts)
	return info, o.finish("Put", key, start, size, 0, err)
}

func (o *observer) Get(ctx context.Context, key string, opts *GetOptions) (io.ReadCloser, *Info, error) {
	start := time.Now()
	body, info, err := o.Driver.Get(ctx, key, opts)
	if err != nil {
		return nil, nil, o.finish("Get", key, start, 0, 0, err)
	}
	return &observedReader{ReadCloser: body, o: &o.observation, key: key, start: start}, info, nil
}

type observedReader struct {
	io.ReadCloser
	o        *observation
	key      string
	start    time.Time
	received int64
	err      error
	closed   bool
}

func (r *observedReader) Read(p []byte) (int, error) {
	n, err := r.ReadCloser.Read(p)
	r.received += int64(n)
	if err != nil && err != io.EOF { //nolint:errorlint // io.Reader promises the bare value.
		err = named(r.o.provider, "Get", r.key, err)
		r.err = err
	}
	return n, err
}

func (r *observedReader) Close() error {
	err := named(r.o.provider, "Get", r.key, r.ReadCloser.Close())
	if r.closed {
		return err
	}
	r.closed = true
	if r.err == nil {
		r.err = err
	}
	_ = r.o.finish("Get", r.key, r.start, 0, r.received, r.err)
	return err
}

func (o *observer) Head(ctx context.Context, key string) (*Info, error) {
	start := time.Now()
	info, err := o.Driver.Head(ctx, key)
	return info, o.finish("Head", key, start, 0, 0, err)
}

func (o *observer) Delete(ctx context.Context, key string, opts *DeleteOptions) error {
	start := time.Now()
	return o.finish("Delete", key, start, 0, 0, o.Driver.Delete(ctx, key, opts))
}

func (o *observer) List(ctx context.Context, opts *ListOptions) (*Page, error) {
	start := time.Now()
	page, err := o.Driver.List(ctx, opts)
	return page, o.finish("List", "", start, 0, 0, err)
}

func (o *observer) Close() error { return named(o.provider, "Close", "", o.Driver.Close()) }

func (o *observer) Uploads() driver.Uploads {
	return observedUploads{u: o.Driver.Uploads(), o: &o.observation}
}

type observedUploads struct {
	u driver.Uploads
	o *observation
}

func (u observedUploads) Create(ctx context.Context, key string, note func(string) ([]byte, error)) (string, error) {
	start := time.Now()
	id, err := u.u.Create(ctx, key, note)
	return id, u.o.finish("Uploads.Create", key, start, 0, 0, err)
}

func (u observedUploads) PutPart(ctx context.Context, up Upload, n int, body io.Reader, size int64) (*Part, error) {
	start := time.Now()
	part, err := u.u.PutPart(ctx, up, n, body, size)
	return part, u.o.finish("Uploads.PutPart", up.Key, start, size, 0, err)
}

func (u observedUploads) CopyPart(ctx context.Context, up Upload, n int, src string, off, length int64, ifMatch string) (*Part, error) {
	start := time.Now()
	part, err := u.u.CopyPart(ctx, up, n, src, off, length, ifMatch)
	return part, u.o.finish("Uploads.CopyPart", up.Key, start, 0, 0, err)
}

func (u observedUploads) Note(ctx context.Context, up Upload, name string, note []byte) error {
	start := time.Now()
	return u.o.finish("Uploads.Note", up.Key, start, int64(len(note)), 0, u.u.Note(ctx, up, name, note))
}

func (u observedUploads) Read(ctx context.Context, up Upload) ([]Part, []Note, error) {
	start := time.Now()
	parts, notes, err := u.u.Read(ctx, up)
	return parts, notes, u.o.finish("Uploads.Read", up.Key, start, 0, 0, err)
}

func (u observedUploads) Complete(ctx context.Context, up Upload, parts []Part, opts *PutOptions) (*Info, error) {
	start := time.Now()
	info, err := u.u.Complete(ctx, up, parts, opts)
	return info, u.o.finish("Uploads.Complete", up.Key, start, 0, 0, err)
}

func (u observedUploads) Abort(ctx context.Context, up Upload) error {
	start := time.Now()
	return u.o.finish("Uploads.Abort", up.Key, start, 0, 0, u.u.Abort(ctx, up))
}

func (u observedUploads) List(ctx context.Context, opts *ListUploadsOptions) (*UploadPage, error) {
	start := time.Now()
	page, err := u.u.List(ctx, opts)
	return page, u.o.finish("Uploads.List", "", start, 0, 0, err)
}

func (u observedUploads) Stale(ctx context.Context, before time.Time) ([]StaleUpload, error) {
	start := time.Now()
	stale, err := u.u.Stale(ctx, before)
	return stale, u.o.finish("Uploads.Stale", "", start, 0, 0, err)
}
