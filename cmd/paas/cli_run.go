package main

import "github.com/spf13/cobra"

func (c *cli) runCommands() []*cobra.Command { return nil }
