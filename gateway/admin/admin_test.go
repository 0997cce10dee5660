package admin

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"sallyport/gateway/telemetry"
)

func TestRoutes(t *testing.T) {
	var ready atomic.Bool
	isReady := func() error {
		if ready.Load() {
			return nil
		}
		return errors.New("draining")
	}
	h := New(&Options{Ready: isReady, Metrics: telemetry.NewMetrics("test")})
	get := func(path string) *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
		return w
	}
	for _, c := range []struct {
		path   string
		ready  bool
		status int
	}{
		{"/healthz", false, 200},
		{"/readyz", false, 503},
		{"/readyz", true, 200},
		{"/metrics", true, 200},
		{"/metricsx", true, 404},
		{"/metrics/x", true, 404},
		{"/healthz/", true, 404},
		{"/", true, 404},
		{"/debug/pprof/", true, 404},
	} {
		ready.Store(c.ready)
		if w := get(c.path); w.Code != c.status {
			t.Errorf("GET %s (ready %v) = %d, want %d", c.path, c.ready, w.Code, c.status)
		}
	}
	h = New(&Options{Ready: isReady, Pprof: true})
	for path, status := range map[string]int{"/debug/pprof/heap": 200, "/debug/pprof/goroutine": 200, "/debug/pprof/cmdline": 404, "/debug/pprof/": 404, "/metrics": 404} {
		if w := get(path); w.Code != status {
			t.Errorf("GET %s with profiles = %d, want %d", path, w.Code, status)
		}
	}
	h = New(&Options{Ready: isReady, Metrics: telemetry.NewMetrics("test")})
	if body := get("/metrics").Body.String(); !strings.Contains(body, "sallyport_") {
		t.Errorf("metrics show nothing of ours:\n%.300s", body)
	}
	h = New(&Options{Ready: isReady, Notes: func() []string { return []string{"provider nas: degraded"} }})
	if body := get("/readyz").Body.String(); body != "ready\nprovider nas: degraded\n" {
		t.Errorf("/readyz says %q", body)
	}
	ready.Store(false)
	if body := get("/readyz").Body.String(); body != "not ready: draining\n" {
		t.Errorf("/readyz says %q", body)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/healthz", nil))
	if w.Code != http.StatusMethodNotAllowed {
		t.Errorf("POST /healthz = %d, want 405", w.Code)
	}
}
