package providers_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sallyport/providers"
	"sallyport/providers/driver"
	"sallyport/providers/faulty"
	"sallyport/providers/mem"
)

// TestHealthIsWhatTheLastCallsShow: failures of the backend count until it answers, be it with a no; what a caller asked wrongly says nothing.
func TestHealthIsWhatTheLastCallsShow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, faulty.First(
			faulty.NthOf("Delete", 1, false, faulty.Fault{Kind: driver.Denied}),
			faulty.NthOf("Delete", 2, false, faulty.Fault{Kind: driver.NoSpace}),
			faulty.NthOf("Delete", 3, false, faulty.Fault{Kind: driver.Canceled}),
		), providers.StoreOptions{}, mem.Options{})
		if err := b.store.Health(); err != nil {
			t.Errorf("before the first call: %v", err)
		}
		for range 3 {
			if err := b.store.Delete(t.Context(), "k", nil); err == nil {
				t.Fatal("the fault did not show")
			}
		}
		time.Sleep(12 * time.Second)
		if err := b.store.Health(); err == nil || !strings.Contains(err.Error(), "the last 2 call(s) failed, the latest 12s ago: no space") {
			t.Errorf("after two failures: %v", err)
		}
		if _, err := b.store.Head(t.Context(), "not-there"); driver.KindOf(err) != driver.NotFound {
			t.Fatal(err)
		}
		if err := b.store.Health(); err != nil {
			t.Errorf("after an answer: %v", err)
		}
	})
}
