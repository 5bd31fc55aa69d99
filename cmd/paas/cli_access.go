package main

import "github.com/spf13/cobra"

func (c *cli) accessCommands() []*cobra.Command { return nil }
