package api

import "time"

// The states of a server.
const (
	ServerLeads   = "leads"
	ServerFollows = "follows"
	ServerSilent  = "silent"
)

// Server is one of the control planes on a database.
type Server struct {
	ID        string    `json:"id"`
	Name      string    `json:"name"`
	State     string    `json:"state"`      // leads, follows or silent
	Address   string    `json:"address"`    // host:port for agents, routers and other servers; empty: it has none
	StartedAt time.Time `json:"started_at"` // by the database's clock, as seen_at
	SeenAt    time.Time `json:"seen_at"`
}
