package s3_test

import (
	"bytes"
	"cmp"
	"context"
	"encoding/pem"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"sallyport/providers/driver"
	"sallyport/providers/drivertest"
	"sallyport/providers/s3"
	"sallyport/providers/s3/internal/awslike"
)

const bucketName = "example-bucket"

// service is an awslike service behind a real listener, and a configuration for it.
type service struct {
	*awslike.Service
	server *httptest.Server
	config s3.Config

	mu       sync.Mutex
	requests []string // "METHOD name?query" of every request
	plan     func(r *http.Request) awslike.Fault
}

func newService(t testing.TB, secure bool) *service {
	t.Helper()
	s := &service{Service: awslike.New(bucketName)}
	s.Plan = func(r *http.Request) awslike.Fault {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.requests = append(s.requests, r.Method+" "+r.URL.RequestURI())
		if s.plan != nil {
			return s.plan(r)
		}
		return awslike.Fault{}
	}
	s.server = httptest.NewUnstartedServer(s.Service)
	s.server.Config.ErrorLog = nil
	dir := t.TempDir()
	write := func(name string, text []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	s.config = s3.Config{Bucket: bucketName, AccessKeyFile: write("access", []byte("access-key\n")), SecretKeyFile: write("secret", []byte(secretKey+"\n"))}
	if secure {
		s.server.StartTLS()
		s.config.CAFile = write("ca", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.server.Certificate().Raw}))
	} else {
		s.server.Start()
	}
	s.config.Endpoint = s.server.URL
	t.Cleanup(s.server.Close)
	return s
}

// The three ways to reach a service, which decide how bodies are protected.
func onThisMachine(t testing.TB) *service { return newService(t, false) }

func withTLS(t testing.TB) *service { return newService(t, true) }

// elsewhere is a service behind a proxy, which might change bodies. It is its own proxy.
func elsewhere(t testing.TB) *service {
	s := newService(t, false)
	s.config.Proxy = s.config.Endpoint
	return s
}

const secretKey = "a-secret-that-must-not-be-shown"

// fails sets what goes wrong from now on.
func (s *service) fails(plan func(r *http.Request) awslike.Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.plan, s.requests = plan, nil
}

// seen returns how many requests came since fails.
func (s *service) seen() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.requests)
}

var perfect = s3.Probe{CreateIfAbsent: true, ReplaceIfMatch: true, CompleteIfAbsent: true, CompleteIfMatch: true, ConditionalDelete: true, ReadAfterWrite: true, StrongList: true, SuffixRange: true}

