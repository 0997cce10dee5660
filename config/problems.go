package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Problem is one thing that is wrong with a configuration.
type Problem struct {
	Line    int    // in the file, from 1; 0 when it has no place there, as for a missing section
	Path    string // of the field, as in vaults[0].provider; empty for the file as a whole
	Message string // what is wrong and what to do; never the value of a field that could be a secret
}

// Error returns the problem in one line.
func (p Problem) Error() string {
	var text strings.Builder
	if p.Line > 0 {
		fmt.Fprintf(&text, "line %d: ", p.Line)
	}
	if p.Path != "" {
		text.WriteString(p.Path + ": ")
	}
	text.WriteString(p.Message)
	return text.String()
}

// Problems is everything that is wrong with a configuration, by line. It is the error of [Parse] and [Load].
type Problems []Problem

// Error returns one line per problem.
func (p Problems) Error() string {
	lines := make([]string, len(p))
	for i, problem := range p {
		lines[i] = problem.Error()
	}
	return strings.Join(lines, "\n")
}

// Unwrap lets errors.As find the single problems.
func (p Problems) Unwrap() []error {
	wrapped := make([]error, len(p))
	for i, problem := range p {
		wrapped[i] = problem
	}
	return wrapped
}

// sorted returns the problems by line, those without one last, and nil when there are none: a typed nil must not become an error.
func (p Problems) sorted() error {
	if len(p) == 0 {
		return nil
	}
	slices.SortStableFunc(p, func(a, b Problem) int {
		if (a.Line == 0) != (b.Line == 0) {
			return cmp.Compare(b.Line, a.Line)
		}
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Path, b.Path))
	})
	return slices.Compact(p)
}

// explain reports whether a problem is only the consequence of something that did not fit at the same place or around it.
func (p Problems) explain(problem Problem) bool {
	return slices.ContainsFunc(p, func(cause Problem) bool {
		rest, within := strings.CutPrefix(problem.Path, cause.Path)
		return within && (rest == "" || rest[0] == '.' || rest[0] == '[')
	})
}
