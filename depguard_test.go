package main

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// depguardRule is one rule of .golangci.yml: packages that files may not import.
type depguardRule struct {
	Files []string
	Deny  []struct{ Pkg, Desc string }
}

func depguardRules(t *testing.T) map[string]depguardRule {
	t.Helper()
	text, err := os.ReadFile(".golangci.yml")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Linters struct {
			Settings struct {
				Depguard struct{ Rules map[string]depguardRule }
			}
		}
	}
	if err := yaml.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	rules := file.Linters.Settings.Depguard.Rules
	if len(rules) == 0 {
		t.Fatal(".golangci.yml has no rules for depguard")
	}
	return rules
}

// covers reports whether the rule looks at the files of a package that are no tests.
func (r *depguardRule) covers(path string) bool {
	file := strings.TrimPrefix(strings.TrimPrefix(path, "sallyport"), "/") + "/some.go"
	named := false
	for _, pattern := range r.Files {
		pattern, without := strings.CutPrefix(pattern, "!")
		glob := regexp.QuoteMeta(strings.TrimPrefix(pattern, "${base-path}/"))
		glob = strings.NewReplacer(`\*\*`, `.*`, `\*`, `[^/]*`).Replace(glob)
		hit := pattern == "$all" || regexp.MustCompile("^"+glob+"$").MatchString(file)
		switch {
		case hit && without:
			return false
		case hit:
			named = true
		}
	}
	return named
}

// denies returns why the rule refuses an import, "" if it does not. A name stands for all that begin with it, unless it ends in "$".
func (r *depguardRule) denies(path string) string {
	for _, d := range r.Deny {
		if exact, ok := strings.CutSuffix(d.Pkg, "$"); ok && path == exact || !ok && strings.HasPrefix(path, d.Pkg) {
			return d.Desc
		}
	}
	return ""
}

// TestDepguardAgrees holds the linter, which speaks while one types, to deps_test.go: for every two packages, what it refuses is refused there. It need
// not know every rule.
func TestDepguardAgrees(t *testing.T) {
	packages := listPackages(t)
	rules := depguardRules(t)
	for _, from := range packages {
		if testSupport(from.ImportPath) {
			continue
		}
		for _, to := range packages {
			if from.ImportPath == to.ImportPath || testSupport(to.ImportPath) {
				continue
			}
			if refused(from.ImportPath, to.ImportPath) != "" {
				continue
			}
			for name, r := range rules {
				if reason := r.denies(to.ImportPath); reason != "" && r.covers(from.ImportPath) {
					t.Errorf("%s -> %s: depguard's rule %s refuses it (%s), deps_test.go permits it", from.ImportPath, to.ImportPath, name, reason)
				}
			}
		}
	}
}

// TestDepguardNamesPackages: see TestRulesNamePackages.
func TestDepguardNamesPackages(t *testing.T) {
	packages := listPackages(t)
	for name, r := range depguardRules(t) {
		for _, d := range r.Deny {
			own := strings.HasPrefix(d.Pkg, "sallyport")
			if own && !slices.ContainsFunc(packages, func(p listedPackage) bool { return strings.HasPrefix(p.ImportPath, strings.TrimSuffix(d.Pkg, "$")) }) {
				t.Errorf("rule %s denies %s, which is no package", name, d.Pkg)
			}
		}
	}
}
