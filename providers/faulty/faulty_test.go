package faulty_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sallyport/providers/driver"
	"sallyport/providers/drivertest"
	"sallyport/providers/faulty"
	"sallyport/providers/mem"
)

func TestWithoutPlanConforms(t *testing.T) {
	roots := map[driver.Driver]*mem.Driver{}
	open := func(m *mem.Driver) driver.Driver {
		d := faulty.New(m, nil)
		roots[d] = m
		return d
	}
	drivertest.Run(t, drivertest.Harness{
		NewDriver: func(*testing.T) driver.Driver { return open(mem.New(&mem.Options{})) },
		Reopen: func(t *testing.T, d driver.Driver) driver.Driver {
			if err := d.Close(); err != nil {
				t.Fatal(err)
			}
			return open(roots[d].Reopen())
		},
	})
}

func put(ctx context.Context, d driver.Driver, key, data string) (*driver.Info, error) {
	return d.Put(ctx, key, strings.NewReader(data), int64(len(data)), &driver.PutOptions{})
}

func get(ctx context.Context, d driver.Driver, key string) (string, error) {
	r, _, err := d.Get(ctx, key, &driver.GetOptions{})
	if err != nil {
		return "", err
	}
	data, err := io.ReadAll(r)
	return string(data), errors.Join(err, r.Close())
}

func TestModesOfAWrite(t *testing.T) {
	for name, c := range map[string]struct {
		f      faulty.Fault
		stored string
		kind   driver.Kind // Internal = success
	}{
		"Before":    {faulty.Fault{Mode: faulty.Before, Kind: driver.Throttled}, "old", driver.Throttled},
		"After":     {faulty.Fault{Mode: faulty.After, Kind: driver.UnknownOutcome}, "new", driver.UnknownOutcome},
		"MidBody":   {faulty.Fault{Mode: faulty.MidBody, Kind: driver.Unavailable, Bytes: 2}, "old", driver.Unavailable},
		"CleanCut":  {faulty.Fault{Mode: faulty.CleanCut, Kind: driver.Corrupt}, "old", driver.Corrupt},
		"Stall":     {faulty.Fault{Mode: faulty.Stall, Bytes: 1}, "old", driver.Canceled},
		"Twice":     {faulty.Fault{Mode: faulty.Twice}, "new", 0},
		"WrongETag": {faulty.Fault{Mode: faulty.WrongETag}, "new", 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				raw := mem.New(&mem.Options{})
				if _, err := put(t.Context(), raw, "k", "old"); err != nil {
					t.Fatal(err)
				}
				d := faulty.New(raw, faulty.Nth(1, false, c.f))
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				body := strings.NewReader("new")
				info, err := d.Put(ctx, "k", body, 3, &driver.PutOptions{})
				if c.kind != driver.Internal {
					if !driver.Is(err, c.kind) || info != nil {
						t.Errorf("%+v, %v; want %v", info, err, c.kind)
					}
				} else if err != nil {
					t.Error(err)
				}
				if c.f.Mode == faulty.MidBody && body.Len() != 1 {
					t.Errorf("%d bytes of the body are left, want 1", body.Len())
				}
				now, herr := raw.Head(t.Context(), "k")
				if herr != nil {
					t.Fatal(herr)
				}
				if info != nil && (info.ETag == now.ETag) != (c.f.Mode != faulty.WrongETag && c.f.Mode != faulty.Twice) {
					t.Errorf("ETag %q, stored %q", info.ETag, now.ETag)
				}
				if got, err := get(t.Context(), d, "k"); err != nil || got != c.stored {
					t.Errorf("%q, %v; want %q: the fault was for one call", got, err, c.stored)
				}
			})
		})
	}
}

func TestModesOfARead(t *testing.T) {
	for name, c := range map[string]struct {
		f    faulty.Fault
		got  string
		kind driver.Kind
	}{
		"Before":   {faulty.Fault{Mode: faulty.Before, Kind: driver.Throttled}, "", driver.Throttled},
		"After":    {faulty.Fault{Mode: faulty.After, Kind: driver.Unavailable}, "", driver.Unavailable},
		"MidBody":  {faulty.Fault{Mode: faulty.MidBody, Kind: driver.Unavailable, Bytes: 2}, "ab", driver.Unavailable},
		"the end":  {faulty.Fault{Mode: faulty.MidBody, Kind: driver.Corrupt, Bytes: 6}, "abcdef", driver.Corrupt},
		"behind":   {faulty.Fault{Mode: faulty.MidBody, Kind: driver.Corrupt, Bytes: 100}, "abcdef", 0}, // the object ends before
		"CleanCut": {faulty.Fault{Mode: faulty.CleanCut, Bytes: 3}, "abc", 0},
		"Stall":    {faulty.Fault{Mode: faulty.Stall, Bytes: 4}, "abcd", driver.Canceled},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				raw := mem.New(&mem.Options{})
				if _, err := put(t.Context(), raw, "k", "abcdef"); err != nil {
					t.Fatal(err)
				}
				d := faulty.New(raw, faulty.NthOf("Get", 1, false, c.f))
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				got, err := get(ctx, d, "k")
				if got != c.got || c.kind != 0 && !driver.Is(err, c.kind) || c.kind == 0 && err != nil {
					t.Errorf("%q, %v; want %q, %v", got, err, c.got, c.kind)
				}
			})
		})
	}
}

