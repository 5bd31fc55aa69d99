package main

import "github.com/spf13/cobra"

func (c *cli) fileCommands() []*cobra.Command { return nil }
