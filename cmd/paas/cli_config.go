package main

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"paas/server/api"
)

func (c *cli) configCommands() []*cobra.Command {
	list := &cobra.Command{Use: "config", Short: "list an app's config", Args: takes(0, 0)}
	shell := list.Flags().BoolP("shell", "s", false, "print it for a shell to read")
	asJSON := list.Flags().Bool("json", false, "print JSON")
	c.onApp(list, func(s *session, _ []string) error { return s.listConfig(*shell, *asJSON) })

	get := &cobra.Command{Use: "config:get KEY", Short: "print one config var, byte by byte", Args: takes(1, 1)}
	getShell := get.Flags().BoolP("shell", "s", false, "print it for a shell to read")
	c.onApp(get, func(s *session, args []string) error { return s.getConfig(args[0], *getShell) })

	set := &cobra.Command{
		Use: "config:set KEY=VALUE...", Short: "set config vars: makes a release and restarts", Args: takes(1, -1),
		Long: "Set config vars. That makes a new release, and the command ends when it serves.\nKEY= sets an empty value. What stands in VALUE is kept byte by byte.",
	}
	c.onApp(set, func(s *session, args []string) error {
		patch, err := parseSettings(s.cmd, args)
		if err != nil {
			return err
		}
		return s.changeConfig("Setting", patch)
	})

	unset := &cobra.Command{Use: "config:unset KEY...", Short: "remove config vars: makes a release and restarts", Args: takes(1, -1)}
	c.onApp(unset, func(s *session, args []string) error {
		patch := api.ConfigVars{}
		for _, k := range args {
			patch[k] = nil
		}
		return s.changeConfig("Unsetting", patch)
	})
	return []*cobra.Command{list, get, set, unset}
}

func (s *session) listConfig(shell, asJSON bool) error {
	vars, err := s.api.Config(s.ctx, s.app)
	if err != nil {
		return err
	}
	switch {
	case asJSON:
		return s.json(vars)
	case shell:
		return s.shellConfig(vars)
	case len(vars) == 0:
		s.say("There are no config vars for %s.", appName(s.app))
		return nil
	}
	s.header("%s Config Vars", appName(s.app))
	s.say("")
	pairs(s.out, vars)
	return nil
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

func (s *session) getConfig(key string, shell bool) error {
	vars, err := s.api.Config(s.ctx, s.app)
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
func (s *session) changeConfig(verb string, patch api.ConfigVars) error {
	keys := slices.Sorted(maps.Keys(patch))
	what := fmt.Sprintf("%s %s and restarting %s", verb, printable(strings.Join(keys, ", ")), appName(s.app))
	var after map[string]string
	err := s.action(what, func() (string, error) {
		vars, deploy, err := s.api.SetConfig(s.ctx, s.app, patch)
		if err != nil {
			return "", err
		}
		after = vars
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
