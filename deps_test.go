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

// layer is a row of the picture in CONTRIBUTING.md: its packages may import those of lower rows, and nothing beside or above them.
type layer struct {
	packages []string
	reason   string
}

// The rows from top to bottom. A new package must be put into one.
var layers = []layer{
	{[]string{"sallyport"}, "main composes and nobody imports it"},
	{[]string{"sallyport/gateway/cli"}, "commands are thin and compose; nothing else may depend on them"},
	{[]string{"sallyport/gateway"}, "assembly knows everything below it, nothing below knows assembly"},
	{[]string{"sallyport/gateway/admin"}, "the second listener stands beside the S3 surface"},
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
	{[]string{"sallyport/providers/driver", "sallyport/providers/keylock"}, "the contract knows no driver, nor do locks by name"},
	{[]string{"sallyport/crypto/object", "sallyport/crypto/vault"}, "formats stand on the sealing primitive"},
	{[]string{"sallyport/crypto/format"}, "byte layouts"},
	{[]string{"sallyport/crypto/keys"}, "derivations"},
	{[]string{"sallyport/crypto/chunked"}, "primitives know nothing of us"},
	{[]string{"sallyport/crypto"}, "documentation only"},
	{[]string{"sallyport/config"}, "imported by assembly and commands only"},
	{[]string{"sallyport/gateway/telemetry", "sallyport/config/secret"}, "leaves that anyone may import"},
}

// ban is an import that the order of the rows would permit and the architecture does not. from and to are packages, or whole trees where they end
// in "/...".
type ban struct {
	from, to string
	reason   string
}

var bans = []ban{
	{"sallyport/gateway/s3api", "sallyport/crypto/...", "the S3 wire must not be able to touch key material"},
	{"sallyport/gateway/s3api", "sallyport/gateway/vaults", "the S3 wire speaks to objects only, or a route could go round conditions"},
	{"sallyport/gateway/jobs", "sallyport/gateway/s3api", "a job works on objects and vaults, not through the S3 wire"},
	{"sallyport/gateway/jobs", "sallyport/gateway/sigv4", "a job works on objects and vaults, not through the S3 wire"},
	{"sallyport/gateway/sigv4", "sallyport/gateway/auth", "who may do what is decided after the signature was verified"},
	{"sallyport/gateway/sigv4", "sallyport/gateway/objects", "parsing and verifying needs no meaning"},
	{"sallyport/gateway/sigv4", "sallyport/gateway/vaults", "parsing and verifying needs no meaning"},
	{"sallyport/gateway/awschunked", "sallyport/gateway/auth", "decoding needs no principal"},
	{"sallyport/gateway/awschunked", "sallyport/gateway/objects", "decoding needs no meaning"},
	{"sallyport/gateway/awschunked", "sallyport/gateway/vaults", "decoding needs no meaning"},
	{"sallyport/gateway/auth", "sallyport/gateway/objects", "who may do what is decided without looking at objects"},
	{"sallyport/gateway/auth", "sallyport/gateway/vaults", "who may do what is decided without any vault"},
	{"sallyport/gateway/auth", "sallyport/crypto/...", "who may do what is decided without any key of a vault"},
	{"sallyport/gateway/auth", "net/http", "principals know no HTTP"},
	{"sallyport/gateway/sigv4", "sallyport/crypto/...", "what a client sends is parsed without any key of a vault"},
	{"sallyport/gateway/awschunked", "sallyport/crypto/...", "what a client sends is parsed without any key of a vault"},
	{"sallyport/gateway/checksum", "sallyport/crypto/...", "what a client sends is digested without any key of a vault"},
	{"sallyport/gateway/admin", "sallyport/crypto/...", "the second listener shows health and numbers, never keys"},
	{"sallyport/gateway/objects", "net/http", "operations know no HTTP"},
	{"sallyport/gateway/objects", "encoding/xml", "operations know no XML"},
	{"sallyport/gateway/vaults", "net/http", "vaults know no HTTP"},
	{"sallyport/gateway/cache", "net/http", "the cache knows no HTTP"},
	{"sallyport/gateway/listing", "net/http", "page logic knows no HTTP"},
	{"sallyport/gateway/multipart", "net/http", "upload logic knows no HTTP"},
	{"sallyport/crypto/...", "sallyport/gateway/telemetry", "what crypto has to say it returns"},
	{"sallyport/providers/...", "sallyport/crypto/...", "a driver sees ciphertext only"},
	{"sallyport/providers/...", "sallyport/gateway/telemetry", "a driver is given its logger"},
	{"sallyport/providers/driver", "sallyport/config/secret", "the contract depends on nothing of ours"},
	{"sallyport/config/...", "sallyport/gateway/telemetry", "configuration is read before anything is logged"},
	{"sallyport/integration/...", "sallyport/...", "integration tests see the product from outside"},
}

