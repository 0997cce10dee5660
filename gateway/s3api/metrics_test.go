package s3api

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"sallyport/gateway/telemetry"
)

// TestRequestsAreCountedByVault: the vault is that of the bucket, and nobody without a valid signature is told apart by it.
func TestRequestsAreCountedByVault(t *testing.T) {
	metrics := telemetry.NewMetrics("test")
	s := newSite(t, siteOptions{metrics: metrics})
	s.put("k", []byte("body"))
	s.want(s.ask(http.MethodGet, "/no-such-bucket/k", nil), 404, "NoSuchBucket")
	s.want(s.ask(http.MethodGet, "/", nil), 200, "")
	s.want(s.send(s.request(http.MethodGet, "/"+testBucket+"/k")), 403, "AccessDenied")
	h := s.handler.(*handler)
	h.streams.limit = amount{}
	hold, err := h.streams.enter(t.Context(), "other", 1)
	if err != nil {
		t.Fatal(err)
	}
	defer hold.leave()
	s.want(s.ask(http.MethodGet, "/"+testBucket+"/k", nil), 503, "SlowDown")
	s.server.Close() // all requests are over, and counted

	page := httptest.NewRecorder()
	metrics.Handler().ServeHTTP(page, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", http.NoBody))
	for _, line := range []string{
		`sallyport_requests_total{operation="PutObject",status="200",vault="test"} 1`,
		`sallyport_request_bytes_total{direction="in",operation="PutObject",vault="test"} 4`,
		`sallyport_request_duration_seconds_count{operation="PutObject",vault="test"} 1`,
		`sallyport_requests_total{operation="GetObject",status="404",vault="test"} 1`,
		`sallyport_requests_total{operation="ListBuckets",status="200",vault=""} 1`,
		`sallyport_requests_total{operation="none",status="403",vault=""} 1`,
		`sallyport_requests_shed_total{lane="streams",short_of="places",vault="test"} 1`,
	} {
		if !strings.Contains(page.Body.String(), line+"\n") {
			t.Errorf("missing: %s", line)
		}
	}
	if t.Failed() {
		for line := range strings.Lines(page.Body.String()) {
			if strings.HasPrefix(line, "sallyport_request") && !strings.Contains(line, "bucket{") {
				t.Log(line)
			}
		}
	}
}
