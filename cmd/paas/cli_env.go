package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"paas/server/api"
	"paas/server/client"
)

// cli is what every command of a developer shares.
type cli struct {
	in       io.Reader
	out, err io.Writer
	environ  []string
	env      map[string]string
	colour   bool // of out
	server   string
	term     terminal // nil unless somebody sits at in and out
	// away is a command that runs at the server, for who came over SSH: it must
	// touch nothing of the machine it runs on. Its API is served by dial.
	away bool
	dial func() (*client.Client, error)
}

// errAway refuses what touches the machine a command runs on.
var errAway = errors.New("that needs the machine you sit at, and this command runs at the server")

func newCLI(in io.Reader, out, err io.Writer, environ []string) *cli {
	c := &cli{in: in, out: out, err: err, environ: environ, env: map[string]string{}}
	for _, kv := range environ {
		if k, v, ok := strings.Cut(kv, "="); ok {
			c.env[k] = v
		}
	}
	c.colour = isTerminal(out) && c.env["NO_COLOR"] == "" && c.env["TERM"] != "dumb"
	c.term = terminalOf(in, out)
	return c
}

func isTerminal(stream any) bool {
	if far, ok := stream.(interface{ IsTerminal() bool }); ok {
		return far.IsTerminal()
	}
	f, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// configDir is where the client keeps what it must remember.
func (c *cli) configDir() (string, error) {
	if c.away {
		return "", errAway
	}
	if dir := c.env["XDG_CONFIG_HOME"]; filepath.IsAbs(dir) {
		return filepath.Join(dir, "paas"), nil
	}
	if home := c.env["HOME"]; home != "" {
		return filepath.Join(home, ".config", "paas"), nil
	}
	return "", errors.New("neither HOME nor XDG_CONFIG_HOME is set: where would the login be kept?")
}

// usageError is a command line that makes no sense.
type usageError struct{ text string }

func (e *usageError) Error() string { return e.text }

// usagef makes one that points to the command's help.
func usagef(cmd *cobra.Command, format string, args ...any) error {
	return &usageError{fmt.Sprintf(format, args...) + "\nSee: " + cmd.CommandPath() + " --help"}
}

// takes makes a wrong number of arguments a usage error.
func takes(least, most int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		switch {
		case len(args) < least:
			return usagef(cmd, "An argument is missing: %s", cmd.UseLine())
		case most >= 0 && len(args) > most:
			return usagef(cmd, "Unexpected argument %s: %s", printable(args[most]), cmd.UseLine())
		}
		return nil
	}
}

// tell makes an error of sentences for people; next is what to type, or empty.
func tell(message, next string) error { return &api.Error{Message: message, Next: next} }

// errSaid ends a command that has told all itself.
var errSaid = errors.New("failed")

// explain turns what only a program understands into text for people.
func explain(ctx context.Context, err error) error {
	var refused *api.Error
	switch {
	case errors.Is(err, context.Canceled) && ctx.Err() != nil:
		return tell("Interrupted.", "")
	case errors.As(err, &refused) && refused.Status == 401:
		return tell("You are not logged in, or the login has expired. Nothing was changed.", "Log in with: paas login")
	}
	return err
}

// complain writes an error as Heroku does, foreign text made harmless.
func (c *cli) complain(err error) {
	for line := range strings.SplitSeq(strings.TrimRight(err.Error(), "\n"), "\n") {
		c.warn(line)
	}
}

func (c *cli) warn(line string) {
	fmt.Fprintf(c.err, " ▸    %s\n", printable(line))
}

// buildTag is set by the Makefile (-ldflags -X), for builds without the
// toolchain's own record of the checkout.
var buildTag string

// buildVersion is the version of this binary.
func buildVersion() string {
	if buildTag != "" {
		return buildTag
	}
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" {
		return "(devel)"
	}
	return info.Main.Version
}
