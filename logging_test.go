package main

import (
	"bytes"
	"go/ast"
	"go/token"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"testing"

	"sallyport/gateway/telemetry"
)

// TestLogAttributesAreListed: the log handler withholds the value of every attribute that is not on its list, so a line with another name
// would warn of something and hide what.
func TestLogAttributesAreListed(t *testing.T) {
	seen := 0
	for _, p := range listPackages(t) {
		if testSupport(p.ImportPath) {
			continue
		}
		fset, files := parseFiles(t, p)
		for _, f := range files {
			ast.Inspect(f, func(n ast.Node) bool {
				call, ok := n.(*ast.CallExpr)
				if !ok {
					return true
				}
				for _, name := range attributeNames(call) {
					seen++
					if !shown(name) {
						t.Errorf("%s: the attribute %q is not on the list of gateway/telemetry, so its value would be withheld", fset.Position(call.Pos()), name)
					}
				}
				return true
			})
		}
	}
	if seen == 0 {
		t.Error("no log call was found: this test looks for the wrong thing")
	}
	if shown("nothing of the kind") {
		t.Error("every name is shown: this test cannot fail")
	}
}

// shown asks the handler itself.
func shown(name string) bool {
	var out bytes.Buffer
	telemetry.NewLogger(&out, telemetry.LogOptions{}).Info("m", slog.String(name, "the value"))
	return strings.Contains(out.String(), "the value")
}

// attributeNames returns the literal attribute names of a call to a logger or to a constructor of package slog.
func attributeNames(call *ast.CallExpr) []string {
	method, ok := call.Fun.(*ast.SelectorExpr)
	if !ok {
		return nil
	}
	on := ""
	switch x := method.X.(type) {
	case *ast.Ident:
		on = x.Name
	case *ast.SelectorExpr:
		on = x.Sel.Name
	}
	if on == "slog" && slices.Contains([]string{"String", "Int", "Int64", "Uint64", "Bool", "Time", "Duration", "Any", "Group"}, method.Sel.Name) {
		return literals(call.Args[:1], 1)
	}
	isLogger := strings.EqualFold(on, "log") || strings.EqualFold(on, "logger")
	if isLogger && len(call.Args) > 1 && slices.Contains([]string{"Debug", "Info", "Warn", "Error"}, method.Sel.Name) {
		return literals(call.Args[1:], 2)
	}
	return nil
}

// literals returns the strings at every step-th place, as far as attributes come in pairs.
func literals(args []ast.Expr, step int) []string {
	var names []string
	for i := 0; i < len(args); {
		lit, ok := args[i].(*ast.BasicLit)
		if !ok || lit.Kind != token.STRING {
			i++ // an attribute made by a constructor, which is looked at by itself
			continue
		}
		if name, err := strconv.Unquote(lit.Value); err == nil {
			names = append(names, name)
		}
		i += step
	}
	return names
}
