package objects

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"testing"
	"testing/synctest"

	"sallyport/crypto/vault"
	"sallyport/gateway/cache"
	"sallyport/gateway/vaults"
	"sallyport/gateway/vaults/vaultstest"
	"sallyport/integration/history"
	"sallyport/providers"
	"sallyport/providers/driver"
	"sallyport/providers/faulty"
	"sallyport/providers/mem"
)

const gatewaysAtOnce = 3

// surface is what histories use of a Service.
type surface interface {
	Get(ctx context.Context, in *GetInput) (*GetOutput, error)
	Head(ctx context.Context, in *GetInput) (*GetOutput, error)
	List(ctx context.Context, in *ListInput) (*ListOutput, error)
	Put(ctx context.Context, in *PutInput) (*PutOutput, error)
	Delete(ctx context.Context, in *DeleteInput) error
	Copy(ctx context.Context, in *CopyInput) (*PutOutput, error)
	CreateUpload(ctx context.Context, in *CreateUploadInput) (string, error)
	PutPart(ctx context.Context, in *PutPartInput) (*PartInfo, error)
	CompleteUpload(ctx context.Context, in *CompleteInput) (*PutOutput, error)
}

// fleet is several gateways that share nothing but the backend and the vault's key.
type fleet struct {
	surfaces  []surface
	wires     []*network
	dice      *dice
	impatient float64

	mu   sync.Mutex
	busy map[string]bool // by gateway and upload, see complete
}

// fleetOptions say what the gateways stand on. The zero value is an honest backend without faults.
type fleetOptions struct {
	etag      vault.ETagPolicy
	split     bool    // large bodies go in parts, and no delete is conditional, as on MinIO
	frail     bool    // what can be seen need not last, as in a folder
	faults    float64 // share of the backend's calls that fail
	late      float64 // share of its changes that happen after the gateway gave up
	impatient float64 // share of the clients' attempts that they give up in the middle
	backend   func(gateway int, root driver.Driver, d *dice) driver.Driver
	service   func(gateway int, s surface, root driver.Driver) surface
}

// newRoot returns a backend with a vault and a bucket, to run histories on.
func newRoot(t testing.TB, opts *fleetOptions) *mem.Driver {
	t.Helper()
	like := &mem.Options{MaxKey: 2048, NoSeenIsDurable: opts.frail}
	if opts.split {
		like.SplitAbove, like.NoConditionalDelete = 16<<10, true
	}
	root := mem.New(like)
	newWorld(t, worldOptions{backend: root, etag: opts.etag})
	return root
}

func newFleet(t testing.TB, root *mem.Driver, seed uint64, opts *fleetOptions) *fleet {
	t.Helper()
	f := &fleet{busy: map[string]bool{}, dice: newDice(seed, 0), impatient: opts.impatient}
	for i := range gatewaysAtOnce {
		d := newDice(seed, uint64(i)+1)
		backend := driver.Driver(root.Reopen())
		if opts.backend != nil {
			backend = opts.backend(i, backend, d)
		}
		failing := faulty.New(backend, nil)
		wire := &network{Driver: failing, dice: d}
		store := providers.Open("memory", wire, &providers.StoreOptions{
			SplitPart: 8 << 10,
			Retry:     providers.RetryOptions{BaseDelay: oneWay / 2, MaxDelay: 2 * oneWay, Jitter: d.upTo},
		})
		v := vaultstest.NewVault(t, vaultstest.Options{Store: store, ETag: opts.etag})
		var s surface = New(&Options{Vaults: vaults.NewSet(nil, v), Cache: cache.New(&cache.Options{})})
		if opts.service != nil {
			s = opts.service(i, s, root)
		}
		f.surfaces = append(f.surfaces, s)
		failing.SetPlan(weather(d, opts.faults))
		wire.late = opts.late
		f.wires = append(f.wires, wire)
	}
	return f
}

// runHistory carries out the plan of a seed in a bubble, whose clock only moves when everybody waits: delays cost no time, and what runs when follows
// from the seed.
func runHistory(t *testing.T, root *mem.Driver, seed uint64, opts *fleetOptions) *history.History {
	t.Helper()
	var h *history.History
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t, root, seed, opts)
		plan := history.NewPlan(seed, &history.Options{Endpoints: gatewaysAtOnce, MD5: opts.etag != vault.ETagOpaque, NoConditionalDelete: opts.split})
		h = (&history.Runner{Target: f, Backoff: 5 * oneWay}).Run(t.Context(), plan)
		for _, wire := range f.wires {
			wire.strays.Wait()
		}
	})
	return h
}

// Do implements history.Target.
func (f *fleet) Do(ctx context.Context, op *history.Op) history.Result {
	s := f.surfaces[op.Endpoint]
	if f.dice.chance(f.impatient) {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, f.dice.upTo(4*oneWay))
		defer cancel()
	}
	switch op.Kind {
	case history.Get:
		return f.get(ctx, s, op)
	case history.Head:
		out, err := s.Head(ctx, &GetInput{Bucket: bucketName, Key: op.Key})
		if err != nil {
			return failure(err)
		}
		return history.Result{ETag: out.ETag}
	case history.List:
		return f.list(ctx, s, op)
	case history.Put:
		b := history.Body(op.Value)
		return written(s.Put(ctx, &PutInput{Bucket: bucketName, Key: op.Key, Size: int64(len(b)), Body: bodyOf(b), Conditions: conditionsOf(op)}))
	case history.Delete:
		in := &DeleteInput{Bucket: bucketName, Key: op.Key, IfMatch: conditionsOf(op).IfMatch}
		return written(&PutOutput{}, s.Delete(ctx, in))
	case history.Copy:
		return f.copy(ctx, s, op)
	case history.Complete:
		return f.complete(ctx, s, op)
	case history.Begin:
	}
	return history.Result{Outcome: history.Wrong, Detail: "not an operation"}
}

