package providers

import (
	"context"
	"errors"
	"hash/maphash"
	"io"
	"sync"

	"golang.org/x/sync/semaphore"

	"sallyport/providers/driver"
)

// SingleGateway returns d with the conditions it lacks: a lock on the key, within this process, makes looking and writing one step.
// Its Capabilities name them as if they were the backend's own.
//
// That holds only as long as this process alone writes to the root. Another gateway, or a person with the backend's own tools, can get in
// between; so can a write of ours whose outcome stayed unknown, if the backend carries it out late. A driver that lacks nothing is
// returned as it is.
func SingleGateway(d driver.Driver) driver.Driver {
	native := d.Capabilities()
	if native.PutIfNoneMatch && native.PutIfMatch && native.CompleteIfNoneMatch && native.CompleteIfMatch && native.ConditionalDelete {
		return d
	}
	s := &singleGateway{Driver: d, native: native, seed: maphash.MakeSeed()}
	for i := range s.stripes {
		s.stripes[i].keys = map[string]*keyLock{}
	}
	return s
}

type singleGateway struct {
	driver.Driver
	native  driver.Capabilities
	seed    maphash.Seed
	stripes [64]stripe
}

// stripe holds the locks of some keys. Each key has its own, so that a slow body holds up writers of its key alone.
type stripe struct {
	mu   sync.Mutex
	keys map[string]*keyLock
}

type keyLock struct {
	users int // guarded by stripe.mu
	sem   *semaphore.Weighted
}

const exclusive = 1 << 30

// lock takes key for weight exclusive, or 1 beside others of weight 1, and returns what lets it go.
func (s *singleGateway) lock(ctx context.Context, op, key string, weight int64) (func(), error) {
	st := &s.stripes[maphash.String(s.seed, key)%uint64(len(s.stripes))]
	st.mu.Lock()
	l := st.keys[key]
	if l == nil {
		l = &keyLock{sem: semaphore.NewWeighted(exclusive)}
		st.keys[key] = l
	}
	l.users++
	st.mu.Unlock()
	leave := func() {
		st.mu.Lock()
		defer st.mu.Unlock()
		if l.users--; l.users == 0 {
			delete(st.keys, key)
		}
	}
	if l.sem.Acquire(ctx, weight) != nil {
		leave()
		return nil, &Error{Kind: Canceled, Op: op, Key: key, Err: context.Cause(ctx)}
	}
	return func() {
		l.sem.Release(weight)
		leave()
	}, nil
}

// Capabilities implements driver.Driver.
func (s *singleGateway) Capabilities() driver.Capabilities {
	caps := s.native
	caps.PutIfNoneMatch, caps.PutIfMatch, caps.CompleteIfNoneMatch, caps.CompleteIfMatch, caps.ConditionalDelete = true, true, true, true, true
	return caps
}

// enter locks key for a write. With supply it decides the condition itself; every other write of the key only has to stay out of the way.
func (s *singleGateway) enter(ctx context.Context, op, key string, opts *PutOptions, supply bool) (func(), error) {
	if !supply {
		return s.lock(ctx, op, key, 1)
	}
	unlock, err := s.lock(ctx, op, key, exclusive)
	if err != nil {
		return nil, err
	}
	if err := s.check(ctx, op, key, opts); err != nil {
		unlock()
		return nil, err
	}
	return unlock, nil
}

func (s *singleGateway) check(ctx context.Context, op, key string, opts *PutOptions) error {
	info, err := s.Driver.Head(ctx, key)
	absent := err != nil && driver.Is(err, NotFound)
	if err != nil && !absent {
		// Nothing was changed, whatever became of the look.
		e, ok := errors.AsType[*Error](err)
		if !ok {
			return err
		}
		return &Error{Kind: e.Kind, Op: op, Key: key, RetryAfter: e.RetryAfter, Err: err}
	}
	switch {
	case opts.IfNoneMatch && !absent:
		return &Error{Kind: PreconditionFailed, Op: op, Key: key}
	case opts.IfMatch != "" && absent:
		return &Error{Kind: NotFound, Op: op, Key: key}
	case opts.IfMatch != "" && info.ETag != opts.IfMatch:
		return &Error{Kind: PreconditionFailed, Op: op, Key: key}
	}
	return nil
}

func (s *singleGateway) Put(ctx context.Context, key string, body io.Reader, size int64, opts *PutOptions) (*Info, error) {
	supply := opts.IfNoneMatch && !s.native.PutIfNoneMatch || opts.IfMatch != "" && !s.native.PutIfMatch
	unlock, err := s.enter(ctx, "Put", key, opts, supply)
	if err != nil {
		return nil, err
	}
	defer unlock()
	if supply {
		opts = &PutOptions{}
	}
	return s.Driver.Put(ctx, key, body, size, opts)
}

func (s *singleGateway) Delete(ctx context.Context, key string, opts *DeleteOptions) error {
	supply := opts.IfMatch != "" && !s.native.ConditionalDelete
	unlock, err := s.enter(ctx, "Delete", key, &PutOptions{IfMatch: opts.IfMatch}, supply)
	if err != nil {
		return err
	}
	defer unlock()
	if supply {
		opts = &DeleteOptions{}
	}
	return s.Driver.Delete(ctx, key, opts)
}

func (s *singleGateway) Uploads() driver.Uploads {
	return singleUploads{Uploads: s.Driver.Uploads(), s: s}
}

type singleUploads struct {
	driver.Uploads
	s *singleGateway
}

func (u singleUploads) Complete(ctx context.Context, up Upload, parts []Part, opts *PutOptions) (*Info, error) {
	supply := opts.IfNoneMatch && !u.s.native.CompleteIfNoneMatch || opts.IfMatch != "" && !u.s.native.CompleteIfMatch
	unlock, err := u.s.enter(ctx, "Uploads.Complete", up.Key, opts, supply)
	if err != nil {
		return nil, err
	}
	defer unlock()
	if supply {
		opts = &PutOptions{}
	}
	return u.Uploads.Complete(ctx, up, parts, opts)
}
