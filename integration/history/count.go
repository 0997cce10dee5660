package history

import (
	"fmt"
	"strings"
)

// Count adds up what happened in histories, so that a test can tell that something did.
type Count struct {
	Histories, Ops int
	outcomes       map[Kind]map[Outcome]int
}

// Add counts a history.
func (c *Count) Add(h *History) {
	if c.outcomes == nil {
		c.outcomes = map[Kind]map[Outcome]int{}
	}
	c.Histories++
	c.Ops += len(h.Ops)
	for _, op := range h.Ops {
		if c.outcomes[op.Kind] == nil {
			c.outcomes[op.Kind] = map[Outcome]int{}
		}
		c.outcomes[op.Kind][op.Result.Outcome]++
	}
}

// Of returns how many operations of a kind ended so.
func (c *Count) Of(k Kind, o Outcome) int { return c.outcomes[k][o] }

// String is a line for each kind of operation.
func (c *Count) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d histories, %d operations", c.Histories, c.Ops)
	for k := Get; k <= Complete; k++ {
		if len(c.outcomes[k]) == 0 {
			continue
		}
		fmt.Fprintf(&b, "\n%8s:", k)
		for o := Done; o <= Wrong; o++ {
			if n := c.outcomes[k][o]; n > 0 {
				fmt.Fprintf(&b, " %d %s,", n, o)
			}
		}
	}
	return b.String()
}
