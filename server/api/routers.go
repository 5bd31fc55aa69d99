package api

import (
	"strings"
	"time"
)

// The states of a router.
const (
	RouterReady  = "ready"  // it serves from the newest table
	RouterBehind = "behind" // it is heard of, and has not said that it serves from the newest table
	RouterLost   = "lost"   // it is not heard of: it serves from the table it had
)

// Router takes the apps' requests.
type Router struct {
	ID      string     `json:"id"`
	Name    string     `json:"name"`
	State   string     `json:"state"`
	Note    string     `json:"note"`    // what to know beyond the state; may be empty
	Local   bool       `json:"local"`   // in the control plane's own process
	Address string     `json:"address"` // where it takes requests, as it says itself; like version empty for who is no admin
	Version string     `json:"version"` // of its program
	Table   *string    `json:"table"`   // version of the table it serves from, "3.17": of which leader, and which one of it; null when that is not known
	Newest  string     `json:"newest"`  // version of the newest table
	Busy    int        `json:"busy"`    // requests in flight to dynos that left its table
	SeenAt  *time.Time `json:"seen_at"`
	// Findings are those of paas doctor there, when it began; for admins.
	Findings []Finding `json:"findings"`
}

// AddRouter is the body of POST /routers.
type AddRouter struct {
	Name string `json:"name"`
}

// RouterInvitation lets one router join, once; the answer alone holds its token.
type RouterInvitation struct {
	Router    string    `json:"router"`
	Token     string    `json:"token"`
	Fleet     string    `json:"fleet"` // host:port that routers reach the control plane by
	CA        string    `json:"ca"`    // SHA-256 of its certificate authority, hex
	Command   string    `json:"command"`
	ExpiresAt time.Time `json:"expires_at"`
}

// RouterJoinCommand is what is run on a machine to make it a router.
func RouterJoinCommand(fleet, token, ca string) string {
	return strings.Join([]string{"paas router join", fleet, token, "--ca", ca}, " ")
}
