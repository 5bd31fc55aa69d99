// The app of the fault tests: it says who answers, and ends as it should.
package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"log"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"
)

func main() {
	life := rand.Text()[:8] // of this process and no other
	version, err := os.ReadFile("/VERSION")
	if err != nil {
		log.Fatal(err)
	}
	srv := &http.Server{Addr: ":" + os.Getenv("PORT"), Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if d, err := time.ParseDuration(r.URL.Query().Get("for")); err == nil {
			time.Sleep(d)
		}
		fmt.Fprintf(w, "%s %s %s\n", version, os.Getenv("DYNO"), life)
	})}
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM)
	gone := make(chan struct{})
	go func() {
		<-stop
		_ = srv.Shutdown(context.Background())
		close(gone)
	}()
	if err := srv.ListenAndServe(); err != http.ErrServerClosed {
		log.Fatal(err)
	}
	<-gone
}
