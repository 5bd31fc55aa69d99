// Hello is a sample app for paas: it says which version it is and stops
// politely. It needs nothing but the standard library.
package main

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"log"
	"net/http"
	"os"
	"os/signal"
	"sort"
	"strings"
	"syscall"
	"time"
)

//go:embed VERSION
var version string

func main() {
	if err := run(); err != nil {
		log.Fatal(err)
	}
}

func run() error {
	port := os.Getenv("PORT")
	if port == "" {
		port = "8080"
	}
	// SIGTERM is how the platform asks to stop; it kills after 30 s.
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()

	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", hello)
	srv := &http.Server{Addr: ":" + port, Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	failed := make(chan error, 1)
	go func() { failed <- srv.ListenAndServe() }()
	log.Printf("hello %s listens on port %s", strings.TrimSpace(version), port)

	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	log.Print("stopping: requests that run are answered first")
	ctx, cancel := context.WithTimeout(context.Background(), 25*time.Second)
	defer cancel()
	if err := srv.Shutdown(ctx); err != nil {
		return err
	}
	if err := <-failed; !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// hello prints the version, what the platform tells the app about itself, and
// GREETING (try `paas config:set GREETING=hi`). Of everything else in the
// environment only the names: this page is public.
func hello(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	fmt.Fprintf(w, "Hello from paas, version %s\n\n", strings.TrimSpace(version))
	for _, name := range []string{"PAAS_APP", "PAAS_RELEASE_VERSION", "PAAS_COMMIT", "DYNO", "GREETING"} {
		if value, ok := os.LookupEnv(name); ok {
			fmt.Fprintf(w, "%s=%s\n", name, value)
		}
	}
	names := []string{}
	for _, kv := range os.Environ() {
		name, _, _ := strings.Cut(kv, "=")
		names = append(names, name)
	}
	sort.Strings(names)
	fmt.Fprintf(w, "\nenvironment: %s\n", strings.Join(names, " "))
}
