package gateway

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"sallyport/config/secret"
	"sallyport/gateway/auth"
	"sallyport/gateway/telemetry"
	"sallyport/gateway/vaults"
	"sallyport/gateway/vaults/vaultstest"
)

func newServer(t *testing.T) (s *Server, s3, admin *Socket) {
	t.Helper()
	return newServerOver(t, vaultstest.NewVault(t, vaultstest.Options{}), slog.New(slog.DiscardHandler))
}

func newServerOver(t *testing.T, vault *vaults.Vault, log *slog.Logger) (s *Server, s3, admin *Socket) {
	t.Helper()
	credentials, err := auth.NewStatic([]auth.Credential{{AccessKey: "TESTKEY", Secret: secret.NewString("test secret"), Allow: []auth.Grant{
		{Buckets: []string{"*"}, Actions: []auth.Action{auth.Read, auth.Write, auth.List, auth.Delete, auth.CreateBucket}},
	}}})
	if err != nil {
		t.Fatal(err)
	}
	if s3, err = Bind("127.0.0.1:0", nil); err != nil {
		t.Fatal(err)
	}
	if admin, err = Bind("127.0.0.1:0", nil); err != nil {
		t.Fatal(err)
	}
	return New(&Options{
		Vaults: []*vaults.Vault{vault}, Credentials: credentials, Region: "us-east-1", Socket: s3, Admin: admin,
		StateDir: t.TempDir(), Drain: 5 * time.Second, Metrics: telemetry.NewMetrics("test"), Log: log,
	}), s3, admin
}

func get(t *testing.T, url string) (int, string) {
	t.Helper()
	r, err := http.Get(url) //nolint:noctx // a test against loopback
	if err != nil {
		return 0, err.Error()
	}
	defer func() { _ = r.Body.Close() }()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return r.StatusCode, string(b)
}

func TestRunAndStop(t *testing.T) {
	s, s3, admin := newServer(t)
	if err := s.ready(); !errors.Is(err, errStarting) {
		t.Errorf("before the start: %v", err)
	}
	s.opts.Health = []HealthCheck{{"sound", func() error { return nil }}, {"nas", func() error { return errors.New("sync failed") }}}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	// The socket listens already, so the first request waits for the server and none needs to be repeated.
	if status, body := get(t, admin.URL()+"/readyz"); status != 200 || body != "ready\nprovider nas: degraded: sync failed\n" {
		t.Errorf("ready: %d %q", status, body)
	}
	if status, body := get(t, s3.URL()+"/"); status != 403 || !strings.Contains(body, "<Code>AccessDenied</Code>") {
		t.Errorf("anonymous request: %d %s", status, body)
	}
	if status, _ := get(t, s3.URL()+"/metrics"); status == 200 {
		t.Error("metrics are served on the S3 port")
	}
	cancel()
	select {
	case err := <-ended:
		if err != nil {
			t.Errorf("stop: %v", err)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("the server does not stop")
	}
	if err := s.ready(); !errors.Is(err, errDraining) {
		t.Errorf("after the stop: %v", err)
	}
	if status, _ := get(t, s3.URL()+"/"); status != 0 {
		t.Error("the port still answers")
	}
}
