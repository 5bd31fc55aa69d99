// Composecheck loads a compose file with the parser that `docker compose
// config` uses, for machines without that plugin. It prints nothing when the
// file is in order.
package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/compose-spec/compose-go/v2/cli"
)

func main() {
	if err := run(context.Background(), os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "composecheck:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) != 1 {
		return fmt.Errorf("give one compose file, not %d", len(args))
	}
	dir, err := filepath.Abs(filepath.Dir(args[0]))
	if err != nil {
		return err
	}
	opts, err := cli.NewProjectOptions(args[:1], cli.WithWorkingDirectory(dir), cli.WithName("check"))
	if err != nil {
		return fmt.Errorf("read %s: %w", args[0], err)
	}
	project, err := opts.LoadProject(ctx)
	if err != nil {
		return fmt.Errorf("load %s: %w", args[0], err)
	}
	if err := project.CheckContainerNameUnicity(); err != nil {
		return fmt.Errorf("check %s: %w", args[0], err)
	}
	return nil
}
