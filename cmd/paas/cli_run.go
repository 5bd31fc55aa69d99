package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"paas/server/api"
	"paas/server/client"
)

// runFlags are what paas run is given.
type runFlags struct {
	exit, noTTY, detached, asJSON bool
	size, env, kind               string
}

func (c *cli) runCommands() []*cobra.Command {
	all := []*cobra.Command{c.runCommand(), c.runDetachedCommand(), c.runsCommand()}
	return append(all, c.execCommands()...)
}

const runLong = `Run a command once, in an instance of its own with the image and the config of
the current release. The name of a process type runs that type's command.

What stands behind the command's first word is the command's, but for flags of
paas that it does not have itself; behind -- everything is.

The exit status is 0 unless the command could not be run (1, 126 or 127); with
--exit-code it is the command's.`

func (c *cli) runCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "run [--] COMMAND...", Short: "run a one-off command in an app", Long: runLong, Args: takes(0, -1)}
	var f runFlags
	cmd.Flags().BoolVarP(&f.exit, "exit-code", "x", false, "end with the exit status of the command")
	cmd.Flags().BoolVar(&f.noTTY, "no-tty", false, "do not give the command a terminal")
	cmd.Flags().BoolVarP(&f.detached, "detached", "d", false, "do not wait: its output goes to the log")
	f.more(cmd)
	c.onApp(cmd, func(s *session, words []string) error { return s.run(f, words) })
	return c.withCommand(cmd)
}

func (c *cli) runDetachedCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "run:detached [--] COMMAND...", Short: "run a one-off command whose output goes to the log", Args: takes(0, -1)}
	f := runFlags{detached: true}
	cmd.Flags().BoolVar(&f.asJSON, "json", false, "print JSON")
	f.more(cmd)
	c.onApp(cmd, func(s *session, words []string) error { return s.run(f, words) })
	return c.withCommand(cmd)
}

// more adds the flags that all ways to run share.
func (f *runFlags) more(cmd *cobra.Command) {
	cmd.Flags().StringVarP(&f.size, "size", "s", "", "size of the dyno")
	cmd.Flags().StringVarP(&f.env, "env", "e", "", `config vars of this run only: "A=1;B=2"`)
	cmd.Flags().StringVar(&f.kind, "type", "", "run the command of this process type")
}

func (c *cli) runsCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "runs", Aliases: []string{"run:list"}, Short: "list one-off commands and how they ended, newest first", Args: takes(0, 0)}
	num := cmd.Flags().IntP("num", "n", 15, "how many")
	kind := cmd.Flags().String("type", "", "only those of this kind: run, release, postdeploy or scheduler")
	asJSON := cmd.Flags().Bool("json", false, "print JSON")
	return c.onApp(cmd, func(s *session, _ []string) error { return s.listRuns(*num, *kind, *asJSON) })
}

// withCommand lets a command's arguments be another command: flags behind its
// first word are that one's, unless they are spelled exactly as one of ours.
func (c *cli) withCommand(cmd *cobra.Command) *cobra.Command {
	cmd.Flags().SetInterspersed(false)
	do := cmd.RunE
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		words, err := c.commandWords(cmd, args)
		if err != nil {
			return err
		}
		return do(cmd, words)
	}
	return cmd
}

// commandWords takes our flags out of a command line that another program's
// follow, as Heroku does: "run rake db:migrate -a shop".
func (c *cli) commandWords(cmd *cobra.Command, args []string) ([]string, error) {
	if cmd.ArgsLenAtDash() == 0 {
		return args, nil
	}
	var words []string
	for i := 0; i < len(args); i++ {
		if args[i] == "--" {
			return append(words, args[i+1:]...), nil
		}
		name, value, given := strings.Cut(strings.TrimPrefix(args[i], "--"), "=")
		late := map[string]string{"-a": "app", "-r": "remote", "-x": "exit-code"}[args[i]]
		if late != "" {
			name = late
		}
		flag := cmd.Flags().Lookup(name)
		if flag == nil || late == "" && !strings.HasPrefix(args[i], "--") || name == "help" {
			words = append(words, args[i])
			continue
		}
		if !given && flag.NoOptDefVal != "" {
			value, given = flag.NoOptDefVal, true
		}
		if !given {
			if i++; i == len(args) {
				return nil, usagef(cmd, "Flag %s needs a value.", args[i-1])
			}
			value = args[i]
		}
		if err := c.setFlag(cmd, name, value); err != nil {
			return nil, err
		}
	}
	return words, nil
}

