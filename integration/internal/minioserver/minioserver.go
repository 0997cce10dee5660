// Package minioserver starts a real MinIO server for a test or a measurement: one process on a loopback port, its data on a disk, gone with the test.
//
// MinIO is archived upstream and keeps known holes. It serves here as the second opinion on what S3 is, and as a backend for the S3 driver's
// tests; it is no advice to anybody.
//
// Promised: a Server that Start returned answers signed requests with its keys; after the test the process has ended and its data is removed. On Linux
// the server also dies with a test process that is killed; its data folder then stays behind.
package minioserver

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"sallyport/integration/internal/toolchain"
)

const (
	readyWithin = 60 * time.Second      // MinIO needs about a second; a loaded machine more
	stopWithin  = 20 * time.Second      // after that it is killed
	pollEvery   = 50 * time.Millisecond // between questions for readiness
	startTries  = 3                     // each on another port, see freeAddress
	region      = "us-east-1"
)

// Server is a running MinIO. Its fields do not change after Start. Stop and Resume must not run at the same time.
type Server struct {
	Address   string // host:port on loopback, as minio-go and mc's host list want it
	Endpoint  string // the same with its scheme, http unless Options.TLS
	Region    string // for SigV4
	AccessKey string // of the root user
	SecretKey string // of the root user
	CAFile    string // PEM file that clients must trust; empty without TLS

	program string
	drives  int
	dir     string // holds data, home, certs and log
	tls     *pair
	process *process // nil while stopped
}

// Options are what a test may wish of the server. The zero value is a plain HTTP server.
type Options struct {
	TLS    bool // serve HTTPS with a certificate of its own, see Server.CAFile; SSE-C is refused without
	Drives int  // folders that take the place of drives, over which each object is erasure-coded when they are four or more; 0 = one, and no such coding
}

// Start is Run for a test: a server that does not answer is a failure of tb, with the end of its log, and all is gone with the test. opts may be nil.
func Start(tb testing.TB, opts *Options) *Server {
	tb.Helper()
	s, err := Run(tb.Context(), opts)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		err := s.Stop()
		if err != nil {
			tb.Errorf("stop minio: %v", err)
		}
		if tb.Failed() {
			tb.Logf("end of minio's log:\n%s", s.logTail())
		}
		if err := os.RemoveAll(s.dir); err != nil {
			tb.Errorf("remove minio's data: %v", err)
		}
	})
	return s
}

// Run builds MinIO where the tool cache lacks it (minutes), starts it and waits until it answers a signed request. The caller ends it with Remove.
// opts may be nil.
func Run(ctx context.Context, opts *Options) (s *Server, err error) {
	if opts == nil {
		opts = &Options{}
	}
	program, err := toolchain.Build(ctx, "minio")
	if err != nil {
		return nil, fmt.Errorf("start minio: %w", err)
	}
	dir, err := dataDir()
	if err != nil {
		return nil, fmt.Errorf("start minio: %w", err)
	}
	s = &Server{
		Region:    region,
		AccessKey: "root" + rand.Text()[:12],
		SecretKey: rand.Text(),
		program:   program,
		drives:    max(1, opts.Drives),
		dir:       dir,
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.RemoveAll(dir))
		}
	}()
	if opts.TLS {
		if s.tls, err = newPair(filepath.Join(dir, "certs")); err != nil {
			return nil, fmt.Errorf("start minio: %w", err)
		}
		s.CAFile = s.tls.certFile
	}
	if err := s.startOnFreePort(ctx); err != nil {
		return nil, fmt.Errorf("start minio: %w\nend of its log:\n%s", err, s.logTail())
	}
	return s, nil
}

// Remove stops the server and removes its data.
func (s *Server) Remove() error {
	return errors.Join(s.Stop(), os.RemoveAll(s.dir))
}

// PID is the running server's process.
func (s *Server) PID() int { return s.process.pid.Pid }

func (s *Server) drive(n int) string { return filepath.Join(s.dir, fmt.Sprintf("data%d", n)) }

// LoseDrive takes everything away from a drive while the server runs, as when a disk dies.
func (s *Server) LoseDrive(n int) error {
	if err := os.Rename(s.drive(n), s.drive(n)+".lost"); err != nil {
		return err
	}
	return os.WriteFile(s.drive(n), nil, 0o600) // or MinIO would make the folder anew and heal it
}

// Stop ends the process in order and waits for it; data and address stay for Resume. Stop on a stopped server does nothing.
func (s *Server) Stop() error {
	if s.process == nil {
		return nil
	}
	p := s.process
	s.process = nil
	return p.end(stopWithin)
}

// Kill ends the process at once, without a chance to finish anything, and waits for it.
func (s *Server) Kill() error {
	if s.process == nil {
		return nil
	}
	p := s.process
	s.process = nil
	return p.end(0)
}

