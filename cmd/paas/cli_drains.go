package main

import "github.com/spf13/cobra"

func (c *cli) drainCommands() []*cobra.Command { return nil }
