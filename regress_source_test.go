package main

import (
	"go/ast"
	"go/token"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// eachProductFile visits the files of all packages that are built into the program.
func eachProductFile(t *testing.T, visit func(p listedPackage, position func(ast.Node) string, f *ast.File)) {
	t.Helper()
	files := 0
	for _, p := range listPackages(t) {
		if testSupport(p.ImportPath) || p.ImportPath == "sallyport/providers/faulty" {
			continue
		}
		fset, parsed := parseFiles(t, p)
		position := func(n ast.Node) string {
			at := fset.Position(n.Pos())
			return filepath.Base(filepath.Dir(at.Filename)) + "/" + filepath.Base(at.Filename) + ":" + strconv.Itoa(at.Line)
		}
		for _, f := range parsed {
			visit(p, position, f)
			files++
		}
	}
	if files < 100 {
		t.Errorf("%d files were looked at: this test looks in the wrong place", files)
	}
}

// imported returns the local names under which a file imports the paths that match.
func imported(f *ast.File, matches func(path string) bool) map[string]string {
	names := map[string]string{}
	for _, spec := range f.Imports {
		path, err := strconv.Unquote(spec.Path.Value)
		if err != nil || !matches(path) {
			continue
		}
		name := path[strings.LastIndex(path, "/")+1:]
		if spec.Name != nil {
			name = spec.Name.Name
		}
		names[name] = path
	}
	return names
}

// TestRandomnessIsTheSystems is of regression E5: no key, salt or token can come from a generator that can be predicted. Only the pauses between retries
// may.
func TestRandomnessIsTheSystems(t *testing.T) {
	allowed := map[string]bool{"providers/retry.go": true}
	crypto := 0
	eachProductFile(t, func(_ listedPackage, position func(ast.Node) string, f *ast.File) {
		at, _, _ := strings.Cut(position(f), ":")
		for _, path := range imported(f, func(path string) bool { return strings.Contains(path, "rand") || strings.Contains(path, "uuid") }) {
			switch {
			case path == "crypto/rand":
				crypto++
			case !allowed[at]:
				t.Errorf("%s imports %s", at, path)
			}
		}
	})
	if crypto == 0 {
		t.Error("nothing imports crypto/rand: this test looks for the wrong thing")
	}
}

// reachesOut are the names of net, net/http and crypto/tls by which a program opens connections or resolves names of its own.
var reachesOut = regexp.MustCompile(`^(Dial.*|Dialer|Lookup.*|Resolver|DefaultResolver|Client|NewClient|Get|Head|Post|PostForm|DefaultClient|DefaultTransport|Transport|NewRequest.*|ReverseProxy|NewSingleHostReverseProxy|RoundTripper)$`)

// TestOnlyBackendsAreDialled is of regression G1: outside of the drivers nothing in the program can open a connection, so nothing that a client sends can
// choose where to.
func TestOnlyBackendsAreDialled(t *testing.T) {
	servers := 0
	eachProductFile(t, func(p listedPackage, position func(ast.Node) string, f *ast.File) {
		if p.ImportPath == "sallyport/providers/s3" || strings.HasPrefix(p.ImportPath, "sallyport/providers/s3/") || p.ImportPath == "sallyport/providers/gdrive" {
			return // drivers of services: the endpoint is the operator's, and their own tests hold them to it
		}
		network := imported(f, func(path string) bool {
			return path == "net" || strings.HasPrefix(path, "net/http") || path == "crypto/tls" || strings.HasPrefix(path, "net/rpc") || path == "net/smtp"
		})
		for name, path := range imported(f, func(path string) bool {
			return strings.HasPrefix(path, "github.com/minio/minio-go") || strings.HasPrefix(path, "github.com/aws/")
		}) {
			t.Errorf("%s imports a client, %s as %s", position(f), path, name)
		}
		ast.Inspect(f, func(n ast.Node) bool {
			s, ok := n.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			x, ok := s.X.(*ast.Ident)
			if !ok || network[x.Name] == "" {
				return true
			}
			if s.Sel.Name == "Listen" {
				servers++
			}
			if reachesOut.MatchString(s.Sel.Name) {
				t.Errorf("%s uses %s.%s", position(n), network[x.Name], s.Sel.Name)
			}
			return true
		})
	})
	if servers == 0 {
		t.Error("nothing listens: this test looks for the wrong thing")
	}
}

// secretName finds names of values that prove something to somebody.
var secretName = regexp.MustCompile(`(?i)^(signature|sig|mac|hmac|tag|commitment|password|passphrase|secret|secretKey|customerKey|computed|want(ed)?(MAC|Sum|Tag)|key(MD5)?)$`)

// TestSecretsAreComparedInConstantTime is of regression A13: where signatures, keys, tags and commitments are handled, nothing compares bytes in a way that
// ends at the first difference. What is public has its reason here.
func TestSecretsAreComparedInConstantTime(t *testing.T) {
	public := map[string]string{
		"object/read.go":     "padding, which is zeros or is not",
		"object/table.go":    "salt and commitment of the table, which stand in the clear at its head",
		"vault/open.go":      "a public key with the public key of its private one",
		"vault/record.go":    "the magic at the head of a record",
		"sigv4/canonical.go": "the order of query parameters",
		"secret/read.go":     "a byte order mark, which is no part of a secret",
	}
	handles := []string{
		"sallyport/gateway/sigv4", "sallyport/gateway/auth", "sallyport/gateway/awschunked", "sallyport/gateway/checksum", "sallyport/gateway/cache", "sallyport/gateway/listing",
		"sallyport/config/secret", "sallyport/crypto/chunked", "sallyport/crypto/keys", "sallyport/crypto/object", "sallyport/crypto/vault",
	}
	constant := 0
	eachProductFile(t, func(p listedPackage, position func(ast.Node) string, f *ast.File) {
		if !slices.Contains(handles, p.ImportPath) {
			return
		}
		at, _, _ := strings.Cut(position(f), ":")
		ast.Inspect(f, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.SelectorExpr:
				x, ok := n.X.(*ast.Ident)
				if !ok {
					return true
				}
				switch x.Name + "." + n.Sel.Name {
				case "subtle.ConstantTimeCompare", "hmac.Equal":
					constant++
				case "bytes.Equal", "bytes.Compare", "slices.Equal", "slices.Compare", "strings.Compare", "reflect.DeepEqual", "bytes.HasPrefix", "bytes.EqualFold":
					if public[at] == "" {
						t.Errorf("%s uses %s.%s", position(n), x.Name, n.Sel.Name)
					}
				}
			case *ast.BinaryExpr:
				if n.Op != token.EQL && n.Op != token.NEQ {
					return true
				}
				for _, side := range []ast.Expr{n.X, n.Y} {
					other := n.Y
					if side == n.Y {
						other = n.X
					}
					if secretName.MatchString(lastName(side)) && !isConstant(other) && public[at] == "" {
						t.Errorf("%s compares %s with %s", position(n), lastName(side), n.Op)
					}
				}
			}
			return true
		})
	})
	if constant < 8 {
		t.Errorf("%d comparisons in constant time: this test looks for the wrong thing", constant)
	}
}

