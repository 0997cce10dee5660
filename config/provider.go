package config

import (
	"errors"
	"reflect"
	"strings"

	"go.yaml.in/yaml/v3"
)

const providerTypeField = "type"

// Provider is one storage: its type and, for the driver of that type, everything else.
type Provider struct {
	Type string
	rest *yaml.Node // the mapping without type; nil when there is nothing else
}

// UnmarshalYAML takes type out and keeps the rest undecoded.
func (p *Provider) UnmarshalYAML(node *yaml.Node) error {
	if node.Kind != yaml.MappingNode {
		return errors.New("a provider is a section with a type")
	}
	p.rest = emptyNode(yaml.MappingNode, node)
	for i := 0; i+1 < len(node.Content); i += 2 {
		key, value := node.Content[i], node.Content[i+1]
		if key.Value != providerTypeField {
			p.rest.Content = append(p.rest.Content, key, value)
			continue
		}
		if err := value.Decode(&p.Type); err != nil {
			return err
		}
	}
	return nil
}

// Decode fills a driver's own struct, a pointer to one, from the settings besides type. Unknown fields and wrong types are [Problem]
// errors with their lines, joined; fields that the settings do not name keep what they hold. It may be called more than once.
func (p Provider) Decode(into any) error {
	target := reflect.TypeOf(into)
	if target == nil || target.Kind() != reflect.Pointer || target.Elem().Kind() != reflect.Struct {
		panic("config: internal error: Decode wants a pointer to a struct")
	}
	if p.rest == nil {
		return nil
	}
	node, problems := conformSection(p.rest, target.Elem(), "")
	if err := problems.sorted(); err != nil {
		return err
	}
	if err := node.Decode(into); err != nil {
		return syntaxProblem(err)
	}
	return nil
}

// check runs the driver's own check and turns what it says into problems below path.
func (p Provider) check(path string, check func(decode func(into any) error) error) Problems {
	var problems Problems
	for _, err := range flatten(check(p.Decode)) {
		problem, isProblem := errors.AsType[Problem](err)
		if !isProblem {
			problem = Problem{Message: err.Error()}
			if field, message, found := strings.Cut(err.Error(), ": "); found && isFieldName(field) {
				problem = Problem{Path: field, Message: message}
			}
		}
		problem.Path = join(path, problem.Path)
		problems = append(problems, problem)
	}
	return problems
}

// flatten takes joined errors apart, and leaves alone what only wraps.
func flatten(err error) []error {
	if err == nil {
		return nil
	}
	// Only the outermost error is asked whether it is a join; errors.As would look inside and lose what wraps it.
	joined, isJoined := err.(interface{ Unwrap() []error })
	if !isJoined {
		return []error{err}
	}
	var all []error
	for _, inner := range joined.Unwrap() {
		all = append(all, flatten(inner)...)
	}
	return all
}

func isFieldName(text string) bool {
	for _, r := range text {
		if (r < 'a' || r > 'z') && (r < '0' || r > '9') && !strings.ContainsRune("_.[]", r) {
			return false
		}
	}
	return text != ""
}
