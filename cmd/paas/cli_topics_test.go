package main

import (
	"strings"
	"testing"
)

func TestTopics(t *testing.T) {
	root := newCLI(strings.NewReader(""), &strings.Builder{}, &strings.Builder{}, nil).rootCommand()
	for _, cmd := range root.Commands() {
		if cmd.GroupID == "" {
			t.Errorf("%s has no topic", cmd.Name())
		}
		if first, _, colon := strings.Cut(cmd.Name(), ":"); colon && cmd.GroupID == "other" {
			t.Errorf("%s: give %s a topic", cmd.Name(), first)
		}
	}
}

// A Heroku user's slip of the key: a blank for the colon.
func TestBlankForColon(t *testing.T) {
	for line, want := range map[string]string{
		"config set A=1": "Did you mean config:set?", "apps create x": "Did you mean apps:create?", "maintenance on": "Did you mean maintenance:on?",
		"domains add x.example": "Did you mean domains:add?", "config frob": "Unexpected argument frob", "releases info": "Did you mean releases:info?",
		"frob it": "paas has no command frob.",
	} {
		var out, said strings.Builder
		code := run(t.Context(), append(strings.Fields(line), "--server", "http://127.0.0.1:1"), strings.NewReader(""), &out, &said, []string{"HOME=" + t.TempDir()})
		if code != exitUsage || !strings.Contains(said.String(), want) {
			t.Errorf("%s: %d %s", line, code, said.String())
		}
	}
}
