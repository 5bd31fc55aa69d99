package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// ask gets URL, as another host when one is given, until the answer holds TEXT,
// and says what it was.
func ask(url, text, host string) {
	for began := time.Now(); ; time.Sleep(20 * time.Millisecond) {
		said := answerOf(url, host)
		if strings.Contains(said, text) || time.Since(began) > 20*time.Second {
			fmt.Println(said)
			return
		}
	}
}

func answerOf(url, host string) string {
	r, err := http.NewRequestWithContext(context.Background(), http.MethodGet, url, nil)
	if err != nil {
		return err.Error()
	}
	r.Host = host
	answer, err := (&http.Client{Timeout: 5 * time.Second}).Do(r)
	var name *net.DNSError
	switch {
	case errors.As(err, &name) && name.IsNotFound:
		return "NXDOMAIN"
	case err != nil:
		return err.Error()
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	return fmt.Sprint(answer.StatusCode, " ", strings.TrimSpace(string(body)), " ", err)
}

// load asks URL for so many seconds, from eight sides at once, and says how often
// and how often in vain.
func load(url, seconds string) {
	n, _ := strconv.Atoi(seconds)
	var asked, failed atomic.Int64
	var sides sync.WaitGroup
	end := time.Now().Add(time.Duration(n) * time.Second)
	fmt.Println("load begins")
	for range 8 { // sides
		sides.Go(func() {
			for time.Now().Before(end) {
				asked.Add(1)
				if said := answerOf(url, ""); !strings.HasPrefix(said, "200 ") {
					failed.Add(1)
					fmt.Println("failed:", said)
				}
				time.Sleep(5 * time.Millisecond)
			}
		})
	}
	sides.Wait()
	fmt.Printf("asked=%d failed=%d\n", asked.Load(), failed.Load())
}
