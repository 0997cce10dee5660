// Package faulty wraps a driver and makes chosen calls fail in chosen ways, for tests: before or after their effect, in the middle of a
// body, for ever, once or from then on. It is deterministic: the same plan and the same calls give the same faults, and every call is
// recorded, so that a failing run can be told and repeated.
//
// It does not check that a fault keeps the driver contract. A change that is carried out and reported with a kind other than
// UnknownOutcome is a lie that no layer above can see through; plans that should be survivable do not tell it.
package faulty

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"sallyport/providers/driver"
)

// ErrInjected is the cause of every injected error, unless its Fault says otherwise.
var ErrInjected = errors.New("injected fault")

// Call is one call of the wrapped driver, as a Plan sees it and Calls returns it.
type Call struct {
	N      int    // counts all calls from 1
	OpN    int    // counts the calls of this Op from 1
	Op     string // the method, such as "Put" or "Uploads.PutPart"
	Key    string
	Part   int // of PutPart and CopyPart
	Result string
}

// Mode is where in a call a Fault strikes.
type Mode int

// The modes. Those of a body's middle act Before on calls that have no body.
const (
	Before    Mode = iota // nothing is done
	After                 // everything is done, and then failure is reported
	MidBody               // Put, PutPart: After bytes of the body were taken, nothing is done. Get: the reader fails behind so many bytes
	CleanCut              // Get: the reader ends behind so many bytes as if that were all
	Stall                 // the call, or Get's reader behind so many bytes, waits until ctx ends
	Twice                 // the change is carried out twice, as a repeated packet would have it, and the first answer given
	WrongETag             // everything is done, and the answer has an ETag that nothing has
)

// Fault is what happens to a call.
type Fault struct {
	Mode       Mode
	Kind       driver.Kind
	RetryAfter time.Duration
	Bytes      int64 // for MidBody, CleanCut and Stall
	Err        error // nil = ErrInjected
}

// Plan decides what happens to a call; nil = nothing. It is called for one call at a time, in their order.
type Plan func(c Call) *Fault

// Driver is a driver whose calls fail as planned. Safe for concurrent use.
type Driver struct {
	inner driver.Driver

	mu    sync.Mutex
	plan  Plan
	calls []Call
	byOp  map[string]int
}

// New returns d under plan. A nil plan is no faults.
func New(d driver.Driver, plan Plan) *Driver {
	return &Driver{inner: d, plan: plan, byOp: map[string]int{}}
}

// SetPlan replaces the plan and forgets the calls so far.
func (d *Driver) SetPlan(plan Plan) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.plan, d.calls, d.byOp = plan, nil, map[string]int{}
}

// Calls returns the calls so far in order.
func (d *Driver) Calls() []Call {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.calls)
}

// begin records a call and asks the plan. The returned function records its result.
func (d *Driver) begin(op, key string, part int) (*Fault, func(error)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.byOp[op]++
	c := Call{N: len(d.calls) + 1, OpN: d.byOp[op], Op: op, Key: key, Part: part}
	d.calls = append(d.calls, c)
	var f *Fault
	if d.plan != nil {
		f = d.plan(c)
	}
	if f == nil {
		f = &Fault{Mode: none}
	}
	return f, func(err error) {
		d.mu.Lock()
		defer d.mu.Unlock()
		if c.N > len(d.calls) || d.calls[c.N-1].Op != op {
			return // SetPlan came in between
		}
		result := "ok"
		if err != nil {
			result = driver.KindOf(err).String()
		}
		d.calls[c.N-1].Result = result
	}
}

const none Mode = -1

func (f *Fault) err(op, key string) error {
	cause := f.Err
	if cause == nil {
		cause = ErrInjected
	}
	return &driver.Error{Kind: f.Kind, Op: op, Key: key, RetryAfter: f.RetryAfter, Err: cause}
}

// apply runs a call without a body as planned.
func apply[T any](ctx context.Context, d *Driver, op, key string, part int, call func() (T, error)) (T, error) {
	f, done := d.begin(op, key, part)
	got, err := f.run(ctx, op, key, func() (any, error) { return call() })
	done(err)
	return typed[T](got, err)
}

func typed[T any](got any, err error) (T, error) {
	var zero T
	if err != nil {
		return zero, err
	}
	v, ok := got.(T)
	if !ok {
		panic(fmt.Sprintf("faulty: internal error: result %T", got))
	}
	return v, nil
}

func (f *Fault) run(ctx context.Context, op, key string, call func() (any, error)) (any, error) {
	switch f.Mode {
	case Before, MidBody, CleanCut:
		return nil, f.err(op, key)
	case Stall:
		return nil, stall(ctx, op, key)
	case After:
		if _, err := call(); err != nil {
			return nil, err
		}
		return nil, f.err(op, key)
	case Twice:
		got, err := call()
		_, _ = call()
		return got, err
	case WrongETag:
		got, err := call()
		if err != nil {
			return nil, err
		}
		switch v := got.(type) {
		case *driver.Info:
			wrong := *v
			wrong.ETag += "-wrong"
			return &wrong, nil
		case *driver.Part:
			wrong := *v
			wrong.ETag += "-wrong"
			return &wrong, nil
		}
		return got, nil
	default:
		return call()
	}
}