func (s *service) open(t testing.TB, change func(c *s3.Config), opts *s3.Options) *s3.Bucket {
	t.Helper()
	config := s.config
	if change != nil {
		change(&config)
	}
	if opts == nil {
		opts = &s3.Options{Probe: &perfect}
	}
	d, err := s3.Open(t.Context(), &config, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	return d
}

func TestConformance(t *testing.T) {
	for name, c := range map[string]struct {
		start func(testing.TB) *service
		probe s3.Probe
		lacks []string
	}{
		"plain":          {onThisMachine, perfect, nil},
		"elsewhere":      {elsewhere, perfect, nil},
		"TLS, the least": {withTLS, s3.Probe{ReadAfterWrite: true, StrongList: true}, []string{"put-if", "complete-if", "delete-if", "suffix"}},
	} {
		t.Run(name, func(t *testing.T) {
			services := map[driver.Driver]*service{}
			openAt := func(t *testing.T, s *service) driver.Driver {
				d := s.open(t, func(config *s3.Config) { config.Prefix = "in/a/folder" }, &s3.Options{Probe: &c.probe})
				services[d] = s
				return d
			}
			drivertest.Run(t, drivertest.Harness{
				NewDriver: func(t *testing.T) driver.Driver {
					s := c.start(t)
					s.Lacks = c.lacks
					t.Cleanup(func() { maps.DeleteFunc(services, func(_ driver.Driver, of *service) bool { return of == s }) })
					return openAt(t, s)
				},
				Reopen: func(t *testing.T, d driver.Driver) driver.Driver {
					if err := d.Close(); err != nil {
						t.Fatal(err)
					}
					return openAt(t, services[d])
				},
				HashETags:    true,
				ModTimeSlack: 2 * time.Second,
			})
		})
	}
}

// Every way of protecting a body arrives, whole and in parts, on both sides of where it is held in memory.
func TestProtections(t *testing.T) {
	for where, start := range map[string]func(testing.TB) *service{"on this machine": onThisMachine, "elsewhere": elsewhere, "TLS": withTLS} {
		for _, setting := range []string{s3.ChecksumCRC64NVME, s3.ChecksumCRC32C, s3.ChecksumNone, ""} {
			for flavour, byDefault := range map[string]string{s3.FlavourS3: s3.ChecksumCRC64NVME, s3.FlavourMinIO: s3.ChecksumCRC32C} {
				s := start(t)
				s.config.Checksum = setting
				checksum := cmp.Or(setting, byDefault)
				if flavour == s3.FlavourMinIO {
					s.Lacks = []string{"part-checksum"}
				}
				d, err := s3.Open(t.Context(), s.config.For(flavour), &s3.Options{Probe: &perfect})
				if err != nil {
					t.Fatal(err)
				}
				told, signed, chunked := 0, 0, 0
				s.fails(func(r *http.Request) awslike.Fault {
					if r.Header.Get("X-Amz-Trailer") == "x-amz-checksum-"+checksum || r.Header.Get("X-Amz-Checksum-"+checksum) != "" {
						told++
					}
					if mode := r.Header.Get("X-Amz-Content-Sha256"); r.Method == http.MethodPut && mode != "UNSIGNED-PAYLOAD" && !strings.HasPrefix(mode, "STREAMING-UNSIGNED") {
						signed++
					}
					if strings.Contains(r.Header.Get("Content-Encoding"), "aws-chunked") {
						chunked++
					}
					return awslike.Fault{}
				})
				sizes := []int{0, 1, 64<<10 + 1, 1 << 20, 1<<20 + 1, 5 << 20}
				store := func(size int, body func(data []byte) io.Reader) {
					data := bytes.Repeat([]byte{byte(size), 1, 2}, size/3+1)[:size]
					if _, err := d.Put(t.Context(), "k", body(data), int64(size), &driver.PutOptions{}); err != nil {
						t.Fatalf("%s, %s, %s: body of %d bytes: %v", flavour, checksum, where, size, err)
					}
					id, err := d.Uploads().Create(t.Context(), "u", nil)
					if err != nil {
						t.Fatal(err)
					}
					up := driver.Upload{ID: id, Key: "u"}
					part, err := d.Uploads().PutPart(t.Context(), up, 1, body(data), int64(size))
					if err != nil {
						t.Fatalf("%s, %s, %s: part of %d bytes: %v", flavour, checksum, where, size, err)
					}
					if _, err := d.Uploads().Complete(t.Context(), up, []driver.Part{*part}, &driver.PutOptions{}); err != nil {
						t.Fatal(err)
					}
					for _, key := range []string{"k", "u"} {
						if got, err := get(t.Context(), d, key); err != nil || !bytes.Equal(got, data) {
							t.Errorf("%s, %s, %s: %q is %d bytes of %d, %v", flavour, checksum, where, key, len(got), size, err)
						}
					}
				}
				for _, size := range sizes {
					store(size, func(data []byte) io.Reader { return driver.NewMemory(data) })
				}
				if chunked > 0 {
					t.Errorf("%s, %s, %s: %d bodies that lay in memory were sent in chunks", flavour, checksum, where, chunked)
				}
				for _, size := range sizes {
					store(size, func(data []byte) io.Reader { return stream{bytes.NewReader(data)} })
				}
				stored := 2 * len(sizes)
				want := 2 * stored // the object and the upload's first note
				if flavour == s3.FlavourMinIO {
					want += stored
				}
				if checksum == s3.ChecksumNone {
					want = 0
				}
				if told != want {
					t.Errorf("%s, %s, %s: %d bodies told their checksum, want %d", flavour, checksum, where, told, want)
				}
				switch bodies := 3 * stored; { // and the parts
				case where == "elsewhere" || where == "on this machine" && checksum == s3.ChecksumNone:
					if signed != bodies {
						t.Errorf("%s, %s, %s: %d of %d bodies were signed", flavour, checksum, where, signed, bodies)
					}
				case signed != 0:
					t.Errorf("%s, %s, %s: %d bodies were signed", flavour, checksum, where, signed)
				}
				_ = d.Close()
			}
		}
	}
}

// stream hides everything of a reader but Read.
type stream struct{ io.Reader }

func put(t testing.TB, d driver.Driver, key string, data []byte) *driver.Info {
	t.Helper()
	info, err := d.Put(t.Context(), key, stream{bytes.NewReader(data)}, int64(len(data)), &driver.PutOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return info
}

func get(ctx context.Context, d driver.Driver, key string) ([]byte, error) {
	r, _, err := d.Get(ctx, key, &driver.GetOptions{})
	if err != nil {
		return nil, err
	}
	data, err := io.ReadAll(r)
	return data, errors.Join(err, r.Close())
}

func wantKind(t testing.TB, what string, err error, kinds ...driver.Kind) {
	t.Helper()
	e, ok := errors.AsType[*driver.Error](err)
	if !ok || !slices.Contains(kinds, e.Kind) {
		t.Errorf("%s: %v, want %v", what, err, kinds)
	}
	if err != nil && strings.Contains(err.Error(), secretKey) {
		t.Errorf("%s: the error shows the secret: %v", what, err)
	}
}
