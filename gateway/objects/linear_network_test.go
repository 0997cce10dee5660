package objects

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"sync"
	"time"

	"sallyport/providers/driver"
	"sallyport/providers/faulty"
)

// dice are a seeded source that many goroutines draw from. In a synctest bubble they draw one after the other, so that a seed repeats a run.
type dice struct {
	mu  sync.Mutex
	rnd *rand.Rand
}

func newDice(seed, stream uint64) *dice { return &dice{rnd: rand.New(rand.NewPCG(seed, stream))} }

func (d *dice) upTo(most time.Duration) time.Duration {
	d.mu.Lock()
	defer d.mu.Unlock()
	return 1 + time.Duration(d.rnd.Int64N(int64(most)))
}

func (d *dice) chance(p float64) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.rnd.Float64() < p
}

func (d *dice) intN(n int) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.rnd.IntN(n)
}

// network delays every call on its way to the backend and the answer on its way back, and loses sight of some changes, which then happen
// later than anybody waited for.
type network struct {
	driver.Driver
	dice *dice
	late float64 // share of the changes that are lost sight of

	strays sync.WaitGroup // those changes
}

const (
	oneWay  = 100 * time.Millisecond // at most, and long enough that no two delays end at the same nanosecond
	tooLate = 20 * oneWay            // the latest that a change of unknown outcome happens
)

var errLost = errors.New("the answer did not come in time")

// delay takes some of the bubble's time, in which other clients act.
func (n *network) delay(ctx context.Context, most time.Duration) {
	sleep(ctx, n.dice.upTo(most))
}

func sleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// over makes a call there and back. If ctx ends on the way there, nothing happened; on the way back, nobody knows what a change came to.
func over[T any](ctx context.Context, n *network, op, key string, call func() (T, error)) (T, error) {
	var none T
	n.delay(ctx, oneWay)
	if ctx.Err() != nil {
		return none, &driver.Error{Kind: driver.Canceled, Op: op, Key: key, Err: context.Cause(ctx)}
	}
	got, err := call()
	n.delay(ctx, oneWay)
	if err == nil && ctx.Err() != nil {
		kind := driver.UnknownOutcome
		if isRead(op) {
			kind = driver.Canceled
		}
		return none, &driver.Error{Kind: kind, Op: op, Key: key, Err: context.Cause(ctx)}
	}
	return got, err
}

func isRead(op string) bool {
	switch op {
	case "Get", "Head", "List", "Uploads.Read", "Uploads.List":
		return true
	}
	return false
}

// lose leaves a change to itself.
func (n *network) lose(ctx context.Context, op, key string, change func(context.Context)) error {
	alone := context.WithoutCancel(ctx)
	later := n.dice.upTo(tooLate) // drawn here: what runs beside the caller must not draw
	n.strays.Go(func() {
		sleep(alone, later)
		change(alone)
	})
	return &driver.Error{Kind: driver.UnknownOutcome, Op: op, Key: key, Err: errLost}
}

func (n *network) Put(ctx context.Context, key string, body io.Reader, size int64, opts *driver.PutOptions) (*driver.Info, error) {
	if n.dice.chance(n.late) {
		whole, err := io.ReadAll(driver.ExactBody(body, size))
		if err != nil {
			return nil, &driver.Error{Kind: driver.BadBody, Op: "Put", Key: key, Err: err}
		}
		return nil, n.lose(ctx, "Put", key, func(ctx context.Context) { _, _ = n.Driver.Put(ctx, key, bytes.NewReader(whole), size, opts) })
	}
	return over(ctx, n, "Put", key, func() (*driver.Info, error) { return n.Driver.Put(ctx, key, body, size, opts) })
}

func (n *network) Get(ctx context.Context, key string, opts *driver.GetOptions) (io.ReadCloser, *driver.Info, error) {
	type answer struct {
		body io.ReadCloser
		info *driver.Info
	}
	got, err := over(ctx, n, "Get", key, func() (a answer, err error) {
		a.body, a.info, err = n.Driver.Get(ctx, key, opts)
		return a, err
	})
	return got.body, got.info, err
}

