package history

import (
	"fmt"
	"math/rand/v2"
)

// MaxClients and MaxOps bound a history, because the time to check one may grow exponentially.
const (
	MaxClients = 8
	MaxOps     = 80
)

// condition is what a step asks for; what a client has not seen yet it cannot ask for.
type condition int

const (
	unconditional condition = iota
	ifAbsent
	ifLast  // as the client saw it last
	ifStale // as it saw it some time ago
)

// step is one request of a plan.
type step struct {
	kind      Kind
	key, from int // of Plan.Keys
	condition condition
	value     string
	again     bool // Complete: any client's upload, perhaps completed already, instead of one of its own
	pick      int  // which of several
	endpoints []int
	pauses    []float64 // of the retries, in proportion to Runner.Backoff
}

// Options shape plans.
type Options struct {
	Endpoints          int // how many gateways a client may choose from
	MaxClients, MaxOps int // 0 = the bounds of this package
	Attempts           int // of one request; 0 = 3

	// MD5 says that ETags are S3's, so that they follow from the content, and are held to it. Without, a copy is only made of a
	// revision that the client has seen.
	MD5 bool

	// NoConditionalDelete leaves out what many backends cannot do.
	NoConditionalDelete bool

	// FragileUploads says that the backend may break an upload when a completion of it is cut off, as MinIO does between two of its
	// renames: later attempts may then find no upload, or a conflict, although none took effect. The object at the key must not suffer.
	FragileUploads bool

	// Sizes of contents in bytes; nil = mostly small ones.
	Sizes []int
}

// Plan is what all clients will ask. It follows from seed and options alone.
type Plan struct {
	Seed    uint64
	Keys    []string
	options Options
	clients [][]step
	starts  []float64 // of the clients, in proportion to Runner.Backoff
}

// NewPlan draws a plan. Keys bear the seed, so that histories may share a bucket.
func NewPlan(seed uint64, opts *Options) *Plan {
	p := &Plan{Seed: seed, options: *opts}
	o := &p.options
	setDefault(&o.Endpoints, 1)
	setDefault(&o.MaxClients, MaxClients)
	setDefault(&o.MaxOps, MaxOps)
	setDefault(&o.Attempts, 3)
	if o.Sizes == nil {
		o.Sizes = []int{20, 20, 20, 300, 300, 5_000, 20_000, 90_000} // the last is read in more than one request
	}
	rnd := rand.New(rand.NewPCG(seed, 0x6869))
	for i := range 1 + rnd.IntN(3) {
		p.Keys = append(p.Keys, fmt.Sprintf("h%d/k%d", seed, i+1))
	}
	clients := 2 + rnd.IntN(o.MaxClients-1)
	total := o.MaxOps/2 + rnd.IntN(o.MaxOps/2+1)
	for c := range clients {
		var steps []step
		for n := range total / clients {
			steps = append(steps, o.step(rnd, len(p.Keys), c+1, n))
		}
		p.clients, p.starts = append(p.clients, steps), append(p.starts, rnd.Float64())
	}
	return p
}

func setDefault(p *int, otherwise int) {
	if *p == 0 {
		*p = otherwise
	}
}

func (o *Options) step(rnd *rand.Rand, keys, client, n int) step {
	s := step{key: rnd.IntN(keys), from: rnd.IntN(keys), pick: rnd.IntN(1 << 20), again: rnd.IntN(3) == 0}
	for range o.Attempts {
		s.endpoints = append(s.endpoints, rnd.IntN(o.Endpoints))
		s.pauses = append(s.pauses, rnd.Float64())
	}
	s.kind = []Kind{Get, Get, Get, Get, Head, List, Put, Put, Put, Put, Put, Delete, Delete, Copy, Copy, Begin, Begin, Complete, Complete}[rnd.IntN(19)]
	size := o.Sizes[rnd.IntN(len(o.Sizes))]
	s.value = valueOf(client, n, size)
	switch s.kind {
	case Put:
		s.condition = []condition{unconditional, unconditional, ifAbsent, ifAbsent, ifLast, ifLast, ifLast, ifStale}[rnd.IntN(8)]
	case Delete:
		s.condition = []condition{unconditional, unconditional, ifLast, ifStale}[rnd.IntN(4)]
	case Complete:
		s.condition = []condition{unconditional, unconditional, ifAbsent, ifLast}[rnd.IntN(4)]
	case Copy:
		s.condition = []condition{unconditional, unconditional, ifAbsent, ifLast, ifStale}[rnd.IntN(5)] // of the source, but ifAbsent
	case Get, Head, List, Begin:
	}
	return s
}

// Requests tells all that is planned.
func (p *Plan) Requests() string { return fmt.Sprintf("%v %+v %v", p.Keys, p.clients, p.starts) }
