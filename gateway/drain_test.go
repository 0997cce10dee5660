package gateway

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"sallyport/gateway/vaults/vaultstest"
	"sallyport/providers"
	"sallyport/providers/driver"
	"sallyport/providers/mem"
)

// holding is a backend that keeps a change to itself until it is let go, or its client has left.
type holding struct {
	driver.Driver
	arrived, letGo chan struct{}

	mu     sync.Mutex
	closed bool
	cut    error // the first change that was not seen through
}

func (h *holding) hold(ctx context.Context) error {
	h.arrived <- struct{}{}
	select {
	case <-h.letGo:
	case <-ctx.Done():
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case ctx.Err() != nil:
		h.cut = errors.New("the client left")
	case h.closed:
		h.cut = errors.New("the store was closed")
	default:
		return nil
	}
	return &driver.Error{Kind: driver.UnknownOutcome, Op: "test", Err: h.cut}
}

func (h *holding) Delete(ctx context.Context, key string, opts *driver.DeleteOptions) error {
	if err := h.hold(ctx); err != nil {
		return err
	}
	return h.Driver.Delete(ctx, key, opts)
}

func (h *holding) Close() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.closed = true
	return h.Driver.Close()
}

type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *safeBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *safeBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// TestStopSeesCommitsThrough: clients leave, or a stop cuts them, while the backend has what they asked for. It is seen through before the stop
// returns, and the log tells what came of it.
func TestStopSeesCommitsThrough(t *testing.T) {
	for _, leaves := range []bool{false, true} {
		backend := &holding{Driver: mem.New(&mem.Options{MaxKey: 2048}), arrived: make(chan struct{}, 1), letGo: make(chan struct{})}
		store := providers.Open("memory", backend, nil)
		log := &safeBuffer{}
		s, socket, _ := newServerOver(t, vaultstest.NewVault(t, vaultstest.Options{Store: store}), slog.New(slog.NewTextHandler(log, nil)))
		s.opts.Drain = time.Millisecond
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- errors.Join(s.Run(ctx), store.Close()) }()
		u, err := url.Parse(socket.URL())
		if err != nil {
			t.Fatal(err)
		}
		client, err := minio.New(u.Host, &minio.Options{Creds: credentials.NewStaticV4("TESTKEY", "test secret", ""), Region: "us-east-1", MaxRetries: 1})
		if err != nil {
			t.Fatal(err)
		}
		if err := client.MakeBucket(t.Context(), "bucket", minio.MakeBucketOptions{}); err != nil {
			t.Fatal(err)
		}
		if _, err := client.PutObject(t.Context(), "bucket", "k", strings.NewReader("text"), 4, minio.PutObjectOptions{}); err != nil {
			t.Fatal(err)
		}
		clientCtx, leave := context.WithCancel(t.Context())
		left := make(chan error, 1)
		go func() { left <- client.RemoveObject(clientCtx, "bucket", "k", minio.RemoveObjectOptions{}) }()
		<-backend.arrived
		if leaves {
			leave()
			if err := <-left; err == nil {
				t.Error("the client did not leave")
			}
		}
		stop()
		if !leaves {
			if err := <-left; err == nil { // the drain is over
				t.Error("the client was answered before the backend")
			}
		}
		close(backend.letGo)
		if err := <-ended; err != nil {
			t.Error(err)
		}
		leave()
		if backend.cut != nil {
			t.Errorf("leaves %v: the delete was cut: %v", leaves, backend.cut)
		}
		if text := log.String(); !strings.Contains(text, "operation=DeleteObject") || !strings.Contains(text, "status=204") {
			t.Errorf("leaves %v: the log does not tell what came of it:\n%s", leaves, text)
		}
	}
}

// arriving tells when a body is about to be read.
type arriving struct {
	driver.Driver
	arrived chan struct{}
}

func (a *arriving) Put(ctx context.Context, key string, body io.Reader, size int64, opts *driver.PutOptions) (*driver.Info, error) {
	if size > 1<<20 { // no record of a bucket
		close(a.arrived)
	}
	return a.Driver.Put(ctx, key, body, size, opts)
}

