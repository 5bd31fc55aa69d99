// The app of the fault tests: it says who answers, and ends as it should.
package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/coder/websocket"
)

// ask answers what a linked app does, each time by a new connection. The dot at the
// end of the name keeps Go from guessing at longer ones, which name servers would
// be asked for that the machines of the lab have no way to.
func ask(w http.ResponseWriter, r *http.Request, name string) {
	req, err := http.NewRequestWithContext(r.Context(), http.MethodGet, "http://"+name+".internal./?"+r.URL.RawQuery, nil)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	req.Close = true
	answer, err := http.DefaultClient.Do(req)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	defer answer.Body.Close()
	w.WriteHeader(answer.StatusCode)
	_, _ = io.Copy(w, answer.Body)
}

// keep adds a line to a file in a directory, if that is there, and gives all of
// it, with commas. The file stays locked: with a second process on it the app ends.
func keep(dir, line string) string {
	if _, err := os.Stat(dir); err != nil {
		return "-"
	}
	// No os.File: the collector would close it, and the lock with it.
	fd, err := syscall.Open(dir+"/lines", syscall.O_APPEND|syscall.O_CREAT|syscall.O_RDWR, 0o600)
	if err == nil {
		err = syscall.Flock(fd, syscall.LOCK_EX|syscall.LOCK_NB)
	}
	if err == nil {
		_, err = syscall.Write(fd, []byte(line+"\n"))
	}
	if err != nil {
		log.Fatalf("not alone on %s: %v", dir, err)
	}
	all, err := os.ReadFile(dir + "/lines")
	if err != nil {
		log.Fatal(err)
	}
	return strings.ReplaceAll(strings.TrimSpace(string(all)), "\n", ",")
}

// wait is a release command that takes as long as a test wants it to.
func wait() {
	told := make(chan os.Signal, 1)
	signal.Notify(told, syscall.SIGUSR1)
	select {
	case <-told:
	case <-time.After(5 * time.Minute):
		log.Fatal("nobody ended it")
	}
}

// echo says on a WebSocket what it hears, until it is ended.
func echo(w http.ResponseWriter, r *http.Request) {
	c, err := websocket.Accept(w, r, nil)
	if err != nil {
		return // it has been answered
	}
	defer c.CloseNow()
	for {
		kind, text, err := c.Read(r.Context())
		if err != nil || c.Write(r.Context(), kind, text) != nil {
			return
		}
	}
}

func main() {
	if len(os.Args) == 2 && os.Args[1] == "wait" {
		wait()
		return
	}
	life := rand.Text()[:8] // of this process and no other
	version, err := os.ReadFile("/VERSION")
	if err != nil {
		log.Fatal(err)
	}
	kept := keep("/data", life)
	srv := &http.Server{Addr: ":" + os.Getenv("PORT"), Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if d, err := time.ParseDuration(r.URL.Query().Get("for")); err == nil {
			time.Sleep(d)
		}
		if name, ok := strings.CutPrefix(r.URL.Path, "/ask/"); ok {
			ask(w, r, name)
			return
		}
		if r.URL.Path == "/echo" {
			echo(w, r)
			return
		}
		if r.URL.Path == "/kept" {
			fmt.Fprintf(w, "%s %s %s\n", version, os.Getenv("DYNO"), kept)
			return
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
