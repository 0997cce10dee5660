package history

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Target is the service under test. Its methods are called by many clients at once.
type Target interface {
	// Do makes one attempt at op, at op.Endpoint, without retries of its own, and says what the answer was.
	Do(ctx context.Context, op *Op) Result

	// Begin starts an upload whose one part is the body of value; false if it could not.
	Begin(ctx context.Context, endpoint int, key, value string) (id, etag string, ok bool)
}

// Runner carries plans out.
type Runner struct {
	Target  Target
	Backoff time.Duration // the longest pause before a retry, and before a client begins
}

// History is what happened in one run of a plan.
type History struct {
	Seed    uint64
	Keys    []string
	Ops     []*Op // in the order of their calls
	Begun   int   // uploads
	options Options
}

// Run carries p out and returns when every client is through or ctx has ended. Attempts that ctx cut off are in the history like any other.
func (r *Runner) Run(ctx context.Context, p *Plan) *History {
	w := &run{Runner: r, plan: p}
	clients := make([]*client, len(p.clients))
	var all sync.WaitGroup
	for i, steps := range p.clients {
		c := &client{run: w, number: i + 1, last: map[string][]Seen{}}
		clients[i] = c
		all.Go(func() {
			_ = pause(ctx, time.Duration(p.starts[i]*float64(r.Backoff)))
			for n := range steps {
				if ctx.Err() != nil || !c.take(ctx, &steps[n]) {
					return
				}
			}
		})
	}
	all.Wait()
	h := &History{Seed: p.Seed, Keys: p.Keys, options: p.options, Begun: len(w.uploads)}
	for _, c := range clients {
		h.Ops = append(h.Ops, c.ops...)
	}
	slices.SortFunc(h.Ops, func(a, b *Op) int { return int(a.Call - b.Call) })
	return h
}

// run is one plan being carried out.
type run struct {
	*Runner
	plan    *Plan
	clock   atomic.Int64
	started atomic.Int64 // attempts

	mu      sync.Mutex
	uploads []*Upload
}

// client is one that asks for one thing after the other.
type client struct {
	*run
	number int
	ops    []*Op
	last   map[string][]Seen // by key, what it was shown, in order
	own    []*Upload         // begun and not yet completed by it
}

// take carries out a step with its retries; false when the history is full.
func (c *client) take(ctx context.Context, s *step) bool {
	if s.kind == Begin {
		c.begin(ctx, s)
		return true
	}
	template := c.compose(s)
	if template == nil {
		return true
	}
	for attempt, endpoint := range s.endpoints {
		if c.started.Add(1) > int64(c.plan.options.MaxOps) {
			return false
		}
		op := *template
		op.Attempt, op.Endpoint = attempt, endpoint
		c.try(ctx, &op)
		if op.Result.Outcome != Unknown && op.Result.Outcome != Failed {
			c.learn(&op)
			return true
		}
		if attempt+1 < len(s.endpoints) && !pause(ctx, time.Duration(s.pauses[attempt]*float64(c.Backoff))) {
			return true
		}
	}
	return true
}

func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

func (c *client) try(ctx context.Context, op *Op) {
	op.Call = c.clock.Add(1)
	op.Result = c.Target.Do(ctx, op)
	op.Return = c.clock.Add(1)
	c.ops = append(c.ops, op)
}

func (c *client) begin(ctx context.Context, s *step) {
	key := c.plan.Keys[s.key]
	id, etag, ok := c.Target.Begin(ctx, s.endpoints[0], key, s.value)
	if !ok {
		return
	}
	up := &Upload{Key: key, Value: s.value, ID: id, ETag: etag}
	c.own = append(c.own, up)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.uploads = append(c.uploads, up)
	up.Number = len(c.uploads)
}

// compose makes the operation of a step from what the client knows by now; nil if there is nothing to do.
func (c *client) compose(s *step) *Op {
	op := &Op{Client: c.number, Kind: s.kind, Key: c.plan.Keys[s.key], IfNoneMatch: s.condition == ifAbsent}
	switch s.kind {
	case Put:
		op.Value, op.IfMatch = s.value, c.seen(op.Key, s)
	case Delete:
		if !c.plan.options.NoConditionalDelete {
			op.IfMatch = c.seen(op.Key, s)
		}
	case Copy:
		op.Source, op.SourceIfMatch = c.plan.Keys[s.from], c.seen(c.plan.Keys[s.from], s)
		if op.Source == op.Key {
			op.IfNoneMatch = false // it would never hold
		}
		if !c.plan.options.MD5 && op.SourceIfMatch == nil && op.Source != op.Key || op.SourceIfMatch != nil && op.SourceIfMatch.Value == "" {
			return &Op{Client: c.number, Kind: Get, Key: op.Source}
		}
	case Complete:
		if op.Upload = c.choose(s); op.Upload == nil {
			return nil
		}
		op.Key, op.Value = op.Upload.Key, op.Upload.Value
		op.IfMatch = c.seen(op.Key, s)
	case Get, Head, List, Begin:
	}
	return op
}

// seen is the revision that a step's condition names.
func (c *client) seen(key string, s *step) *Seen {
	all := c.last[key]
	if len(all) == 0 {
		return nil
	}
	switch s.condition {
	case ifLast:
		return &all[len(all)-1]
	case ifStale:
		return &all[s.pick%len(all)]
	case unconditional, ifAbsent:
	}
	return nil
}

// choose picks the upload to complete: the next of its own, or anybody's.
func (c *client) choose(s *step) *Upload {
	if !s.again && len(c.own) > 0 {
		up := c.own[0]
		c.own = c.own[1:]
		return up
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.uploads) == 0 {
		return nil
	}
	// Mostly a late one: it may be completing at this moment.
	n := len(c.uploads)
	return c.uploads[n-1-s.pick%min(n, 3)]
}

// learn keeps what an answer shows of a key.
func (c *client) learn(op *Op) {
	r := &op.Result
	if r.Outcome != Done || r.ETag == "" {
		return
	}
	seen := Seen{Value: r.Value, ETag: r.ETag}
	switch op.Kind {
	case Put, Complete:
		seen.Value = op.Value
	case Copy:
		if op.SourceIfMatch != nil {
			seen.Value = op.SourceIfMatch.Value
		}
	case Get, Head, List, Delete, Begin:
	}
	c.last[op.Key] = append(c.last[op.Key], seen)
}

// New returns a history of operations that something else recorded: Call and Return set, each larger than what came before it.
func New(seed uint64, keys []string, opts *Options, ops []*Op) *History {
	return &History{Seed: seed, Keys: keys, Ops: ops, options: *opts}
}
