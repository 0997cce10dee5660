// Package objects is what an S3 operation means on ciphertext: it turns puts, gets, copies, uploads and lists of plaintext objects
// into sealed objects at a provider, and back.
//
// Files are by noun: write, read, copy, delete, list, bucket and upload are what S3 has; each begins with the input and output of its
// operations. Of the others, revision finds a stored object and opens its tail, ends remembers tails, body yields its verified bytes, conditions and etag decide what
// clients see of revisions, room reserves memory, gate keeps writes and the removal of their bucket apart. upload holds the operations of
// multipart uploads; uploadstate reads back what is kept of one, uploadparts, uploadcomplete, uploadrepeated (a Complete that was sent
// again) and uploadlists do them.
//
// It promises what docs/FORMAT.md and the invariants of the threat model say: a nil error means durable and verified against the
// client's checksums; a failed call leaves the old object; no byte leaves before its chunk is verified. It knows no HTTP and no XML, and does
// no authorisation: callers ask auth.Allow first.
//
// Every failure is an *Error with a Kind; gateway/s3api maps kinds to S3 errors in one table. A Service is safe for concurrent use.
package objects

import (
	"log/slog"
	"time"

	"sallyport/gateway/cache"
	"sallyport/gateway/telemetry"
	"sallyport/gateway/vaults"
	"sallyport/providers/keylock"
)

// Options are what a Service is made of. Vaults and Cache are required.
type Options struct {
	Vaults  *vaults.Set
	Cache   *cache.Cache
	Now     func() time.Time   // nil = time.Now
	Metrics *telemetry.Metrics // nil = nothing is counted
	Log     *slog.Logger       // nil = discard
}

// Service carries out operations on objects and buckets.
type Service struct {
	vaults  *vaults.Set
	cache   *cache.Cache
	now     func() time.Time
	metrics *telemetry.Metrics
	log     *slog.Logger
	gate    *gate
	buffers *bufferPool
	ends    *knownEnds

	uploads    *uploadMemory
	open       *openUploads
	completing keylock.Locks
	tails      chan struct{} // one token for each tail that LIST may be reading
}

// BuffersLent returns how many buffers reads hold: none once every body is closed.
func (s *Service) BuffersLent() int64 { return s.buffers.lent.Load() }

// New returns a Service over the vaults of opts.
func New(opts *Options) *Service {
	s := &Service{
		vaults: opts.Vaults, cache: opts.Cache, now: opts.Now, metrics: opts.Metrics, log: opts.Log, gate: newGate(),
		buffers: newBufferPool(), ends: newKnownEnds(),
		uploads: newUploadMemory(), open: newOpenUploads(opts.Metrics), tails: make(chan struct{}, tailReads),
	}
	if s.now == nil {
		s.now = time.Now
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	return s
}

// VaultOf returns the name of the vault that owns buckets of this name, whether or not there is one; "" if none does. It does no I/O.
func (s *Service) VaultOf(bucket string) string {
	if bucket == "" {
		return ""
	}
	v, err := s.vaults.Owner(bucket)
	if err != nil {
		return ""
	}
	return v.Name()
}
