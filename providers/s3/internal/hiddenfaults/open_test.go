package hiddenfaults

import (
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sallyport/providers/driver"
	"sallyport/providers/s3"
)

// openProbing opens a bucket that is not known yet, so that it is probed.
func openProbing(t *testing.T, tm *template, plan func(label string, nth int) *fault) (requests []string, took time.Duration, err error) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := newWire(tm.service.Clone())
		defer w.close()
		w.fails(plan, nil)
		began := time.Now()
		config := &s3.Config{
			Endpoint: "http://127.0.0.1:9", Bucket: "example-bucket", Prefix: "in/a",
			AccessKeyFile: filepath.Join(tm.dir, "access"), SecretKeyFile: filepath.Join(tm.dir, "secret"),
		}
		var bucket *s3.Bucket
		bucket, err = s3.Open(t.Context(), config.For(tm.name), &s3.Options{Dial: w.pipes.dial})
		took, requests = time.Since(began), w.requests()
		if err == nil {
			if found := bucket.Probe(); !found.Shared() {
				t.Errorf("found %+v", found)
			}
			_ = bucket.Close()
		}
		for _, name := range w.service.Names() {
			if strings.Contains(name, "/probe/") {
				t.Errorf("%s is left", name)
			}
		}
	})
	return requests, took, err
}

// TestOpenWaitsForABusyService: a service that asks for slower requests while a gateway starts is asked again, and for a while only.
func TestOpenWaitsForABusyService(t *testing.T) {
	tm := newTemplate(t, flavours()[1])
	clean, _, err := openProbing(t, tm, nil)
	if err != nil || len(clean) < 50 {
		t.Fatalf("%d requests, %v", len(clean), err)
	}
	for n := 1; n <= len(clean); n += 1 + n/6 {
		came := 0
		_, took, err := openProbing(t, tm, func(string, int) *fault {
			if came++; came == n {
				return &fault{name: "busy", status: 503, code: "SlowDown", retryAfter: "2"}
			}
			return nil
		})
		if err != nil {
			t.Errorf("request %d of %d was throttled: %v after %s", n, len(clean), err, took)
		}
	}
	busy := func(retryAfter string) func(string, int) *fault {
		return func(string, int) *fault {
			return &fault{name: "busy", status: 503, code: "SlowDown", retryAfter: retryAfter}
		}
	}
	if requests, took, err := openProbing(t, tm, busy("")); !driver.Is(err, driver.Throttled) || len(requests) != 5 || took > time.Minute {
		t.Errorf("always busy: %d requests, %s, %v", len(requests), took, err)
	}
	if requests, took, err := openProbing(t, tm, busy("3600")); !driver.Is(err, driver.Throttled) || len(requests) != 1 || took > time.Second {
		t.Errorf("busy for an hour: %d requests, %s, %v", len(requests), took, err)
	}
}