// Resume starts a stopped or killed server again, with the same address, keys and data, and waits until it answers.
func (s *Server) Resume(ctx context.Context) error {
	if s.process != nil {
		return errors.New("resume minio: it is running")
	}
	if err := s.start(ctx); err != nil {
		return fmt.Errorf("resume minio: %w", err)
	}
	return nil
}

// Client returns a minio-go client with the root user's keys. It follows no environment variable.
func (s *Server) Client() (*minio.Client, error) {
	transport, err := minio.DefaultTransport(s.tls != nil)
	if err != nil {
		return nil, fmt.Errorf("make transport: %w", err)
	}
	if s.tls != nil {
		transport.TLSClientConfig.RootCAs = s.tls.pool
	}
	client, err := minio.New(s.Address, &minio.Options{
		Creds:     credentials.NewStaticV4(s.AccessKey, s.SecretKey, ""),
		Secure:    s.tls != nil,
		Region:    s.Region,
		Transport: transport,
	})
	if err != nil {
		return nil, fmt.Errorf("make client: %w", err)
	}
	return client, nil
}

func (s *Server) startOnFreePort(ctx context.Context) error {
	var failures []error
	for range startTries {
		address, err := freeAddress()
		if err != nil {
			return err
		}
		s.Address, s.Endpoint = address, "http://"+address
		if s.tls != nil {
			s.Endpoint = "https://" + address
		}
		err = s.start(ctx)
		if err == nil {
			return nil
		}
		failures = append(failures, err)
		if !errors.Is(err, errEarlyExit) {
			break
		}
	}
	return errors.Join(failures...)
}

// freeAddress returns a loopback address whose port was free a moment ago. MinIO cannot be told to choose a port itself; whoever takes the port in
// between makes it exit, and the caller tries another.
func freeAddress() (string, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("find free port: %w", err)
	}
	address := listener.Addr().String()
	return address, listener.Close()
}

func (s *Server) start(ctx context.Context) error {
	arguments := []string{"server", "--quiet", "--address", s.Address, "--certs-dir", filepath.Join(s.dir, "certs")}
	folders := []string{filepath.Join(s.dir, "home"), filepath.Join(s.dir, "certs")}
	for n := range s.drives {
		arguments = append(arguments, s.drive(n))
		folders = append(folders, s.drive(n))
	}
	for _, folder := range folders {
		if err := os.MkdirAll(folder, 0o700); err != nil {
			return fmt.Errorf("make folder: %w", err)
		}
	}
	command := exec.Command(s.program, arguments...)
	command.Dir = s.dir
	command.Env = append(toolchain.Environ(),
		"HOME="+filepath.Join(s.dir, "home"),
		"MINIO_ROOT_USER="+s.AccessKey,
		"MINIO_ROOT_PASSWORD="+s.SecretKey,
		"MINIO_REGION_NAME="+s.Region,
		"MINIO_BROWSER=off",
		"MINIO_UPDATE=off",
		"MINIO_CI_CD=1", // lets it serve from the root disk
	)
	p, err := launch(command, filepath.Join(s.dir, "minio.log"))
	if err != nil {
		return err
	}
	s.process = p
	if err := s.awaitReady(ctx); err != nil {
		s.process = nil
		return errors.Join(err, p.end(0))
	}
	return nil
}

var errEarlyExit = errors.New("the server exited before it was ready")

// awaitReady asks the health endpoint and then for a signed list of buckets, which proves that it is this server and not another that took the port.
func (s *Server) awaitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, readyWithin, fmt.Errorf("not ready within %s", readyWithin))
	defer cancel()
	client, err := s.Client()
	if err != nil {
		return err
	}
	transport, err := minio.DefaultTransport(s.tls != nil)
	if err != nil {
		return fmt.Errorf("make transport: %w", err)
	}
	if s.tls != nil {
		transport.TLSClientConfig.RootCAs = s.tls.pool
	}
	defer transport.CloseIdleConnections()
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		last := healthy(ctx, transport, s.Endpoint)
		if last == nil {
			_, last = client.ListBuckets(ctx)
		}
		if last == nil {
			return nil
		}
		select {
		case <-tick.C:
		case <-s.process.exited:
			return fmt.Errorf("%w: %w", errEarlyExit, s.process.result)
		case <-ctx.Done():
			return fmt.Errorf("wait for %s: %w; last answer: %w", s.Endpoint, context.Cause(ctx), last)
		}
	}
}

func healthy(ctx context.Context, transport http.RoundTripper, endpoint string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, endpoint+"/minio/health/ready", http.NoBody)
	if err != nil {
		return fmt.Errorf("ask health: %w", err)
	}
	response, err := transport.RoundTrip(request)
	if err != nil {
		return fmt.Errorf("ask health: %w", err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("ask health: %s", response.Status)
	}
	return nil
}

// logTail returns the last of what the server wrote, for a failing test's output.
func (s *Server) logTail() string {
	const most = 4 << 10
	text, err := os.ReadFile(filepath.Join(s.dir, "minio.log"))
	if err != nil {
		return err.Error()
	}
	return string(text[max(0, len(text)-most):])
}
