package main

import "github.com/spf13/cobra"

func (c *cli) localCommands() []*cobra.Command { return nil }
