package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// The commands that people without the CLI give over SSH are those of the CLI,
// run inside the server. So which of them there are is written down here, and
// so are their flags: nothing is there because nobody thought of it. What reads
// or writes files, starts programs, opens connections or keeps a login would
// do so on the server's machine, and is refused.

// verb is a command that there is over SSH.
type verb struct {
	flags string // that may be given, beside --app and --json
	stdin string // flags that name a file: only "-", stdin, is taken
	// args, when not nil, changes or refuses the arguments.
	args func(cmd *cobra.Command, args []string) ([]string, error)
}

// needsHere is why most of what is refused is.
const needsHere = "it needs the files, programs or ports of the machine you sit at"

// awayRoot is the tree of commands over SSH.
func (c *cli) awayRoot() *cobra.Command {
	root := c.bareRoot()
	may := verbs()
	for _, cmd := range c.commands() {
		if v, ok := may[cmd.Name()]; ok && !cmd.HasSubCommands() {
			root.AddCommand(c.guarded(cmd, v))
			continue
		}
		root.AddCommand(notAway(cmd))
	}
	for _, cmd := range append(mirrorCommands(), standaloneCommand(), serverCommand(), agentCommand(), doctorCommand()) {
		root.AddCommand(notAway(cmd))
	}
	arrange(root)
	// Cobra would add it wherever a line names it, behind flags as well.
	root.AddCommand(&cobra.Command{
		Use: cobra.ShellCompRequestCmd, Aliases: []string{cobra.ShellCompNoDescRequestCmd}, Hidden: true, DisableFlagParsing: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return unknownCommand(cmd.Root(), []string{cmd.CalledAs()})
		},
	})
	return root
}

// notAway takes a command's place and says that it is not to be had here.
func notAway(cmd *cobra.Command) *cobra.Command {
	why, ok := refusedVerbs()[cmd.Name()]
	if !ok {
		why = needsHere
	}
	return &cobra.Command{
		Use: cmd.Use, Aliases: cmd.Aliases, Hidden: true, DisableFlagParsing: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return tell(fmt.Sprintf("%s cannot be given over SSH: %s. Nothing was changed.", cmd.Name(), why), "Use the paas command on your machine.")
		},
	}
}

// guarded holds a command to what of it there is over SSH.
func (c *cli) guarded(cmd *cobra.Command, v verb) *cobra.Command {
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if !v.allows(f.Name, "-") {
			f.Hidden = true
		}
	})
	do := cmd.RunE
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		var err error
		cmd.Flags().Visit(func(f *pflag.Flag) {
			if err == nil {
				err = c.mayFlag(cmd, f.Name, f.Value.String())
			}
		})
		if err == nil && v.args != nil {
			args, err = v.args(cmd, args)
		}
		if err != nil {
			return err
		}
		return do(cmd, args)
	}
	return cmd
}

func (v verb) allows(flag, value string) bool {
	return flag == "app" || flag == "json" || flag == "help" || slices.Contains(strings.Fields(v.flags), flag) ||
		slices.Contains(strings.Fields(v.stdin), flag) && value == "-"
}

// mayFlag refuses a flag that there is not over SSH.
func (c *cli) mayFlag(cmd *cobra.Command, name, value string) error {
	if !c.away {
		return nil
	}
	v, ok := verbs()[cmd.Name()]
	switch {
	case ok && v.allows(name, value):
		return nil
	case slices.Contains(strings.Fields(v.stdin), name):
		return usagef(cmd, "--%s names a file of your machine, which the server does not see: send it and give --%s -. Nothing was changed.", name, name)
	case name == "remote":
		return usagef(cmd, "--remote names a git remote of your machine, which the server does not see: give --app APP. Nothing was changed.")
	}
	return usagef(cmd, "--%s cannot be given over SSH: %s. Nothing was changed.", name, needsHere)
}
