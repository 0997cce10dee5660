package history

import (
	"fmt"
	"slices"
	"strings"

	"github.com/anishathalye/porcupine"
)

// state is what one key holds, and which of its uploads have been completed.
type state struct {
	value string // "" = nothing
	etag  string // "" = not known
	done  uint64 // bit of Upload.Number modulo 64; a history has fewer
}

// event is an operation as one key sees it: a copy is a read of its source and a write of its target.
type event struct {
	*Op
	asSource bool
}

// model is what a key may do.
type model struct {
	md5      bool
	possible map[string][]string // by key: the values that it may ever hold
	etags    map[string]string   // plain ETag of every value
	uploads  map[string]string   // uploadETag of every value
	broken   map[*Op]bool        // completions of uploads that the backend may have broken
}

func (h *History) model() *model {
	m := &model{md5: h.options.MD5, possible: map[string][]string{}, etags: map[string]string{}, uploads: map[string]string{}, broken: map[*Op]bool{}}
	for _, op := range h.Ops {
		m.broken[op] = h.options.FragileUploads && op.Kind == Complete && h.cutOff(op)
		if op.Value == "" || op.Kind != Put && op.Kind != Complete {
			continue
		}
		if !slices.Contains(m.possible[op.Key], op.Value) {
			m.possible[op.Key] = append(m.possible[op.Key], op.Value)
		}
		if m.md5 && m.etags[op.Value] == "" {
			m.etags[op.Value], m.uploads[op.Value] = plainETag(op.Value), uploadETag(op.Value)
		}
	}
	for again := true; again; {
		again = false
		for _, op := range h.Ops {
			if op.Kind != Copy {
				continue
			}
			for _, v := range m.possible[op.Source] {
				if !slices.Contains(m.possible[op.Key], v) {
					m.possible[op.Key], again = append(m.possible[op.Key], v), true
				}
			}
		}
	}
	return m
}

// porcupine returns the model as the checker wants it.
func (m *model) porcupine() porcupine.Model {
	n := porcupine.NondeterministicModel{
		Init: func() []any { return []any{state{}} },
		Step: func(s, input, _ any) []any {
			var next []any
			for _, n := range m.next(typed[state](s), typed[event](input)) {
				next = append(next, n)
			}
			return next
		},
		DescribeOperation: func(input, _ any) string {
			e := typed[event](input)
			return e.request() + " → " + e.answer()
		},
		DescribeState: func(s any) string { return typed[state](s).String() },
	}
	return n.ToModel()
}

// typed takes back what was given to porcupine.
func typed[T any](v any) T {
	t, ok := v.(T)
	if !ok {
		panic(fmt.Sprintf("history: internal error: porcupine returned a %T", v))
	}
	return t
}

func (s state) String() string {
	text := "nothing"
	if s.value != "" {
		text = strings.TrimSpace(s.value + " " + shorten(s.etag))
	}
	if s.done != 0 {
		text += fmt.Sprintf(", uploads %b", s.done)
	}
	return text
}

// truth is whether a condition holds where an ETag may be unknown.
type truth int

const (
	no truth = iota
	maybe
	yes
)

// holds compares a state with what a condition names.
func (s state) holds(want *Seen) truth {
	switch {
	case s.value == "", want.Value != "" && want.Value != s.value:
		return no
	case s.etag == "":
		return maybe
	case s.etag == want.ETag:
		return yes
	}
	return no
}

// next returns the states that may follow s when e takes effect, none if it cannot have happened in s. An attempt of unknown outcome
// always may: it stands last where it never happened.
func (m *model) next(s state, e event) []state {
	switch {
	case e.asSource:
		return m.read(s, e.Result.Outcome, e.SourceIfMatch, e.Result.Value, "")
	case !e.changes():
		return m.read(s, e.Result.Outcome, nil, e.Result.Value, e.Result.ETag)
	case e.Kind == Complete && s.done&e.Upload.bit() != 0:
		return m.repeated(s, e)
	}
	switch condition := e.condition(s); e.Result.Outcome {
	case Done:
		if condition != no {
			return m.apply(s, e)
		}
	case Unknown:
		switch condition {
		case yes:
			return m.apply(s, e)
		case maybe:
			return append(m.apply(s, e), s)
		case no:
			return []state{s}
		}
	case Refused:
		if s.value != "" && condition != yes {
			return []state{s}
		}
	case NotFound:
		if s.value == "" && (e.IfMatch != nil || e.Source == e.Key) {
			return []state{s}
		}
	case NoUpload:
		if m.broken[e.Op] {
			return []state{s}
		}
	case Conflict, Failed, Wrong:
	}
	return nil
}

