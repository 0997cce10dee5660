package gateway

import (
	"sallyport/gateway/telemetry"
	"sallyport/providers"
)

// StoreMetrics counts what stores do. A nil Metrics counts nothing.
type StoreMetrics struct{ Metrics *telemetry.Metrics }

// CallDone implements providers.Sink.
func (s StoreMetrics) CallDone(c providers.Call) {
	if s.Metrics == nil {
		return
	}
	s.Metrics.BackendOperation(c.Provider, c.Op, c.Result(), c.Duration)
	s.Metrics.BackendBytes(c.Provider, telemetry.In, c.Received)
	s.Metrics.BackendBytes(c.Provider, telemetry.Out, c.Sent)
}

// CallRetried implements providers.Sink.
func (s StoreMetrics) CallRetried(provider, op string, _ providers.Kind) {
	if s.Metrics != nil {
		s.Metrics.BackendRetry(provider, op)
	}
}
