package main

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/anmitsu/go-shlex"
)

// A Procfile's line, made the words of a program to start, without a shell:
// quotes, variables and leading assignments are understood here, and what only
// a shell could do is refused.

var (
	variable   = regexp.MustCompile(`^\$(?:([A-Za-z_][A-Za-z0-9_]*)|\{([A-Za-z_][A-Za-z0-9_]*)(:-([^{}$'"\\` + "`" + `]*))?\})`)
	assignWord = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*=`)
)

// needsShell says what of a line only a shell understands.
type needsShell struct{ what string }

func (e *needsShell) Error() string {
	return e.what + " needs a shell. Put the line into a script, for example bin/web, and name that in the Procfile"
}

// commandWords splits a line as a shell would and gives the program with its
// arguments, and assignments that stood before it.
func commandWords(line string, env map[string]string) (words, assigned []string, err error) {
	plain, err := expandVariables(line, env)
	if err != nil {
		return nil, nil, err
	}
	if words, err = shlex.Split(plain, true); err != nil {
		return nil, nil, errors.New("a quote is not closed, or a backslash stands at the end")
	}
	for len(words) > 0 && assignWord.MatchString(words[0]) {
		assigned, words = append(assigned, words[0]), words[1:]
	}
	if len(words) > 0 && words[0] == "exec" { // as everything here is
		words = words[1:]
	}
	if len(words) == 0 {
		return nil, nil, errors.New("there is no program in it")
	}
	return words, assigned, nil
}

// expandVariables puts the values of $NAME, ${NAME} and ${NAME:-default} into
// a line so that splitting it gives what a shell would: a value in double
// quotes stays one word, another is split at its blanks.
func expandVariables(line string, env map[string]string) (string, error) {
	var out strings.Builder
	quote := byte(0) // the quote that is open
	for i := 0; i < len(line); {
		c := line[i]
		switch {
		case quote == '\'':
			if c == '\'' {
				quote = 0
			}
			out.WriteByte(c)
			i++
		case c == '\\' && i+1 < len(line):
			i += escaped(&out, line[i:], quote)
		case c == '$':
			n, err := substitute(&out, line[i:], quote == '"', env)
			if err != nil {
				return "", err
			}
			i += n
		case c == '"' && quote == '"':
			quote = 0
			out.WriteByte(c)
			i++
		case (c == '"' || c == '\'') && quote == 0:
			quote = c
			out.WriteByte(c)
			i++
		default:
			if err := refuseSyntax(line, i, quote); err != nil {
				return "", err
			}
			out.WriteByte(c)
			i++
		}
	}
	return out.String(), nil
}

// escaped copies a backslash with what follows it and gives their length.
// Inside double quotes it hides only $, ", \ and `.
func escaped(out *strings.Builder, s string, quote byte) int {
	if quote == '"' && s[1] != '"' && s[1] != '\\' {
		if s[1] != '$' && s[1] != '`' {
			out.WriteByte('\\')
		}
		out.WriteByte(s[1])
		return 2
	}
	out.WriteString(s[:2])
	return 2
}

// substitute writes the value of the variable that s begins with and gives the
// length of its name. A lone $ is itself.
func substitute(out *strings.Builder, s string, quoted bool, env map[string]string) (int, error) {
	m := variable.FindStringSubmatch(s)
	if m == nil {
		if len(s) > 1 && strings.ContainsRune("({$!?#@*-0123456789'\"", rune(s[1])) && !(quoted && s[1] == '"') {
			return 0, &needsShell{fmt.Sprintf("%q", s[:2])}
		}
		out.WriteString(literal("$", quoted))
		return 1, nil
	}
	value := env[m[1]+m[2]]
	if value == "" && m[3] != "" {
		value = m[4]
	}
	if quoted {
		out.WriteString(literal(value, true))
		return len(m[0]), nil
	}
	// Blanks at the ends of the value end a word too.
	if value != strings.TrimLeft(value, " \t\n") {
		out.WriteByte(' ')
	}
	for n, field := range strings.Fields(value) {
		if n > 0 {
			out.WriteByte(' ')
		}
		out.WriteString(literal(field, false))
	}
	if value != "" && value != strings.TrimRight(value, " \t\n") {
		out.WriteByte(' ')
	}
	return len(m[0]), nil
}

// literal is text that stays as it is when the line is split.
func literal(text string, quoted bool) string {
	var b strings.Builder
	for _, r := range text {
		if !quoted || r == '"' || r == '\\' {
			b.WriteByte('\\')
		}
		b.WriteRune(r)
	}
	return b.String()
}

// refuseSyntax refuses a character that only a shell gives its meaning to.
func refuseSyntax(line string, i int, quote byte) error {
	c := line[i]
	start := i == 0 || line[i-1] == ' ' || line[i-1] == '\t'
	switch {
	case c == '`':
		return &needsShell{"A command inside a command (`…`)"}
	case quote != 0:
		return nil
	case strings.IndexByte("&|;\n", c) >= 0:
		return &needsShell{"More than one command (" + strings.TrimSpace(string(c)) + ")"}
	case strings.IndexByte("<>", c) >= 0:
		return &needsShell{"A redirection (" + string(c) + ")"}
	case strings.IndexByte("*?[(){}", c) >= 0:
		return &needsShell{"A pattern or group (" + string(c) + ")"}
	case start && strings.IndexByte("~#!", c) >= 0:
		return &needsShell{"A word that begins with " + string(c)}
	}
	return nil
}
