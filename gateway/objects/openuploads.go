package objects

import (
	"sync"

	"sallyport/gateway/telemetry"
	"sallyport/providers"
)

// openUploads is how many multipart uploads each vault has open, as far as this gateway knows: what the last sweep found, and what went through
// this gateway since then. What other gateways begin and end shows with the next sweep. Nothing but a metric is decided by it.
type openUploads struct {
	metrics *telemetry.Metrics

	mu      sync.Mutex
	byVault map[string]int
}

func newOpenUploads(metrics *telemetry.Metrics) *openUploads {
	return &openUploads{metrics: metrics, byVault: map[string]int{}}
}

// found replaces the count by what a sweep saw.
func (o *openUploads) found(vault string, all []providers.StaleUpload) {
	n := 0
	for _, up := range all {
		if !up.SplitPut && !up.Closed && up.Done.IsZero() {
			n++
		}
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.setLocked(vault, n)
}

func (o *openUploads) began(vault string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.setLocked(vault, o.byVault[vault]+1)
}

// ended does not count below zero: an upload may have been begun at another gateway after the last sweep.
func (o *openUploads) ended(vault string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.setLocked(vault, max(0, o.byVault[vault]-1))
}

func (o *openUploads) setLocked(vault string, n int) {
	o.byVault[vault] = n
	o.metrics.OpenUploads(vault, n)
}
