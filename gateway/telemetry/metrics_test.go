package telemetry_test

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"sallyport/gateway/telemetry"
)

// value returns the counter or gauge of that name and labels ("a=b,c=d", sorted by name), or -1 when there is none.
func value(t *testing.T, metrics *telemetry.Metrics, name, labels string) float64 {
	t.Helper()
	families, err := metrics.Gatherer().Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range families {
		if family.GetName() != name {
			continue
		}
		for _, metric := range family.GetMetric() {
			var found []string
			for _, label := range metric.GetLabel() {
				found = append(found, label.GetName()+"="+label.GetValue())
			}
			slices.Sort(found)
			if strings.Join(found, ",") != labels {
				continue
			}
			if counter := metric.GetCounter(); counter != nil {
				return counter.GetValue()
			}
			if histogram := metric.GetHistogram(); histogram != nil {
				return float64(histogram.GetSampleCount())
			}
			return metric.GetGauge().GetValue()
		}
	}
	return -1
}

func TestMetricsCount(t *testing.T) {
	metrics := telemetry.NewMetrics("v1")
	event := telemetry.NewEvent("id", "PUT", arrival)
	event.SetOperation("PutObject")
	event.SetVault("home")
	event.SetStatus(200)
	event.AddBytesIn(100)
	event.AddBytesOut(3)
	event.Finish(t.Context(), nil, metrics, arrival.Add(time.Second))
	telemetry.NewEvent("id", "GET", arrival).Finish(t.Context(), nil, metrics, arrival)
	ended := metrics.RequestBegan()
	metrics.RequestBegan()
	ended()
	metrics.BackendOperation("nas", "Put", "ok", time.Second)
	metrics.BackendOperation("nas", "Put", "NoSpace", time.Second)
	metrics.BackendBytes("nas", telemetry.Out, 7)
	metrics.BackendBytes("nas", telemetry.Out, -7)
	metrics.BackendRetry("nas", "Put")
	metrics.IntegrityFailure("home")
	metrics.ForeignObjects("home", 2)
	metrics.ListCache("home", 5, 3)
	metrics.RequestShed("streams", "home", "places")
	metrics.AdmissionLimit("streams", 256, 1<<20)
	metrics.AdmissionHeld("streams", 2, 1000)
	metrics.AdmissionHeld("streams", 1, 500)
	metrics.OpenUploads("home", 9)
	metrics.OpenUploads("home", 4)
	metrics.VaultOpened("home", 7)
	metrics.VaultOpened("work", 2)
	metrics.VaultLocked("work")
	for _, want := range []struct {
		name, labels string
		value        float64
	}{
		{"sallyport_requests_total", "operation=PutObject,status=200,vault=home", 1},
		{"sallyport_requests_total", "operation=none,status=0,vault=", 1},
		{"sallyport_request_duration_seconds", "operation=PutObject,vault=home", 1},
		{"sallyport_request_bytes_total", "direction=in,operation=PutObject,vault=home", 100},
		{"sallyport_request_bytes_total", "direction=out,operation=PutObject,vault=home", 3},
		{"sallyport_requests_in_flight", "", 1},
		{"sallyport_backend_operations_total", "operation=Put,outcome=ok,provider=nas", 1},
		{"sallyport_backend_operations_total", "operation=Put,outcome=NoSpace,provider=nas", 1},
		{"sallyport_backend_operation_duration_seconds", "operation=Put,provider=nas", 2},
		{"sallyport_backend_bytes_total", "direction=out,provider=nas", 7},
		{"sallyport_backend_retries_total", "operation=Put,provider=nas", 1},
		{"sallyport_integrity_failures_total", "vault=home", 1},
		{"sallyport_integrity_failures_total", "vault=work", 0},
		{"sallyport_foreign_objects_total", "vault=home", 2},
		{"sallyport_etag_cache_total", "result=hit,vault=home", 5},
		{"sallyport_etag_cache_total", "result=miss,vault=home", 3},
		{"sallyport_requests_shed_total", "lane=streams,short_of=places,vault=home", 1},
		{"sallyport_admission_held", "lane=streams,of=places", 1},
		{"sallyport_admission_held", "lane=streams,of=bytes", 500},
		{"sallyport_admission_limit", "lane=streams,of=places", 256},
		{"sallyport_admission_limit", "lane=streams,of=bytes", 1 << 20},
		{"sallyport_open_uploads", "vault=home", 4},
		{"sallyport_vault_open", "vault=home", 1},
		{"sallyport_vault_open", "vault=work", 0},
		{"sallyport_vault_file_generation", "vault=home", 7},
		{"sallyport_build_info", "version=v1", 1},
	} {
		if got := value(t, metrics, want.name, want.labels); got != want.value {
			t.Errorf("%s{%s} = %v, want %v", want.name, want.labels, got, want.value)
		}
	}
}

func TestMetricsAreServed(t *testing.T) {
	metrics := telemetry.NewMetrics("v1")
	recorder := httptest.NewRecorder()
	metrics.Handler().ServeHTTP(recorder, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	body := recorder.Body.String()
	for _, want := range []string{"sallyport_build_info", "sallyport_requests_in_flight", "go_goroutines"} {
		if recorder.Code != http.StatusOK || !strings.Contains(body, want) {
			t.Errorf("status %d without %s", recorder.Code, want)
		}
	}
}

// Two gateways in one process, as in tests, do not share a registry.
func TestMetricsTwice(t *testing.T) {
	telemetry.NewMetrics("a")
	telemetry.NewMetrics("b")
}
