package server

import (
	"regexp"
	"strings"

	"github.com/anmitsu/go-shlex"
)

var (
	// shellSyntax is what plain words have not: variables, redirections,
	// several commands, patterns. Quotes are understood without a shell.
	shellSyntax = regexp.MustCompile("[$`&|;<>()*?\\[\\]{}~!#\n]")
	// severalCommands cannot be replaced by one process.
	severalCommands = regexp.MustCompile("[&|;()`\n{}!]|\\$\\(")
	assignment      = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*=`)
)

// Argv is how a command line of a Procfile, app.json or person is run inside
// the app's container. Plain words are run as they are, so that an image
// without a shell can be used. Everything else is a line for the container's
// own /bin/sh, which for a single command is replaced by it (exec), so that
// SIGTERM reaches the process and not a shell in front of it. Nothing of it is
// ever run by a shell of the platform. Nil: there is no word in it.
func Argv(line string) []string {
	line = strings.TrimSpace(line)
	words, err := shlex.Split(line, true)
	if err == nil && len(words) == 0 || line == "" {
		return nil
	}
	if err == nil && !shellSyntax.MatchString(line) && !assignment.MatchString(line) {
		return words
	}
	if err == nil && !severalCommands.MatchString(line) && !assignment.MatchString(line) {
		line = "exec " + line
	}
	return []string{"/bin/sh", "-c", line}
}
