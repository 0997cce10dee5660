package providers

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"sallyport/providers/driver"
)

// RetryOptions adjust how passing failures are repeated. The zero value is the usual.
type RetryOptions struct {
	MaxRetries    int           // of one call, or of one read without progress; 0 = 3, negative = none
	BaseDelay     time.Duration // the first delay is random up to this, the next up to twice as much…; 0 = 100 ms
	MaxDelay      time.Duration // …and no more than this; 0 = 5 s
	MaxRetryAfter time.Duration // a backend that asks for more is not waited for: the caller gets its answer at once; 0 = 10 s

	// The budget of all calls of a Store together: a retry costs one, every success earns PerSuccess, every second PerSecond, and no
	// more than Burst is ever saved up.
	PerSuccess, PerSecond, Burst float64 // 0 = 0.1, 10, 10

	// Jitter returns a random duration in [0, most]; nil = evenly distributed. Called from many goroutines.
	Jitter func(most time.Duration) time.Duration
}

// retry repeats calls that failed in passing. It alone does: nothing above or below it retries.
type retry struct {
	driver.Driver
	opts    RetryOptions
	caps    driver.Capabilities
	budget  *budget
	retried func(op string, kind Kind, wait time.Duration)
	buffers driver.Buffers
}

// Retry returns d with passing failures repeated: what Store does without its other layers.
func Retry(d driver.Driver, opts RetryOptions) driver.Driver {
	return newRetry(d, opts, func(string, Kind, time.Duration) {})
}

func newRetry(d driver.Driver, opts RetryOptions, retried func(op string, kind Kind, wait time.Duration)) *retry {
	setDefault(&opts.MaxRetries, 3)
	setDefault(&opts.BaseDelay, 100*time.Millisecond)
	setDefault(&opts.MaxDelay, 5*time.Second)
	setDefault(&opts.MaxRetryAfter, 10*time.Second)
	setDefault(&opts.PerSuccess, 0.1)
	setDefault(&opts.PerSecond, 10)
	setDefault(&opts.Burst, 10)
	if opts.Jitter == nil {
		opts.Jitter = func(most time.Duration) time.Duration { return rand.N(most + 1) }
	}
	return &retry{
		Driver: d, opts: opts, caps: d.Capabilities(), retried: retried,
		budget: newBudget(opts.PerSuccess, opts.PerSecond, opts.Burst),
	}
}

func setDefault[T comparable](p *T, otherwise T) {
	var zero T
	if *p == zero {
		*p = otherwise
	}
}

// passing reports whether the same call may succeed and nothing was changed by this one.
func passing(k Kind) bool { return k == Unavailable || k == Throttled || k == Conflict }

// attempts counts the repetitions of one call.
type attempts struct {
	r  *retry
	op string
	n  int
}

// again decides after err whether the call may be made once more, and waits until it is time. It returns nil to go on, otherwise the
// error to give up with.
func (a *attempts) again(ctx context.Context, err error) error {
	if a.n >= a.r.opts.MaxRetries || ctx.Err() != nil {
		return err
	}
	e, ok := errors.AsType[*Error](err)
	if !ok || e.RetryAfter > a.r.opts.MaxRetryAfter {
		return err
	}
	most := a.r.opts.MaxDelay
	if shift := a.n; shift < 30 && a.r.opts.BaseDelay<<shift < most {
		most = a.r.opts.BaseDelay << shift
	}
	wait := e.RetryAfter + a.r.opts.Jitter(most)
	if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) <= wait {
		return err // it would only be waited for
	}
	if !a.r.budget.take() {
		return err
	}
	a.n++
	a.r.retried(a.op, e.Kind, wait)
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return &Error{Kind: Canceled, Op: e.Op, Key: e.Key, Err: err}
	}
}

// do makes a call until it succeeds or may not be repeated. With repeatUnknown the call is one that may happen twice without harm.
func do[T any](ctx context.Context, r *retry, op string, repeatUnknown bool, call func() (T, error)) (T, error) {
	tries := attempts{r: r, op: op}
	for {
		got, err := call()
		if err == nil {
			r.budget.succeeded()
			return got, nil
		}
		if kind := driver.KindOf(err); !passing(kind) && (!repeatUnknown || kind != UnknownOutcome) {
			return got, err
		}
		if err := tries.again(ctx, err); err != nil {
			return got, err
		}
	}
}

// none stands for the result of calls that return only an error.
type none struct{}

func doErr(ctx context.Context, r *retry, op string, repeatUnknown bool, call func() error) error {
	_, err := do(ctx, r, op, repeatUnknown, func() (none, error) { return none{}, call() })
	return err
}

func (r *retry) Head(ctx context.Context, key string) (*Info, error) {
	return do(ctx, r, "Head", false, func() (*Info, error) { return r.Driver.Head(ctx, key) })
}

func (r *retry) List(ctx context.Context, opts *ListOptions) (*Page, error) {
	return do(ctx, r, "List", false, func() (*Page, error) { return r.Driver.List(ctx, opts) })
}
