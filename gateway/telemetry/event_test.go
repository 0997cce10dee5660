package telemetry_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"sallyport/gateway/telemetry"
)

var arrival = time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)

func finish(t *testing.T, event *telemetry.Event) map[string]any {
	t.Helper()
	var out bytes.Buffer
	logger := telemetry.NewLogger(&out, telemetry.LogOptions{Format: telemetry.FormatJSON})
	event.Finish(t.Context(), logger, nil, arrival.Add(1500*time.Microsecond))
	var line map[string]any
	if err := json.Unmarshal(out.Bytes(), &line); err != nil {
		t.Fatalf("%v in %q", err, out.String())
	}
	return line
}

func TestEventBecomesOneLine(t *testing.T) {
	event := telemetry.NewEvent("id-1", "PUT", arrival)
	event.SetOperation("PutObject")
	event.SetBucket("photos")
	event.SetAccessKey("SPABCDEFGHIJKLMNOPQRSTUVWXYZ")
	event.SetStatus(507)
	event.SetError("InsufficientCapacity", errors.New("write object: no space"))
	event.AddBytesIn(10)
	event.AddBytesIn(5)
	event.AddBytesOut(7)
	line := finish(t, event)
	for key, want := range map[string]any{
		"level": "ERROR", "msg": "request", "request_id": "id-1", "method": "PUT", "operation": "PutObject", "bucket": "photos",
		"access_key": "SPABCDEFGHIJKLMNOPQRSTUVWXYZ", "status": 507.0, "code": "InsufficientCapacity", "bytes_in": 15.0, "bytes_out": 7.0, "ms": 1.5,
		"error": "write object: no space",
	} {
		if line[key] != want {
			t.Errorf("%s = %v, want %v", key, line[key], want)
		}
	}
}

func TestEventLeavesOutTheUnknown(t *testing.T) {
	line := finish(t, telemetry.NewEvent("id-1", "GET", arrival))
	for _, key := range []string{"bucket", "access_key", "code", "error"} {
		if value, ok := line[key]; ok {
			t.Errorf("%s = %v", key, value)
		}
	}
	if line["level"] != "INFO" {
		t.Errorf("level %v", line["level"])
	}
}

func TestEventReplacesWhatAClientInvents(t *testing.T) {
	for _, bucket := range []string{"ab", strings.Repeat("a", 64), "Photos", "a b c", "a/../b", "x\ny", "secret=1"} {
		event := telemetry.NewEvent("id", "BREW\n", arrival)
		event.SetBucket(bucket)
		line := finish(t, event)
		if line["bucket"] != "(invalid)" || line["method"] != "OTHER" {
			t.Errorf("bucket %q gave %v, method %v", bucket, line["bucket"], line["method"])
		}
	}
}

func TestEventFinishesOnce(t *testing.T) {
	var out bytes.Buffer
	logger := telemetry.NewLogger(&out, telemetry.LogOptions{})
	metrics := telemetry.NewMetrics("test")
	event := telemetry.NewEvent("id-1", "GET", arrival)
	event.SetOperation("GetObject")
	event.SetStatus(200)
	for range 3 {
		event.Finish(t.Context(), logger, metrics, arrival)
	}
	if lines := strings.Count(out.String(), "\n"); lines != 1 {
		t.Errorf("%d lines: %s", lines, out.String())
	}
	if got := value(t, metrics, "sallyport_requests_total", "operation=GetObject,status=200,vault="); got != 1 {
		t.Errorf("counted %v times", got)
	}
}

func TestEventConcurrently(t *testing.T) {
	event := telemetry.NewEvent("id-1", "GET", arrival)
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			event.SetOperation("GetObject")
			event.SetError("NoSuchKey", nil)
			event.AddBytesOut(1)
			event.Finish(t.Context(), slog.New(slog.DiscardHandler), nil, arrival)
		})
	}
	group.Wait()
}

func TestAccessKeysAreLoggedWhole(t *testing.T) {
	for id, want := range map[string]string{
		"a": "a", "AKIAIOSFODNN7EXAMPLE": "AKIAIOSFODNN7EXAMPLE", strings.Repeat("a", 128): strings.Repeat("a", 128), "!#.:;~": "!#.:;~",
		strings.Repeat("a", 129): "(invalid)", "AKI\nIOSFODNN7": "(invalid)", "AKIA IOSF": "(invalid)", "äöü": "(invalid)", "a\x7f": "(invalid)",
	} {
		event := telemetry.NewEvent("id-1", "GET", arrival)
		event.SetAccessKey(id)
		if got := finish(t, event)["access_key"]; got != want {
			t.Errorf("SetAccessKey(%q) gives %q, want %q", id, got, want)
		}
	}
	event := telemetry.NewEvent("id-1", "GET", arrival)
	event.SetAccessKeyUnknown()
	if got := finish(t, event)["access_key"]; got != "(unknown)" {
		t.Errorf("an unknown access key is logged as %q", got)
	}
}
