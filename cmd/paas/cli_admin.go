package main

import "github.com/spf13/cobra"

func (c *cli) adminCommands() []*cobra.Command { return nil }
