package providers

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"strings"
	"unicode/utf8"

	"sallyport/providers/driver"
)

// Store is one root at one backend, as the gateway uses it. Its methods are those of driver.Driver with the same meaning; every options
// pointer may be nil, which is the zero value. Every error is an *Error with Provider set. Safe for concurrent use.
//
// A ctx that is cancelled does not cut a change that is being committed: see Commits.
type Store struct {
	name  string
	caps  driver.Capabilities
	chain driver.Driver
	parts storeUploads
	split splitter
	retry *retry

	reached *reached
}

// StoreOptions adjust what Open composes. The zero value is right for a backend on the network.
type StoreOptions struct {
	Limits Limits
	Retry  RetryOptions
	Sink   Sink         // told of every call and retry; nil = nobody
	Logger *slog.Logger // failed calls and retries, without keys; nil = none

	// SplitPart is the length in bytes of the parts that a body above Capabilities.SplitAbove goes in, two of which are held in memory for each
	// such body. 0 = 5 MiB; never less than the backend's MinPart; longer where the body would need more than 10000.
	SplitPart int64

	// SingleGateway supplies the conditions the backend lacks by locks of this process; see SingleGateway for what that is worth.
	SingleGateway bool
}

// Open returns the Store called name over d, which it owns from then on. nil opts is the zero value. It does no I/O.
func Open(name string, d driver.Driver, opts *StoreOptions) *Store {
	if opts == nil {
		opts = &StoreOptions{}
	}
	seen := observation{provider: name, sink: opts.Sink, logger: opts.Logger, reached: &reached{}}
	d = Limit(Commits(d), opts.Limits)
	if opts.SingleGateway {
		d = SingleGateway(d)
	}
	again := newRetry(d, opts.Retry, seen.retried)
	d = &observer{Driver: again, observation: seen}
	s := &Store{name: name, caps: d.Capabilities(), chain: d, retry: again, reached: seen.reached}
	s.parts = storeUploads{s: s, u: d.Uploads()}
	s.split = newSplitter(d, opts.SplitPart)
	return s
}

// Name returns the provider's configured name.
func (s *Store) Name() string { return s.name }

// Capabilities returns what this root can do. It does no I/O.
func (s *Store) Capabilities() Capabilities { return s.caps }

// BuffersLent returns how many buffers calls hold in memory to send them, the driver's own not counted: none while no call is under way.
func (s *Store) BuffersLent() int64 { return s.retry.buffers.Lent() + s.split.buffers.notGivenBack() }

// Close releases the driver. Close twice is harmless.
func (s *Store) Close() error {
	s.split.buffers.drop()
	return s.chain.Close()
}

// Put replaces the object at key by exactly size bytes of body, as driver.Driver says.
//
// A body of up to 1 MiB, or one that is an io.Seeker, is sent again after a passing failure; a longer one only if nothing of it was read
// yet. After an UnknownOutcome Put reads the key back, if it still has the bytes: an object of just these bytes is success where what is seen is durable; one
// whose ETag is still IfMatch proves that the write did not happen, and it is repeated; anything else stays UnknownOutcome, an absent
// object too, because somebody may have deleted it meanwhile. Two writers of equal bytes cannot be told apart by this, so one who needs a single winner writes unique bytes.
//
// Above Capabilities.SplitAbove the body goes as a split upload through two buffers, and passing failures of its parts are retried.
func (s *Store) Put(ctx context.Context, key string, body io.Reader, size int64, opts *PutOptions) (*Info, error) {
	if opts == nil {
		opts = &PutOptions{}
	}
	split := s.caps.SplitAbove > 0 && size > s.caps.SplitAbove
	if err := s.checkPut("Put", key, size, opts, split); err != nil {
		return nil, err
	}
	if split {
		info, err := s.split.put(ctx, key, body, size, opts)
		return info, named(s.name, "Put", key, err)
	}
	return s.chain.Put(ctx, key, body, size, opts)
}