func lastName(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.SelectorExpr:
		return e.Sel.Name
	case *ast.SliceExpr:
		return lastName(e.X)
	case *ast.ParenExpr:
		return lastName(e.X)
	case *ast.CallExpr: // a conversion such as string(signature)
		if fun := lastName(e.Fun); len(e.Args) == 1 && fun != "len" && fun != "cap" {
			return lastName(e.Args[0])
		}
	}
	return ""
}

// isConstant reports literals and nil: that something is empty or absent may be told.
func isConstant(e ast.Expr) bool {
	switch e := e.(type) {
	case *ast.BasicLit:
		return true
	case *ast.Ident:
		return e.Name == "nil" || e.Name == "true" || e.Name == "false"
	}
	return false
}

// TestNothingIsReadWithoutABound is of regression A15 and H3: whatever is read whole into memory has a limit where it is read, or a reason here.
func TestNothingIsReadWithoutABound(t *testing.T) {
	bounded := map[string]string{
		"s3api/body.go": "a document, whose size is checked and reserved first",
		"s3/request.go": "an answer of the service, which the transport cuts off",
	}
	found := 0
	eachProductFile(t, func(_ listedPackage, position func(ast.Node) string, f *ast.File) {
		ast.Inspect(f, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			s, ok := call.Fun.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			x, ok := s.X.(*ast.Ident)
			if !ok || x.Name+"."+s.Sel.Name != "io.ReadAll" {
				return true
			}
			found++
			at, _, _ := strings.Cut(position(n), ":")
			if inner, ok := call.Args[0].(*ast.CallExpr); ok {
				if limit, ok := inner.Fun.(*ast.SelectorExpr); ok && limit.Sel.Name == "LimitReader" {
					return true
				}
			}
			if bounded[at] == "" {
				t.Errorf("%s reads all there is", position(n))
			}
			return true
		})
	})
	if found < 5 {
		t.Errorf("%d reads were found: this test looks for the wrong thing", found)
	}
}
