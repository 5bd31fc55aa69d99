// The app that the tests deploy: one static binary whose behaviour its
// Dockerfile chooses by arguments.
package main

import (
	"flag"
	"fmt"
	"log"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"
)

func main() {
	mode := flag.String("mode", "serve", "serve, exit, deaf, error, silent, or a tool's")
	flag.Parse()
	version, _ := os.ReadFile("/VERSION")
	v := strings.TrimSpace(string(version))
	log.SetFlags(0)
	if tool(*mode, flag.Args()) {
		return
	}
	log.Printf("app %s in mode %s", v, *mode)
	switch *mode {
	case "exit":
		log.Print("cannot go on: the moon is in the wrong house")
		os.Exit(7)
	case "deaf":
		time.Sleep(time.Hour)
	case "silent":
		os.Exit(1)
	}
	if os.Getenv("BROKEN") != "" {
		log.Fatal("BROKEN is set")
	}
	if path := os.Getenv("ALONE"); path != "" {
		holdAlone(path)
	}
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM)
	srv := &http.Server{Addr: ":" + os.Getenv("PORT"), Handler: handler(v, *mode)}
	go func() {
		<-stop
		log.Print("got SIGTERM")
		time.Sleep(10 * time.Millisecond)
		os.Exit(0)
	}()
	log.Fatal(srv.ListenAndServe())
}

func handler(v, mode string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if mode == "error" {
			http.Error(w, "out of order", http.StatusInternalServerError)
			return
		}
		if name, ok := strings.CutPrefix(r.URL.Path, "/env/"); ok {
			fmt.Fprint(w, os.Getenv(name))
			return
		}
		if path, ok := strings.CutPrefix(r.URL.Path, "/file"); ok {
			b, err := os.ReadFile(path)
			fmt.Fprintf(w, "%s%v", b, err)
			return
		}
		if path, ok := strings.CutPrefix(r.URL.Path, "/note"); ok {
			fmt.Fprint(w, note(path, v))
			return
		}
		if path, ok := strings.CutPrefix(r.URL.Path, "/fill"); ok {
			fmt.Fprint(w, fill(path))
			return
		}
		if status, ok := strings.CutPrefix(r.URL.Path, "/status/"); ok {
			code, _ := strconv.Atoi(status)
			w.WriteHeader(code)
		}
		if name, ok := strings.CutPrefix(r.URL.Path, "/log/"); ok {
			log.Printf("%s is %s.", name, os.Getenv(name))
		}
		fmt.Fprintf(w, "%s %s\n", v, os.Getenv("DYNO"))
	})
}
