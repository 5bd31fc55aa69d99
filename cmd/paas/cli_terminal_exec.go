package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"paas/server/api"
	"paas/server/client"
)

const (
	defaultDyno  = "web.1"
	defaultShell = "/bin/sh"
)

func (c *cli) execCommands() []*cobra.Command {
	exec := &cobra.Command{Use: "ps:exec [--] [COMMAND...]", Aliases: []string{"exec"}, Args: takes(0, -1),
		Short: "run a command inside a running dyno (default: a shell)",
		Long: "Run a command inside a running dyno, beside its process; without COMMAND, /bin/sh.\n" +
			"The exit status is the command's."}
	dyno := exec.Flags().StringP("dyno", "d", defaultDyno, "dyno to go into")
	noTTY := exec.Flags().Bool("no-tty", false, "do not give the command a terminal")
	c.onApp(exec, func(s *session, words []string) error { return s.exec(*dyno, words, !*noTTY, true) })

	inside := &cobra.Command{Use: "run:inside DYNO [--] COMMAND...", Short: "run a command inside a running dyno", Args: takes(2, -1),
		Long: "Run a command inside a running dyno, beside its process.\nThe exit status is 0 unless it could not be run; with --exit-code it is the command's."}
	exit := inside.Flags().BoolP("exit-code", "x", false, "end with the exit status of the command")
	insideNoTTY := inside.Flags().Bool("no-tty", false, "do not give the command a terminal")
	c.onApp(inside, func(s *session, words []string) error {
		return s.exec(words[0], words[1:], !*insideNoTTY, *exit)
	})

	copying := &cobra.Command{Use: "ps:copy FILE", Short: "copy a file out of a running dyno", Args: takes(1, 1),
		Long: "Copy a file out of a running dyno, by the program cat of its image. Without --output\nit gets the name it has there, in this directory. A file that exists is not replaced."}
	from := copying.Flags().StringP("dyno", "d", defaultDyno, "dyno to copy from")
	output := copying.Flags().StringP("output", "o", "", "file or directory to copy to; - is stdout")
	c.onApp(copying, func(s *session, args []string) error { return s.copyOut(*from, args[0], *output) })
	return []*cobra.Command{c.withCommand(exec), c.withCommand(inside), copying, c.forwardCommand()}
}

func (s *session) exec(dyno string, words []string, tty, code bool) error {
	e := client.Exec{Command: commandLine(words), TTY: tty && s.term != nil}
	if len(words) == 0 {
		e.Command = defaultShell
	}
	if e.TTY && s.env["TERM"] != "" {
		e.Env = map[string]string{"TERM": s.env["TERM"]}
	}
	fmt.Fprintf(s.err, "Running %s inside %s on %s... ", printable(e.Command), printable(dyno), appName(s.app))
	exit, err := s.converse(e.TTY, "up", func(ctx context.Context, t client.Terminal) (api.TerminalExit, error) {
		return s.api.Exec(ctx, s.app, dyno, e, t)
	})
	if why := refusedText(exit, err); why != "" && len(words) == 0 && noProgram(exit, why) {
		return tell(why+"\nThe image of "+s.app+" has no "+defaultShell+".", "Name a program that it has: paas ps:exec -a "+s.app+" -- /PATH/TO/PROGRAM")
	}
	return ended(exit, err, code)
}

// refusedText is why nothing ran, empty when something did.
func refusedText(exit api.TerminalExit, err error) string {
	var refused *api.Error
	if errors.As(err, &refused) {
		return refused.Message
	}
	return exit.Text
}

// noProgram says that a process could not begin because its image lacks the
// program.
func noProgram(exit api.TerminalExit, text string) bool {
	return exit.Code == 127 || exit.Code == 126 || strings.Contains(text, "no such file") || strings.Contains(text, "not found")
}

// copyOut writes a file of a dyno beside its place and renames it when it is whole.
func (s *session) copyOut(dyno, file, output string) error {
	if output == "-" || s.away {
		return s.catTo(dyno, file, s.out)
	}
	to, err := freePlace(file, output)
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(to), ".paas-copy-*") // 0600: it may be secret
	if err != nil {
		return fmt.Errorf("copy to %s: %w. Nothing was copied", to, err)
	}
	what := fmt.Sprintf("Copying %s from %s to %s", printable(file), printable(dyno), printable(to))
	err = s.action(what, func() (string, error) {
		err := errors.Join(s.catTo(dyno, file, f), f.Close())
		if err == nil {
			err = placeNew(f.Name(), to)
		}
		return "", err
	})
	_ = os.Remove(f.Name()) // its second name, or what is left of it
	return err
}

// freePlace is where a copied file goes.
func freePlace(file, output string) (string, error) {
	to := output
	if st, err := os.Stat(output); output == "" || err == nil && st.IsDir() {
		to = filepath.Join(output, path.Base(path.Clean("/"+file)))
	}
	if base := filepath.Base(to); base == "/" || base == "." {
		return "", tell(file+" is no file. Nothing was copied.", "")
	}
	if _, err := os.Lstat(to); err == nil {
		return "", alreadyThere(to)
	}
	return to, nil
}

func alreadyThere(to string) error {
	return tell(to+" exists already and was left as it is. Nothing was copied.", "Name another file with --output")
}

// placeNew gives a file its name, never one that another has.
func placeNew(temporary, to string) error {
	err := os.Link(temporary, to)
	if errors.Is(err, fs.ErrExist) {
		return alreadyThere(to)
	}
	if err != nil { // a file system without links
		err = os.Rename(temporary, to)
	}
	if err != nil {
		return fmt.Errorf("copy to %s: %w", to, err)
	}
	return nil
}

// catTo lets the dyno's own cat print a file.
func (s *session) catTo(dyno, file string, out io.Writer) error {
	var said bytes.Buffer
	exit, err := s.api.Exec(s.ctx, s.app, dyno, client.Exec{Command: "cat -- " + shellQuote(file)},
		client.Terminal{Out: out, Err: &capped{w: &said, left: 4 << 10}})
	why := refusedText(exit, err)
	switch {
	case why != "" && noProgram(exit, why):
		return tell("The image of "+s.app+" has no program cat, by which files are copied. Nothing was copied.", "")
	case err != nil || exit.Text != "":
		return ended(exit, err, false)
	case exit.Code != 0:
		return tell(strings.TrimSpace(said.String())+fmt.Sprintf("\ncat ended with status %d. Nothing was copied.", exit.Code), "")
	}
	return nil
}