// Only these may use storage: what an operation means, where vaults lie, long work, and who composes. They are also the only ones that know both
// storage and keys, since providers itself knows no crypto.
var storageUsers = []string{"sallyport", "sallyport/gateway/cli", "sallyport/gateway", "sallyport/gateway/jobs", "sallyport/gateway/objects", "sallyport/gateway/vaults"}

// Only these may read the configuration; everybody else is given values.
var configReaders = []string{"sallyport", "sallyport/gateway/cli", "sallyport/gateway"}

// refused returns why from must not import to, "" if it may.
func refused(from, to string) string {
	if from == "sallyport/integration/s3driver" && matches(to, "sallyport/providers/...") {
		return "" // it runs the drivers' own suite over a real MinIO
	}
	for _, b := range bans {
		if matches(from, b.from) && matches(to, b.to) && !(matches(from, "sallyport/integration/...") && matches(to, "sallyport/integration/...")) {
			return b.reason
		}
	}
	if testSupport(from) || !matches(to, "sallyport/...") || strings.Contains(to, "/internal/") {
		return "" // tests may stand anywhere, and Go itself confines what is internal
	}
	switch {
	case testSupport(to):
		return "it only serves tests"
	case matches(to, "sallyport/providers/...") && !matches(from, "sallyport/providers/...") && !slices.Contains(storageUsers, from):
		return "storage is used by objects, vaults, jobs and those who compose; everybody else has no I/O of its own"
	case to == "sallyport/config" && !slices.Contains(configReaders, from):
		return "configuration is translated by assembly and commands; everybody else is given values"
	case row(to) <= row(from):
		return "it stands beside or above: " + layers[row(from)].reason
	}
	return ""
}

type listedPackage struct {
	ImportPath   string
	Dir          string
	Imports      []string
	TestImports  []string // of files that belong to the package
	XTestImports []string // of files that test it from outside
	GoFiles      []string
}

func listPackages(t *testing.T) []listedPackage {
	t.Helper()
	cmd := exec.Command("go", "list", "-json=ImportPath,Dir,Imports,TestImports,XTestImports,GoFiles", "./...")
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
	packages := listPackages(t)
	for _, p := range packages {
		if !testSupport(p.ImportPath) && row(p.ImportPath) < 0 {
			t.Fatalf("%s stands in no row of deps_test.go: decide which layer it belongs to", p.ImportPath)
		}
	}
	for _, p := range packages {
		imports := p.Imports
		if matches(p.ImportPath, "sallyport/integration/...") {
			imports = slices.Concat(imports, p.TestImports, p.XTestImports) // there the tests are what the rule is about
		}
		for _, imp := range imports {
			if reason := refused(p.ImportPath, imp); reason != "" {
				t.Errorf("%s imports %s: %s", p.ImportPath, imp, reason)
			}
		}
	}
}

// TestRulesNamePackages: a rule about a package that is not there protects nothing, and looks as if it did.
func TestRulesNamePackages(t *testing.T) {
	packages := listPackages(t)
	check := func(rule, name string) {
		t.Helper()
		if matches(name, "sallyport/...") && !slices.ContainsFunc(packages, func(p listedPackage) bool { return matches(p.ImportPath, name) }) {
			t.Errorf("%s names %s, which is no package", rule, name)
		}
	}
	for _, l := range layers {
		for _, name := range l.packages {
			check("the row of "+name, name)
		}
	}
	for _, b := range bans {
		check("a ban", b.from)
		check("a ban", b.to)
	}
	for _, name := range slices.Concat(storageUsers, configReaders) {
		check("an exception", name)
	}
}

