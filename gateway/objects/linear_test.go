package objects

import (
	"errors"
	"flag"
	"slices"
	"testing"
	"time"

	"sallyport/crypto/vault"
	"sallyport/integration/history"
)

var (
	linearSeed      = flag.Uint64("linear.seed", 0, "first seed of the histories; 0 = by the clock")
	linearHistories = flag.Int("linear.histories", 0, "how many histories; 0 = 1000, or 50 with -short, or 150 with the race detector")
)

func firstSeed(t *testing.T) uint64 {
	t.Helper()
	seed := *linearSeed
	if seed == 0 {
		seed = uint64(time.Now().UnixNano()) % 1e9
	}
	t.Logf("first seed %d; -linear.seed=%d -linear.histories=1 repeats one history, and pictures of violations stay with -artifacts", seed, seed)
	return seed
}

func histories() int {
	switch {
	case *linearHistories > 0:
		return *linearHistories
	case testing.Short():
		return 50
	case raceDetector:
		return 150
	}
	return 1000
}

// TestLinearizable runs random operations on three gateways over one backend, with calls that fail, answers that get lost and changes that
// happen late, and holds what the clients saw to a model of one register for each key.
func TestLinearizable(t *testing.T) {
	first, n := firstSeed(t), histories()
	count := &history.Count{}
	settings := []*fleetOptions{
		{faults: 0.03, late: 0.02},
		{},
		{faults: 0.15, late: 0.05, impatient: 0.2},
		{etag: vault.ETagOpaque, faults: 0.03, late: 0.02, impatient: 0.1},
		{split: true, faults: 0.05, late: 0.05, impatient: 0.1},
		{frail: true, faults: 0.1, late: 0.05, impatient: 0.1},
	}
	for i := range n {
		// The setting follows from the seed, so that one history can be repeated alone.
		seed := first + uint64(i)
		opts := settings[seed%uint64(len(settings))]
		h := runHistory(t, newRoot(t, opts), seed, opts)
		if err := h.Check(t.ArtifactDir()); err != nil {
			t.Fatalf("%+v: %v", *opts, err)
		}
		count.Add(h)
	}
	t.Log(count)
	if n < 50 {
		return
	}
	// A run in which nothing happens proves nothing.
	for _, want := range []struct {
		kind    history.Kind
		outcome history.Outcome
	}{
		{history.Get, history.Done},
		{history.Get, history.NotFound},
		{history.Head, history.Done},
		{history.List, history.Done},
		{history.List, history.NotFound},
		{history.Put, history.Done},
		{history.Put, history.Refused},
		{history.Put, history.Unknown},
		{history.Delete, history.Done},
		{history.Delete, history.Refused},
		{history.Copy, history.Done},
		{history.Copy, history.Refused},
		{history.Complete, history.Done},
		{history.Complete, history.NoUpload},
	} {
		if count.Of(want.kind, want.outcome) < n/10 {
			t.Errorf("%s was %s only %d times in %d histories", want.kind, want.outcome, count.Of(want.kind, want.outcome), n)
		}
	}
}

// TestHistoriesRepeat holds the harness to its word: a seed gives the same operations in the same order with the same answers.
func TestHistoriesRepeat(t *testing.T) {
	first := firstSeed(t)
	for seed := first; seed < first+5; seed++ {
		var runs [2][]string
		opts := &fleetOptions{faults: 0.1, late: 0.05, impatient: 0.2, split: seed%2 == 0}
		for i := range runs {
			h := runHistory(t, newRoot(t, opts), seed, opts)
			for _, op := range h.Ops {
				op.Result.Detail = "" // may name random ids
				runs[i] = append(runs[i], op.String())
			}
		}
		if !slices.Equal(runs[0], runs[1]) {
			for i := range min(len(runs[0]), len(runs[1])) {
				if runs[0][i] != runs[1][i] {
					t.Fatalf("seed %d, operation %d:\n%s\n%s", seed, i, runs[0][i], runs[1][i])
				}
			}
			t.Fatalf("seed %d: %d and %d operations", seed, len(runs[0]), len(runs[1]))
		}
	}
}

// caught runs histories until one is a violation, and returns after how many.
func caught(t *testing.T, opts *fleetOptions, within int) (int, *history.Violation) {
	t.Helper()
	first := firstSeed(t)
	for i := range within {
		h := runHistory(t, newRoot(t, opts), first+uint64(i), opts)
		err := h.Check(t.ArtifactDir())
		if v, ok := errors.AsType[*history.Violation](err); ok {
			return i + 1, v
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return 0, nil
}
