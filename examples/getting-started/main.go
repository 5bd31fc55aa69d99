// Getting-started is the sample app of docs/getting-started.md: a web page, a
// worker, a release command and a job for the clock, in one program.
package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"
)

func main() {
	log.SetFlags(0)
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) == 0 {
		return serve(ctx)
	}
	switch args[0] {
	case "worker":
		return work(ctx)
	case "check":
		log.Print("checked: all is well")
		return nil
	case "report":
		log.Printf("report at %s", time.Now().UTC().Format(time.RFC3339))
		return nil
	}
	return fmt.Errorf("no such command: %s", args[0])
}

func serve(ctx context.Context) error {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, "%s from %s, release %s\n", os.Getenv("GREETING"), os.Getenv("DYNO"), os.Getenv("PAAS_RELEASE_VERSION"))
	})
	port := os.Getenv("PORT")
	if port == "" {
		port = "8080"
	}
	srv := &http.Server{Addr: ":" + port, Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	go func() {
		<-ctx.Done()
		last, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		if err := srv.Shutdown(last); err != nil {
			log.Printf("stop: %v", err)
		}
	}()
	log.Printf("listening on port %s", port)
	if err := srv.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

func work(ctx context.Context) error {
	tick := time.NewTicker(5 * time.Second)
	defer tick.Stop()
	for n := 1; ; n++ {
		select {
		case <-ctx.Done():
			log.Print("worker stops")
			return nil
		case <-tick.C:
			log.Printf("worked %d times", n)
		}
	}
}
