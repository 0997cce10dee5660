package config

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// placeholderMark stands in every value of the example that must be replaced.
const placeholderMark = "CHANGE-ME"

// places knows the line of every field of a document.
type places map[string]int

func locate(document *yaml.Node) places {
	found := places{}
	walk(document, "", func(path string, line int, _ *yaml.Node) {
		if _, twice := found[path]; !twice {
			found[path] = line
		}
	})
	return found
}

// walk visits every field and list entry with its path and line. Aliases are not followed.
func walk(node *yaml.Node, path string, visit func(path string, line int, value *yaml.Node)) {
	switch node.Kind {
	case yaml.DocumentNode:
		for _, child := range node.Content {
			walk(child, path, visit)
		}
	case yaml.MappingNode:
		for i := 0; i+1 < len(node.Content); i += 2 {
			key, value := node.Content[i], node.Content[i+1]
			at := join(path, key.Value)
			visit(at, key.Line, value)
			walk(value, at, visit)
		}
	case yaml.SequenceNode:
		for i, child := range node.Content {
			at := fmt.Sprintf("%s[%d]", path, i)
			visit(at, child.Line, child)
			walk(child, at, visit)
		}
	default: // Values and aliases hold nothing to visit.
	}
}

func join(path, name string) string {
	if path == "" || name == "" {
		return path + name
	}
	return path + "." + name
}

// line returns where a field stands, or else its nearest enclosing field: a missing field has no line of its own.
func (p places) line(path string) int {
	for path != "" {
		if line, ok := p[path]; ok {
			return line
		}
		path = path[:max(strings.LastIndexAny(path, ".["), 0)]
	}
	return 0
}

// Bounds of a document that is worth looking at: what is built from it, paths above all, stays small.
const (
	maxDepth      = 16
	maxNodes      = 50_000
	maxFieldName  = 100
	aliasMessage  = "YAML anchors and aliases are not supported; write the value out"
	depthMessage  = "nested deeper than any configuration is"
	lengthMessage = "a field name longer than any there is"
	sizeMessage   = "more values than any configuration has"
)

// outlandish finds what no configuration holds: YAML's anchors and aliases, which can make a small file stand for a huge one and a
// field stand where nobody looks, and documents beyond the bounds above. It reports the first of each kind at most.
func outlandish(document *yaml.Node) Problems {
	var problems Problems
	nodes := 0
	report := func(line int, message string) {
		if !slices.ContainsFunc(problems, func(p Problem) bool { return p.Message == message }) {
			problems = append(problems, Problem{Line: line, Message: message})
		}
	}
	var descend func(node *yaml.Node, depth int)
	descend = func(node *yaml.Node, depth int) {
		if nodes++; nodes > maxNodes {
			report(node.Line, sizeMessage)
			return
		}
		if node.Kind == yaml.AliasNode || node.Anchor != "" {
			report(node.Line, aliasMessage)
		}
		if depth > maxDepth {
			report(node.Line, depthMessage)
			return
		}
		for i, child := range node.Content {
			if node.Kind == yaml.MappingNode && i%2 == 0 && len(child.Value) > maxFieldName {
				report(child.Line, lengthMessage)
			}
			descend(child, depth+1)
		}
	}
	descend(document, 0)
	return problems
}

// placeholders finds values that were copied from the example, wherever they are, in driver settings too.
func placeholders(document *yaml.Node) Problems {
	var problems Problems
	walk(document, "", func(path string, _ int, value *yaml.Node) {
		if value.Kind == yaml.ScalarNode && strings.Contains(value.Value, placeholderMark) {
			problems = append(problems, Problem{Line: value.Line, Path: path, Message: "still holds the example's placeholder; put your own value there"})
		}
	})
	return problems
}

// syntaxProblem keeps the line of a YAML error and drops what the package quotes from the file: it could be a secret.
func syntaxProblem(err error) Problem {
	message := strings.TrimPrefix(err.Error(), "yaml: ")
	after, found := strings.CutPrefix(message, "line ")
	number, message, cut := strings.Cut(after, ": ")
	line, err := strconv.Atoi(number)
	if !found || !cut || err != nil {
		line, message = 0, after
	}
	if strings.ContainsAny(message, "`'\"") || strings.HasPrefix(message, "unknown anchor") {
		message = "something is misplaced or not closed"
	}
	return Problem{Line: line, Message: "not valid YAML: " + message}
}