func (n *network) Head(ctx context.Context, key string) (*driver.Info, error) {
	return over(ctx, n, "Head", key, func() (*driver.Info, error) { return n.Driver.Head(ctx, key) })
}

// Delete is never late. Store calls a delete of unknown outcome done when it then finds nothing, so one that still happens afterwards may take an object
// that was written meanwhile; histories find that within seconds. No answer can prevent it: a client that is told nothing deletes again, and
// the first delete is still on its way.
func (n *network) Delete(ctx context.Context, key string, opts *driver.DeleteOptions) error {
	_, err := over(ctx, n, "Delete", key, func() (struct{}, error) { return struct{}{}, n.Driver.Delete(ctx, key, opts) })
	return err
}

func (n *network) List(ctx context.Context, opts *driver.ListOptions) (*driver.Page, error) {
	return over(ctx, n, "List", opts.Prefix, func() (*driver.Page, error) { return n.Driver.List(ctx, opts) })
}

func (n *network) Uploads() driver.Uploads { return networkUploads{n.Driver.Uploads(), n} }

type networkUploads struct {
	driver.Uploads
	n *network
}

func (u networkUploads) Create(ctx context.Context, key string, note func(string) ([]byte, error)) (string, error) {
	return over(ctx, u.n, "Uploads.Create", key, func() (string, error) { return u.Uploads.Create(ctx, key, note) })
}

func (u networkUploads) PutPart(ctx context.Context, up driver.Upload, number int, body io.Reader, size int64) (*driver.Part, error) {
	return over(ctx, u.n, "Uploads.PutPart", up.Key, func() (*driver.Part, error) { return u.Uploads.PutPart(ctx, up, number, body, size) })
}

func (u networkUploads) Note(ctx context.Context, up driver.Upload, name string, note []byte) error {
	_, err := over(ctx, u.n, "Uploads.Note", up.Key, func() (struct{}, error) { return struct{}{}, u.Uploads.Note(ctx, up, name, note) })
	return err
}

func (u networkUploads) Read(ctx context.Context, up driver.Upload) ([]driver.Part, []driver.Note, error) {
	type answer struct {
		parts []driver.Part
		notes []driver.Note
	}
	got, err := over(ctx, u.n, "Uploads.Read", up.Key, func() (a answer, err error) {
		a.parts, a.notes, err = u.Uploads.Read(ctx, up)
		return a, err
	})
	return got.parts, got.notes, err
}

func (u networkUploads) Complete(ctx context.Context, up driver.Upload, parts []driver.Part, opts *driver.PutOptions) (*driver.Info, error) {
	if u.n.dice.chance(u.n.late) {
		return nil, u.n.lose(ctx, "Uploads.Complete", up.Key, func(ctx context.Context) { _, _ = u.Uploads.Complete(ctx, up, parts, opts) })
	}
	return over(ctx, u.n, "Uploads.Complete", up.Key, func() (*driver.Info, error) { return u.Uploads.Complete(ctx, up, parts, opts) })
}

// weather fails some calls in the ways a backend does: before their effect, in the middle of a body, or after the effect with the answer lost.
func weather(d *dice, share float64) faulty.Plan {
	reads := []faulty.Fault{
		{Mode: faulty.Before, Kind: driver.Unavailable}, {Mode: faulty.After, Kind: driver.Unavailable}, {Mode: faulty.MidBody, Kind: driver.Unavailable, Bytes: 1000},
	}
	writes := []faulty.Fault{
		{Mode: faulty.Before, Kind: driver.Unavailable},
		{Mode: faulty.Before, Kind: driver.Throttled},
		{Mode: faulty.Before, Kind: driver.UnknownOutcome},
		{Mode: faulty.After, Kind: driver.UnknownOutcome},
		{Mode: faulty.After, Kind: driver.UnknownOutcome},
		{Mode: faulty.MidBody, Kind: driver.Unavailable, Bytes: 10},
	}
	return func(c faulty.Call) *faulty.Fault {
		if !d.chance(share) {
			return nil
		}
		if isRead(c.Op) {
			return &reads[d.intN(len(reads))]
		}
		return &writes[d.intN(len(writes))]
	}
}
