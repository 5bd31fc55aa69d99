// Command prog is the only file of the images that the tests run.
package main

import (
	"context"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"paas/scheduler/agent/agenttest"
)

func main() {
	// Taken in every mode: those that ignore SIGTERM must not die of it.
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM)
	term := make(chan struct{})
	go func() {
		<-signals
		close(term)
	}()
	env := map[string]string{}
	for _, kv := range os.Environ() {
		k, v, _ := strings.Cut(kv, "=")
		env[k] = v
	}
	os.Exit(agenttest.Run(context.Background(), agenttest.Process{
		Args: os.Args[1:], Env: env, Out: os.Stdout, Err: os.Stderr, Term: term,
	}))
}
