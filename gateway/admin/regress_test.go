package admin

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/go-chi/chi/v5"

	"sallyport/gateway/telemetry"
)

// everything is the listener with all it can be asked to show.
func everything() http.Handler {
	return New(&Options{
		Ready: func() error { return nil }, Notes: func() []string { return []string{"a note"} }, Metrics: telemetry.NewMetrics("test"), Pprof: true,
	})
}

func call(h http.Handler, method, path string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	r := httptest.NewRequest(method, "/", strings.NewReader("{}"))
	r.URL.Path = path // as it is: a path that a client could send and a URL parser would not
	h.ServeHTTP(w, r)
	return w
}

// TestOnlyTheseRoutes is regression F2, F3 and F9: every route is exact, reads only, and takes no credential that could be guessed. A new one has to
// be written down here.
func TestOnlyTheseRoutes(t *testing.T) {
	want := []string{
		"/debug/pprof/allocs", "/debug/pprof/block", "/debug/pprof/goroutine", "/debug/pprof/heap", "/debug/pprof/mutex", "/debug/pprof/profile",
		"/debug/pprof/threadcreate", "/debug/pprof/trace", "/healthz", "/metrics", "/readyz",
	}
	h := everything()
	routes, ok := h.(chi.Routes)
	if !ok {
		t.Fatalf("New returns a %T, whose routes cannot be listed", h)
	}
	var have []string
	err := chi.Walk(routes, func(method, route string, _ http.Handler, _ ...func(http.Handler) http.Handler) error {
		if method != http.MethodGet {
			t.Errorf("%s %s: something can be changed here, where there is no login", method, route)
		}
		have = append(have, route)
		return nil
	})
	slices.Sort(have)
	if err != nil || !slices.Equal(have, want) {
		t.Fatalf("routes %q, %v; want %q", have, err, want)
	}
	for _, route := range want {
		for _, method := range []string{http.MethodPost, http.MethodPut, http.MethodDelete, http.MethodPatch, http.MethodOptions, "RC"} {
			if w := call(h, method, route); w.Code != http.StatusMethodNotAllowed {
				t.Errorf("%s %s = %d", method, route, w.Code)
			}
		}
		if strings.HasPrefix(route, "/debug/pprof/profile") || strings.HasPrefix(route, "/debug/pprof/trace") {
			continue // they take their time; what is below them is tried all the same
		}
		for _, path := range []string{route + "/", route + "x", route + "/x", "/" + route, "/x" + route, "/x/.." + route, route + "/../healthz", strings.ToUpper(route), route + "%2f", route + "\x00", route + ";x"} {
			if w := call(h, http.MethodGet, path); w.Code != http.StatusNotFound {
				t.Errorf("GET %q = %d", path, w.Code)
			}
		}
	}
	for _, path := range []string{
		"/", "", "*", "/debug", "/debug/pprof", "/debug/pprof/", "/debug/pprof/cmdline", "/debug/pprof/symbol", "/debug/vars", "/env", "/config", "/rc/noop", "/core/command",
		"/minio/bootstrap/v1/verify", "/minio/v2/metrics/cluster", "/minio/prometheus/metrics", "/profile/cpu", "/profile/memory", "/api/v1/login", "/_/", "/bucket/key",
	} {
		if w := call(h, http.MethodGet, path); w.Code != http.StatusNotFound {
			t.Errorf("GET %q = %d", path, w.Code)
		}
	}
	if w := call(New(&Options{Ready: func() error { return nil }}), http.MethodGet, "/debug/pprof/heap"); w.Code != http.StatusNotFound {
		t.Errorf("profiles without being asked for: %d", w.Code)
	}
}

// TestNothingOfTheProcessIsShown is regression F1: neither environment nor arguments nor working folder leave by any route.
func TestNothingOfTheProcessIsShown(t *testing.T) {
	const canary = "canary-of-the-environment"
	t.Setenv("SALLYPORT_REGRESSION_SECRET", canary)
	folder, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	h := New(&Options{Ready: func() error { return errors.New("starting") }, Metrics: telemetry.NewMetrics("test")})
	for _, c := range []struct {
		h    http.Handler
		path string
	}{{h, "/healthz"}, {h, "/readyz"}, {h, "/metrics"}, {everything(), "/readyz"}, {everything(), "/debug/pprof/heap"}, {everything(), "/debug/pprof/threadcreate"}} {
		w := call(c.h, http.MethodGet, c.path)
		if w.Code == http.StatusNotFound {
			t.Errorf("GET %s = %d", c.path, w.Code)
		}
		shown := w.Body.String()
		for _, header := range w.Header() {
			shown += strings.Join(header, "\n")
		}
		for what, text := range map[string]string{"a value of the environment": canary, "a name of the environment": "SALLYPORT_REGRESSION", "an argument": "-test.", "the working folder": folder} {
			if strings.Contains(shown, text) {
				t.Errorf("GET %s shows %s", c.path, what)
			}
		}
		if w.Header().Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("GET %s may be read by pages of any origin", c.path)
		}
	}
}
