package drivertest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sallyport/providers/driver"
	"sallyport/providers/faulty"
	"sallyport/providers/mem"
)

// FaultOptions say what RunFaults expects of a decorator.
type FaultOptions struct {
	Mem mem.Options // of the root below

	// Heals says that the decorator repeats what fails in passing, so that a call whose body can be sent again succeeds in spite of one
	// failure; that it finds out what became of a change where that can be proved; and that it notices a read which ends early.
	Heals bool

	// Only limits the run to the scenarios whose names begin with this: for a decorator that differs from another in one call.
	Only string
}

// world is one run: a root in memory, faults above it, the decorator on top.
type world struct {
	raw  *mem.Driver
	d    driver.Driver
	old  *driver.Info // of the object "k"
	up   driver.Upload
	part *driver.Part
}

var (
	oldBytes = pattern(1, 2000)
	newBytes = pattern(2, 3000)
	longNew  = pattern(3, 1<<20+5000)
	errWrong = errors.New("success with a wrong answer")
)

// scenario is one call or a few, with what the root must look like afterwards.
type scenario struct {
	name  string
	heals bool // one passing failure does not show

	// settles names the op whose UnknownOutcome does not show when it was carried out after all.
	settles string
	run     func(ctx context.Context, w *world) error
	// is tells whether the change is to be seen in the root; nil for calls that change nothing. It also fails on what may never be seen.
	is func(w *world) (changed bool, err error)
}

// RunFaults makes every call of a scenario fail in every way, once and for good, over mem under the decorator, and holds the outcome to the
// contract: no false success, on every error but UnknownOutcome nothing changed, after UnknownOutcome the old or the new and whole, no
// goroutine left. Time is synctest's, so that no wait is waited for.
func RunFaults(t *testing.T, decorate func(driver.Driver) driver.Driver, opts FaultOptions) {
	for _, sc := range scenarios() {
		if !strings.HasPrefix(sc.name, opts.Only) {
			continue
		}
		t.Run(sc.name, func(t *testing.T) {
			runs := 0
			for _, f := range faultModes(opts.Heals) {
				for _, sticky := range []bool{false, true} {
					for n := 1; ; n++ {
						what := fmt.Sprintf("%+v at call %d, sticky %v", f, n, sticky)
						calls := 0
						synctest.Test(t, func(t *testing.T) { calls = runFault(t, &sc, decorate, &opts, f, n, sticky, what) })
						runs++
						if calls < n || n > 200 {
							break
						}
					}
				}
			}
			if runs < len(faultModes(opts.Heals))*2*2 {
				t.Fatalf("only %d runs: the scenario makes no calls", runs)
			}
		})
	}
}

func faultModes(cleanCuts bool) []faulty.Fault {
	modes := []faulty.Fault{
		{Mode: faulty.After, Kind: driver.UnknownOutcome},
		{Mode: faulty.Before, Kind: driver.UnknownOutcome},
		{Mode: faulty.MidBody, Kind: driver.UnknownOutcome, Bytes: 1000},
		{Mode: faulty.MidBody, Kind: driver.Unavailable, Bytes: 700},
		{Mode: faulty.MidBody, Kind: driver.Corrupt, Bytes: 1},
		{Mode: faulty.MidBody, Kind: driver.Corrupt, Bytes: 1 << 40},
		{Mode: faulty.Stall, Bytes: 100},
		{Mode: faulty.Before, Kind: driver.Throttled, RetryAfter: 3 * time.Second},
		{Mode: faulty.Before, Kind: driver.Throttled, RetryAfter: time.Hour},
	}
	if cleanCuts {
		modes = append(modes, faulty.Fault{Mode: faulty.CleanCut, Kind: driver.Unavailable, Bytes: 500}, faulty.Fault{Mode: faulty.CleanCut, Kind: driver.Unavailable})
	}
	for _, kind := range []driver.Kind{
		driver.Unavailable, driver.Throttled, driver.Conflict, driver.Denied, driver.Unauthenticated, driver.NoSpace, driver.ReadOnly, driver.Internal,
	} {
		modes = append(modes, faulty.Fault{Mode: faulty.Before, Kind: kind})
	}
	return modes
}

func runFault(t *testing.T, sc *scenario, decorate func(driver.Driver) driver.Driver, opts *FaultOptions, f faulty.Fault, n int, sticky bool, what string) int {
	w := &world{raw: mem.New(&opts.Mem)}
	w.old = put(t, w.raw, "k", oldBytes)
	put(t, w.raw, "other", []byte("other"))
	w.up = create(t, w.raw, "k")
	w.part = putPart(t, w.raw, w.up, 1, oldBytes)
	below := faulty.New(w.raw, faulty.Nth(n, sticky, f))
	w.d = decorate(below)

	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	err := sc.run(ctx, w)
	calls := below.Calls()
	tell := func(problem any) {
		t.Helper()
		t.Errorf("%s: %v\nerror: %v\ncalls: %+v", what, problem, err, calls)
	}
	if errors.Is(err, errWrong) {
		tell(err)
	}
	if e, ok := errors.AsType[*driver.Error](err); err != nil && (!ok || error(e) != err) { //nolint:errorlint // only the outermost error is the decorator's own.
		tell("an error that is no *driver.Error")
	}
	if sc.is != nil {
		changed, problem := sc.is(w)
		switch {
		case problem != nil:
			tell(problem)
		case err == nil && !changed:
			tell("success, and nothing changed")
		case err != nil && changed && !driver.Is(err, driver.UnknownOutcome):
			tell("failure, and something changed")
		}
	}
	if data, _, err := get(t.Context(), w.raw, "other", driver.GetOptions{}); err != nil || string(data) != "other" {
		tell("another object was harmed")
	}
	passing := f.Mode == faulty.Before && f.RetryAfter < time.Minute &&
		(f.Kind == driver.Unavailable || f.Kind == driver.Throttled || f.Kind == driver.Conflict)
	if err != nil && sc.heals && opts.Heals && passing && !sticky {
		tell("one passing failure was not healed")
	}
	struck := len(calls) >= n
	if err != nil && opts.Heals && !sticky && struck && f.Mode == faulty.After && sc.settles != "" && (!opts.Mem.NoSeenIsDurable || calls[n-1].Op != "Put" && calls[n-1].Op != "Delete") && calls[n-1].Op == sc.settles {
		tell("a change that was carried out was not recognised")
	}
	if !struck && err != nil {
		tell("failed without a fault")
	}
	return len(calls)
}
