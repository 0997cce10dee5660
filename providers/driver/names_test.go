package driver_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"sallyport/providers/driver"
)

func TestValidKey(t *testing.T) {
	for key, want := range map[string]bool{
		"a": true, "": false, strings.Repeat("x", 1024): true, strings.Repeat("x", 1025): false, "a\x00": false, "\xff": false, "a\xc3": false, "é": true, "..": true, "/": true,
		".sallyport/uploads/x": false, ".sallyport/uploads": false, ".sallyport/tmp/": false, ".sallyport/lock": false, ".sallyport/doubt": false, ".sallyport/local.json": false,
		".sallyport/uploadsx": true, ".sallyport/lock/x": true, ".sallyport/held/x/1": true, ".sallyport": true, "a/.sallyport/uploads/x": true, "\ufffd": true,
	} {
		if got := driver.ValidKey(key, 1024); got != want {
			t.Errorf("ValidKey(%q) = %v", key, got)
		}
	}
}

func TestErrors(t *testing.T) {
	cause := errors.New("cause")
	inner := &driver.Error{Kind: driver.Throttled, Op: "Get", Err: cause}
	err := fmt.Errorf("outer: %w", &driver.Error{Kind: driver.BadBody, Op: "Put", Provider: "p", Key: "k\n", Err: inner})
	if driver.KindOf(err) != driver.BadBody || !driver.Is(err, driver.BadBody) || driver.Is(err, driver.Throttled) || !errors.Is(err, cause) {
		t.Errorf("kind of %v is %v", err, driver.KindOf(err))
	}
	if got, want := err.Error(), `outer: p: Put "k\n": bad body: Get: throttled: cause`; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if driver.KindOf(cause) != driver.Internal || driver.Is(cause, driver.Internal) || driver.Is(nil, driver.Internal) {
		t.Error("an error without a kind must be Internal to KindOf and nothing to Is")
	}
	// Kinds stand in metrics: their numbers and words may not change.
	for k, want := range []string{
		"internal error", "not found", "precondition failed", "conflict", "invalid key", "invalid range", "too large", "no such upload", "invalid part",
		"unsupported", "unauthenticated", "denied", "throttled", "unavailable", "unknown outcome", "no space", "read-only", "corrupt", "canceled", "bad body", "kind 20",
	} {
		if got := driver.Kind(k).String(); got != want {
			t.Errorf("kind %d is %q, want %q", k, got, want)
		}
	}
	if got := driver.Kind(-1).String(); got != "kind -1" {
		t.Errorf("kind -1 is %q", got)
	}
	defer func() {
		if recover() == nil {
			t.Error("KindOf(nil) did not panic")
		}
	}()
	driver.KindOf(nil)
}
