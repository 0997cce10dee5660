package telemetry

import (
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

const namespace = "sallyport"

// Direction says which way bytes go, seen from the gateway.
type Direction string

// The directions.
const (
	In  Direction = "in"
	Out Direction = "out"
)

// Metrics are everything this gateway measures, in a registry of its own. All methods are safe for concurrent use. Labels hold only
// operation, provider and vault names, error kinds and HTTP statuses: never a bucket, key, client or address.
type Metrics struct {
	registry         *prometheus.Registry
	requests         *prometheus.CounterVec
	requestSeconds   *prometheus.HistogramVec
	requestBytes     *prometheus.CounterVec
	requestsShed     *prometheus.CounterVec
	admissionHeld    *prometheus.GaugeVec
	admissionLimit   *prometheus.GaugeVec
	inFlight         prometheus.Gauge
	backend          *prometheus.CounterVec
	backendSeconds   *prometheus.HistogramVec
	backendBytes     *prometheus.CounterVec
	backendRetries   *prometheus.CounterVec
	integrity        *prometheus.CounterVec
	vaultOpen        *prometheus.GaugeVec
	vaultGeneration  *prometheus.GaugeVec
	foreignObjects   *prometheus.CounterVec
	listCacheResults *prometheus.CounterVec
	openUploads      *prometheus.GaugeVec
}

// NewMetrics makes the metrics of one gateway, with those of the Go runtime and the process.
func NewMetrics(version string) *Metrics {
	seconds := []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 300, 1800}
	m := &Metrics{
		registry:         prometheus.NewRegistry(),
		requests:         counters("requests_total", "S3 requests answered.", "operation", "vault", "status"),
		requestSeconds:   histograms("request_duration_seconds", "Time from the arrival of an S3 request to the end of its answer.", seconds, "operation", "vault"),
		requestBytes:     counters("request_bytes_total", "Body bytes of S3 requests (in) and answers (out).", "operation", "vault", "direction"),
		requestsShed:     counters("requests_shed_total", "S3 requests told to come later, by lane and what it was short of: places, memory, or share, which the access key had used up.", "lane", "vault", "short_of"),
		admissionHeld:    gauges("admission_held", "What the requests of a lane hold: places and bytes of memory.", "lane", "of"),
		admissionLimit:   gauges("admission_limit", "What the requests of a lane may hold together: places and bytes of memory.", "lane", "of"),
		inFlight:         prometheus.NewGauge(prometheus.GaugeOpts{Namespace: namespace, Name: "requests_in_flight", Help: "S3 requests being served."}),
		backend:          counters("backend_operations_total", "Calls to storage drivers, by outcome: ok or the kind of error.", "provider", "operation", "outcome"),
		backendSeconds:   histograms("backend_operation_duration_seconds", "Time that calls to storage drivers took.", seconds, "provider", "operation"),
		backendBytes:     counters("backend_bytes_total", "Bytes read from (in) and written to (out) storage.", "provider", "direction"),
		backendRetries:   counters("backend_retries_total", "Calls to storage drivers that were repeated.", "provider", "operation"),
		integrity:        counters("integrity_failures_total", "Integrity alarms: stored bytes that did not verify when they were read. Anything above zero needs a look.", "vault"),
		vaultOpen:        gauges("vault_open", "1 while a vault's keys are in memory.", "vault"),
		vaultGeneration:  gauges("vault_file_generation", "Number of the vault file in use.", "vault"),
		foreignObjects:   counters("foreign_objects_total", "Files met in a vault that are not objects of this format.", "vault"),
		listCacheResults: counters("etag_cache_total", "ETags looked up for lists, by result: hit or miss.", "vault", "result"),
		openUploads: gauges("open_uploads",
			"Multipart uploads that are open in a vault: as many as the last hourly sweep found, and what this gateway began and ended since.", "vault"),
	}
	info := prometheus.NewGauge(prometheus.GaugeOpts{
		Namespace: namespace, Name: "build_info", Help: "Always 1; the label holds the version.", ConstLabels: prometheus.Labels{"version": version},
	})
	info.Set(1)
	m.registry.MustRegister(m.requests, m.requestSeconds, m.requestBytes, m.requestsShed, m.admissionHeld, m.admissionLimit, m.inFlight, m.backend, m.backendSeconds, m.backendBytes, m.backendRetries,
		m.integrity, m.vaultOpen, m.vaultGeneration, m.foreignObjects, m.listCacheResults, m.openUploads, info,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

func counters(name, help string, labels ...string) *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: namespace, Name: name, Help: help}, labels)
}

func gauges(name, help string, labels ...string) *prometheus.GaugeVec {
	return prometheus.NewGaugeVec(prometheus.GaugeOpts{Namespace: namespace, Name: name, Help: help}, labels)
}

