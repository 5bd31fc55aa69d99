package api

import "time"

// Cron is a command of app.json that runs by the clock.
type Cron struct {
	ID        string     `json:"id"`
	App       Ref        `json:"app"`
	Command   string     `json:"command"`
	Schedule  string     `json:"schedule"`
	Timezone  string     `json:"timezone"`
	Policy    string     `json:"concurrency_policy"` // allow, forbid, replace
	Suspended bool       `json:"suspended"`
	NextAt    *time.Time `json:"next_at"` // null when suspended, or when no day fits the schedule
	Last      *CronRun   `json:"last"`    // null before the first
	CreatedAt time.Time  `json:"created_at"`
}

// CronRun is one run of a cron.
type CronRun struct {
	ID        string     `json:"id"`
	Name      string     `json:"name"` // scheduler.1003
	Cron      Ref        `json:"cron"`
	Command   string     `json:"command"`
	State     string     `json:"state"` // pending, running, succeeded, failed, stopped
	ExitCode  *int       `json:"exit_code"`
	Reason    string     `json:"reason,omitempty"`
	Tick      *time.Time `json:"tick"` // null when it was run by hand
	User      *UserRef   `json:"user"` // who ran it by hand
	CreatedAt time.Time  `json:"created_at"`
	StartedAt *time.Time `json:"started_at"`
	EndedAt   *time.Time `json:"ended_at"`
}

// ChangeCron is the body of PATCH /apps/{app}/crons/{cron}.
type ChangeCron struct {
	Suspended *bool `json:"suspended"`
}
