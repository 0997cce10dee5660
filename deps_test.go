package main

import (
	"encoding/json"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// layer is a row of the picture in CONTRIBUTING.md: its packages may import those of lower rows, and nothing beside or above them but
// what beside allows.
type layer struct {
	packages []string
	reason   string
}

// The rows from top to bottom. A package named with "/..." stands for the whole tree.
var layers = []layer{
	{[]string{"sallyport"}, "main composes and nobody imports it"},
	{[]string{"sallyport/gateway/cli"}, "commands are thin and compose; nothing else may depend on them"},
	{[]string{"sallyport/gateway"}, "assembly knows everything below it, nothing below knows assembly"},
	{[]string{"sallyport/gateway/admin", "sallyport/gateway/console"}, "second listeners stand beside the S3 surface"},
	{[]string{"sallyport/gateway/jobs"}, "long work uses objects and vaults, never the S3 wire"},
	{[]string{"sallyport/gateway/s3api"}, "only the S3 wire knows HTTP and XML"},
	{[]string{"sallyport/gateway/sigv4", "sallyport/gateway/awschunked"}, "parsing and verifying needs no meaning"},
	{[]string{"sallyport/gateway/auth"}, "principals know no S3 wire"},
	{[]string{"sallyport/gateway/objects"}, "operations on ciphertext know no HTTP"},
	{[]string{"sallyport/gateway/vaults"}, "vaults know no operations"},
	{[]string{"sallyport/gateway/listing", "sallyport/gateway/multipart", "sallyport/gateway/cache"}, "logic without I/O of its own"},
	{[]string{"sallyport/gateway/checksum"}, "digests know nothing of us"},
	{[]string{"sallyport/providers"}, "the portable store knows no encryption"},
	{[]string{"sallyport/providers/local", "sallyport/providers/mem", "sallyport/providers/s3", "sallyport/providers/faulty", "sallyport/providers/drivertest", "sallyport/providers/probe"}, "drivers, and what tries them, know only the contract"},
	{[]string{"sallyport/providers/driver"}, "the contract knows no driver"},
	{[]string{"sallyport/crypto/object", "sallyport/crypto/vault"}, "formats stand on the sealing primitive"},
	{[]string{"sallyport/crypto/format"}, "byte layouts"},
	{[]string{"sallyport/crypto/keys"}, "derivations"},
	{[]string{"sallyport/crypto/chunked", "sallyport/crypto/names"}, "primitives know nothing of us"},
	{[]string{"sallyport/crypto"}, "documentation only"},
	{[]string{"sallyport/config"}, "imported by assembly and commands only"},
	{[]string{"sallyport/gateway/telemetry", "sallyport/config/secret"}, "leaves that anyone may import"},
}

// bans are edges that the order of the rows would permit and the architecture does not.
var bans = []struct {
	from, to string
	reason   string
}{
	{"sallyport/gateway/s3api", "sallyport/crypto/", "the S3 wire must not be able to touch key material"},
	{"sallyport/gateway/s3api", "sallyport/providers", "the S3 wire must not be able to go round objects"},
	{"sallyport/crypto/", "sallyport/providers", "crypto and storage do not know each other"},
	{"sallyport/crypto/", "net/http", "crypto knows no HTTP"},
	{"sallyport/providers", "sallyport/crypto/", "a driver sees ciphertext only"},
	{"sallyport/providers/", "sallyport/providers", "a driver implements the contract and does not use the store above it"},
	{"sallyport/gateway/objects", "net/http", "operations know no HTTP"},
	{"sallyport/gateway/vaults", "net/http", "vaults know no HTTP"},
	{"sallyport/gateway/objects", "sallyport/config", "configuration is translated by assembly"},
	{"sallyport/gateway/s3api", "sallyport/config", "configuration is translated by assembly"},
	{"sallyport/gateway/vaults", "sallyport/config", "configuration is translated by assembly"},
	{"sallyport/gateway/auth", "sallyport/config", "configuration is translated by assembly"},
	{"sallyport/integration", "sallyport/", "integration tests see the product from outside"},
}

// excepted edges, each with its reason.
var excepted = map[string]string{
	"sallyport/gateway/objects -> sallyport/config/secret":         "a leaf",
	"sallyport/gateway/s3api -> sallyport/config/secret":           "a leaf",
	"sallyport/gateway/vaults -> sallyport/config/secret":          "a leaf",
	"sallyport/gateway/auth -> sallyport/config/secret":            "a leaf",
	"sallyport/providers/local -> sallyport/providers/driver":      "the contract",
	"sallyport/providers/mem -> sallyport/providers/driver":        "the contract",
	"sallyport/providers/s3 -> sallyport/providers/driver":         "the contract",
	"sallyport/providers/faulty -> sallyport/providers/driver":     "the contract",
	"sallyport/providers/drivertest -> sallyport/providers/driver": "the contract",
	"sallyport/providers/probe -> sallyport/providers/driver":      "the contract",
}

type listedPackage struct {
	ImportPath string
	Dir        string
	Imports    []string
	GoFiles    []string
}

func listPackages(t *testing.T) []listedPackage {
	t.Helper()
	cmd := exec.Command("go", "list", "-json=ImportPath,Dir,Imports,GoFiles", "./...")
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, stderr.String())
	}
	var pkgs []listedPackage
	dec := json.NewDecoder(strings.NewReader(string(out)))
	for {
		var p listedPackage
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return pkgs
		} else if err != nil {
			t.Fatal(err)
		}
		pkgs = append(pkgs, p)
	}
}

