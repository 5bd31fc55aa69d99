package paas_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// TestRulesOfTheHouse reads the product's own code (not its tests) for what no
// compiler refuses: a shell, init functions, the environment read outside
// cmd, files that are two things.
func TestRulesOfTheHouse(t *testing.T) {
	const maxLines = 400
	ours, _ := listPackages(t)
	for _, p := range ours {
		if forTests(strings.TrimPrefix(p.ImportPath, "paas/")) {
			continue
		}
		for _, file := range p.GoFiles {
			path := filepath.Join(p.Dir, file)
			fset := token.NewFileSet()
			f, err := parser.ParseFile(fset, path, nil, parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			if n := fset.Position(f.FileEnd).Line; n > maxLines {
				t.Errorf("%s: %d lines, over %d: it is two things", path, n, maxLines)
			}
			inCmd := strings.HasPrefix(p.ImportPath, "paas/cmd/") || strings.HasPrefix(p.ImportPath, "paas/bench/")
			ast.Inspect(f, func(n ast.Node) bool {
				if complaint := houseRule(n, inCmd); complaint != "" {
					t.Errorf("%s: %s", fset.Position(n.Pos()), complaint)
				}
				return true
			})
		}
	}
}

// houseRule is what a node does that the house does not want.
func houseRule(n ast.Node, inCmd bool) string {
	switch n := n.(type) {
	case *ast.FuncDecl:
		if n.Name.Name == "init" && n.Recv == nil {
			return "init: ask in the constructor for what is needed"
		}
	case *ast.CallExpr:
		sel, ok := n.Fun.(*ast.SelectorExpr)
		if !ok {
			return ""
		}
		from, ok := sel.X.(*ast.Ident)
		if !ok {
			return ""
		}
		name := from.Name + "." + sel.Sel.Name
		if (name == "exec.Command" || name == "exec.CommandContext") && namesShell(n.Args) {
			return "a shell: give the program its arguments, one by one"
		}
		if !inCmd && slices.Contains([]string{"os.Getenv", "os.LookupEnv", "os.ExpandEnv"}, name) {
			return name + " outside cmd: take it by the configuration"
		}
	}
	return ""
}

func namesShell(args []ast.Expr) bool {
	return slices.ContainsFunc(args, func(a ast.Expr) bool {
		lit, ok := a.(*ast.BasicLit)
		if !ok || lit.Kind != token.STRING {
			return false
		}
		s, err := strconv.Unquote(lit.Value)
		return err == nil && slices.Contains([]string{"sh", "bash", "dash", "zsh", "ksh"}, filepath.Base(s))
	})
}

// TestHouseRuleSees: a rule that sees nothing would pass everything.
func TestHouseRuleSees(t *testing.T) {
	const src = `package x
import ("os"; "os/exec")
func init() {}
func f() { exec.Command("/bin/sh", "-c", "x"); exec.CommandContext(nil, "env", "bash"); os.Getenv("X"); exec.Command("git", "--", "x") }
`
	f, err := parser.ParseFile(token.NewFileSet(), "x.go", src, 0)
	if err != nil {
		t.Fatal(err)
	}
	count := map[bool]int{}
	for _, inCmd := range []bool{false, true} {
		ast.Inspect(f, func(n ast.Node) bool {
			if houseRule(n, inCmd) != "" {
				count[inCmd]++
			}
			return true
		})
	}
	if count[false] != 4 || count[true] != 3 {
		t.Errorf("complaints: %v, want 4 outside cmd and 3 inside", count)
	}
}
