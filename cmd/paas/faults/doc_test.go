package faults

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"paas/cmd/paas/platformtest"
)

// Every test that the table of doc.go names is there.
func TestTableOfFaults(t *testing.T) {
	table, err := os.ReadFile("doc.go")
	platformtest.Must(err)
	named := regexp.MustCompile(`(?:([a-z/]+)\.)?(Test\w+)`).FindAllStringSubmatch(string(table), -1)
	if len(named) < 9 {
		t.Errorf("the table names %d tests", len(named))
	}
	dirs := map[string]string{"": ".", "cluster": "../cluster"}
	tests := map[string]string{}
	for _, n := range named {
		dir, ok := dirs[n[1]]
		if !ok {
			dir = filepath.Join("../../..", n[1])
		}
		if tests[dir] == "" {
			tests[dir] = sources(t, dir)
		}
		if !strings.Contains(tests[dir], "\nfunc "+n[2]+"(t *testing.T)") {
			t.Errorf("there is no test %s", n[0])
		}
	}
}

// sources are all test files of a directory.
func sources(t *testing.T, dir string) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*_test.go"))
	platformtest.Must(err)
	var all strings.Builder
	for _, f := range files {
		text, err := os.ReadFile(f)
		platformtest.Must(err)
		all.Write(text)
	}
	return all.String()
}