func TestPlans(t *testing.T) {
	fault := faulty.Fault{Kind: driver.Denied}
	for name, c := range map[string]struct {
		plan faulty.Plan
		want string // H head, L list; lower case = failed
	}{
		"none":         {nil, "HLHLHL"},
		"third":        {faulty.Nth(3, false, fault), "HLhLHL"},
		"from third":   {faulty.Nth(3, true, fault), "HLhlhl"},
		"second list":  {faulty.NthOf("List", 2, false, fault), "HLHlHL"},
		"from then on": {faulty.NthOf("List", 2, true, fault), "HLHlHl"},
		"when":         {faulty.When(func(c faulty.Call) bool { return c.N%3 == 0 }, fault), "HLhLHl"},
		"first":        {faulty.First(faulty.Nth(1, false, fault), faulty.Nth(6, false, fault)), "hLHLHl"},
		"never":        {faulty.Seeded(1, 0, fault), "HLHLHL"},
		"always":       {faulty.Seeded(1, 1, fault), "hlhlhl"},
	} {
		t.Run(name, func(t *testing.T) {
			raw := mem.New(&mem.Options{})
			if _, err := put(t.Context(), raw, "k", "x"); err != nil {
				t.Fatal(err)
			}
			d := faulty.New(raw, c.plan)
			if got := headsAndLists(t, d, 6); got != c.want {
				t.Errorf("%s, want %s", got, c.want)
			}
			for i, call := range d.Calls() {
				result := "ok"
				if c.want[i] >= 'a' {
					result = "denied"
				}
				if call.N != i+1 || call.OpN != i/2+1 || call.Result != result {
					t.Errorf("call %d recorded as %+v", i+1, call)
				}
			}
		})
	}
}

func headsAndLists(t *testing.T, d driver.Driver, n int) string {
	t.Helper()
	var got strings.Builder
	for i := range n {
		name := "H"
		var err error
		if i%2 == 0 {
			_, err = d.Head(t.Context(), "k")
		} else {
			name = "L"
			_, err = d.List(t.Context(), &driver.ListOptions{})
		}
		if err != nil {
			name = strings.ToLower(name)
			if !errors.Is(err, faulty.ErrInjected) {
				t.Errorf("%v is not injected", err)
			}
		}
		got.WriteString(name)
	}
	return got.String()
}

func TestSeededRepeatsItself(t *testing.T) {
	var runs []string
	for _, seed := range []uint64{1, 1, 2} {
		raw := mem.New(&mem.Options{})
		if _, err := put(t.Context(), raw, "k", "x"); err != nil {
			t.Fatal(err)
		}
		d := faulty.New(raw, faulty.Seeded(seed, 0.5, faulty.Fault{Kind: driver.Denied}, faulty.Fault{Kind: driver.Throttled}))
		runs = append(runs, headsAndLists(t, d, 200)+fmt.Sprint(results(d)))
	}
	if runs[0] != runs[1] || runs[0] == runs[2] {
		t.Error("the same seed gave other faults, or another the same")
	}
}

func results(d *faulty.Driver) []string {
	var all []string
	for _, c := range d.Calls() {
		all = append(all, c.Result)
	}
	return all
}

func TestSetPlanStartsAnew(t *testing.T) {
	d := faulty.New(mem.New(&mem.Options{}), nil)
	cause := errors.New("my own")
	_, _ = d.Head(t.Context(), "k")
	d.SetPlan(faulty.Nth(1, false, faulty.Fault{Kind: driver.NoSpace, RetryAfter: time.Second, Err: cause}))
	_, err := put(t.Context(), d, "k", "x")
	e, ok := errors.AsType[*driver.Error](err)
	if !ok || e.Kind != driver.NoSpace || e.RetryAfter != time.Second || e.Key != "k" || e.Op != "Put" || !errors.Is(err, cause) {
		t.Errorf("%v", err)
	}
	if got := results(d); !slices.Equal(got, []string{"no space"}) {
		t.Errorf("calls %q", got)
	}
}

func TestParts(t *testing.T) {
	raw := mem.New(&mem.Options{})
	d := faulty.New(raw, faulty.When(func(c faulty.Call) bool { return c.Op == "Uploads.PutPart" && c.Part == 2 }, faulty.Fault{Mode: faulty.After, Kind: driver.UnknownOutcome}))
	id, err := d.Uploads().Create(t.Context(), "k", nil)
	if err != nil {
		t.Fatal(err)
	}
	up := driver.Upload{ID: id, Key: "k"}
	for n := 1; n <= 3; n++ {
		_, err := d.Uploads().PutPart(t.Context(), up, n, bytes.NewReader([]byte("x")), 1)
		if driver.Is(err, driver.UnknownOutcome) != (n == 2) {
			t.Errorf("part %d: %v", n, err)
		}
	}
	parts, _, err := d.Uploads().Read(t.Context(), up)
	if err != nil || len(parts) != 3 {
		t.Errorf("%v, %v: the second part was to be stored", parts, err)
	}
}