func conditionsOf(op *history.Op) WriteConditions {
	c := WriteConditions{IfNoneMatch: op.IfNoneMatch}
	if op.IfMatch != nil {
		c.IfMatch = op.IfMatch.ETag
	}
	return c
}

func written(out *PutOutput, err error) history.Result {
	if err != nil {
		return failure(err)
	}
	return history.Result{ETag: out.ETag}
}

func (f *fleet) get(ctx context.Context, s surface, op *history.Op) history.Result {
	in := &GetInput{Bucket: bucketName, Key: op.Key}
	if op.Ranged() {
		in.Range = &RangeSpec{Last: -1}
	}
	out, err := s.Get(ctx, in)
	if err != nil {
		return failure(err)
	}
	b, err := io.ReadAll(out.Body)
	if err = errors.Join(err, out.Body.Close()); err != nil {
		return history.Result{Outcome: history.Failed, Detail: err.Error()} // the connection is cut, and the client knows
	}
	value, ok := history.ValueOf(b)
	if !ok {
		return history.Result{Outcome: history.Wrong, Detail: fmt.Sprintf("%d bytes that nobody wrote", len(b))}
	}
	return history.Result{Value: value, ETag: out.ETag}
}

func (f *fleet) list(ctx context.Context, s surface, op *history.Op) history.Result {
	out, err := s.List(ctx, &ListInput{Bucket: bucketName, Prefix: op.Key, Limit: 10})
	switch {
	case err != nil:
		return failure(err)
	case len(out.Objects) == 0:
		return history.Result{Outcome: history.NotFound}
	case out.Unopened > 0:
		return history.Result{Outcome: history.Failed, Detail: "its tail could not be read"} // the ETag is then no more than a revision's name
	case len(out.Objects) > 1 || out.Objects[0].Key != op.Key || out.Foreign > 0:
		return history.Result{Outcome: history.Wrong, Detail: fmt.Sprintf("%+v", out)}
	}
	return history.Result{ETag: out.Objects[0].ETag}
}

func (f *fleet) copy(ctx context.Context, s surface, op *history.Op) history.Result {
	in := &CopyInput{
		Source: CopySource{Bucket: bucketName, Key: op.Source}, Bucket: bucketName, Key: op.Key, Conditions: conditionsOf(op),
		Replace: op.Source == op.Key,
	}
	if op.SourceIfMatch != nil {
		in.Source.Conditions.IfMatch = []string{op.SourceIfMatch.ETag}
	}
	return written(s.Copy(ctx, in))
}

// complete completes an upload at a gateway. The Service has its calls for one upload wait for each other at a mutex, at which a bubble's clock would
// stand still, so they wait here.
func (f *fleet) complete(ctx context.Context, s surface, op *history.Op) history.Result {
	defer f.wait(ctx, fmt.Sprint(op.Endpoint, " ", op.Upload.ID))()
	return written(s.CompleteUpload(ctx, &CompleteInput{
		UploadRef: UploadRef{Bucket: bucketName, Key: op.Key, UploadID: op.Upload.ID}, Size: -1, Conditions: conditionsOf(op),
		Parts: []CompletedPart{{Number: 1, ETag: op.Upload.ETag}},
	}))
}

// wait waits for a lock by name and returns what releases it. It asks from time to time: if the release woke the next one, both would run at the
// same moment of the bubble, and who is first would not follow from the seed.
func (f *fleet) wait(ctx context.Context, name string) (unlock func()) {
	for {
		f.mu.Lock()
		free := !f.busy[name]
		f.busy[name] = true
		f.mu.Unlock()
		if free {
			break
		}
		f.wires[0].delay(context.WithoutCancel(ctx), oneWay)
	}
	return func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		delete(f.busy, name)
	}
}

// Begin implements history.Target.
func (f *fleet) Begin(ctx context.Context, endpoint int, key, value string) (id, etag string, ok bool) {
	s := f.surfaces[endpoint]
	id, err := s.CreateUpload(ctx, &CreateUploadInput{Bucket: bucketName, Key: key})
	if err != nil {
		return "", "", false
	}
	b := history.Body(value)
	part, err := s.PutPart(ctx, &PutPartInput{UploadRef: UploadRef{Bucket: bucketName, Key: key, UploadID: id}, Number: 1, Size: int64(len(b)), Body: bodyOf(b)})
	if err != nil {
		return "", "", false
	}
	return id, part.ETag, true
}

// failure says what an error tells a client. A Service says more than HTTP does: without UnknownOutcome in the tree nothing was changed.
func failure(err error) history.Result {
	r := history.Result{Outcome: history.Wrong, Detail: err.Error()}
	switch kindOf(err) {
	case NoSuchKey:
		return history.Result{Outcome: history.NotFound}
	case NoSuchUpload:
		return history.Result{Outcome: history.NoUpload}
	case PreconditionFailed:
		return history.Result{Outcome: history.Refused}
	case Conflict:
		r.Outcome = history.Conflict
	case Unavailable, Throttled, Canceled:
		if r.Outcome = history.Failed; providers.Is(err, providers.UnknownOutcome) {
			r.Outcome = history.Unknown
		}
	default:
	}
	return r
}