func (c *cli) setFlag(cmd *cobra.Command, name, value string) error {
	if err := c.mayFlag(cmd, name, value); err != nil {
		return err
	}
	if err := cmd.Flags().Set(name, value); err != nil {
		return usagef(cmd, "Flag --%s: %s", name, err)
	}
	return nil
}

// commandLine joins words to the line that they were: one word is a line
// already; of several, those that would fall apart are quoted.
func commandLine(words []string) string {
	if len(words) == 1 {
		return words[0]
	}
	quoted := make([]string, len(words))
	for i, w := range words {
		if quoted[i] = w; w == "" || strings.ContainsAny(w, " \t\r\n'\"\\") {
			quoted[i] = shellQuote(w)
		}
	}
	return strings.Join(quoted, " ")
}

// parseRunEnv reads "A=1;B=2".
func parseRunEnv(cmd *cobra.Command, text string) (map[string]string, error) {
	env := map[string]string{}
	for pair := range strings.SplitSeq(text, ";") {
		k, v, ok := strings.Cut(pair, "=")
		switch {
		case strings.TrimSpace(pair) == "":
			continue
		case !ok || k == "":
			return nil, usagef(cmd, `--env must be like "A=1;B=2". Nothing was started.`)
		}
		env[strings.TrimSpace(k)] = v
	}
	return env, nil
}

func (s *session) run(f runFlags, words []string) error {
	env, err := parseRunEnv(s.cmd, f.env)
	if err != nil {
		return err
	}
	in := api.CreateDyno{Attach: !f.detached, Command: commandLine(words), Env: env, Size: f.size, Type: f.kind}
	shown := in.Command
	if shown == "" {
		shown = f.kind
	}
	if strings.TrimSpace(shown) == "" {
		return usagef(s.cmd, "Which command? For instance: paas run bash")
	}
	fmt.Fprintf(s.err, "Running %s on %s... ", printable(shown), appName(s.app))
	if f.detached {
		return s.runDetached(in, f.asJSON)
	}
	tty := s.term != nil && !f.noTTY
	if in.ForceNoTTY = !tty; tty && s.env["TERM"] != "" && env["TERM"] == "" {
		env["TERM"] = s.env["TERM"]
	}
	d, err := s.api.StartRun(s.ctx, s.app, in)
	if err != nil {
		fmt.Fprintln(s.err, "!")
		return err
	}
	exit, err := s.converse(tty, "up, "+printable(d.Name), func(ctx context.Context, t client.Terminal) (api.TerminalExit, error) {
		return s.api.Attach(ctx, s.app, d.Name, t)
	})
	return ended(exit, err, f.exit)
}

func (s *session) runDetached(in api.CreateDyno, asJSON bool) error {
	d, err := s.api.StartRun(s.ctx, s.app, in)
	if err != nil {
		fmt.Fprintln(s.err, "!")
		return err
	}
	fmt.Fprintf(s.err, "done, %s\n", printable(d.Name))
	if asJSON {
		return s.json(d)
	}
	s.say("Use paas logs --tail --dyno %s -a %s to view the output", printable(d.Name), printable(s.app))
	return nil
}

func (s *session) listRuns(n int, kind string, asJSON bool) error {
	if n < 1 {
		return usagef(s.cmd, "--num must be 1 or more.")
	}
	runs, err := s.api.Runs(s.ctx, s.app, kind, n)
	if err != nil {
		return err
	}
	if asJSON {
		return s.json(notNil(runs))
	}
	if len(runs) == 0 {
		s.say("%s has run no one-off commands.", appName(s.app))
		return nil
	}
	s.header("%s One-off commands", appName(s.app))
	s.say("")
	rows := make([][]string, len(runs))
	for i, r := range runs {
		state := r.State
		if r.ExitCode != nil {
			state = fmt.Sprintf("%s (%d)", r.State, *r.ExitCode)
		}
		by := "paas"
		if r.User != nil {
			by = r.User.Email
		}
		rows[i] = []string{r.Name, state, r.Command, by, when(r.CreatedAt, time.Now()), r.Reason}
	}
	table(s.out, rows)
	return nil
}
