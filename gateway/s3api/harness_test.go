package s3api

import (
	"bytes"
	"context"
	"crypto/md5"
	"encoding/base64"
	"encoding/xml"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"sallyport/config/secret"
	"sallyport/gateway/auth"
	"sallyport/gateway/cache"
	"sallyport/gateway/objects"
	"sallyport/gateway/telemetry"
	"sallyport/gateway/vaults/vaultstest"
	"sallyport/providers"
	"sallyport/providers/driver"
	"sallyport/providers/faulty"
	"sallyport/providers/mem"
)

const (
	testAccess   = "AKIATESTTESTTESTTEST"
	testSecret   = "canary-secret-of-the-test-principal"
	secondAccess = "AKIASECONDSECONDSECO"
	secondSecret = "canary-secret-of-the-second-principal"
	testRegion   = "us-east-1"
	testBucket   = "bucket"
)

// site is an endpoint over real vaults in memory.
type site struct {
	t       testing.TB
	server  *httptest.Server
	handler http.Handler
	backend *countingDriver
	faults  *faulty.Driver // below backend, and sound until it is given a plan
	log     *lockedBuffer
	signer  signer
}

type siteOptions struct {
	grants  []auth.Grant
	region  string
	domains []string
	proxies []netip.Prefix
	limits  Limits
	tls     bool
	plain   bool // no bucket is made
	second  bool // a second access key with the same rights
	quiet   bool // nothing is logged
	metrics *telemetry.Metrics
}

func everything() []auth.Grant {
	return []auth.Grant{{Buckets: []string{"*"}, Actions: []auth.Action{auth.Read, auth.Write, auth.List, auth.Delete, auth.CreateBucket}}}
}

