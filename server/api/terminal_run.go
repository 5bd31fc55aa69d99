package api

import "time"

// Run is a one-off dyno, which is remembered when it has ended. Ours.
type Run struct {
	ID        string     `json:"id"`
	App       Ref        `json:"app"`
	Name      string     `json:"name"` // "run.1234"
	Type      string     `json:"type"` // run, release, postdeploy, scheduler
	Command   string     `json:"command"`
	Size      string     `json:"size"`
	Release   ReleaseRef `json:"release"`
	Attached  bool       `json:"attached"`
	State     string     `json:"state"` // pending, running, succeeded, failed, stopped
	ExitCode  *int       `json:"exit_code"`
	Reason    string     `json:"reason,omitempty"`
	User      *UserRef   `json:"user"` // null: the platform
	CreatedAt time.Time  `json:"created_at"`
	StartedAt *time.Time `json:"started_at"`
	EndedAt   *time.Time `json:"ended_at"`
}
