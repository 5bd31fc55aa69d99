package docker_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"time"

	"paas/scheduler/agent"
	"paas/scheduler/agent/docker"
)

// insideEnv holds the configuration of a runtime that this program runs on
// another machine of a lab, instead of the tests.
const insideEnv = "PAAS_TEST_INSIDE"

// hostPort is what the host itself serves there.
const hostPort = "9999"

// inside runs a runtime that starts what its input says, a line each, and
// stops "-ID". It lists all the time, as an agent does.
func inside() int {
	var cfg docker.Config
	check(json.Unmarshal([]byte(os.Getenv(insideEnv)), &cfg))
	r, err := docker.New(cfg, slog.New(slog.NewTextHandler(os.Stderr, nil)))
	check(err)
	r.LookEvery(200 * time.Millisecond)
	r.PublishFirst(9999) // which is hostPort: the next is tried
	l, err := net.Listen("tcp", ":"+hostPort)
	check(err)
	go func() { _ = http.Serve(l, http.NotFoundHandler()) }()
	if at := cfg.Doors.Names; at != 0 {
		names, err := net.ListenPacket("udp4", fmt.Sprintf(":%d", at))
		check(err)
		go answerNames(names, atTheDoor)
	}
	ctx, cancel := context.WithCancel(context.Background())
	listed := make(chan struct{})
	go func() {
		defer close(listed)
		for ctx.Err() == nil {
			_, _ = r.List(ctx)
			time.Sleep(100 * time.Millisecond)
		}
	}()
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		answer(r, in.Text())
	}
	cancel()
	<-listed
	check(r.Close())
	return 0
}

// told is an answer of inside.
type told struct {
	Container agent.Container
	Err       string
}

func answer(r *docker.Runtime, line string) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	var (
		said told
		err  error
		a    agent.Assignment
	)
	if line[0] == '-' {
		err = r.Stop(ctx, line[1:], time.Second)
	} else if err = json.Unmarshal([]byte(line), &a); err == nil {
		said.Container, err = r.Start(ctx, a)
	}
	if err != nil {
		said.Err = err.Error()
	}
	out, err := json.Marshal(said)
	check(err)
	fmt.Println(string(out))
}
