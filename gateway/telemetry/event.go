package telemetry

import (
	"context"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// Event collects what is worth knowing about one request and becomes one log line and a few metrics at its end. All methods are safe
// for concurrent use.
type Event struct {
	requestID string
	method    string
	began     time.Time
	in, out   atomic.Int64

	mu        sync.Mutex
	operation string
	vault     string
	bucket    string
	accessKey string
	status    int
	code      string
	cause     error
	finished  bool
}

// NewEvent begins the event of a request that arrived at began.
func NewEvent(requestID, method string, began time.Time) *Event {
	return &Event{requestID: requestID, method: knownMethod(method), began: began}
}

// RequestID returns the id that the client sees too.
func (e *Event) RequestID() string { return e.requestID }

// SetOperation says which row of the operation table serves the request.
func (e *Event) SetOperation(name string) { e.set(func() { e.operation = name }) }

// SetVault says whose bucket the request is about. Only names of the configuration may be given.
func (e *Event) SetVault(name string) { e.set(func() { e.vault = name }) }

// Vault returns what SetVault said, empty before.
func (e *Event) Vault() string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.vault
}

// SetBucket says which bucket the request names; what cannot be a bucket name is replaced.
func (e *Event) SetBucket(name string) { e.set(func() { e.bucket = plausibleBucket(name) }) }

// SetAccessKey says which access key of the configuration the request names, see [AccessKey].
func (e *Event) SetAccessKey(id string) { e.set(func() { e.accessKey = id }) }

// SetAccessKeyUnknown says that the request names an access key that is not of the configuration, and keeps it out of the log.
func (e *Event) SetAccessKeyUnknown() { e.SetAccessKey("(unknown)") }

// SetStatus says which HTTP status was sent.
func (e *Event) SetStatus(status int) { e.set(func() { e.status = status }) }

// SetError says which S3 error code was sent and, when not nil, the private cause, which the client does not see and the log only with a status
// of 500 and above.
func (e *Event) SetError(code string, cause error) { e.set(func() { e.code, e.cause = code, cause }) }

// AddBytesIn counts bytes of the request's body.
func (e *Event) AddBytesIn(n int64) { e.in.Add(n) }

// AddBytesOut counts bytes of the answer's body.
func (e *Event) AddBytesOut(n int64) { e.out.Add(n) }

func (e *Event) set(change func()) {
	e.mu.Lock()
	defer e.mu.Unlock()
	change()
}

// Finish writes the event's one log line and counts it in metrics, either of which may be nil. Only the first call does. Statuses of
// 500 and above are logged as errors, but for 503, a warning, and 501, which like all others is information.
func (e *Event) Finish(ctx context.Context, logger *slog.Logger, metrics *Metrics, now time.Time) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.finished {
		return
	}
	e.finished = true
	took := now.Sub(e.began)
	if metrics != nil {
		metrics.request(e.operation, e.vault, e.status, took, e.in.Load(), e.out.Load())
	}
	if logger == nil {
		return
	}
	logger.LogAttrs(ctx, levelOf(e.status), "request", e.attrs(took)...)
}

// levelOf is how much a status concerns the operator. What is not implemented is the client's question answered, and being asked to come
// later is a sign of load.
func levelOf(status int) slog.Level {
	switch {
	case status < http.StatusInternalServerError, status == http.StatusNotImplemented:
		return slog.LevelInfo
	case status == http.StatusServiceUnavailable:
		return slog.LevelWarn
	}
	return slog.LevelError
}

// attrs leaves out what is not known.
func (e *Event) attrs(took time.Duration) []slog.Attr {
	attrs := []slog.Attr{RequestID(e.requestID), Method(e.method), Operation(e.operation)}
	if e.bucket != "" {
		attrs = append(attrs, slog.String(KeyBucket, e.bucket))
	}
	if e.accessKey != "" {
		attrs = append(attrs, AccessKey(e.accessKey))
	}
	attrs = append(attrs, Status(e.status))
	if e.code != "" {
		attrs = append(attrs, Code(e.code))
	}
	attrs = append(attrs, slog.Int64(KeyBytesIn, e.in.Load()), slog.Int64(KeyBytesOut, e.out.Load()), Millis(took))
	// The cause names objects and backend paths. An operator needs that where something is wrong here; for a client's mistake the code says enough.
	if e.cause != nil && e.status >= http.StatusInternalServerError {
		attrs = append(attrs, Error(e.cause))
	}
	return attrs
}
