package gitd

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/anmitsu/go-shlex"

	"paas/server"
)

// The verbs of a session that are served here. Every other command line is
// for the commands of the platform.
const (
	verbReceive = "git-receive-pack"
	verbUpload  = "git-upload-pack"
	verbLogin   = "login"
)

// Bytes of a command line: of git's, and of one for people.
const (
	maxCommand = 256
	maxLine    = 32 << 10
)

var appNameForm = regexp.MustCompile(`^[a-z]([a-z0-9-]{0,28}[a-z0-9])?$`)

// errCommand is the class of command lines that are refused.
var errCommand = errors.New("that is no command of git that this server knows; it takes git push and git fetch")

// errLine is the class of command lines for people that cannot be read.
var errLine = errors.New("that command line cannot be read")

// emptyWord is an argument of no characters, which splitting would lose.
var emptyWord = regexp.MustCompile(`(^|\s)(''|"")(\s|$)`)

// forGit says that a line is git's or a login, and nothing but parseCommand
// decides what it is.
func forGit(line string) bool {
	verb, _, _ := strings.Cut(line, " ")
	return line == verbLogin || verb == "git" || strings.HasPrefix(line, "git-")
}

// splitLine takes a line for people apart: words, quotes and backslashes as in
// a shell, but nothing is ever expanded or run by one. No word is no error.
func splitLine(line string) ([]string, error) {
	switch {
	case len(line) > maxLine:
		return nil, fmt.Errorf("%w: it is longer than %d bytes", errLine, maxLine)
	case !utf8.ValidString(line) || strings.ContainsRune(line, 0):
		return nil, fmt.Errorf("%w: it is not plain text", errLine)
	case emptyWord.MatchString(line):
		return nil, fmt.Errorf("%w: an empty argument cannot be given over SSH", errLine)
	}
	words, err := shlex.Split(line, true)
	if err != nil {
		return nil, fmt.Errorf("%w: a quote or a backslash has nothing behind it", errLine)
	}
	return words, nil
}

// parseCommand takes a command line apart. It knows exactly three forms:
// git-receive-pack 'APP', git-upload-pack 'APP' and login; APP may begin with
// a slash and end with .git. Everything else is an error of one plain line.
func parseCommand(line string) (verb, app string, err error) {
	if len(line) > maxCommand {
		return "", "", errCommand
	}
	if line == verbLogin {
		return verbLogin, "", nil
	}
	verb, arg, _ := strings.Cut(line, " ")
	if verb != verbReceive && verb != verbUpload {
		return "", "", errCommand
	}
	if n := len(arg); n >= 2 && arg[0] == '\'' && arg[n-1] == '\'' {
		arg = arg[1 : n-1]
	}
	app = strings.TrimSuffix(strings.TrimPrefix(arg, "/"), ".git")
	if !appNameForm.MatchString(app) {
		return "", "", server.Errorf(server.ErrInvalid, "%.60q is not the name of an app: it has up to 30 of a-z, 0-9 and -, and begins with a letter", arg)
	}
	return verb, app, nil
}
