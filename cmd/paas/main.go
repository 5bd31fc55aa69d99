// Command paas is the whole platform and its client in one binary.
package main

import (
	"context"
	"errors"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
)

// Exit codes.
const (
	exitOK      = 0
	exitFailure = 1 // it was tried and did not work
	exitUsage   = 2 // the command line makes no sense
)

func main() { os.Exit(realMain()) }

func realMain() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	// The second signal ends the process at once.
	defer context.AfterFunc(ctx, stop)()
	return run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr, os.Environ())
}

// run is the program without the process around it.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer, env []string) int {
	c := newCLI(stdin, stdout, stderr, env)
	return c.execute(ctx, c.rootCommand(), args)
}

// execute runs one command line and says what went wrong.
func (c *cli) execute(ctx context.Context, root *cobra.Command, args []string) int {
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return exitOK
	}
	var usage *usageError
	if errors.As(err, &usage) {
		c.complain(err)
		return exitUsage
	}
	var status *exitStatus
	if errors.As(err, &status) && status.err == nil {
		return status.code
	}
	if !errors.Is(err, errSaid) {
		c.complain(explain(ctx, err))
	}
	if status != nil {
		return status.code
	}
	return exitFailure
}

func (c *cli) rootCommand() *cobra.Command {
	root := c.bareRoot()
	root.PersistentFlags().StringVar(&c.server, "server", "",
		"server to speak to: HOST[:PORT] of a login, http(s)://… or unix:///…")
	root.AddCommand(standaloneCommand(), serverCommand(), agentCommand(), routerCommand(), doctorCommand())
	root.AddCommand(mirrorCommands()...)
	root.AddCommand(c.commands()...)
	arrange(root)
	return root
}

// bareRoot is paas without a command.
func (c *cli) bareRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "paas",
		Short: "Your own Heroku: deploy with git push, run on your machines",
		Args:  cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return cmd.Help()
			}
			return unknownCommand(cmd, args)
		},
		SilenceErrors:              true,
		SuggestionsMinimumDistance: 2,
		SilenceUsage:               true,
		CompletionOptions:          cobra.CompletionOptions{DisableDefaultCmd: true},
	}
	root.SetIn(c.in)
	root.SetOut(c.out)
	root.SetErr(c.err)
	root.SetFlagErrorFunc(flagError)
	return root
}

func (c *cli) commands() []*cobra.Command {
	var all []*cobra.Command
	for _, group := range [][]*cobra.Command{
		c.loginCommands(), c.accountCommands(), c.keyCommands(), c.appCommands(), c.configCommands(), c.psCommands(),
		c.logCommands(), c.releaseCommands(), c.deployCommands(), c.otherCommands(), c.runCommands(), c.accessCommands(), c.adminCommands(),
		c.drainCommands(), c.cronCommands(), c.fileCommands(), c.localCommands(), c.gitCommands(), c.metricsCommands(), c.dashboardCommands(),
		c.hostCommands(), c.routerCommands(), c.constraintCommands(), {c.serversCommand(), c.whyCommand(), c.drillCommand(), c.rebalanceCommand(), c.upgradeCommand()}, c.volumeCommands(),
	} {
		all = append(all, group...)
	}
	return all
}
