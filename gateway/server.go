// Package gateway assembles open vaults, credentials and sockets into running servers, and takes them down again.
//
// It promises that a stop waits for requests under way, that what is cut leaves the old objects, and that background sweeps end before the
// stores are closed. It reads no configuration files (gateway/cli does) and does no S3 (gateway/s3api does).
package gateway

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/netip"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"sallyport/gateway/admin"
	"sallyport/gateway/auth"
	"sallyport/gateway/cache"
	"sallyport/gateway/objects"
	"sallyport/gateway/s3api"
	"sallyport/gateway/telemetry"
	"sallyport/gateway/vaults"
	"sallyport/providers"
)

// Options are what a Server is made of. Vaults, Credentials, Region, Socket and StateDir are required. New does not close the vaults' stores.
type Options struct {
	Vaults         []*vaults.Vault // in order of precedence
	Credentials    *auth.Static
	Region         string
	Domains        []string // virtual-hosted style under these
	TrustedProxies []netip.Prefix
	Socket         *Socket
	Admin          *Socket // nil = none
	Pprof          bool    // profiles on the admin listener
	StateDir       string
	Sweepers       []Sweeper     // what the drivers leave behind is swept with the uploads
	Health         []HealthCheck // what /readyz tells besides
	DrainDelay     time.Duration // how long a stop goes on taking requests, so that whoever asks /readyz can send them elsewhere; unused without Admin
	Drain          time.Duration // how long a stop waits for requests under way; 0 = DefaultDrain
	Memory         Memory        // what requests are kept within; zero = DefaultMemory
	Metrics        *telemetry.Metrics
	Log            *slog.Logger
}

// Sweeper removes what interrupted work left behind and returns how much that was. It may run beside everything else.
type Sweeper interface {
	Sweep(ctx context.Context) (removed int, err error)
}

// HealthCheck tells whether a provider is well. It must not wait for the backend.
type HealthCheck struct {
	Provider string
	Check    func() error
}

// DefaultDrain is how long a stop waits for requests under way. Uploads are long, and a client whose upload is cut sends all of it again.
const DefaultDrain = 30 * time.Second

const (
	sweepInterval = time.Hour
	flushInterval = time.Minute
	renewInterval = 5 * time.Minute // a list of the backend each time
	flushTimeout  = 10 * time.Second
	leaveWithin   = time.Second // after the backend's answer
)

// Server is a gateway that is ready to run.
type Server struct {
	objects *objects.Service
	cache   *cache.Cache
	s3      *http.Server
	s3Calls *underWay
	admin   *http.Server
	opts    *Options
	phase   atomic.Int32 // a phase
}

// phase is how far a Server is on its way from New to the end of Run.
type phase int32

const (
	starting phase = iota
	serving
	draining
)

var (
	errStarting = errors.New("starting")
	errDraining = errors.New("draining: it stops soon, when the requests under way are done")
)

// ready returns nil, or why no requests should be sent to a server in this phase.
func (p phase) ready() error {
	switch p {
	case starting:
		return errStarting
	case serving:
		return nil
	case draining:
		return errDraining
	}
	panic("gateway: internal error: a phase that no server enters")
}

func (s *Server) enter(p phase) { s.phase.Store(int32(p)) }

// New composes a server. Nothing runs until Run.
func New(opts *Options) *Server {
	etags := cache.New(&cache.Options{Dir: filepath.Join(opts.StateDir, "cache"), Log: opts.Log})
	service := objects.New(&objects.Options{Vaults: vaults.NewSet(nil, opts.Vaults...), Cache: etags, Metrics: opts.Metrics, Log: opts.Log})
	handler := s3api.New(&s3api.Options{
		Objects: service, Credentials: opts.Credentials, Region: opts.Region, Domains: opts.Domains, TrustedProxies: opts.TrustedProxies,
		Limits: s3api.Limits{Memory: opts.Memory.forRequests()}, Metrics: opts.Metrics, Log: opts.Log,
	})
	s := &Server{objects: service, cache: etags, opts: opts, s3Calls: newUnderWay(handler)}
	s.s3 = newHTTPServer(s.sendingAway(s.s3Calls), opts.Log)
	s.enter(starting)
	if opts.Admin != nil {
		s.admin = newHTTPServer(admin.New(&admin.Options{Ready: s.ready, Notes: s.notes, Metrics: opts.Metrics, Pprof: opts.Pprof}), opts.Log)
	}
	return s
}

// ready returns nil, or why no requests should be sent here.
func (s *Server) ready() error {
	return phase(s.phase.Load()).ready()
}

// notes tells which providers are not well. Requests need not be sent elsewhere because of a degraded one: it still reads, and the next write tries
// it again.
func (s *Server) notes() []string {
	var all []string
	for _, h := range s.opts.Health {
		if err := h.Check(); err != nil {
			all = append(all, "provider "+h.Provider+": degraded: "+err.Error())
		}
	}
	return all
}