// cutOff reports whether another completion of the same upload had no answer by the time op was answered.
func (h *History) cutOff(op *Op) bool {
	return slices.ContainsFunc(h.Ops, func(o *Op) bool {
		return o != op && o.Kind == Complete && o.Upload == op.Upload && o.Call < op.Return && o.Result.Outcome == Unknown
	})
}

// bit is the upload's in state.done.
func (u *Upload) bit() uint64 { return 1 << (u.Number % 64) }

// repeated is a completion of an upload that is completed: it changes nothing, whatever is there by now.
func (m *model) repeated(s state, e event) []state {
	switch e.Result.Outcome {
	case Done, Unknown, NoUpload:
		return []state{s}
	case Refused:
		if s.value != "" && e.condition(s) != yes {
			return []state{s}
		}
	case NotFound:
		if s.value == "" && e.IfMatch != nil {
			return []state{s}
		}
	case Conflict, Failed, Wrong:
	}
	return nil
}

// condition says whether what the operation asks for holds in s.
func (e event) condition(s state) truth {
	want := e.IfMatch
	if e.Kind == Copy && e.Source == e.Key {
		if want = e.SourceIfMatch; want == nil {
			return known(s.value != "")
		}
	}
	switch {
	case e.IfNoneMatch:
		return known(s.value == "")
	case want != nil:
		return s.holds(want)
	}
	return yes
}

func known(b bool) truth {
	if b {
		return yes
	}
	return no
}

// read is what an answer to a read says of s.
func (m *model) read(s state, outcome Outcome, want *Seen, value, etag string) []state {
	switch {
	case outcome == NotFound && s.value == "":
		return []state{s}
	case outcome == Refused && s.value != "" && want != nil && s.holds(want) != yes:
		return []state{s}
	case outcome != Done || s.value == "" || value != "" && value != s.value || etag != "" && s.etag != "" && etag != s.etag:
		return nil
	case want != nil && s.holds(want) == no:
		return nil
	case s.etag == "":
		if s.etag = etag; want != nil {
			s.etag = want.ETag
		}
	}
	return []state{s}
}

// apply changes s as a write or delete does whose condition holds.
func (m *model) apply(s state, e event) []state {
	next := state{value: e.Value, etag: e.Result.ETag, done: s.done}
	switch e.Kind {
	case Put:
		if m.md5 {
			next.etag = m.etags[e.Value]
		}
	case Complete:
		next.done |= e.Upload.bit()
		if m.md5 {
			next.etag = m.uploads[e.Value]
		}
	case Delete:
		next.value, next.etag = "", ""
	case Copy:
		return m.copied(s, next, e)
	case Get, Head, List, Begin:
	}
	return []state{next}
}

// copied is the target of a copy. Onto itself a copy keeps the content that is there at its moment; from elsewhere an attempt without an answer may
// have brought anything that the source ever held.
func (m *model) copied(s, next state, e event) []state {
	values := []string{e.Result.Value}
	switch {
	case e.Source == e.Key:
		if e.Result.Value != "" && e.Result.Value != s.value {
			return nil
		}
		values[0] = s.value
	case e.SourceIfMatch != nil:
		values[0] = e.SourceIfMatch.Value
	case values[0] == "":
		values = m.possible[e.Source]
	}
	var all []state
	for _, v := range values {
		next.value = v
		if m.md5 {
			next.etag = m.etags[v]
		}
		all = append(all, next)
	}
	if len(all) == 0 {
		return []state{s} // the source never held anything, so the copy cannot have happened
	}
	return all
}