func stall(ctx context.Context, op, key string) error {
	<-ctx.Done()
	return &driver.Error{Kind: driver.Canceled, Op: op, Key: key, Err: context.Cause(ctx)}
}

// write runs a call with a body as planned.
func write[T any](ctx context.Context, d *Driver, op, key string, part int, body io.Reader, size int64, call func(io.Reader) (T, error)) (T, error) {
	f, done := d.begin(op, key, part)
	var got any
	var err error
	switch f.Mode {
	case MidBody, Stall:
		_, err = io.CopyN(io.Discard, body, min(f.Bytes, size))
		switch {
		case err != nil:
			err = &driver.Error{Kind: driver.BadBody, Op: op, Key: key, Err: err}
		case f.Mode == Stall:
			err = stall(ctx, op, key)
		default:
			err = f.err(op, key)
		}
	case Twice:
		var whole []byte
		if whole, err = io.ReadAll(driver.ExactBody(body, size)); err != nil {
			err = &driver.Error{Kind: driver.BadBody, Op: op, Key: key, Err: err}
			break
		}
		got, err = f.run(ctx, op, key, func() (any, error) { return call(bytes.NewReader(whole)) })
	default:
		got, err = f.run(ctx, op, key, func() (any, error) { return call(body) })
	}
	done(err)
	return typed[T](got, err)
}

// Capabilities implements driver.Driver and never fails.
func (d *Driver) Capabilities() driver.Capabilities { return d.inner.Capabilities() }

// Close implements driver.Driver and never fails by plan.
func (d *Driver) Close() error { return d.inner.Close() }

// Put implements driver.Driver.
func (d *Driver) Put(ctx context.Context, key string, body io.Reader, size int64, opts *driver.PutOptions) (*driver.Info, error) {
	return write(ctx, d, "Put", key, 0, body, size, func(body io.Reader) (*driver.Info, error) {
		return d.inner.Put(ctx, key, body, size, opts)
	})
}

// Get implements driver.Driver.
func (d *Driver) Get(ctx context.Context, key string, opts *driver.GetOptions) (io.ReadCloser, *driver.Info, error) {
	f, done := d.begin("Get", key, 0)
	inMiddle := f.Mode == MidBody || f.Mode == CleanCut || f.Mode == Stall
	if f.Mode == Before {
		err := f.err("Get", key)
		done(err)
		return nil, nil, err
	}
	body, info, err := d.inner.Get(ctx, key, opts)
	switch {
	case err == nil && f.Mode == After:
		_ = body.Close()
		body, info, err = nil, nil, f.err("Get", key)
	case err == nil && f.Mode == WrongETag:
		wrong := *info
		wrong.ETag += "-wrong"
		info = &wrong
	case err == nil && inMiddle:
		body = &faultyReader{ReadCloser: body, ctx: ctx, key: key, f: f, left: f.Bytes}
	}
	done(err)
	return body, info, err
}

// faultyReader gives so many bytes and then fails as planned. It keeps ctx because io.Reader has no other way to end with it.
type faultyReader struct {
	io.ReadCloser
	ctx  context.Context
	key  string
	f    *Fault
	left int64
}

func (r *faultyReader) Read(p []byte) (int, error) {
	if r.left > 0 {
		n, err := r.ReadCloser.Read(p[:min(int64(len(p)), r.left)])
		r.left -= int64(n)
		return n, err
	}
	switch r.f.Mode {
	case CleanCut:
		return 0, io.EOF
	case Stall:
		return 0, stall(r.ctx, "Get", r.key)
	default:
		return 0, r.f.err("Get", r.key)
	}
}

// Head implements driver.Driver.
func (d *Driver) Head(ctx context.Context, key string) (*driver.Info, error) {
	return apply(ctx, d, "Head", key, 0, func() (*driver.Info, error) { return d.inner.Head(ctx, key) })
}

// Delete implements driver.Driver.
func (d *Driver) Delete(ctx context.Context, key string, opts *driver.DeleteOptions) error {
	return applyErr(ctx, d, "Delete", key, func() error { return d.inner.Delete(ctx, key, opts) })
}

// List implements driver.Driver.
func (d *Driver) List(ctx context.Context, opts *driver.ListOptions) (*driver.Page, error) {
	return apply(ctx, d, "List", opts.Prefix, 0, func() (*driver.Page, error) { return d.inner.List(ctx, opts) })
}

func applyErr(ctx context.Context, d *Driver, op, key string, call func() error) error {
	_, err := apply(ctx, d, op, key, 0, func() (struct{}, error) { return struct{}{}, call() })
	return err
}
