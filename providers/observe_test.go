package providers_test

import (
	"bytes"
	"io"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sallyport/providers"
	"sallyport/providers/driver"
	"sallyport/providers/faulty"
	"sallyport/providers/mem"
)

type recorder struct {
	mu      sync.Mutex
	calls   []providers.Call
	retries []string
}

func (r *recorder) CallDone(c providers.Call) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.calls = append(r.calls, c)
}

func (r *recorder) CallRetried(provider, op string, kind driver.Kind) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.retries = append(r.retries, provider+" "+op+" "+kind.String())
}

func TestObserveCountsEveryCallOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		plan := faulty.First(
			faulty.NthOf("Put", 1, false, faulty.Fault{Kind: driver.Unavailable, RetryAfter: time.Second}),
			faulty.NthOf("Get", 1, false, faulty.Fault{Mode: faulty.MidBody, Kind: driver.Unavailable, Bytes: 2}),
			faulty.NthOf("Delete", 1, false, faulty.Fault{Kind: driver.Denied}),
		)
		b := newBench(t, plan, providers.StoreOptions{
			Logger: slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})),
			Retry:  providers.RetryOptions{Jitter: func(time.Duration) time.Duration { return 0 }},
		}, mem.Options{})
		const key = "secret-name"
		if _, err := b.store.Put(t.Context(), key, body("12345"), 5, nil); err != nil {
			t.Fatal(err)
		}
		r, _, err := b.store.Get(t.Context(), key, &driver.GetOptions{Offset: 1})
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(r)
		if err != nil || string(got) != "2345" {
			t.Fatalf("%q, %v", got, err)
		}
		<-time.After(3 * time.Second) // of synctest
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
		_ = r.Close()
		wantKind(t, b.store.Delete(t.Context(), key, nil), driver.Denied)
		_, err = b.store.Head(t.Context(), "absent-name")
		wantKind(t, err, driver.NotFound)
		if _, err := b.store.Put(t.Context(), key, body("1"), 5, nil); err == nil {
			t.Fatal("a short body was stored")
		}

		want := []providers.Call{
			{Provider: "test", Op: "Put", Duration: time.Second, Sent: 5},
			{Provider: "test", Op: "Get", Duration: 3 * time.Second, Received: 4},
			{Provider: "test", Op: "Delete", Failed: true, Kind: driver.Denied},
			{Provider: "test", Op: "Head", Failed: true, Kind: driver.NotFound},
			{Provider: "test", Op: "Put", Failed: true, Kind: driver.BadBody},
		}
		if len(b.sink.calls) != len(want) {
			t.Fatalf("%+v, want %+v", b.sink.calls, want)
		}
		for i, c := range b.sink.calls {
			if c != want[i] {
				t.Errorf("call %d: %+v, want %+v", i, c, want[i])
			}
		}
		if got := strings.Join(b.sink.retries, "; "); got != "test Put unavailable; test Get unavailable" {
			t.Errorf("retries %q", got)
		}
		if c := want[2]; c.Result() != "denied" || want[0].Result() != "ok" {
			t.Errorf("results %q, %q", c.Result(), want[0].Result())
		}
		text := log.String()
		if strings.Contains(text, "-name") {
			t.Errorf("the log holds a key: %s", text)
		}
		if strings.Count(text, "backend call failed") != 1 || !strings.Contains(text, `"kind":"denied"`) || strings.Count(text, "is repeated") != 2 {
			t.Errorf("the log says\n%s", text)
		}
	})
}
