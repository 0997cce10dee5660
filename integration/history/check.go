package history

import (
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/anishathalye/porcupine"
)

// patience bounds the search for an order of one key's operations.
const patience = 60 * time.Second

// Violation is a history that no order of its operations explains.
type Violation struct {
	Seed   uint64
	Key    string
	Reason string
	Ops    []*Op  // of the key, in the order of their calls
	Page   string // porcupine's picture; "" = none
}

// Error tells all that is needed to look at the history and to run its plan again.
func (v *Violation) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "not linearizable: %s\nseed %d, key %s", v.Reason, v.Seed, v.Key)
	if v.Page != "" {
		fmt.Fprintf(&b, ", picture %s", v.Page)
	}
	for _, op := range v.Ops {
		b.WriteString("\n" + op.String())
	}
	return b.String()
}

// Check returns nil if every key's operations can have happened one after the other, otherwise a *Violation; or another error if the
// search took too long. The picture of a violation is written into dir.
func (h *History) Check(dir string) error {
	m := h.model()
	if v := h.plain(m); v != nil {
		return v
	}
	for _, key := range h.Keys {
		ops := m.operations(h.of(key), key)
		checker := m.porcupine()
		switch porcupine.CheckOperationsTimeout(checker, ops, patience) {
		case porcupine.Ok:
		case porcupine.Unknown:
			return fmt.Errorf("check history of seed %d: no order of %d operations at %s found or excluded within %s", h.Seed, len(ops), key, patience)
		case porcupine.Illegal:
			v := h.violation(key, "no order of these operations gives these answers")
			_, info := porcupine.CheckOperationsVerbose(checker, ops, patience)
			page := filepath.Join(dir, fmt.Sprintf("history-%d-%s.html", h.Seed, filepath.Base(key)))
			if err := porcupine.VisualizePath(checker, info, page); err != nil {
				v.Reason += "; its picture could not be written: " + err.Error()
				return v
			}
			v.Page = page
			return v
		}
	}
	return nil
}

func (h *History) violation(key, reason string) *Violation {
	return &Violation{Seed: h.Seed, Key: key, Reason: reason, Ops: h.of(key)}
}

// of returns the operations that touch a key.
func (h *History) of(key string) []*Op {
	var ops []*Op
	for _, op := range h.Ops {
		if op.Key == key || op.Source == key {
			ops = append(ops, op)
		}
	}
	return ops
}

// plain looks for answers that are wrong in any order, and fills in what an answer says only by its ETag.
func (h *History) plain(m *model) *Violation {
	byETag := map[string]string{}
	for value, etag := range m.etags {
		byETag[etag] = value
	}
	for _, op := range h.Ops {
		r := &op.Result
		switch {
		case r.Outcome == Wrong:
			return h.violation(op.Key, "this answer must never be: "+op.String())
		case r.Outcome == Conflict && !h.contended(op) && !m.broken[op]:
			return h.violation(op.Key, "a conflict, and nothing else was changing there: "+op.String())
		case r.Outcome == Refused && !op.IfNoneMatch && op.IfMatch == nil && op.SourceIfMatch == nil:
			return h.violation(op.Key, "refused without a condition: "+op.String())
		case r.Outcome != Done || !m.md5:
			continue
		case op.Kind == Put && r.ETag != m.etags[op.Value], op.Kind == Complete && r.ETag != m.uploads[op.Value]:
			return h.violation(op.Key, "the ETag is not the content's: "+op.String())
		case op.Kind == Copy:
			if r.Value = byETag[r.ETag]; r.Value == "" {
				return h.violation(op.Key, "the ETag is of nothing that anybody wrote: "+op.String())
			}
			if op.SourceIfMatch != nil && op.SourceIfMatch.Value != "" && op.SourceIfMatch.Value != r.Value {
				return h.violation(op.Key, "something else was copied than was asked for: "+op.String())
			}
		}
	}
	return nil
}

// contended reports whether a change of the operation's key or source may have run beside it.
func (h *History) contended(op *Op) bool {
	return slices.ContainsFunc(h.Ops, func(o *Op) bool {
		near := o.Key == op.Key || o.Key == op.Source
		return o != op && near && o.changes() && o.Call < op.Return && (o.Return > op.Call || o.Result.Outcome == Unknown)
	})
}

// operations are what a key saw, without what says nothing.
func (m *model) operations(ops []*Op, key string) []porcupine.Operation {
	var all []porcupine.Operation
	add := func(op *Op, asSource bool) {
		until := op.Return
		if op.Result.Outcome == Unknown {
			until = math.MaxInt64
		}
		all = append(all, porcupine.Operation{ClientId: op.Client, Input: event{op, asSource}, Call: op.Call, Return: until})
	}
	for _, op := range ops {
		outcome := op.Result.Outcome
		ofSource := outcome == NotFound || outcome == Refused && op.SourceIfMatch != nil
		switch {
		case outcome == Failed, outcome == Conflict, outcome == Unknown && !op.changes():
		case op.Kind != Copy || op.Source == op.Key:
			add(op, false)
		case op.Source == key:
			if outcome == Done || ofSource {
				add(op, true)
			}
		case !ofSource:
			add(op, false)
		}
	}
	return all
}