func histograms(name, help string, buckets []float64, labels ...string) *prometheus.HistogramVec {
	return prometheus.NewHistogramVec(prometheus.HistogramOpts{Namespace: namespace, Name: name, Help: help, Buckets: buckets}, labels)
}

// Handler serves the metrics to Prometheus.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{})
}

// Gatherer gives tests and other exporters the measured values.
func (m *Metrics) Gatherer() prometheus.Gatherer { return m.registry }

// RequestBegan counts a request in flight until the returned function is called, once.
func (m *Metrics) RequestBegan() (ended func()) {
	m.inFlight.Inc()
	return m.inFlight.Dec
}

// RequestShed counts a request that was told to come later. Lane and shortOf are fixed words; the vault is empty where a request is about none. A nil Metrics counts nothing.
func (m *Metrics) RequestShed(lane, vault, shortOf string) {
	if m != nil {
		m.requestsShed.WithLabelValues(lane, vault, shortOf).Inc()
	}
}

// AdmissionHeld shows what the requests of a lane hold now. A nil Metrics shows nothing.
func (m *Metrics) AdmissionHeld(lane string, places, bytes int64) {
	if m != nil {
		m.admissionHeld.WithLabelValues(lane, "places").Set(float64(places))
		m.admissionHeld.WithLabelValues(lane, "bytes").Set(float64(bytes))
	}
}

// AdmissionLimit shows what the requests of a lane may hold together. A nil Metrics shows nothing.
func (m *Metrics) AdmissionLimit(lane string, places, bytes int64) {
	if m != nil {
		m.admissionLimit.WithLabelValues(lane, "places").Set(float64(places))
		m.admissionLimit.WithLabelValues(lane, "bytes").Set(float64(bytes))
	}
}

func (m *Metrics) request(operation, vault string, status int, took time.Duration, in, out int64) {
	if operation == "" {
		operation = "none"
	}
	m.requests.WithLabelValues(operation, vault, strconv.Itoa(status)).Inc()
	m.requestSeconds.WithLabelValues(operation, vault).Observe(took.Seconds())
	m.requestBytes.WithLabelValues(operation, vault, string(In)).Add(float64(in))
	m.requestBytes.WithLabelValues(operation, vault, string(Out)).Add(float64(out))
}

// BackendOperation counts one call to a storage driver. The outcome is "ok" or the kind of its error.
func (m *Metrics) BackendOperation(provider, operation, outcome string, took time.Duration) {
	m.backend.WithLabelValues(provider, operation, outcome).Inc()
	m.backendSeconds.WithLabelValues(provider, operation).Observe(took.Seconds())
}

// BackendBytes counts bytes read from or written to storage. A negative count is ignored.
func (m *Metrics) BackendBytes(provider string, direction Direction, n int64) {
	if n > 0 {
		m.backendBytes.WithLabelValues(provider, string(direction)).Add(float64(n))
	}
}

// BackendRetry counts a repeated call to a storage driver.
func (m *Metrics) BackendRetry(provider, operation string) {
	m.backendRetries.WithLabelValues(provider, operation).Inc()
}

// IntegrityFailure counts an integrity alarm. A nil Metrics counts nothing.
func (m *Metrics) IntegrityFailure(vault string) {
	if m != nil {
		m.integrity.WithLabelValues(vault).Inc()
	}
}

// ForeignObjects counts files met in a vault that are not ours. A nil Metrics counts nothing.
func (m *Metrics) ForeignObjects(vault string, n int) {
	if m != nil {
		m.foreignObjects.WithLabelValues(vault).Add(float64(n))
	}
}

// ListCache counts lookups of ETags for a list. A nil Metrics counts nothing.
func (m *Metrics) ListCache(vault string, hits, misses int) {
	if m != nil {
		m.listCacheResults.WithLabelValues(vault, "hit").Add(float64(hits))
		m.listCacheResults.WithLabelValues(vault, "miss").Add(float64(misses))
	}
}

// OpenUploads says how many multipart uploads a vault has open. A nil Metrics counts nothing.
func (m *Metrics) OpenUploads(vault string, n int) {
	if m != nil {
		m.openUploads.WithLabelValues(vault).Set(float64(n))
	}
}

// VaultOpened says that a vault's keys are in memory, and from which vault file. From then on its alarms are counted from zero: a series that only
// begins with the first alarm shows no increase.
func (m *Metrics) VaultOpened(vault string, generation uint64) {
	m.integrity.WithLabelValues(vault)
	m.vaultOpen.WithLabelValues(vault).Set(1)
	m.vaultGeneration.WithLabelValues(vault).Set(float64(generation))
}

// VaultLocked says that a vault's keys were wiped.
func (m *Metrics) VaultLocked(vault string) { m.vaultOpen.WithLabelValues(vault).Set(0) }
