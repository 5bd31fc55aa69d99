package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/anmitsu/go-shlex"
	"github.com/spf13/cobra"

	"paas/server"
	"paas/server/api"
)

func (c *cli) editCommand() *cobra.Command {
	edit := &cobra.Command{
		Use: "config:edit", Short: "change config vars in your editor", Args: takes(0, 0),
		Long: `Open the config vars in $VISUAL or $EDITOR, as KEY=VALUE lines, and set what you
change there. Nothing is changed when somebody else changed the config meanwhile,
or when the file is left as it was.`,
	}
	typ := processType(edit)
	return c.onApp(edit, func(s *session, _ []string) error { return s.editConfig(*typ) })
}

func (s *session) editConfig(typ string) error {
	editor, err := s.editor()
	if err != nil {
		return err
	}
	began, err := s.api.Release(s.ctx, s.app, "current")
	if err != nil {
		return err
	}
	vars, err := s.config(typ)
	if err != nil {
		return err
	}
	edited, err := s.edit(editor, s.editText(typ, began, vars))
	if err != nil {
		return err
	}
	patch := diffConfig(vars, edited)
	if len(patch) == 0 {
		s.say("Nothing was changed.")
		return nil
	}
	s.showPatch(vars, patch)
	what := fmt.Sprintf("Setting %s and restarting %s", printable(strings.Join(slices.Sorted(maps.Keys(patch)), ", ")), appName(s.app))
	return s.action(what, func() (string, error) {
		_, deploy, err := s.api.ChangeConfig(s.ctx, s.app, typ, began.Version, patch)
		if err != nil {
			return "", err
		}
		return s.follow(deploy)
	})
}

func (s *session) editText(typ string, began api.Release, vars map[string]string) string {
	of := s.app
	if typ != "" {
		of += ", of processes of type " + typ + " alone"
	}
	return fmt.Sprintf("# Config vars of %s at v%d: KEY=VALUE, quotes where needed.\n"+
		"# Delete a line to remove a var. Lines with # are comments.\n\n%s", of, began.Version, server.FormatSettings(vars))
}

// editor is the command line of the person's editor, taken apart without a
// shell.
func (s *session) editor() ([]string, error) {
	line := cmp.Or(s.env["VISUAL"], s.env["EDITOR"])
	if line == "" {
		return nil, tell("Neither VISUAL nor EDITOR is set: which editor shall it be? Nothing was changed.", "For instance: EDITOR=nano paas config:edit")
	}
	argv, err := shlex.Split(line, true)
	if err != nil || len(argv) == 0 {
		return nil, tell("VISUAL or EDITOR holds no command: "+line+". Nothing was changed.", "")
	}
	return argv, nil
}

// edit has a text edited until what is written can be read, or the person
// gives up. What cannot be read is not lost: it is shown again.
func (s *session) edit(editor []string, text string) (map[string]string, error) {
	for {
		edited, err := s.editOnce(editor, text)
		if err != nil {
			return nil, err
		}
		vars, err := server.ParseSettings(edited)
		if err == nil {
			return vars, nil
		}
		s.warn(fmt.Sprintf("What you wrote cannot be read: %v. Nothing was changed.", err))
		if !isTerminal(s.in) {
			return nil, errSaid
		}
		fmt.Fprint(s.err, " ▸    Press Enter to edit it again, Ctrl-C to give up. ")
		if err := s.awaitEnter(); err != nil {
			return nil, err
		}
		text = edited
	}
}

// awaitEnter reads one line of the terminal and no byte more.
func (s *session) awaitEnter() error {
	for b := make([]byte, 1); b[0] != '\n'; {
		if _, err := s.in.Read(b); err != nil {
			return fmt.Errorf("read from the terminal: %w", err)
		}
	}
	return s.ctx.Err()
}

// editOnce runs the editor on a text as a file that only its owner can read,
// and that is gone afterwards, and gives the result.
func (s *session) editOnce(editor []string, text string) (string, error) {
	if s.away {
		return "", errAway
	}
	parent := ""
	if dir := s.env["XDG_RUNTIME_DIR"]; filepath.IsAbs(dir) {
		parent = dir // in memory, and the user's own
	}
	dir, err := os.MkdirTemp(parent, "paas-config-") // 0700
	if err != nil {
		return "", fmt.Errorf("make a directory to edit in: %w. Nothing was changed", err)
	}
	defer os.RemoveAll(dir) // with what the editor leaves beside the file
	path := filepath.Join(dir, "config.env")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		return "", fmt.Errorf("write the file to edit: %w. Nothing was changed", err)
	}
	if err := s.runEditor(editor, path); err != nil {
		return "", err
	}
	edited, err := s.readInput(path, server.MaxSettings)
	return string(edited), err
}

func (s *session) runEditor(editor []string, path string) error {
	if s.away {
		return errAway
	}
	if isTerminal(s.in) {
		// Ctrl-C is the editor's while it runs; afterwards it ends this command.
		signal.Ignore(os.Interrupt)
		defer func() {
			ctx, stop := signal.NotifyContext(context.WithoutCancel(s.ctx), os.Interrupt, syscall.SIGTERM)
			context.AfterFunc(ctx, stop)
			s.ctx = ctx
		}()
	}
	cmd := exec.CommandContext(s.ctx, editor[0], append(slices.Clone(editor[1:]), path)...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr, cmd.Env = s.in, s.out, s.err, s.environ
	err := cmd.Run()
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
		return tell(fmt.Sprintf("The editor %s ended with status %d. Nothing was changed.", editor[0], exit.ExitCode()), "")
	case err != nil:
		return tell(fmt.Sprintf("The editor could not be run: %v. Nothing was changed.", err), "Name another: EDITOR=nano paas config:edit")
	}
	return nil
}

// diffConfig is the change that makes from what to is.
func diffConfig(from, to map[string]string) api.ConfigVars {
	patch := api.ConfigVars{}
	for k, v := range to {
		if old, had := from[k]; !had || old != v {
			patch[k] = &v
		}
	}
	for k := range from {
		if _, has := to[k]; !has {
			patch[k] = nil
		}
	}
	return patch
}

// showPatch says on stderr what is about to change; values stay in the editor.
func (s *session) showPatch(before map[string]string, patch api.ConfigVars) {
	for _, k := range slices.Sorted(maps.Keys(patch)) {
		_, had := before[k]
		mark := "+"
		switch {
		case patch[k] == nil:
			mark = "-"
		case had:
			mark = "~"
		}
		fmt.Fprintf(s.err, "%s %s\n", mark, printable(k))
	}
}
