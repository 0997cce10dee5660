// Package admin is the second listener: whether the process lives, whether it takes requests, and what it measured. Routes are exact, and
// nothing here shares a port with S3, so that no bucket name can collide with a route and no route can skip authorisation. It shows no
// names of buckets, keys or clients. It has no authentication: configuration keeps it on loopback unless told otherwise.
package admin

import (
	"net/http"
	"net/http/pprof"
	"strings"

	"github.com/go-chi/chi/v5"

	"sallyport/gateway/telemetry"
)

// Options are what the admin surface shows. Ready is required.
type Options struct {
	Ready   func() error       // nil, or why no requests should be sent here
	Notes   func() []string    // what an operator should know of a gateway that is ready, in sentences; nil = nothing
	Metrics *telemetry.Metrics // nil = no /metrics
	Pprof   bool               // Go's profiles below /debug/pprof/
}

// New returns the handler: GET /healthz answers 200 while the process serves, GET /readyz 200 or, before start and while draining, 503 with the reason,
// GET /metrics in Prometheus' format. Profiles are served only on request; they name functions, not data.
func New(opts *Options) http.Handler {
	r := chi.NewRouter()
	r.Get("/healthz", func(w http.ResponseWriter, _ *http.Request) { answer(w, http.StatusOK, "ok\n") })
	r.Get("/readyz", func(w http.ResponseWriter, _ *http.Request) {
		if err := opts.Ready(); err != nil {
			answer(w, http.StatusServiceUnavailable, "not ready: "+err.Error()+"\n")
			return
		}
		said := []string{"ready"}
		if opts.Notes != nil {
			said = append(said, opts.Notes()...)
		}
		answer(w, http.StatusOK, strings.Join(said, "\n")+"\n")
	})
	if opts.Metrics != nil {
		r.Method(http.MethodGet, "/metrics", opts.Metrics.Handler())
	}
	if opts.Pprof {
		r.Get("/debug/pprof/profile", pprof.Profile)
		r.Get("/debug/pprof/trace", pprof.Trace)
		for _, name := range []string{"allocs", "block", "goroutine", "heap", "mutex", "threadcreate"} {
			r.Method(http.MethodGet, "/debug/pprof/"+name, pprof.Handler(name))
		}
	}
	return r
}

func answer(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(text)) // the peer may be gone; nobody is left to tell
}
