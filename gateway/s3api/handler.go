package s3api

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"log/slog"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"

	"sallyport/config/secret"
	"sallyport/gateway/auth"
	"sallyport/gateway/checksum"
	"sallyport/gateway/objects"
	"sallyport/gateway/telemetry"
)

// Credentials finds the secret of an access key. For an unknown key the principal is nil and the secret verifies nothing, so that finding out takes
// the same work. Implementations are safe for concurrent use.
type Credentials interface {
	Lookup(accessKey string) (secret.String, *auth.Principal)
}

// Options are what a handler is made of. Objects and Credentials are required; everything else has a usable zero value.
type Options struct {
	Objects     *objects.Service
	Credentials Credentials
	Region      string   // what requests must be signed for; empty = us-east-1
	Domains     []string // virtual-hosted style below these; empty = path style only
	// TrustedProxies end TLS before the gateway: from their addresses, X-Forwarded-Proto is believed, so that SSE-C keys may come that way.
	TrustedProxies []netip.Prefix
	Limits         Limits
	Log            *slog.Logger       // nil = discard
	Metrics        *telemetry.Metrics // nil = none
	Now            func() time.Time   // nil = time.Now
}

// Limits bound what one request, and all together, may take. Zero fields take the default in brackets.
type Limits struct {
	HeaderCount     int           // header fields of a request [200]
	QueryCount      int           // query parameters of a request [100]
	ProgressStep    int64         // bytes that must move for each ProgressTime [16 KiB]
	ProgressTime    time.Duration // [30 s]
	Streams         int           // requests with an object's bytes in or out, at once [256]
	Requests        int           // all other requests at once [512]
	FirstSign       time.Duration // how long a copy or a completion may take before its client is shown that it goes on [20 s]
	AdmissionWait   time.Duration // how long a request may wait for its turn before 503 SlowDown [100 ms]
	DrainBytes      int64         // what is read of a refused body, so that the client reads the answer [256 KiB]
	DrainTime       time.Duration // [5 s]
	Memory          int64         // bytes that all requests together may hold [512 MiB]
	MaxObjectUpload int64         // bytes of one PutObject or UploadPart [5 GiB, as S3]
}

func (l *Limits) setDefaults() {
	defaultTo(&l.HeaderCount, 200)
	defaultTo(&l.QueryCount, 100)
	defaultTo(&l.ProgressStep, 16<<10)
	defaultTo(&l.ProgressTime, 30*time.Second)
	defaultTo(&l.Streams, 256)
	defaultTo(&l.Requests, 512)
	defaultTo(&l.FirstSign, 20*time.Second)
	defaultTo(&l.AdmissionWait, 100*time.Millisecond)
	defaultTo(&l.DrainBytes, 256<<10)
	defaultTo(&l.DrainTime, 5*time.Second)
	defaultTo(&l.Memory, 512<<20)
	defaultTo(&l.MaxObjectUpload, 5<<30)
}

func defaultTo[T int | int64 | time.Duration](field *T, value T) {
	if *field == 0 {
		*field = value
	}
}

// handler serves S3. It is safe for concurrent use.
type handler struct {
	objects     *objects.Service
	credentials Credentials
	region      string
	domains     []string
	proxies     []netip.Prefix
	limits      Limits
	log         *slog.Logger
	metrics     *telemetry.Metrics
	now         func() time.Time

	router    *router
	streams   *lane // requests with an object's bytes
	requests  *lane // all others
	hostID    string
	buffers   checksum.Buffers
	transfers transferBuffers
}

// New returns the handler of the S3 endpoint. It panics if a required option is missing, which is a mistake of the program.
func New(opts *Options) http.Handler {
	if opts.Objects == nil || opts.Credentials == nil {
		panic("s3api: internal error: New without Objects or Credentials")
	}
	h := &handler{
		objects: opts.Objects, credentials: opts.Credentials, region: opts.Region, proxies: opts.TrustedProxies, limits: opts.Limits,
		log: opts.Log, metrics: opts.Metrics, now: opts.Now, router: newRouter(),
	}
	h.limits.setDefaults()
	h.makeLanes()
	for _, domain := range opts.Domains {
		h.domains = append(h.domains, strings.ToLower(strings.Trim(domain, ".")))
	}
	// Of two domains that end alike the longer one is meant.
	slices.SortFunc(h.domains, func(a, b string) int { return len(b) - len(a) })
	if h.region == "" {
		h.region = "us-east-1"
	}
	if h.log == nil {
		h.log = slog.New(slog.DiscardHandler)
	}
	if h.now == nil {
		h.now = time.Now
	}
	var id [24]byte
	rand.Read(id[:])
	h.hostID = base64.StdEncoding.EncodeToString(id[:])
	return h
}

// ServeHTTP answers one request.
func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	ctx := r.Context()
	event := telemetry.NewEvent(newRequestID(), r.Method, h.now())
	if h.metrics != nil {
		defer h.metrics.RequestBegan()()
	}
	c := newCall(h, w, r, event)
	completed := false
	defer func() {
		if completed {
			c.finish(ctx)
			return
		}
		// A handler that panics must neither take the process down nor end an answer that looks whole.
		recovered := recover()
		aborted := c.afterPanic(ctx, recovered)
		c.finish(ctx)
		if aborted {
			panic(http.ErrAbortHandler)
		}
	}()
	if err := c.serve(ctx); err != nil {
		c.fail(err)
	}
	completed = true
}

func newRequestID() string {
	var id [8]byte
	rand.Read(id[:])
	return strings.ToUpper(hex.EncodeToString(id[:]))
}

// serve takes the steps that come before every operation, in this order, and then the operation.
func (c *call) serve(ctx context.Context) error {
	c.w.Header().Set("X-Amz-Request-Id", c.event.RequestID())
	c.w.Header().Set("X-Amz-Id-2", c.h.hostID)
	c.w.Header().Set("Server", "Sallyport")
	if err := c.checkCounts(); err != nil {
		return err
	}
	if err := c.authenticate(); err != nil {
		return err
	}
	if err := c.route(); err != nil {
		return err
	}
	if err := c.authorise(); err != nil {
		return err
	}
	c.event.SetVault(c.h.objects.VaultOf(c.target.bucket))
	if err := c.checkRequest(); err != nil {
		return err
	}
	if c.op.handle == nil {
		return refusef("NotImplemented", "%s is not implemented.", c.op.name)
	}
	leave, err := c.admit(ctx)
	if err != nil {
		return err
	}
	defer leave()
	if c.op.body == noBody {
		if err := c.discardBody(ctx); err != nil {
			return err
		}
	}
	c.continueInVain()
	return c.op.handle(c, ctx)
}
