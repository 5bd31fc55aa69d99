package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"slices"
	"strings"
	"sync"

	"paas/server/api"
	"paas/server/client"
)

// followAll follows every app until each has ended, and tells w when all are
// followed and what was measured. The source is "URL TOKEN" of an API, or a
// directory of files.
func followAll(ctx context.Context, source string, apps int, w io.Writer) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	follow := tailFile
	if strings.HasPrefix(source, "http") {
		follow = tailAPI
	}
	var warm, ended, running sync.WaitGroup
	readers := make([]*reader, apps)
	errs := make([]error, apps)
	for n := range apps {
		warm.Add(1)
		ended.Add(1)
		readers[n] = &reader{warm: sync.OnceFunc(warm.Done), end: sync.OnceFunc(ended.Done)}
		running.Go(func() {
			defer readers[n].warm()
			defer readers[n].end()
			if errs[n] = follow(ctx, source, appName(n), readers[n]); ctx.Err() != nil {
				errs[n] = nil
			}
		})
	}
	warm.Wait()
	enc := json.NewEncoder(w)
	if err := enc.Encode("ready"); err != nil {
		return err
	}
	ended.Wait()
	stop()
	running.Wait()
	return errors.Join(errors.Join(errs...), enc.Encode(sum(readers)))
}

func tailAPI(ctx context.Context, source, app string, out io.Writer) error {
	url, token, _ := strings.Cut(source, " ")
	c, err := client.New(client.Config{URL: url, Token: token})
	if err != nil {
		return err
	}
	defer c.Close()
	return c.Tail(ctx, app, api.LogSessionRequest{}, out, func(err error) { fmt.Println("lost:", err) })
}

func tailFile(ctx context.Context, dir, app string, out io.Writer) error {
	cmd := exec.CommandContext(ctx, "tail", "-n", "+1", "-f", "--", dir+"/"+app+".log")
	cmd.Stdout = out
	return cmd.Run()
}

// sum puts the readers' figures together.
func sum(readers []*reader) measured {
	var all []int32
	m := measured{}
	for _, r := range readers {
		all = append(all, r.delays...)
		m.Dropped += r.missing
	}
	slices.Sort(all)
	m.Received = len(all)
	if len(all) == 0 {
		return m
	}
	at := func(q float64) float64 { return float64(all[min(len(all)-1, int(q*float64(len(all))))]) / 1000 }
	m.P50, m.P95, m.P99, m.Max = at(0.5), at(0.95), at(0.99), at(1)
	for _, r := range readers {
		slices.Sort(r.delays)
		if n := len(r.delays); n > 0 {
			m.WorstAppP99 = max(m.WorstAppP99, float64(r.delays[min(n-1, n*99/100)])/1000)
		}
	}
	return m
}
