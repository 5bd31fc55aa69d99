package main

import "github.com/spf13/cobra"

func (c *cli) cronCommands() []*cobra.Command { return nil }