// TestStopIsNotTheClientsFault: an upload that a stop cuts is in the log as what it was, so that nobody looks for a broken client.
func TestStopIsNotTheClientsFault(t *testing.T) {
	backend := &arriving{Driver: mem.New(&mem.Options{MaxKey: 2048}), arrived: make(chan struct{})}
	store := providers.Open("memory", backend, nil)
	log := &safeBuffer{}
	s, socket, _ := newServerOver(t, vaultstest.NewVault(t, vaultstest.Options{Store: store}), slog.New(slog.NewTextHandler(log, nil)))
	s.opts.Drain = time.Millisecond
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- errors.Join(s.Run(ctx), store.Close()) }()
	u, err := url.Parse(socket.URL())
	if err != nil {
		t.Fatal(err)
	}
	client, err := minio.New(u.Host, &minio.Options{Creds: credentials.NewStaticV4("TESTKEY", "test secret", ""), Region: "us-east-1", MaxRetries: 1})
	if err != nil {
		t.Fatal(err)
	}
	if err := client.MakeBucket(t.Context(), "bucket", minio.MakeBucketOptions{}); err != nil {
		t.Fatal(err)
	}
	slow, feed := io.Pipe()
	uploaded := make(chan error, 1)
	go func() {
		_, err := client.PutObject(t.Context(), "bucket", "k", slow, 8<<20, minio.PutObjectOptions{DisableMultipart: true})
		_ = slow.CloseWithError(errors.New("the upload ended"))
		uploaded <- err
	}()
	go func() { _, _ = feed.Write(make([]byte, 2<<20)) }()
	<-backend.arrived
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	_ = feed.CloseWithError(errors.New("the gateway is gone"))
	if err := <-uploaded; err == nil {
		t.Error("half an upload was acknowledged")
	}
	if text := log.String(); !strings.Contains(text, "status=503 code=ServiceUnavailable") || strings.Contains(text, "IncompleteBody") {
		t.Errorf("the log:\n%s", text)
	}
}

// TestStopLetsLoadBalancersLook: from the signal on /readyz says no, and for a while new connections are still answered, and then closed.
func TestStopLetsLoadBalancersLook(t *testing.T) {
	s, socket, admin := newServer(t)
	s.opts.DrainDelay = time.Hour
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	if closes := answeredOnce(t, socket); closes {
		t.Error("before the stop a connection is not kept")
	}
	stop()
	for {
		status, text := get(t, admin.URL()+"/readyz")
		if status == http.StatusServiceUnavailable && strings.Contains(text, "draining") {
			break
		}
		if status != http.StatusOK {
			t.Fatalf("/readyz: %d %s", status, text)
		}
	}
	for range 3 {
		if closes := answeredOnce(t, socket); !closes {
			t.Error("a client is not sent away")
		}
	}
	select {
	case err := <-ended:
		t.Fatalf("it ended before anybody could look: %v", err)
	default:
	}
	if err := socket.Close(); err != nil { // else the test would take the hour
		t.Fatal(err)
	}
	if err := <-ended; err == nil {
		t.Error("the lost socket is not told")
	}
}

// answeredOnce asks without a signature over a new connection, and reports whether the answer ends it.
func answeredOnce(t *testing.T, socket *Socket) (closes bool) {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	resp, err := client.Get(socket.URL() + "/bucket/key") //nolint:noctx // a test against loopback
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusForbidden {
		t.Errorf("answered with %d", resp.StatusCode)
	}
	return resp.Close
}

// TestStopDoesNotWaitForNobody: the delay ends by itself, and there is none where nobody can ask.
func TestStopDoesNotWaitForNobody(t *testing.T) {
	for _, asked := range []bool{false, true} {
		s, socket, admin := newServer(t)
		s.opts.DrainDelay = time.Hour
		if asked {
			s.opts.DrainDelay = 50 * time.Millisecond
		} else {
			s.admin = nil
			if err := admin.Close(); err != nil {
				t.Fatal(err)
			}
		}
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- s.Run(ctx) }()
		answeredOnce(t, socket)
		began := time.Now()
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if took := time.Since(began); asked && took < s.opts.DrainDelay {
			t.Errorf("it took requests for %s only", took)
		}
	}
}
