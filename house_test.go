package main

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// sources returns every Go file of the repository.
func sources(t *testing.T) []string {
	t.Helper()
	var all []string
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && strings.HasPrefix(d.Name(), ".") && path != "." || d.IsDir() && path == "sallyport-data" {
			return filepath.SkipDir
		}
		if strings.HasSuffix(path, ".go") {
			all = append(all, filepath.ToSlash(path))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(all) < 100 {
		t.Fatalf("only %d Go files were found", len(all))
	}
	return all
}

// TestFilesAreShort: a file has one subject and is read in one sitting; an S3 operation is read at a glance.
func TestFilesAreShort(t *testing.T) {
	for _, path := range sources(t) {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		most := 500
		switch {
		case strings.HasSuffix(path, "_test.go"):
			most = 800
		case isOperationFile(text):
			most = 150
		}
		if lines := bytes.Count(text, []byte("\n")); lines > most {
			t.Errorf("%s has %d lines, at most %d: it has more than one subject", path, lines, most)
		}
	}
}

// isOperationFile recognises the file of an S3 operation by the link to its description.
func isOperationFile(text []byte) bool {
	return bytes.Contains(text, []byte("\n// https://docs.aws.amazon.com/AmazonS3/latest/API/API_"))
}

// TestNamesSayWhatIsInside: a drawer for everything is where nobody looks.
func TestNamesSayWhatIsInside(t *testing.T) {
	for _, path := range sources(t) {
		for _, element := range strings.FieldsFunc(strings.TrimSuffix(path, ".go"), func(r rune) bool { return r == '/' || r == '_' }) {
			if slices.Contains([]string{"util", "utils", "common", "helper", "helpers", "manager", "misc", "types"}, element) {
				t.Errorf("%s: the name %q says nothing of what is inside", path, element)
			}
		}
	}
}

// TestContextsComeFromMain: a context made on the way down ends for nobody. What tests use may make one.
func TestContextsComeFromMain(t *testing.T) {
	for _, path := range sources(t) {
		p := "sallyport/" + filepath.ToSlash(filepath.Dir(path))
		if path == "main.go" || strings.HasSuffix(path, "_test.go") || testSupport(p) {
			continue
		}
		fset := token.NewFileSet()
		f, err := parser.ParseFile(fset, path, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(f, func(n ast.Node) bool {
			call, ok := n.(*ast.SelectorExpr)
			if !ok || call.Sel.Name != "Background" && call.Sel.Name != "TODO" {
				return true
			}
			if id, ok := call.X.(*ast.Ident); ok && id.Name == "context" {
				t.Errorf("%s: a context is made here: it is to be passed along from main", fset.Position(call.Pos()))
			}
			return true
		})
	}
}

// TestDocsPointAtWhatIsThere follows the links of the pages to files of the repository, and finds every decision in the list of decisions.
func TestDocsPointAtWhatIsThere(t *testing.T) {
	link := regexp.MustCompile(`\]\(([^)#\s]+)(?:#[^)]*)?\)`)
	pages, err := filepath.Glob("docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	decisions, err := filepath.Glob("docs/decisions/[0-9]*.md")
	if err != nil || len(decisions) == 0 {
		t.Fatal("no decisions were found: ", err)
	}
	const list = "docs/decisions/README.md"
	listed := map[string]bool{}
	for _, page := range slices.Concat([]string{"README.md", "CONTRIBUTING.md", "CHANGELOG.md", "deploy/README.md", list}, pages, decisions) {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, found := range link.FindAllStringSubmatch(string(text), -1) {
			if strings.Contains(found[1], "://") {
				continue
			}
			target := filepath.Join(filepath.Dir(page), found[1])
			if _, err := os.Stat(target); err != nil {
				t.Errorf("%s points at %s, which is not there", page, found[1])
			}
			if page == list {
				listed[target] = true
			}
		}
	}
	for _, decision := range decisions {
		if !listed[decision] {
			t.Errorf("%s does not list %s", list, decision)
		}
	}
}
