package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"paas/builder"
)

const (
	localPort  = 5006 // of the first process type, as with Heroku
	typePorts  = 100  // between the ports of two types
	localLimit = 20   // processes of one type
)

// localFlags are what paas local is given.
type localFlags struct {
	procfile, env string
	envAsked      bool
	port          int
}

func (c *cli) localCommands() []*cobra.Command {
	var f localFlags
	local := &cobra.Command{
		Use: "local [TYPE[=N]]...", Aliases: []string{"local:start"}, Args: takes(0, -1),
		Short: "run the app's processes on this computer",
		Long: "Run the processes of the Procfile in this directory, with the config vars of the file .env, until Ctrl-C.\n" +
			"Without names all of them run but release; web gets the port 5006. No server is needed.",
	}
	flags := local.Flags()
	flags.StringVarP(&f.procfile, "procfile", "f", "Procfile", "Procfile to use")
	flags.StringVarP(&f.env, "env", "e", ".env", "file with config vars")
	flags.IntVarP(&f.port, "port", "p", 0, "port of the first process type (default: PORT of the .env file, then 5006)")
	local.RunE = func(cmd *cobra.Command, args []string) error {
		f.envAsked = flags.Changed("env")
		return c.local(cmd, f, args)
	}
	return []*cobra.Command{local}
}

func (c *cli) local(cmd *cobra.Command, f localFlags, args []string) error {
	if c.away {
		return errAway
	}
	if len(args) > 0 && args[0] == "start" {
		args = args[1:]
	}
	processes, err := readLocalProcfile(f.procfile)
	if err != nil {
		return err
	}
	dotEnv, err := readDotEnv(f.env, f.envAsked)
	if err != nil {
		return tell(err.Error()+". Nothing was started.", "")
	}
	if dotEnv != nil {
		fmt.Fprintf(c.err, "[OKAY] Loaded ENV %s File as KEY=VALUE Format\n", printable(filepath.Base(f.env)))
	}
	wanted, err := localTypes(cmd, processes, args)
	if err != nil {
		return err
	}
	port, err := basePort(cmd, f.port, dotEnv)
	if err != nil {
		return err
	}
	all, err := c.localPlan(processes, wanted, dotEnv, port)
	if err != nil {
		return err
	}
	// The program's own context ends with the first signal; the second one has
	// to reach the processes too, which a group of their own keeps from it.
	again := make(chan os.Signal, 2)
	signal.Notify(again, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(again)
	return c.runLocal(cmd.Context(), all, again)
}

func readLocalProcfile(path string) (map[string]string, error) {
	const most = 1 << 20 // what is larger is no Procfile; the parser has its own limit
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, tell("There is no "+path+" here. Nothing was started.", `Write one, a line like "web: bin/server", or go to the app's directory.`)
	case err != nil:
		return nil, fmt.Errorf("read %s: %w", path, err)
	case !info.Mode().IsRegular() || info.Size() > most:
		return nil, tell(path+" is no Procfile. Nothing was started.", "")
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	processes, err := builder.ParseProcfile(b)
	if err != nil {
		return nil, tell(err.Error()+". Nothing was started.", "")
	}
	return processes, nil
}

// localType is a process type and how many of it are to run.
type localType struct {
	name string
	n    int
}

// localTypes are those that were named, or all but release.
func localTypes(cmd *cobra.Command, processes map[string]string, args []string) ([]localType, error) {
	have := builder.Manifest{Processes: processes}.Types()
	var list []localType
	for _, a := range strings.FieldsFunc(strings.Join(args, ","), func(r rune) bool { return r == ',' }) {
		name, number, counted := strings.Cut(a, "=")
		t := localType{name, 1}
		if counted {
			n, err := strconv.Atoi(number)
			if err != nil || n < 0 || n > localLimit {
				return nil, usagef(cmd, "%s is invalid: there can be 0 to %d processes of a type.", printable(a), localLimit)
			}
			t.n = n
		}
		if !slices.Contains(have, name) {
			return nil, tell("The Procfile has no process type "+name+". Nothing was started.", "It has: "+strings.Join(have, ", "))
		}
		if slices.ContainsFunc(list, func(o localType) bool { return o.name == name }) {
			return nil, usagef(cmd, "%s is named twice.", printable(name))
		}
		list = append(list, t)
	}
	if len(args) > 0 {
		return list, nil
	}
	for _, t := range have {
		if t != builder.ReleaseType {
			list = append(list, localType{t, 1})
		}
	}
	if len(list) == 0 {
		return nil, tell("The Procfile has only a release command. Nothing was started.", "Run that: paas local release")
	}
	return list, nil
}

func basePort(cmd *cobra.Command, flag int, dotEnv map[string]string) (int, error) {
	const highest = 65535 - builderTypes*typePorts
	port := flag
	if port == 0 && dotEnv["PORT"] != "" {
		n, err := strconv.Atoi(dotEnv["PORT"])
		if err != nil {
			return 0, usagef(cmd, "PORT of the .env file is no number.")
		}
		port = n
	}
	if port == 0 {
		port = localPort
	}
	if port < 1 || port > highest {
		return 0, usagef(cmd, "The port %d must be 1 to %d.", port, highest)
	}
	return port, nil
}

// builderTypes is how many process types a Procfile may have.
const builderTypes = 100

// localPlan makes the commands of all processes; one that cannot be run keeps
// all from starting.
func (c *cli) localPlan(processes map[string]string, wanted []localType, dotEnv map[string]string, port int) ([]*localProcess, error) {
	var all []*localProcess
	for at, t := range wanted {
		for n := 1; n <= t.n; n++ {
			env := maps.Clone(c.env)
			maps.Copy(env, dotEnv)
			env["PORT"] = strconv.Itoa(port + at*typePorts + n - 1)
			env["DYNO"] = fmt.Sprintf("%s.%d", t.name, n)
			words, assigned, err := commandWords(processes[t.name], env)
			if err != nil {
				return nil, tell(fmt.Sprintf("%s: %s: %s. Nothing was started.", t.name, processes[t.name], err), "")
			}
			for _, kv := range assigned {
				k, v, _ := strings.Cut(kv, "=")
				env[k] = v
			}
			all = append(all, &localProcess{name: env["DYNO"], words: words, env: env, number: len(all)})
		}
	}
	return all, nil
}

// runLocal runs processes until one of them has ended, or ctx: then all end.
func (c *cli) runLocal(ctx context.Context, all []*localProcess, again <-chan os.Signal) error {
	wide := 0
	for _, p := range all {
		wide = max(wide, len(p.name))
	}
	out := &localOutput{w: c.out, colour: c.colour, wide: wide}
	ended := make(chan *localProcess, len(all))
	running := 0
	var first error
	for _, p := range all {
		if err := p.start(out, ended); err != nil {
			first = tell(fmt.Sprintf("%s could not be started: %s.", p.name, err), "")
			break
		}
		running++
	}
	patience := 1 // signals until the rest is killed
	if first == nil && running > 0 {
		select {
		case p := <-ended:
			running--
			if p.code != 0 {
				first = errSaid
			}
		case <-ctx.Done():
			patience = 2 // one of them is what ended ctx
		}
	}
	endLocal(out, all, ended, running, again, patience)
	return first
}
