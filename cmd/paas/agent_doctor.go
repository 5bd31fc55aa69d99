package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"time"

	"paas/server"
	"paas/server/doctor"
	"paas/server/fleet"
)

// examine looks at this machine as paas doctor does, with its clock against
// the control plane's.
func (s *agentSettings) examine(ctx context.Context, controlPlane, ca string, j *doctor.Joined) doctor.Report {
	return doctor.RunAgent(ctx, doctor.AgentConfig{DataDir: s.dataDir, Docker: s.docker, Joined: j,
		Clock: func(ctx context.Context) (time.Duration, error) { return fleet.Clock(ctx, controlPlane, ca) }})
}

// findingsOf are the results that the control plane is told: those that are not
// in order, in at most as many bytes as it takes.
func findingsOf(r doctor.Report) (list []server.Finding) {
	const longest, all = 500, 8 << 10 // half of what it takes at once
	room := all
	for _, x := range r.Results {
		if x.Status == doctor.OK {
			continue
		}
		f := server.Finding{Check: x.Check, Status: string(x.Status), Found: x.Found, Cause: x.Cause, Next: x.Next, Below: x.Below}
		for _, text := range []*string{&f.Check, &f.Found, &f.Cause, &f.Next} {
			*text = plainLine(*text, longest)
		}
		if written, err := json.Marshal(f); err != nil || room < len(written) {
			break
		} else {
			room -= len(written)
		}
		list = append(list, f)
	}
	return list
}

// plainLine is text on one line, cut off at a whole character.
func plainLine(text string, most int) string {
	text = printable(strings.Join(strings.Fields(text), " "))
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "")
	}
	return text
}

// tellReport prints what paas doctor prints, to whoever makes a machine a host.
func tellReport(out io.Writer, r doctor.Report) {
	fmt.Fprintln(out, "This machine:")
	_ = r.Write(out) // as all that is said to people
	if r.Failures+r.Warnings > 0 {
		fmt.Fprintln(out, "It joins all the same; the control plane is told, and shows it with: paas hosts:info")
	}
	fmt.Fprintln(out)
}

// logReport tells the operator of what is not in order.
func logReport(log *slog.Logger, r doctor.Report) {
	for _, x := range r.Results {
		if x.Status != doctor.OK {
			log.Warn("this machine is not all that it should be; paas doctor says more", "check", x.Check, "found", x.Found, "cause", x.Cause, "next", x.Next)
		}
	}
}

// bootID changes with each start of the machine; empty where the kernel tells none.
func bootID() string {
	b, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}
