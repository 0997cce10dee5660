package config

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"sallyport/config/secret"
)

// conform compares a YAML tree with the Go type it is to fill. It returns a copy that holds only what fits, and a problem, with path
// and line, for everything else: unknown fields, fields that stand twice, values of another kind. The decoder of the YAML package also
// finds these, but stops at some, has no paths, and quotes the values. Nothing given as null counts as absent.
func conform(node *yaml.Node, target reflect.Type, path string) (*yaml.Node, Problems) {
	for target.Kind() == reflect.Pointer {
		target = target.Elem()
	}
	var want string
	switch {
	case target == reflect.TypeFor[Provider]():
		if node.Kind == yaml.MappingNode {
			return conformProvider(node, path)
		}
		return emptyNode(yaml.MappingNode, node), wrongKind(node, path, "a section with a type")
	case target == reflect.TypeFor[Size]():
		if _, ok := parseSize(node.Value); node.Kind != yaml.ScalarNode || !ok {
			want = "a size such as 512MiB"
		}
	case reflect.PointerTo(target).Implements(reflect.TypeFor[yaml.Unmarshaler]()):
		return node, nil
	case isSection(target):
		if node.Kind == yaml.MappingNode {
			return conformSection(node, target, path)
		}
		return emptyNode(yaml.MappingNode, node), wrongKind(node, path, "a section with fields of its own")
	case target.Kind() == reflect.Map:
		if node.Kind == yaml.MappingNode {
			return conformMap(node, target.Elem(), path)
		}
		return emptyNode(yaml.MappingNode, node), wrongKind(node, path, "a section")
	case target.Kind() == reflect.Slice:
		if node.Kind == yaml.SequenceNode {
			return conformList(node, target.Elem(), path)
		}
		return emptyNode(yaml.SequenceNode, node), wrongKind(node, path, "a list, such as [a, b]")
	case node.Kind != yaml.ScalarNode:
		want = "a single value"
	case target == reflect.TypeFor[time.Duration]():
		if _, err := time.ParseDuration(node.Value); err != nil {
			want = "a duration such as 30s"
		}
	case target.Kind() == reflect.Bool:
		if node.ShortTag() != "!!bool" {
			want = "true or false"
		}
	case target.Kind() >= reflect.Int && target.Kind() <= reflect.Int64:
		if _, err := strconv.ParseInt(node.Value, 0, target.Bits()); err != nil || node.ShortTag() != "!!int" {
			want = "a whole number"
		}
	case target == reflect.TypeFor[secret.String](), target.Kind() == reflect.String:
		if node.ShortTag() == "!!binary" {
			want = "a text"
		}
	}
	if want == "" {
		return node, nil
	}
	return nil, wrongKind(node, path, want)
}

// wrongKind says nothing about null, which counts as absent.
func wrongKind(node *yaml.Node, path, want string) Problems {
	if isNull(node) {
		return nil
	}
	return Problems{{Line: node.Line, Path: path, Message: "expected " + want + ", found " + kindFound(node)}}
}

func isNull(node *yaml.Node) bool {
	return node.Kind == yaml.ScalarNode && node.ShortTag() == "!!null"
}

func kindFound(node *yaml.Node) string {
	switch node.Kind {
	case yaml.MappingNode:
		return "a section"
	case yaml.SequenceNode:
		return "a list"
	case yaml.AliasNode:
		return "an alias"
	default:
	}
	switch node.ShortTag() {
	case "!!bool":
		return "true or false"
	case "!!int", "!!float":
		return "a number"
	}
	return "a text"
}

func emptyNode(kind yaml.Kind, at *yaml.Node) *yaml.Node {
	return &yaml.Node{Kind: kind, Line: at.Line, Column: at.Column}
}

// eachMember calls keep for every member but those that stand twice and those that are null; keep returns what becomes of the value,
// nil for nothing.
func eachMember(node *yaml.Node, path string, keep func(key, value *yaml.Node) (*yaml.Node, Problems)) (*yaml.Node, Problems) {
	copied := emptyNode(yaml.MappingNode, node)
	var problems Problems
	lines := map[string]int{}
	for i := 0; i+1 < len(node.Content); i += 2 {
		key, value := node.Content[i], node.Content[i+1]
		at := join(path, key.Value)
		if key.Kind != yaml.ScalarNode {
			problems = append(problems, Problem{Line: key.Line, Path: path, Message: "a field's name is not a text"})
			continue
		}
		if first, twice := lines[key.Value]; twice {
			problems = append(problems, Problem{Line: key.Line, Path: at, Message: fmt.Sprintf("stands twice; the first is on line %d", first)})
			continue
		}
		lines[key.Value] = key.Line
		kept, found := keep(key, value)
		problems = append(problems, found...)
		if kept != nil {
			copied.Content = append(copied.Content, key, kept)
		}
	}
	return copied, problems
}

func conformSection(node *yaml.Node, target reflect.Type, path string) (*yaml.Node, Problems) {
	fields := yamlFields(target)
	return eachMember(node, path, func(key, value *yaml.Node) (*yaml.Node, Problems) {
		field, known := fields[key.Value]
		if !known {
			return nil, Problems{{Line: key.Line, Path: join(path, key.Value), Message: "unknown field; docs/configuration.md lists those there are"}}
		}
		if isNull(value) {
			return nil, nil
		}
		return conform(value, field, join(path, key.Value))
	})
}

// conformProvider looks at type only: the rest is the driver's.
func conformProvider(node *yaml.Node, path string) (*yaml.Node, Problems) {
	return eachMember(node, path, func(key, value *yaml.Node) (*yaml.Node, Problems) {
		if key.Value != providerTypeField {
			return value, nil
		}
		return conform(value, reflect.TypeFor[string](), join(path, key.Value))
	})
}

func conformMap(node *yaml.Node, element reflect.Type, path string) (*yaml.Node, Problems) {
	return eachMember(node, path, func(key, value *yaml.Node) (*yaml.Node, Problems) {
		return conform(value, element, join(path, key.Value))
	})
}

// conformList keeps a place for entries that do not fit, so that the numbers of the others stay right.
func conformList(node *yaml.Node, element reflect.Type, path string) (*yaml.Node, Problems) {
	copied := emptyNode(yaml.SequenceNode, node)
	var problems Problems
	for i, child := range node.Content {
		kept, found := conform(child, element, fmt.Sprintf("%s[%d]", path, i))
		problems = append(problems, found...)
		if kept == nil {
			kept = &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!null", Line: child.Line}
		}
		copied.Content = append(copied.Content, kept)
	}
	return copied, problems
}

func yamlFields(target reflect.Type) map[string]reflect.Type {
	fields := map[string]reflect.Type{}
	for field := range target.Fields() {
		name, _, _ := strings.Cut(field.Tag.Get("yaml"), ",")
		switch {
		case !field.IsExported() || name == "-":
			continue
		case name == "":
			name = strings.ToLower(field.Name)
		}
		fields[name] = field.Type
	}
	return fields
}
