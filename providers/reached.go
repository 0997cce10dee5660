package providers

import (
	"fmt"
	"slices"
	"sync"
	"time"
)

// reached remembers whether the backend does its work, by the calls that were made anyway: asking it once more would be a question that waits.
type reached struct {
	mu     sync.Mutex
	failed int       // calls that failed since the last that the backend answered
	kind   Kind      // of the latest
	latest time.Time // when that was over
}

// note is told of every call. What failed in this process, or by its caller, says nothing of the backend.
func (r *reached) note(c *Call) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case !c.Failed, slices.Contains([]Kind{NotFound, PreconditionFailed, Conflict, NoSuchUpload, InvalidPart}, c.Kind):
		r.failed = 0
	case slices.Contains([]Kind{Unauthenticated, Denied, Throttled, Unavailable, UnknownOutcome, NoSpace, ReadOnly}, c.Kind):
		r.failed++
		r.kind, r.latest = c.Kind, time.Now()
	}
}

func (r *reached) health() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.failed == 0 {
		return nil
	}
	return fmt.Errorf("the last %d call(s) failed, the latest %s ago: %s", r.failed, time.Since(r.latest).Round(time.Second), r.kind)
}

// Health returns nil, or how the last calls failed if none has succeeded since. It asks nothing of the backend, so it stays as it is while nobody
// calls. It does not wait.
func (s *Store) Health() error { return s.reached.health() }
