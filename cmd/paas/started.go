package main

import (
	"encoding/json"
	"os"
	"path/filepath"

	"paas/server/durable"
)

// The roles of a machine that has not joined another one.
const (
	roleStandalone = "standalone"
	roleServer     = "server"
)

// started is how paas was started last on a data directory, for paas doctor.
// There are no secrets in it.
type started struct {
	Role   string   `json:"role,omitempty"`
	Listen []string `json:"listen"`       // addresses
	CA     string   `json:"ca,omitempty"` // fingerprint that other servers are known by
}

func startedFile(dir string) string { return filepath.Join(dir, "started.json") }

// readStarted gives nothing when there is nothing, or nothing that can be read:
// paas doctor goes by its flags then.
func readStarted(dir string) (s started) {
	text, err := os.ReadFile(startedFile(dir))
	if err != nil || json.Unmarshal(text, &s) != nil {
		return started{}
	}
	return s
}

// note keeps it; addresses that were not asked for are left out.
func (s started) note(dir string) error {
	var listen []string
	for _, addr := range s.Listen {
		if addr != "" {
			listen = append(listen, addr)
		}
	}
	s.Listen = listen
	text, err := json.Marshal(s)
	if err != nil {
		return err
	}
	return durable.Write(startedFile(dir), append(text, '\n'))
}

// started is how this process was started.
func (h *house) started() started {
	s := started{Role: roleStandalone, Listen: []string{h.s.http, h.s.https, h.s.ssh, h.s.api, h.s.fleet.addr, h.s.registry}}
	if h.s.externalRegistry != "" {
		s.Listen = s.Listen[:5]
	}
	if h.s.serverOnly {
		s = started{Role: roleServer, Listen: []string{h.s.dashboard, h.s.ssh, h.s.api, h.s.fleet.addr}}
	}
	if h.fleet.auth != nil {
		s.CA = h.fleet.auth.Fingerprint()
	}
	return s
}
