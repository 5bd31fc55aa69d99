package gitd

import (
	"errors"
	"regexp"
	"strings"

	"paas/server"
)

// The verbs of a session. There is no other.
const (
	verbReceive = "git-receive-pack"
	verbUpload  = "git-upload-pack"
	verbLogin   = "login"
)

const maxCommand = 256 // bytes of a command line

var appNameForm = regexp.MustCompile(`^[a-z]([a-z0-9-]{0,28}[a-z0-9])?$`)

// errCommand is the class of command lines that are refused.
var errCommand = errors.New("this server takes git push, git fetch and paas login, nothing else")

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
