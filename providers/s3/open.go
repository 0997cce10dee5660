package s3

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path"
	"slices"
	"sync/atomic"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"sallyport/providers/driver"
)

const userAgent = "sallyport"

// Names below the root that are the drivers' own.
const (
	systemDir   = ".sallyport/"
	localMarker = systemDir + "local.json"
	uploadsDir  = systemDir + "uploads/"
	probeDir    = systemDir + "probe/"
)

// Limits of S3.
const (
	minPart    = 5 << 20
	maxPart    = 5 << 30
	maxObject  = 5 << 40
	splitAbove = 65 << 20 // 64 MiB of plaintext go in one piece, which needs no large buffers
)

// Bucket is a driver.Driver over one bucket and prefix. Beside the driver's methods, whose contract is in package driver, it has Probe for the
// program that runs it.
type Bucket struct {
	bucket      string
	config      Config
	settings    resolved
	names       names
	caps        driver.Capabilities
	probe       Probe
	core        *minio.Core
	credentials *credentials.Credentials
	transport   http.RoundTripper
	pool        *http.Transport
	checksum    minio.ChecksumType
	keepsFiles  bool // the service is MinIO or like it: objects are files of folders, and a conditional PUT locks its key while its body is on the way
	log         *slog.Logger
	now         func() time.Time
	readOnly    bool
	buffers     driver.Buffers
	clashes     clashes
	firstNotes  noteCache
	lastSuccess atomic.Int64 // when the service last answered with success, in nanoseconds: the bucket was there
	closed      atomic.Bool

	namesRequests atomic.Bool // the service gives its answers ids
}

var _ driver.Driver = (*Bucket)(nil)

// Open opens the bucket of config, which must exist, and finds out what the service can do unless opts has that already. ctx bounds the opening
// only. A prefix that holds a local folder's escaped layout is refused: its keys are not the names of its objects.
func Open(ctx context.Context, config *Config, opts *Options) (*Bucket, error) {
	if opts == nil {
		opts = &Options{}
	}
	if err := config.Validate(); err != nil {
		return nil, fail(driver.Internal, "Open", "", err)
	}
	if err := ctx.Err(); err != nil {
		return nil, fail(driver.Canceled, "Open", "", err)
	}
	b, err := newBucket(config, opts)
	if err != nil {
		return nil, fail(driver.Internal, "Open", "", err)
	}
	if err := b.start(ctx, opts); err != nil {
		_ = b.Close()
		return nil, err
	}
	return b, nil
}

func newBucket(config *Config, opts *Options) (*Bucket, error) {
	b := &Bucket{bucket: config.Bucket, config: *config, settings: config.resolve(), log: opts.Logger, now: opts.Now, readOnly: opts.ReadOnly}
	if b.log == nil {
		b.log = slog.New(slog.DiscardHandler)
	}
	if b.now == nil {
		b.now = time.Now
	}
	b.names = names{prefix: b.settings.prefix, strict: config.isMinIO(), maxKey: maxName - len(b.settings.prefix)}
	b.checksum = config.checksum()
	var err error
	if b.credentials, err = newCredentials(config, b.log, b.now); err != nil {
		return nil, err
	}
	tlsConfig, err := newTLSConfig(config.CAFile)
	if err != nil {
		return nil, err
	}
	limits := opts.timeouts
	if limits == (timeouts{}) {
		limits = timeouts{header: headerTimeout, stall: stallTimeout}
	}
	b.pool = newTransport(tlsConfig, b.settings.proxy, limits, opts.Dial)
	b.transport = recorder{base: b.pool, lastSuccess: &b.lastSuccess, namesRequests: &b.namesRequests, now: b.now}
	lookup := minio.BucketLookupDNS
	if b.settings.pathStyle {
		lookup = minio.BucketLookupPath
	}
	b.core, err = minio.NewCore(b.settings.endpoint.Host, &minio.Options{
		Creds: b.credentials, Secure: b.settings.endpoint.Scheme == "https", Transport: b.transport, Region: b.settings.region,
		BucketLookup: lookup, MaxRetries: 1,
	})
	if err != nil {
		return nil, fmt.Errorf("make client: %w", err)
	}
	b.core.SetS3EnableDualstack(false)
	b.core.SetAppInfo(userAgent, "1")
	b.clashes.bucket, b.clashes.known = b, map[string]time.Time{}
	b.firstNotes.entries = map[string]cachedNote{}
	return b, nil
}

func newTLSConfig(caFile string) (*tls.Config, error) {
	c := &tls.Config{MinVersion: tls.VersionTLS12}
	if caFile == "" {
		return c, nil
	}
	text, err := os.ReadFile(caFile)
	if err != nil {
		return nil, fmt.Errorf("ca_file: %w", err)
	}
	c.RootCAs = x509.NewCertPool()
	if !c.RootCAs.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("ca_file: %s holds no PEM certificate", caFile)
	}
	return c, nil
}