// dependencies returns the import paths of all that the packages are built from, themselves included.
func dependencies(t *testing.T, args ...string) []string {
	t.Helper()
	cmd := exec.Command("go", append([]string{"list", "-deps"}, args...)...)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list -deps %v: %v\n%s", args, err, stderr.String())
	}
	return strings.Fields(string(out))
}

// TestCryptoStandsAlone looks at everything that crypto is built from: it can be audited and used without the rest of the program.
func TestCryptoStandsAlone(t *testing.T) {
	own := []string{"sallyport/crypto/...", "sallyport/config/secret", "golang.org/x/crypto/...", "golang.org/x/text/...", "golang.org/x/sys/..."}
	for _, path := range dependencies(t, "./crypto/...") {
		first, _, _ := strings.Cut(path, "/")
		external := strings.Contains(first, ".") || first == "sallyport"
		switch {
		case external && !slices.ContainsFunc(own, func(pattern string) bool { return matches(path, pattern) }):
			t.Errorf("crypto is built from %s: it stands on the standard library, x/crypto and x/text only", path)
		case matches(path, "net/..."):
			t.Errorf("crypto is built from %s: it knows no network", path)
		}
	}
}

// TestWhatIsNeverLinked looks at everything that the program, its tests and its tools are built from.
func TestWhatIsNeverLinked(t *testing.T) {
	for _, path := range dependencies(t, ".") {
		if path == "testing" || matches(path, "github.com/aws/...") || matches(path, "sallyport/...") && testSupport(path) || path == "sallyport/providers/faulty" {
			t.Errorf("the program is built from %s, which only serves tests", path)
		}
	}
	for _, path := range dependencies(t, "-test", "./...") {
		for _, agpl := range []string{"github.com/minio/minio/...", "github.com/minio/pkg/..."} {
			if matches(path, agpl) {
				t.Errorf("something is built from %s: AGPL code runs as a separate process in tests and is never linked", path)
			}
		}
	}
}

// matches reports whether path is pattern, or in the tree that it names with "/...".
func matches(path, pattern string) bool {
	tree, ok := strings.CutSuffix(pattern, "/...")
	return path == tree || ok && strings.HasPrefix(path, tree+"/")
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
							spec := s.(*ast.ValueSpec)
							for _, n := range spec.Names {
								declared[n.Name] = n.Name != "_"
							}
							if changesItself(spec) {
								t.Errorf("%s: a package variable that is there to be changed: state lives in values passed along", fset.Position(s.Pos()))
							}
						}
					}
				}
			}
		}
		for _, f := range files {
			ast.Inspect(f, func(n ast.Node) bool {
				mark := func(e ast.Expr) {
					e = holder(e)
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
				case *ast.CallExpr:
					if f, ok := n.Fun.(*ast.Ident); ok && (f.Name == "delete" || f.Name == "clear") && len(n.Args) > 0 {
						mark(n.Args[0])
					}
				}
				return true
			})
		}
		for name, pos := range assigned {
			t.Errorf("%s: package variable %s is changed: state lives in values passed along", fset.Position(pos), name)
		}
	}
}

// holder returns what an assignment to e changes: x for x.field, x[i] and *x.
func holder(e ast.Expr) ast.Expr {
	for {
		switch at := e.(type) {
		case *ast.IndexExpr:
			e = at.X
		case *ast.SelectorExpr:
			e = at.X
		case *ast.StarExpr:
			e = at.X
		case *ast.ParenExpr:
			e = at.X
		default:
			return e
		}
	}
}

// changesItself reports whether a variable has a type of package sync or atomic, or is a channel: such are changed without an assignment.
func changesItself(spec *ast.ValueSpec) bool {
	changes := false
	look := func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.FuncLit:
			return false
		case *ast.ChanType:
			changes = true
		case *ast.SelectorExpr:
			pkg, ok := n.X.(*ast.Ident)
			changes = changes || ok && (pkg.Name == "sync" || pkg.Name == "atomic")
		}
		return true
	}
	if spec.Type != nil {
		ast.Inspect(spec.Type, look)
	}
	for _, v := range spec.Values {
		ast.Inspect(v, look)
	}
	return changes
}

func isPackageLevel(f *ast.File, id *ast.Ident) bool {
	return f.Scope != nil && f.Scope.Lookup(id.Name) == id.Obj
}
