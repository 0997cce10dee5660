package s3_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"

	"sallyport/providers/driver"
	"sallyport/providers/s3"
)

// A 404 that breaks off before it has said what is absent may speak of the bucket, or come from a proxy.
func TestCutAnswersMakeNothingAbsent(t *testing.T) {
	s := newService(t, false)
	var cut atomic.Bool
	withIDs := true
	before := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		recorded := httptest.NewRecorder()
		if cut.Load() {
			recorded.Header().Set("X-Amz-Request-Id", "TEST")
			recorded.Header().Set("Content-Length", "1000")
			recorded.WriteHeader(http.StatusNotFound)
			_, _ = io.WriteString(recorded, `<?xml version="1.0"?>`)
		} else {
			s.ServeHTTP(recorded, r)
		}
		for name, values := range recorded.Header() {
			if withIDs || name != "X-Amz-Request-Id" {
				w.Header()[name] = values
			}
		}
		w.WriteHeader(recorded.Code)
		_, _ = recorded.Body.WriteTo(w)
		if cut.Load() {
			_ = http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		}
	}))
	defer before.Close()
	config := s.config
	config.Endpoint = before.URL
	for _, withIDs = range []bool{true, false} {
		d, err := s3.Open(t.Context(), &config, &s3.Options{Probe: &perfect})
		if err != nil {
			t.Fatal(err)
		}
		put(t, d, "k", []byte("old"))
		for name, call := range map[string]func() error{
			"Get":           func() error { _, err := get(t.Context(), d, "k"); return err },
			"Delete":        func() error { return d.Delete(t.Context(), "k", &driver.DeleteOptions{}) },
			"Uploads.Abort": func() error { return d.Uploads().Abort(t.Context(), driver.Upload{ID: "id", Key: "k"}) },
			"Uploads.Read": func() error {
				_, _, err := d.Uploads().Read(t.Context(), driver.Upload{ID: "id", Key: "k"})
				return err
			},
		} {
			cut.Store(true)
			err := call()
			cut.Store(false)
			wantKind(t, name, err, driver.Unavailable, driver.UnknownOutcome)
		}
		if got, err := get(t.Context(), d, "k"); string(got) != "old" {
			t.Errorf("%q, %v", got, err)
		}
		_ = d.Close()
	}
}
