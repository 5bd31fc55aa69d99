package api

import (
	"strings"
	"time"
)

// Error is the body of every answer that is not a success, and the error a
// client gets of it.
type Error struct {
	ID      string `json:"id"`
	Message string `json:"message"`
	URL     string `json:"url"`
	// Next is the command to go on with; may be empty. Ours.
	Next string `json:"next,omitempty"`
	// Status and RequestID are the HTTP answer's; they are not in the body.
	Status    int    `json:"-"`
	RequestID string `json:"-"`
}

func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.Message)
	if e.Next != "" {
		b.WriteString("\n" + e.Next)
	}
	if e.Status >= 500 && e.RequestID != "" && !strings.Contains(e.Message, e.RequestID) {
		b.WriteString("\nRequest: " + e.RequestID)
	}
	return b.String()
}

// The states of a deploy; the last four are final.
const (
	DeployQueued     = "queued"
	DeployBuilding   = "building"
	DeployReleasing  = "releasing"
	DeployRolling    = "rolling"
	DeployLive       = "live"
	DeployFailed     = "failed"
	DeployCancelled  = "cancelled"
	DeploySuperseded = "superseded"
)

// Deploy is one attempt to make a new release serve.
type Deploy struct {
	ID              string      `json:"id"`
	App             Ref         `json:"app"`
	Kind            string      `json:"kind"` // push, config, rollback
	Status          string      `json:"status"`
	Stage           *string     `json:"stage"`  // where it failed
	Reason          *string     `json:"reason"` // why it failed
	Description     string      `json:"description"`
	Commit          *string     `json:"commit"`
	Release         *ReleaseRef `json:"release"` // null until it is written
	User            UserRef     `json:"user"`
	CreatedAt       time.Time   `json:"created_at"`
	UpdatedAt       time.Time   `json:"updated_at"`
	OutputStreamURL string      `json:"output_stream_url"`
}

// Final says that the deploy has ended.
func (d Deploy) Final() bool {
	switch d.Status {
	case DeployLive, DeployFailed, DeployCancelled, DeploySuperseded:
		return true
	}
	return false
}

// Login is what a login over SSH answers, as one line of JSON.
type Login struct {
	URL       string    `json:"url"` // of the API
	Token     string    `json:"token"`
	Email     string    `json:"email"`
	ExpiresAt time.Time `json:"expires_at"`
}

// CreateApp is the body of POST /apps.
type CreateApp struct {
	Name   string `json:"name,omitempty"`
	Region string `json:"region,omitempty"`
	Stack  string `json:"stack,omitempty"`
}

// CreateKey is the body of POST /account/keys.
type CreateKey struct {
	PublicKey string `json:"public_key"`
}

// CreateAccount is the body of POST /accounts: an account, made or found by
// its e-mail, that the key proves from now on. Key may be empty.
type CreateAccount struct {
	Email string `json:"email"`
	Key   string `json:"key,omitempty"`
	Admin bool   `json:"admin,omitempty"`
}

// Rollback is the body of POST /apps/{app}/releases: the id or version of the
// release whose code and config the new one gets; empty means the newest
// that succeeded before the current.
type Rollback struct {
	Release string `json:"release,omitempty"`
}

// Health is the answer of /healthz.
type Health struct {
	Status string `json:"status"` // ok, unavailable
}

// Version is the answer of /version.
type Version struct {
	Version string `json:"version"`
	Go      string `json:"go"`
	OS      string `json:"os"`
	Arch    string `json:"arch"`
}

// Event is one line of an app's history, newest first in lists.
type Event struct {
	ID        int64     `json:"id"`
	Actor     string    `json:"actor"` // e-mail, or "paas"
	Kind      string    `json:"kind"`  // "release.created", "instance.up", …
	Text      string    `json:"text"`
	DeployID  string    `json:"deploy_id,omitempty"`
	CreatedAt time.Time `json:"created_at"`
}