func newSite(t testing.TB, opts siteOptions) *site {
	t.Helper()
	if opts.grants == nil {
		opts.grants = everything()
	}
	if opts.region == "" {
		opts.region = testRegion
	}
	s := &site{t: t, log: &lockedBuffer{}}
	s.faults = faulty.New(mem.New(&mem.Options{MaxKey: 2048}), nil)
	s.backend = &countingDriver{Driver: s.faults}
	set := vaultstest.New(t, vaultstest.Options{Store: providers.Open("memory", s.backend, &providers.StoreOptions{})})
	known := []auth.Credential{{AccessKey: testAccess, Secret: secret.NewString(testSecret), Allow: opts.grants}}
	if opts.second {
		known = append(known, auth.Credential{AccessKey: secondAccess, Secret: secret.NewString(secondSecret), Allow: opts.grants})
	}
	credentials, err := auth.NewStatic(known)
	if err != nil {
		t.Fatal(err)
	}
	service := objects.New(&objects.Options{Vaults: set, Cache: cache.New(&cache.Options{})})
	log := slog.New(slog.NewTextHandler(s.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	if opts.quiet {
		log = slog.New(slog.DiscardHandler)
	}
	s.handler = New(&Options{
		Objects: service, Credentials: credentials, Region: opts.region, Domains: opts.domains, TrustedProxies: opts.proxies, Limits: opts.limits,
		Log: log, Metrics: opts.metrics,
	})
	s.server = httptest.NewUnstartedServer(s.handler)
	s.server.Config.ErrorLog = slog.NewLogLogger(slog.NewTextHandler(s.log, nil), slog.LevelError)
	// As the assembly has it, but for the answer to "OPTIONS *", which is the server's own and not this package's.
	s.server.Config.ReadHeaderTimeout, s.server.Config.DisableGeneralOptionsHandler = 10*time.Second, true
	if opts.tls {
		s.server.StartTLS()
	} else {
		s.server.Start()
	}
	t.Cleanup(s.server.Close)
	s.signer = signer{accessKey: testAccess, secretKey: testSecret, region: opts.region, at: time.Now()}
	if !opts.plain {
		if err := service.CreateBucket(t.Context(), testBucket); err != nil {
			t.Fatal(err)
		}
	}
	s.backend.writes.Store(0)
	s.backend.reads.Store(0)
	return s
}

// countingDriver counts what reaches the backend.
type countingDriver struct {
	driver.Driver
	writes, reads atomic.Int64
	damage        bool // a byte in the middle of everything long that is read is changed
}

func (d *countingDriver) Put(ctx context.Context, key string, body io.Reader, size int64, opts *driver.PutOptions) (*driver.Info, error) {
	d.writes.Add(1)
	return d.Driver.Put(ctx, key, body, size, opts)
}

func (d *countingDriver) Delete(ctx context.Context, key string, opts *driver.DeleteOptions) error {
	d.writes.Add(1)
	return d.Driver.Delete(ctx, key, opts)
}

func (d *countingDriver) Uploads() driver.Uploads {
	d.writes.Add(1)
	return d.Driver.Uploads()
}

func (d *countingDriver) Get(ctx context.Context, key string, opts *driver.GetOptions) (io.ReadCloser, *driver.Info, error) {
	d.reads.Add(1)
	body, info, err := d.Driver.Get(ctx, key, opts)
	if err == nil && d.damage {
		body = &damagedBody{ReadCloser: body, at: 1 << 20}
	}
	return body, info, err
}

// damagedBody changes one byte.
type damagedBody struct {
	io.ReadCloser
	at int
}

func (d *damagedBody) Read(p []byte) (int, error) {
	n, err := d.ReadCloser.Read(p)
	if d.at >= 0 && d.at < n {
		p[d.at] ^= 1
	}
	d.at -= n
	return n, err
}

func (d *countingDriver) Head(ctx context.Context, key string) (*driver.Info, error) {
	d.reads.Add(1)
	return d.Driver.Head(ctx, key)
}

func (d *countingDriver) List(ctx context.Context, opts *driver.ListOptions) (*driver.Page, error) {
	d.reads.Add(1)
	return d.Driver.List(ctx, opts)
}

// touched reports whether a request reached the backend.
func (d *countingDriver) touched() bool { return d.writes.Load()+d.reads.Load() > 0 }

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// answer is a response read to its end.
type answer struct {
	status int
	header http.Header
	body   []byte
	err    error // of reading the body
}

func (a *answer) code() string {
	var e struct{ Code string }
	if xml.Unmarshal(a.body, &e) != nil {
		return ""
	}
	return e.Code
}

func (a *answer) String() string { return fmt.Sprintf("%d %v\n%s", a.status, a.header, a.body) }

// request makes a request without signing it. target is the raw path and query; headers are "Name: value".
func (s *site) request(method, target string, headers ...string) *http.Request {
	s.t.Helper()
	r, err := http.NewRequestWithContext(s.t.Context(), method, s.server.URL+target, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	for _, line := range headers {
		name, value, _ := strings.Cut(line, ": ")
		r.Header.Add(name, value)
	}
	return r
}

func (s *site) send(r *http.Request) *answer {
	s.t.Helper()
	client := s.server.Client()
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	response, err := client.Do(r)
	if err != nil {
		s.t.Fatalf("%s %s: %v", r.Method, r.URL, err)
	}
	defer func() { _ = response.Body.Close() }()
	a := &answer{status: response.StatusCode, header: response.Header}
	a.body, a.err = io.ReadAll(response.Body)
	return a
}

// do signs in the form and sends.
func (s *site) do(f form, method, target string, body []byte, headers ...string) *answer {
	s.t.Helper()
	r := s.request(method, target, headers...)
	s.signer.sign(r, f, body)
	return s.send(r)
}

// ask is do with a signed header and a hashed payload.
func (s *site) ask(method, target string, body []byte, headers ...string) *answer {
	s.t.Helper()
	return s.do(formHashed, method, target, body, headers...)
}

func (s *site) want(a *answer, status int, code string) {
	s.t.Helper()
	if a.status != status || code != "" && a.code() != code {
		s.t.Errorf("have %d %s, want %d %s\n%s", a.status, a.code(), status, code, a)
	}
}

func (s *site) put(key string, body []byte, headers ...string) *answer {
	s.t.Helper()
	a := s.ask(http.MethodPut, "/"+testBucket+"/"+key, body, headers...)
	s.want(a, http.StatusOK, "")
	return a
}

func pathOf(key string) string { return (&url.URL{Path: "/" + testBucket + "/" + key}).EscapedPath() }

func base64MD5(b []byte) string {
	sum := md5.Sum(b)
	return base64.StdEncoding.EncodeToString(sum[:])
}
