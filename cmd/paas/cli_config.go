package main

import (
	"fmt"
	"io"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"paas/server"
	"paas/server/api"
)

func (c *cli) configCommands() []*cobra.Command {
	list := &cobra.Command{Use: "config", Short: "list an app's config", Args: takes(0, 0)}
	listType := processType(list)
	shell := list.Flags().BoolP("shell", "s", false, "print it for a shell to read")
	asJSON := list.Flags().Bool("json", false, "print JSON")
	c.onApp(list, func(s *session, _ []string) error { return s.listConfig(*listType, *shell, *asJSON) })

	get := &cobra.Command{Use: "config:get KEY", Short: "print one config var, byte by byte", Args: takes(1, 1)}
	getType := processType(get)
	getShell := get.Flags().BoolP("shell", "s", false, "print it for a shell to read")
	c.onApp(get, func(s *session, args []string) error { return s.getConfig(*getType, args[0], *getShell) })
	all := []*cobra.Command{list, get, c.setCommand(), c.unsetCommand(), c.editCommand()}
	return append(all, c.stagedCommands()...)
}

// processType gives a command the flag that names one.
func processType(cmd *cobra.Command) *string {
	return cmd.Flags().StringP("process-type", "p", "", "what only processes of this type get (default: what all get)")
}

func noRestart(cmd *cobra.Command) *bool {
	return cmd.Flags().Bool("no-restart", false, "make no release: it takes effect with the next one")
}

func (c *cli) setCommand() *cobra.Command {
	set := &cobra.Command{
		Use: "config:set KEY=VALUE...", Aliases: []string{"config:add"}, Short: "set config vars: makes a release and restarts", Args: takes(0, -1),
		Long: `Set config vars. That makes a new release, and the command ends when it serves.
KEY= sets an empty value. What stands in VALUE is kept byte by byte.

With --file they come from a file of assignments, as .env files have them:
comments (#), "export", quotes; "-" is standard input.`,
	}
	typ, later := processType(set), noRestart(set)
	file := set.Flags().StringP("file", "f", "", "file of KEY=VALUE lines to set, - for standard input")
	return c.onApp(set, func(s *session, args []string) error {
		if len(args) == 0 && *file == "" {
			return usagef(s.cmd, "An argument is missing: %s", s.cmd.UseLine())
		}
		patch, err := parseSettings(s.cmd, args)
		if err == nil && *file != "" {
			err = s.settingsFrom(*file, patch)
		}
		if err != nil {
			return err
		}
		return s.changeConfig("Setting", *typ, *later, patch)
	})
}

func (c *cli) unsetCommand() *cobra.Command {
	unset := &cobra.Command{Use: "config:unset KEY...", Aliases: []string{"config:remove"}, Short: "remove config vars: makes a release and restarts", Args: takes(1, -1)}
	typ, later := processType(unset), noRestart(unset)
	return c.onApp(unset, func(s *session, args []string) error {
		patch := api.ConfigVars{}
		for _, k := range args {
			patch[k] = nil
		}
		return s.changeConfig("Unsetting", *typ, *later, patch)
	})
}

// settingsFrom adds the assignments of a file.
func (s *session) settingsFrom(path string, patch api.ConfigVars) error {
	name := inputName(path)
	text, err := s.readInput(path, server.MaxSettings)
	if err != nil {
		return err
	}
	vars, err := server.ParseSettings(string(text))
	if err != nil {
		return tell(fmt.Sprintf("%s: %v. Nothing was changed.", name, err), "")
	}
	if len(vars) == 0 {
		return tell(name+" sets nothing. Nothing was changed.", "")
	}
	for k, v := range vars {
		if _, twice := patch[k]; twice {
			return usagef(s.cmd, "%s is given both as an argument and in %s. Nothing was changed.", k, name)
		}
		patch[k] = &v
	}
	return nil
}

// inputName is how an input is called in messages.
func inputName(path string) string {
	if path == "-" {
		return "standard input"
	}
	return path
}

// readInput reads a file of at most so many bytes, "-" is standard input.
func (s *session) readInput(path string, most int64) ([]byte, error) {
	in := s.in
	if path != "-" && s.away {
		return nil, errAway
	}
	if path != "-" {
		f, err := os.Open(path)
		if err != nil {
			return nil, fmt.Errorf("%w. Nothing was changed", err)
		}
		defer f.Close()
		in = f
	}
	b, err := io.ReadAll(io.LimitReader(in, most+1))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w. Nothing was changed", inputName(path), err)
	}
	if int64(len(b)) > most {
		return nil, tell(fmt.Sprintf("%s is larger than %s. Nothing was changed.", inputName(path), size(most)), "")
	}
	return b, nil
}