// Run serves until ctx ends, then drains. It returns nil after a clean drain.
func (s *Server) Run(ctx context.Context) error {
	background, stopBackground := context.WithCancel(ctx)
	var work sync.WaitGroup
	work.Go(func() { s.maintain(background) })
	s.enter(serving) // the sockets listen already
	failed := make(chan error, 2)
	work.Go(func() { failed <- serve(s.s3, s.opts.Socket) })
	if s.admin != nil {
		work.Go(func() { failed <- serve(s.admin, s.opts.Admin) })
	}
	var err error
	select {
	case <-ctx.Done():
		s.enter(draining)
		stopBackground()
		err = s.letLook(failed)
	case err = <-failed:
		s.enter(draining)
		stopBackground()
	}
	err = errors.Join(err, s.drain(context.WithoutCancel(ctx)))
	work.Wait()
	return err
}

// letLook goes on serving for DrainDelay: a port that closes before a load balancer has seen /readyz turn makes errors of requests that another gateway
// would have answered.
func (s *Server) letLook(failed <-chan error) error {
	if s.admin == nil || s.opts.DrainDelay <= 0 {
		return nil
	}
	s.opts.Log.Info("stopping: not ready any more, and taking requests until load balancers have seen it", telemetry.Millis(s.opts.DrainDelay))
	looked := time.NewTimer(s.opts.DrainDelay)
	defer looked.Stop()
	select {
	case <-looked.C:
		return nil
	case err := <-failed:
		return err
	}
}

// sendingAway has clients leave connections that are kept alive, from the moment on when a stop begins: a connection that is closed between two
// requests may meet the second one on its way.
func (s *Server) sendingAway(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if phase(s.phase.Load()) == draining {
			w.Header().Set("Connection", "close")
		}
		next.ServeHTTP(w, r)
	})
}

func (s *Server) drain(ctx context.Context) error {
	wait := s.opts.Drain
	if wait == 0 {
		wait = DefaultDrain
	}
	drainCtx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	s.opts.Log.Info("stopping: waiting for requests under way", telemetry.Millis(wait))
	err := shutdown(drainCtx, s.s3)
	if errors.Is(err, context.DeadlineExceeded) {
		s.opts.Log.Warn("requests were still under way and have been cut; no stored object is harmed")
		s.finishCommits(ctx)
		err = nil
	}
	if s.admin != nil {
		err = errors.Join(err, s.admin.Close())
	}
	return errors.Join(err, s.cache.Flush())
}

// finishCommits waits for what the requests that were cut had asked the backend to commit. The stores must not be closed before: a backend that is
// left in the middle of a commit can lose an upload.
func (s *Server) finishCommits(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, providers.CommitGrace+leaveWithin)
	defer cancel()
	if s.s3Calls.wait(ctx) != nil {
		s.opts.Log.Warn("requests that were cut did not end; what they asked for last may or may not have happened")
	}
}

// maintain sweeps leftovers at start and hourly, writes the ETag cache now and then, and looks for vault files that were made elsewhere: a gateway
// that only writes meets nothing else that would tell it.
func (s *Server) maintain(ctx context.Context) {
	sweep, flush, renew := time.NewTicker(sweepInterval), time.NewTicker(flushInterval), time.NewTicker(renewInterval)
	defer sweep.Stop()
	defer flush.Stop()
	defer renew.Stop()
	s.sweep(ctx)
	for {
		select {
		case <-ctx.Done():
			return
		case <-sweep.C:
			s.sweep(ctx)
		case <-renew.C:
			s.renew(ctx)
		case <-flush.C:
			if err := s.cache.Flush(); err != nil {
				s.opts.Log.Warn("the ETag cache could not be written; lists after a restart will be slower", telemetry.Error(err))
			}
		}
	}
}

func (s *Server) renew(ctx context.Context) {
	for _, v := range s.opts.Vaults {
		if _, err := v.Renew(ctx); err != nil && ctx.Err() == nil {
			s.opts.Log.Warn("no newer vault file was taken; the next look is in some minutes", telemetry.Vault(v.Name()), telemetry.Error(err))
		}
	}
}

func (s *Server) sweep(ctx context.Context) {
	n, err := s.objects.SweepUploads(ctx)
	if err != nil && ctx.Err() == nil {
		s.opts.Log.Warn("sweep of old uploads ended early; the next one is in an hour", telemetry.Error(err))
	}
	if n > 0 {
		s.opts.Log.Info("old uploads swept", telemetry.Count(int64(n)))
	}
	for _, sweeper := range s.opts.Sweepers {
		n, err := sweeper.Sweep(ctx)
		if err != nil && ctx.Err() == nil {
			s.opts.Log.Warn("sweep of temporaries ended early; the next one is in an hour", telemetry.Error(err))
		}
		if n > 0 {
			s.opts.Log.Info("temporaries swept", telemetry.Count(int64(n)))
		}
	}
}
