package main

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const regressionsPage = "docs/regressions.md"

// regressionCounts is how many entries each group of the list has: A1 … A16, B1 … B13 and so on.
var regressionCounts = []struct {
	group string
	count int
}{{"A", 16}, {"B", 13}, {"C", 3}, {"D", 3}, {"E", 13}, {"F", 10}, {"G", 1}, {"H", 4}}

// regression is a row of the page.
type regression struct {
	id, fault, sources, held string
	line                     int
}

// reference is a test that a row names.
type reference struct {
	pkg, test, subtest string
	withDriver         bool // it comes and goes with its package
}

var (
	regressionRow = regexp.MustCompile(`^\| ([A-H]\d+) \| ([^|]+) \| ([^|]*) \| ([^|]+) \|$`)
	quotedTests   = regexp.MustCompile("`([^`]+)`( \\(with the driver\\))?")
	oneTest       = regexp.MustCompile(`^((?:Test|Fuzz)[A-Za-z0-9_]+)(?:/(.+))?$`)
	advisory      = regexp.MustCompile(`^CVE-\d{4}-\d{4,}$`)
)

// readRegressions returns the rows of a page. A line that looks like a row and is none is an error, so that no entry is lost to a typing mistake.
func readRegressions(page string) (rows []regression, err error) {
	for i, line := range strings.Split(page, "\n") {
		m := regressionRow.FindStringSubmatch(line)
		if m == nil {
			if strings.HasPrefix(line, "|") && !strings.HasPrefix(line, "| id |") && !strings.HasPrefix(line, "|---") {
				err = errors.Join(err, fmt.Errorf("line %d is no row of four cells with an id: %.60s", i+1, line))
			}
			continue
		}
		rows = append(rows, regression{id: m[1], fault: m[2], sources: m[3], held: m[4], line: i + 1})
	}
	return rows, err
}

// check reports what is wrong with a row by itself, and the tests that it names.
func (r *regression) check() (refs []reference, err error) {
	problem := func(format string, args ...any) {
		err = errors.Join(err, fmt.Errorf("line %d, %s: %s", r.line, r.id, fmt.Sprintf(format, args...)))
	}
	if n := len(strings.Fields(r.fault)); n == 0 || n > 15 {
		problem("the fault is told in %d words, want 1 to 15", n)
	}
	for text := range strings.FieldsSeq(strings.NewReplacer(",", " ", "(", " ", ")", " ").Replace(r.sources)) {
		if strings.HasPrefix(text, "CVE") && !advisory.MatchString(text) {
			problem("%q is no CVE id", text)
		}
	}
	for _, m := range quotedTests.FindAllStringSubmatch(r.held, -1) {
		pkg, tests, ok := strings.Cut(m[1], ": ")
		if !ok {
			problem("%q is not \"package: TestName\"", m[1])
			continue
		}
		for name := range strings.SplitSeq(tests, ", ") {
			t := oneTest.FindStringSubmatch(name)
			if t == nil {
				problem("%q is no name of a test", name)
				continue
			}
			refs = append(refs, reference{pkg: pkg, test: t[1], subtest: t[2], withDriver: m[2] != ""})
		}
	}
	reason, cannot := strings.CutPrefix(r.held, "cannot apply: ")
	reason = quotedTests.ReplaceAllString(reason, "")
	switch {
	case strings.HasPrefix(r.held, "open"):
	case cannot && len(strings.Fields(reason)) < 5:
		problem("the reason why it cannot apply is missing")
	case !cannot && !slices.ContainsFunc(refs, func(ref reference) bool { return !ref.withDriver }):
		problem("no test of this tree holds it, and no reason is given why it cannot apply")
	}
	return refs, err
}

// testTree finds the tests of packages: package → test → texts that may be names of its subtests, none if it runs none.
type testTree map[string]map[string]map[string]bool

func (tree testTree) tests(pkg string) (map[string]map[string]bool, error) {
	if found, ok := tree[pkg]; ok {
		return found, nil
	}
	files, err := filepath.Glob(filepath.Join(filepath.FromSlash(pkg), "*_test.go"))
	if err != nil {
		return nil, err
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("package %s: %w", pkg, fs.ErrNotExist)
	}
	found := map[string]map[string]bool{}
	shared := map[string]bool{} // of tables and functions that tests of the package use
	for _, name := range files {
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		if err != nil {
			return nil, err
		}
		for _, d := range f.Decls {
			texts, runs := literalsOf(d)
			if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil && oneTest.MatchString(fn.Name.Name) {
				if found[fn.Name.Name] = texts; !runs {
					found[fn.Name.Name] = map[string]bool{}
				}
				continue
			}
			for text := range texts {
				shared[text] = true
			}
		}
	}
	for _, texts := range found {
		for text := range shared {
			if len(texts) > 0 {
				texts[text] = true
			}
		}
	}
	tree[pkg] = found
	return found, nil
}