// start looks whether the bucket can be what the configuration says, and what it can do.
func (b *Bucket) start(ctx context.Context, opts *Options) error {
	const op = "Open"
	if err := patiently(ctx, func() error { return b.confirmBucket(ctx, op) }, driver.Throttled); err != nil {
		return err
	}
	if err := patiently(ctx, func() error { return second(b.stat(ctx, op, "", b.names.prefix+localMarker)) }, driver.Throttled, driver.Unavailable); err == nil {
		return fail(driver.Denied, op, "", errors.New("the prefix holds a copy of a local folder with layout escaped ("+localMarker+" is there), "+
			"whose file names are not its keys: copy it back to a folder to use it, or choose another prefix"))
	} else if !driver.Is(err, driver.NotFound) {
		return err
	}
	switch {
	case opts.Probe != nil:
		b.probe = *opts.Probe
	case b.readOnly:
		b.probe = Probe{StrongList: true, SuffixRange: true, FolderClash: b.config.isMinIO()}
	default:
		b.probe.SuffixRange = true           // until it is tried
		err := patiently(ctx, func() error { // a probe is repeated as a whole: what it has made would answer the next one
			probe, err := b.RunProbe(ctx, openRacers, openRounds)
			if err == nil {
				b.probe = *probe
			}
			return err
		}, driver.Throttled, driver.Unavailable)
		if err != nil {
			return err
		}
		b.warnOfRules(ctx)
	}
	b.caps = b.probe.capabilities(b.names.maxKey)
	b.keepsFiles = b.config.isMinIO() || b.probe.FolderClash
	b.names.strict = b.keepsFiles || b.probe.MixesNames
	b.names.noSlashAtEnd = b.probe.NoSlashAtEnd
	b.clashes.check = b.config.FolderClash == ClashCheck || b.config.FolderClash == "" && b.keepsFiles
	if b.config.FolderClash == ClashIgnore && b.probe.FolderClash {
		b.log.Warn("s3: this service hides a/b from lists while a exists, and folder_clash is ignore: right only for vaults whose names are encrypted")
	}
	return b.checkPrefixIsFree(ctx, op)
}

const (
	openTries     = 5
	openWait      = 500 * time.Millisecond // before the second try, then twice as long each time
	openWaitsMost = 10 * time.Second       // for a service that says for how long
)

// patiently makes a call of the start, and makes it again while it fails with one of the kinds passing: no Store, which would do that, stands above
// the driver yet, and a gateway must be able to start while others keep the service busy. Any other failure is returned at once.
func patiently(ctx context.Context, call func() error, passing ...driver.Kind) error {
	wait := openWait
	for try := 1; ; try++ {
		err := call()
		e, ok := errors.AsType[*driver.Error](err)
		if !ok || !slices.Contains(passing, e.Kind) || try == openTries || e.RetryAfter > openWaitsMost {
			return err
		}
		timer := time.NewTimer(max(e.RetryAfter, wait))
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return err
		}
		wait *= 2
	}
}

func second[T any](_ T, err error) error { return err }

// checkPrefixIsFree refuses a prefix that lies below an object where that would hide everything in it.
func (b *Bucket) checkPrefixIsFree(ctx context.Context, op string) error {
	if !b.clashes.check {
		return nil
	}
	for folder := path.Dir(b.names.prefix); folder != "." && folder != "/"; folder = path.Dir(folder) {
		err := patiently(ctx, func() error { return second(b.stat(ctx, op, "", folder)) }, driver.Throttled, driver.Unavailable)
		if err == nil {
			return fail(driver.Denied, op, "", fmt.Errorf("prefix: %q is an object in the bucket, which would hide all below it: delete or rename it, or choose another prefix", folder))
		}
		if !driver.Is(err, driver.NotFound) {
			return err
		}
	}
	return nil
}

// Capabilities implements driver.Driver.
func (b *Bucket) Capabilities() driver.Capabilities { return b.caps }

// BuffersLent returns how many buffers calls hold in memory to send them: none while no call is under way.
func (b *Bucket) BuffersLent() int64 { return b.buffers.Lent() }

// Close implements driver.Driver.
func (b *Bucket) Close() error {
	b.closed.Store(true)
	b.pool.CloseIdleConnections()
	return nil
}

// enter refuses a call that cannot begin, and returns the object name of its key.
func (b *Bucket) enter(ctx context.Context, op, key string) (name string, err error) {
	if err := b.begin(ctx, op, key); err != nil {
		return "", err
	}
	name, ok := b.names.of(key)
	if !ok {
		return "", fail(driver.InvalidKey, op, key, nil)
	}
	return name, nil
}

func (b *Bucket) begin(ctx context.Context, op, key string) error {
	if ctx.Err() != nil {
		return fail(driver.Canceled, op, key, context.Cause(ctx))
	}
	if b.closed.Load() {
		return fail(driver.Unavailable, op, key, errClosed)
	}
	return nil
}

// enterChange is enter for calls that change something.
func (b *Bucket) enterChange(ctx context.Context, op, key string) (name string, err error) {
	name, err = b.enter(ctx, op, key)
	if err == nil && b.readOnly {
		err = fail(driver.ReadOnly, op, key, nil)
	}
	return name, err
}
