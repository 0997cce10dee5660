package faulty

import "math/rand/v2"

// Nth fails call n of all calls, and with sticky every later one too.
func Nth(n int, sticky bool, f Fault) Plan {
	return func(c Call) *Fault {
		if c.N == n || sticky && c.N > n {
			return &f
		}
		return nil
	}
}

// NthOf fails call n of one op, and with sticky every later one of that op too.
func NthOf(op string, n int, sticky bool, f Fault) Plan {
	return func(c Call) *Fault {
		if c.Op == op && (c.OpN == n || sticky && c.OpN > n) {
			return &f
		}
		return nil
	}
}

// When fails the calls for which the predicate holds.
func When(holds func(Call) bool, f Fault) Plan {
	return func(c Call) *Fault {
		if holds(c) {
			return &f
		}
		return nil
	}
}

// First asks plans in turn; the first fault is taken.
func First(plans ...Plan) Plan {
	return func(c Call) *Fault {
		for _, p := range plans {
			if f := p(c); f != nil {
				return f
			}
		}
		return nil
	}
}

// Seeded fails each call with the given probability, by one of faults at random. Calls that come one after the other meet the same faults
// for the same seed; with calls at once the order in which they come decides.
func Seeded(seed uint64, probability float64, faults ...Fault) Plan {
	random := rand.New(rand.NewPCG(seed, 0)) //nolint:gosec // repeatable on purpose.
	return func(Call) *Fault {
		if random.Float64() >= probability {
			return nil
		}
		return &faults[random.IntN(len(faults))]
	}
}