// literalsOf returns the string literals of a declaration as names of subtests have them, and whether it runs subtests.
func literalsOf(d ast.Node) (texts map[string]bool, runs bool) {
	texts = map[string]bool{}
	ast.Inspect(d, func(n ast.Node) bool {
		if s, ok := n.(*ast.SelectorExpr); ok && s.Sel.Name == "Run" {
			runs = true
		}
		if lit, ok := n.(*ast.BasicLit); ok && lit.Kind == token.STRING {
			if text, err := strconv.Unquote(lit.Value); err == nil {
				texts[strings.ReplaceAll(text, " ", "_")] = true
			}
		}
		return true
	})
	return texts, runs
}

// find reports why a named test is not there.
func (tree testTree) find(ref reference) error {
	tests, err := tree.tests(ref.pkg)
	if errors.Is(err, fs.ErrNotExist) && ref.withDriver {
		return nil
	}
	if err != nil {
		return err
	}
	texts, ok := tests[ref.test]
	if !ok {
		return fmt.Errorf("package %s has no %s", ref.pkg, ref.test)
	}
	if ref.subtest != "" && !texts[strings.ReplaceAll(ref.subtest, " ", "_")] {
		return fmt.Errorf("%s of package %s has no subtest %q", ref.test, ref.pkg, ref.subtest)
	}
	return nil
}

// checkRegressions reports everything that is wrong with a page.
func checkRegressions(page string, tree testTree) (open []string, err error) {
	rows, err := readRegressions(page)
	seen := map[string]int{}
	for i := range rows {
		r := &rows[i]
		seen[r.id]++
		refs, problem := r.check()
		err = errors.Join(err, problem)
		for _, ref := range refs {
			if problem := tree.find(ref); problem != nil {
				err = errors.Join(err, fmt.Errorf("line %d, %s: %w", r.line, r.id, problem))
			}
		}
		if strings.HasPrefix(r.held, "open") {
			open = append(open, r.id)
		}
	}
	for _, g := range regressionCounts {
		for n := 1; n <= g.count; n++ {
			id := g.group + strconv.Itoa(n)
			if seen[id] != 1 {
				err = errors.Join(err, fmt.Errorf("%s is there %d times, want once", id, seen[id]))
			}
			delete(seen, id)
		}
	}
	for id := range seen {
		err = errors.Join(err, fmt.Errorf("%s is not on the list", id))
	}
	return open, err
}

// TestRegressionListIsHeld: every entry of the list is on the page once, with a reason or with tests, and every test that it names exists.
func TestRegressionListIsHeld(t *testing.T) {
	page, err := os.ReadFile(regressionsPage)
	if err != nil {
		t.Fatal(err)
	}
	open, err := checkRegressions(string(page), testTree{})
	if err != nil {
		t.Error(err)
	}
	if len(open) > 0 {
		t.Logf("open: %v", open)
	}
}

// TestRegressionListNoticesMistakes changes the page as somebody in a hurry would.
func TestRegressionListNoticesMistakes(t *testing.T) {
	file, err := os.ReadFile(regressionsPage)
	if err != nil {
		t.Fatal(err)
	}
	page, tree := string(file), testTree{}
	row := regexp.MustCompile(`(?m)^\| A5 .*\n`).FindString(page)
	if row == "" {
		t.Fatal("A5 is not on the page")
	}
	for what, change := range map[string][2]string{
		"a row is missing":         {row, ""},
		"a row comes twice":        {row, row + row},
		"an id that there is not":  {row, row + strings.Replace(row, "| A5 ", "| A17 ", 1)},
		"a test that there is not": {row, regexp.MustCompile("`([a-z0-9/]+): Test").ReplaceAllString(row, "`$1: TestNo")},
		"a package there is not":   {row, strings.Replace(row, "`gateway/", "`getaway/", 1)},
		"a subtest there is not":   {row, regexp.MustCompile("(Test[A-Za-z0-9]+)").ReplaceAllString(row, "$1/nothing of the kind")},
		"no test":                  {row, regexp.MustCompile("`[^`]+`").ReplaceAllString(row, "somewhere")},
		"a reason without words":   {row, regexp.MustCompile(`[^|]+\|\n`).ReplaceAllString(row, " cannot apply: no |\n")},
		"a cell is missing":        {row, strings.Replace(row, " | ", " ", 1)},
		"too many words":           {row, strings.Replace(row, "| A5 | ", "| A5 | "+strings.Repeat("word ", 15), 1)},
	} {
		changed := strings.Replace(page, change[0], change[1], 1)
		if changed == page {
			t.Errorf("%s: nothing was changed", what)
			continue
		}
		if _, err := checkRegressions(changed, tree); err == nil {
			t.Errorf("%s: not noticed", what)
		}
	}
	held, err := tree.tests("gateway/admin")
	if err != nil || held["TestOnlyTheseRoutes"] == nil {
		t.Errorf("the tests of a package are not found: %v", err)
	}
}