// testSupport reports whether a package only serves tests, so that the rows do not bind it.
func testSupport(path string) bool {
	return strings.HasPrefix(path, "sallyport/integration") || strings.HasSuffix(path, "test") || strings.Contains(path, "/internal/")
}

func row(path string) int {
	return slices.IndexFunc(layers, func(l layer) bool { return slices.Contains(l.packages, path) })
}

func TestImportsPointDown(t *testing.T) {
	for _, p := range listPackages(t) {
		if testSupport(p.ImportPath) {
			continue
		}
		from := row(p.ImportPath)
		if from < 0 {
			t.Errorf("%s stands in no row of deps_test.go: decide which layer it belongs to", p.ImportPath)
			continue
		}
		for _, imp := range p.Imports {
			if !strings.HasPrefix(imp, "sallyport") {
				continue
			}
			if strings.Contains(imp, "/internal/") {
				continue // Go itself confines these
			}
			if testSupport(imp) {
				t.Errorf("%s imports %s, which only serves tests", p.ImportPath, imp)
				continue
			}
			if to := row(imp); to <= from {
				t.Errorf("%s imports %s, which stands beside or above it: %s", p.ImportPath, imp, layers[from].reason)
			}
		}
	}
}

func TestBannedImports(t *testing.T) {
	for _, p := range listPackages(t) {
		for _, imp := range p.Imports {
			for _, b := range bans {
				if !matches(p.ImportPath, b.from) || !matches(imp, b.to) || excepted[p.ImportPath+" -> "+imp] != "" {
					continue
				}
				if strings.HasPrefix(p.ImportPath, "sallyport/integration") && strings.HasPrefix(imp, "sallyport/integration") {
					continue
				}
				if testSupport(p.ImportPath) && b.from != "sallyport/integration" {
					continue
				}
				t.Errorf("%s imports %s: %s", p.ImportPath, imp, b.reason)
			}
		}
	}
}

// matches reports whether path is pattern, or lies below it where the pattern ends in a slash. "sallyport/integration" takes its tree.
func matches(path, pattern string) bool {
	if strings.HasSuffix(pattern, "/") || pattern == "sallyport/integration" {
		return strings.HasPrefix(path, pattern)
	}
	return path == pattern
}

func parseFiles(t *testing.T, p listedPackage) (*token.FileSet, []*ast.File) {
	t.Helper()
	fset := token.NewFileSet()
	var files []*ast.File
	for _, name := range p.GoFiles {
		f, err := parser.ParseFile(fset, filepath.Join(p.Dir, name), nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, f)
	}
	return fset, files
}

func TestEveryPackageHasOneComment(t *testing.T) {
	for _, p := range listPackages(t) {
		_, files := parseFiles(t, p)
		n := 0
		for _, f := range files {
			if f.Doc != nil {
				n++
			}
		}
		if n != 1 && len(files) > 0 {
			t.Errorf("%s has %d package comments, want one", p.ImportPath, n)
		}
	}
}

// TestNoInitAndNoMutablePackageState permits package variables only where they cannot be state: errors, interface guards, tables and
// compiled patterns, all of which are recognised by how they are declared.
func TestNoInitAndNoMutablePackageState(t *testing.T) {
	for _, p := range listPackages(t) {
		if testSupport(p.ImportPath) {
			continue
		}
		fset, files := parseFiles(t, p)
		assigned := map[string]token.Pos{}
		declared := map[string]bool{}
		for _, f := range files {
			for _, d := range f.Decls {
				switch d := d.(type) {
				case *ast.FuncDecl:
					if d.Recv == nil && d.Name.Name == "init" {
						t.Errorf("%s: init() hides what main should compose", fset.Position(d.Pos()))
					}
				case *ast.GenDecl:
					if d.Tok == token.VAR {
						for _, s := range d.Specs {
							for _, n := range s.(*ast.ValueSpec).Names {
								declared[n.Name] = n.Name != "_"
							}
						}
					}
				}
			}
		}
		for _, f := range files {
			ast.Inspect(f, func(n ast.Node) bool {
				mark := func(e ast.Expr) {
					for {
						if ix, ok := e.(*ast.IndexExpr); ok {
							e = ix.X
							continue
						}
						break
					}
					// Obj is nil for identifiers that the file's own scopes do not resolve, which includes package variables of other files.
					if id, ok := e.(*ast.Ident); ok && declared[id.Name] && (id.Obj == nil || isPackageLevel(f, id)) {
						assigned[id.Name] = id.Pos()
					}
				}
				switch n := n.(type) {
				case *ast.AssignStmt:
					if n.Tok != token.DEFINE {
						for _, l := range n.Lhs {
							mark(l)
						}
					}
				case *ast.IncDecStmt:
					mark(n.X)
				}
				return true
			})
		}
		for name, pos := range assigned {
			t.Errorf("%s: package variable %s is changed: state lives in values passed along", fset.Position(pos), name)
		}
	}
}

func isPackageLevel(f *ast.File, id *ast.Ident) bool {
	return f.Scope != nil && f.Scope.Lookup(id.Name) == id.Obj
}
