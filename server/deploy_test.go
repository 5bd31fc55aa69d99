package server

import (
	"context"
	"io"
	"os"
	"regexp"
	"strings"
	"testing"
)

// The trigger in the database must allow exactly what the table here allows.
func TestDeployStatesMirrorTheSchema(t *testing.T) {
	sql, err := os.ReadFile("../migrations/001_initial.sql")
	if err != nil {
		t.Fatal(err)
	}
	inSQL := map[string]bool{}
	body := string(sql)[strings.Index(string(sql), "deploys_follow_the_table"):]
	for _, m := range regexp.MustCompile(`\('(\w+)', '(\w+)'\)`).FindAllStringSubmatch(body, -1) {
		inSQL[m[1]+">"+m[2]] = true
	}
	n := 0
	for from, nexts := range deployNext {
		for _, to := range nexts {
			n++
			if !inSQL[string(from)+">"+string(to)] {
				t.Errorf("the schema does not allow %s to %s", from, to)
			}
		}
	}
	if len(inSQL) != n {
		t.Errorf("the schema allows %d steps, the table %d", len(inSQL), n)
	}
	if !DeployLive.Final() || DeployRolling.Final() {
		t.Error("final states")
	}
	if DeployFailed.Check(DeployQueued) == nil || DeployQueued.Check(DeployBuilding) != nil {
		t.Error("Check")
	}
}

func TestOutputFollowersSeeEverything(t *testing.T) {
	out := &Output{change: make(chan struct{})}
	var got strings.Builder
	done := make(chan error, 1)
	go func() {
		_, err := out.copyTo(context.Background(), &got, 0)
		done <- err
	}()
	for range 1000 {
		if _, err := out.Write([]byte("line\n")); err != nil {
			t.Error(err)
		}
	}
	out.Close()
	if err := <-done; err != nil || got.Len() != 5000 {
		t.Fatalf("%d bytes, %v", got.Len(), err)
	}
}

func TestOutputIsBounded(t *testing.T) {
	out := &Output{change: make(chan struct{})}
	chunk := make([]byte, 1<<20)
	for range 12 {
		_, _ = out.Write(chunk)
	}
	if len(out.buf) > maxOutput+200 || !strings.Contains(string(out.buf[maxOutput:]), "longer than 10 MB") {
		t.Fatalf("%d bytes kept", len(out.buf))
	}
}

// Whatever a release command prints, how the push ended stands below it.
func TestOutputKeepsItsEnd(t *testing.T) {
	out := &Output{change: make(chan struct{})}
	for range 200_000 {
		_, _ = io.WriteString(out, "a release command that prints and prints and prints and prints\n")
	}
	_, _ = io.WriteString(out, " !     Release command failed with exit code 3.\n")
	out.Close()
	if text := string(out.buf); len(text) > maxOutput+3*maxOutputEnd || !strings.HasSuffix(text, "prints and prints\n !     Release command failed with exit code 3.\n") ||
		!strings.Contains(text, "only the end is shown.\na release command") {
		t.Fatalf("%d bytes, ending with %q", len(text), text[len(text)-200:])
	}
}
