package config

import (
	"maps"
	"slices"
	"strings"
)

// placed is a field that names a place.
type placed struct{ field, place string }

// sharedRoots finds providers that have the same root, and providers or state directory that lie inside one another. The second provider would meet
// the first one's lock, or its objects; and a state directory inside a root would be copied, moved and put back together with what it is there to
// watch.
func (c *Config) sharedRoots(roots *Roots) Problems {
	if roots == nil {
		return nil
	}
	var found []placed
	for _, name := range slices.Sorted(maps.Keys(c.Providers)) {
		provider := c.Providers[name]
		if rootOf := roots.Providers[provider.Type]; rootOf != nil {
			found = append(found, placed{"providers." + name, rootOf(provider.Decode)})
		}
	}
	if roots.Folder != nil && c.StateDir != "" {
		found = append(found, placed{"state_dir", roots.Folder(c.StateDir)})
	}
	var r report
	for i, second := range found {
		for _, first := range found[:i] {
			if first.place == "" || second.place == "" {
				continue
			}
			if complaint := second.clash(first); complaint != "" {
				r.add(second.field, "%s", complaint)
				break // the others of the same place are named on their own lines
			}
		}
	}
	return r.problems
}

// clash says how the place of one field meets that of an earlier one; "" when it does not.
func (p placed) clash(other placed) string {
	const advice = "; each provider needs a place of its own, and so has the state directory"
	switch {
	case p.place == other.place:
		return "has the same root as " + other.field + ", " + p.place + advice
	case p.inside(other):
		return "its root " + p.place + " lies inside that of " + other.field + ", " + other.place + advice
	case other.inside(p):
		return "its root " + p.place + " holds that of " + other.field + ", " + other.place + advice
	}
	return ""
}

func (p placed) inside(other placed) bool {
	return strings.HasPrefix(p.place, strings.TrimSuffix(other.place, "/")+"/")
}