// config reads what all processes get, or those of one type alone.
func (s *session) config(typ string) (map[string]string, error) {
	if typ == "" {
		return s.api.Config(s.ctx, s.app)
	}
	return s.api.TypeConfig(s.ctx, s.app, typ)
}

func (s *session) listConfig(typ string, shell, asJSON bool) error {
	vars, err := s.config(typ)
	if err != nil {
		return err
	}
	switch {
	case asJSON:
		return s.json(vars)
	case shell:
		return s.shellConfig(vars)
	}
	of := ""
	if typ != "" {
		of = " of " + printable(typ) + " alone"
	}
	if len(vars) == 0 {
		s.say("There are no config vars%s for %s.", of, appName(s.app))
	} else {
		s.header("%s Config Vars%s", appName(s.app), of)
		s.say("")
		pairs(s.out, vars)
	}
	return s.listStaged(typ)
}

var shellKey = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// shellConfig prints assignments that a POSIX shell reads back to the byte.
func (s *session) shellConfig(vars map[string]string) error {
	for _, k := range slices.Sorted(maps.Keys(vars)) {
		if !shellKey.MatchString(k) {
			return fmt.Errorf("%s cannot be the name of a variable of a shell: use --json", k)
		}
		s.say("%s=%s", k, s.value(shellQuote(vars[k])))
	}
	return nil
}

// value is a config value as it is, but harmless when people look at it.
func (s *session) value(v string) string {
	if !isTerminal(s.out) {
		return v
	}
	lines := strings.Split(v, "\n")
	for i := range lines {
		lines[i] = printable(lines[i])
	}
	return strings.Join(lines, "\n")
}

func shellQuote(v string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("_-./:@%+,", r)
	}
	if v != "" && !strings.ContainsFunc(v, func(r rune) bool { return !plain(r) }) {
		return v
	}
	return "'" + strings.ReplaceAll(v, "'", `'\''`) + "'"
}

func (s *session) getConfig(typ, key string, shell bool) error {
	vars, err := s.config(typ)
	if err != nil {
		return err
	}
	v, ok := vars[key]
	if !ok {
		return fmt.Errorf("%s has no config var %s", s.app, key)
	}
	if shell {
		return s.shellConfig(map[string]string{key: v})
	}
	s.say("%s", s.value(v))
	return nil
}

// parseSettings reads KEY=VALUE arguments.
func parseSettings(cmd *cobra.Command, args []string) (api.ConfigVars, error) {
	patch := api.ConfigVars{}
	for _, a := range args {
		k, v, ok := strings.Cut(a, "=")
		if !ok || k == "" {
			return nil, usagef(cmd, "%s is invalid. Must be in the format FOO=bar. Nothing was changed.", printable(a))
		}
		if _, twice := patch[k]; twice {
			return nil, usagef(cmd, "%s is given twice. Nothing was changed.", printable(k))
		}
		if !utf8.ValidString(k) || !utf8.ValidString(v) {
			return nil, tell("The value of "+k+" is not UTF-8, and config vars are text. Nothing was changed.", "Encode it, with base64 for instance.")
		}
		patch[k] = &v
	}
	return patch, nil
}

// changeConfig sends the change and returns when it serves.
func (s *session) changeConfig(verb, typ string, later bool, patch api.ConfigVars) error {
	keys := slices.Sorted(maps.Keys(patch))
	what := fmt.Sprintf("%s %s", verb, printable(strings.Join(keys, ", ")))
	if typ != "" {
		what += " for " + printable(typ)
	}
	if later {
		return s.stageConfig(what, typ, patch)
	}
	var after map[string]string
	err := s.action(fmt.Sprintf("%s and restarting %s", what, appName(s.app)), func() (version string, err error) {
		var deploy string
		if typ == "" {
			after, deploy, err = s.api.SetConfig(s.ctx, s.app, patch)
		} else {
			after, deploy, err = s.api.ChangeConfig(s.ctx, s.app, typ, 0, patch)
		}
		if err != nil {
			return "", err
		}
		return s.follow(deploy)
	})
	if err != nil {
		return err
	}
	set := map[string]string{}
	for k, v := range patch {
		if v != nil {
			set[k] = after[k]
		}
	}
	pairs(s.out, set)
	return nil
}
