package s3_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"sallyport/providers"
	"sallyport/providers/driver"
	"sallyport/providers/s3/internal/awslike"
)

// once strikes the first request of a method and lets the rest pass.
func once(method string, fault awslike.Fault) func(r *http.Request) awslike.Fault {
	struck := false
	return func(r *http.Request) awslike.Fault {
		if struck || r.Method != method {
			return awslike.Fault{}
		}
		struck = true
		return fault
	}
}

// What the driver says of a failure is what Store needs to hide it.
func TestStoreHidesPassingFailures(t *testing.T) {
	s := newService(t, false)
	store := providers.Open("s3", s.open(t, nil, nil), nil)
	data := bytes.Repeat([]byte("0123456789"), 90_000) // short enough to be held by Store
	for _, fault := range []awslike.Fault{
		{Status: 503, Code: "SlowDown"}, {Status: 429}, {Status: 409, Code: "OperationAborted"}, {Status: 400, Code: "BadDigest"}, {Status: 400, Code: "RequestTimeout"},
	} {
		s.fails(once(http.MethodPut, fault))
		if _, err := store.Put(t.Context(), "k", stream{bytes.NewReader(data)}, int64(len(data)), nil); err != nil {
			t.Errorf("Put with %+v: %v", fault, err)
		}
		s.fails(once(http.MethodDelete, fault))
		if err := store.Delete(t.Context(), "other", nil); err != nil {
			t.Errorf("Delete with %+v: %v", fault, err)
		}
	}
	for _, fault := range []awslike.Fault{{Status: 503}, {Status: 500, Code: "InternalError"}, {Drop: true}, {After: true, CutAfter: 1000}, {After: true, CutAfter: int64(len(data)) - 1}} {
		s.fails(once(http.MethodGet, fault))
		r, _, err := store.Get(t.Context(), "k", nil)
		if err != nil {
			t.Errorf("Get with %+v: %v", fault, err)
			continue
		}
		if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, data) {
			t.Errorf("Get with %+v: %d of %d bytes, %v", fault, len(got), len(data), err)
		}
		_ = r.Close()
		s.fails(once(http.MethodGet, fault))
		if page, err := store.List(t.Context(), nil); err != nil || len(page.Entries) != 1 {
			t.Errorf("List with %+v: %+v, %v", fault, page, err)
		}
	}
	// A lost answer is cleared up only where what is seen lasts, which is not claimed of any service yet.
	s.fails(once(http.MethodPut, awslike.Fault{After: true, Drop: true}))
	_, err := store.Put(t.Context(), "k", strings.NewReader("new"), 3, nil)
	if err != nil {
		wantKind(t, "Put whose answer is lost", err, driver.UnknownOutcome)
	}
	if got, ok := s.Object("k"); !ok || string(got) != "new" {
		t.Errorf("the service holds %q", got)
	}
}

// Above SplitAbove Store sends parts, each of which is sent again when it fails, and a condition decides at the end.
func TestStoreSplits(t *testing.T) {
	s := newService(t, false)
	d := s.open(t, nil, nil)
	store := providers.Open("s3", d, nil)
	size := d.Capabilities().SplitAbove + 1
	body := func() io.Reader { return io.LimitReader(&counting{}, size) }
	for n, fault := range []awslike.Fault{{}, {Status: 500, Code: "InternalError"}, {After: true, Drop: true}} {
		key := fmt.Sprintf("k%d", n)
		struck := false
		s.fails(func(r *http.Request) awslike.Fault {
			if !struck && r.URL.Query().Get("partNumber") == "3" {
				struck = true
				return fault
			}
			return awslike.Fault{}
		})
		info, err := store.Put(t.Context(), key, body(), size, &driver.PutOptions{IfNoneMatch: true})
		if err != nil || info.Size != size || !struck {
			t.Fatalf("Put with %+v: %+v, %v, struck %v", fault, info, err, struck)
		}
		got, _ := s.Object(key)
		want, _ := io.ReadAll(body())
		if !bytes.Equal(got, want) {
			t.Errorf("Put with %+v stored %d bytes that are not the %d sent", fault, len(got), size)
		}
		_, err = store.Put(t.Context(), key, body(), size, &driver.PutOptions{IfNoneMatch: true})
		wantKind(t, "Put over it", err, driver.PreconditionFailed)
		s.fails(nil)
		if err := store.Delete(t.Context(), key, nil); err != nil {
			t.Fatal(err)
		}
	}
	if names := s.Names(); len(names) > 0 || s.Uploads() > 0 {
		t.Errorf("%q and %d uploads are left", names, s.Uploads())
	}
}

// counting yields bytes that differ from part to part.
type counting struct{ n int }

func (c *counting) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = byte(c.n>>16) ^ byte(c.n)
		c.n++
	}
	return len(p), nil
}