func (s *Store) checkPut(op, key string, size int64, opts *PutOptions, multipart bool) error {
	noneMatch, match := s.caps.PutIfNoneMatch, s.caps.PutIfMatch
	if multipart {
		noneMatch, match = s.caps.CompleteIfNoneMatch, s.caps.CompleteIfMatch
	}
	switch {
	case !s.validKey(key):
		return s.fail(op, key, InvalidKey, nil)
	case size < 0:
		return s.fail(op, key, Internal, errors.New("negative size"))
	case opts.IfNoneMatch && opts.IfMatch != "":
		return s.fail(op, key, Internal, errors.New("both conditions are set"))
	case opts.IfNoneMatch && !noneMatch || opts.IfMatch != "" && !match:
		return s.fail(op, key, Unsupported, nil)
	case size > s.caps.MaxObject:
		return s.fail(op, key, TooLarge, nil)
	}
	return nil
}

// Get opens the object at key, or a range of it, as driver.Driver says. After a passing failure in the middle the reader goes on from
// where it was, at the same revision; when that is gone the read fails with Conflict.
func (s *Store) Get(ctx context.Context, key string, opts *GetOptions) (io.ReadCloser, *Info, error) {
	if opts == nil {
		opts = &GetOptions{}
	}
	if !s.validKey(key) {
		return nil, nil, s.fail("Get", key, InvalidKey, nil)
	}
	if opts.Offset < 0 || opts.Length < 0 || opts.Suffix < 0 || opts.Suffix > 0 && (opts.Offset != 0 || opts.Length != 0) {
		return nil, nil, s.fail("Get", key, InvalidRange, nil)
	}
	return s.chain.Get(ctx, key, opts)
}

// Head returns the Info of the object at key; absent → NotFound.
func (s *Store) Head(ctx context.Context, key string) (*Info, error) {
	if !s.validKey(key) {
		return nil, s.fail("Head", key, InvalidKey, nil)
	}
	return s.chain.Head(ctx, key)
}

// Delete removes the object at key, as driver.Driver says. After an UnknownOutcome it looks: an absent object is success if no condition
// was given and what is seen is durable; one whose ETag is still IfMatch proves that nothing happened, and the delete is repeated; anything else stays UnknownOutcome.
func (s *Store) Delete(ctx context.Context, key string, opts *DeleteOptions) error {
	if opts == nil {
		opts = &DeleteOptions{}
	}
	if !s.validKey(key) {
		return s.fail("Delete", key, InvalidKey, nil)
	}
	if opts.IfMatch != "" && !s.caps.ConditionalDelete {
		return s.fail("Delete", key, Unsupported, nil)
	}
	return s.chain.Delete(ctx, key, opts)
}

// List returns one page of objects in ascending byte order, as driver.Driver says.
func (s *Store) List(ctx context.Context, opts *ListOptions) (*Page, error) {
	if opts == nil {
		opts = &ListOptions{}
	}
	if !validText(opts.Prefix) || !validText(opts.Delimiter) || !validText(opts.After) {
		return nil, s.fail("List", "", InvalidKey, nil)
	}
	if opts.Limit < 0 || opts.Limit > MaxPage {
		return nil, s.fail("List", "", Internal, errors.New("limit out of range"))
	}
	return s.chain.List(ctx, opts)
}

// Uploads returns the multipart side of this root, validated and retried like the rest. It is safe to keep.
//
// After an UnknownOutcome Complete is repeated as long as every part it names is still there, because then it did not happen. If they are
// gone it stays UnknownOutcome: only the caller knows the object by its content, and may call it done where Capabilities.SeenIsDurable.
func (s *Store) Uploads() Uploads { return &s.parts }

func (s *Store) validKey(key string) bool { return driver.ValidKey(key, s.caps.MaxKey) }

// validText holds for what is compared with keys but need not be one.
func validText(s string) bool { return utf8.ValidString(s) && !strings.ContainsRune(s, 0) }

func (s *Store) fail(op, key string, kind Kind, cause error) error {
	return &Error{Kind: kind, Op: op, Provider: s.name, Key: key, Err: cause}
}

// named returns err with the provider's name. An error that is no *Error itself breaks the contract and becomes Internal, whatever lies
// deeper: a kind found below may be another backend's.
func named(provider, op, key string, err error) error {
	if err == nil {
		return nil
	}
	e, ok := errors.AsType[*Error](err)
	if !ok || error(e) != err { //nolint:errorlint // only the outermost error is the driver's own.
		return &Error{Kind: Internal, Op: op, Provider: provider, Key: key, Err: err}
	}
	if e.Provider == provider {
		return err
	}
	with := *e // a driver may return the same value twice, at once
	with.Provider = provider
	return &with
}
