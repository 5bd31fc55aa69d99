package docker

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"time"
)

// iptables is one of the two tools and the table it works on. Every call waits a
// few seconds for the lock that all users of the tables share.
type iptables struct{ tool, table string }

const (
	tablesWait  = "5" // seconds to wait for the lock
	tablesLimit = 15 * time.Second
)

// list prints the table, a line a rule.
func (t iptables) list(ctx context.Context) ([]string, error) {
	out, err := t.on(ctx, "-S")
	return strings.Split(strings.TrimSpace(out), "\n"), err
}

// restore applies a whole table's text at once, or nothing of it. Chains it
// does not name stay as they are.
func (t iptables) restore(ctx context.Context, text string) error {
	_, err := t.run(ctx, t.tool+"-restore", text, "-w", tablesWait, "--noflush")
	return err
}

// insertOnce puts a rule (its chain first) at the beginning, if it is not there.
func (t iptables) insertOnce(ctx context.Context, rule []string) error {
	if _, err := t.on(ctx, append([]string{"-C"}, rule...)...); err == nil {
		return nil
	}
	_, err := t.on(ctx, append([]string{"-I"}, rule...)...)
	return err
}

// drop carries out removals. What another process removed first is gone too.
func (t iptables) drop(ctx context.Context, commands [][]string) {
	for _, c := range commands {
		_, _ = t.on(ctx, c...) // what stays is dropped the next time
	}
}

func (t iptables) on(ctx context.Context, command ...string) (string, error) {
	return t.run(ctx, t.tool, "", append([]string{"-w", tablesWait, "-t", t.table}, command...)...)
}

func (t iptables) run(ctx context.Context, program, input string, args ...string) (string, error) {
	path, err := findTool(program)
	if err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(ctx, tablesLimit)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, args...)
	var out, said bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(input), &out, &said
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("%s: %w: %s", program, err, strings.Join(strings.Fields(said.String()), " "))
	}
	return out.String(), nil
}

// findTool also looks where administrators' tools are: the PATH of a person
// who starts paas often lacks it.
func findTool(name string) (string, error) {
	for _, dir := range []string{"", "/usr/sbin/", "/sbin/"} {
		if path, err := exec.LookPath(dir + name); err == nil {
			return path, nil
		}
	}
	return "", errors.New(name + " is not installed")
}
