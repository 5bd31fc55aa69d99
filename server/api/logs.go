package api

import "time"

// LogSessionRequest is the body of POST /apps/{app}/log-sessions. The fields
// behind Tail are ours.
type LogSessionRequest struct {
	Dyno   string `json:"dyno,omitempty"`
	Lines  *int   `json:"lines,omitempty"`
	Source string `json:"source,omitempty"`
	Tail   bool   `json:"tail,omitempty"`

	Type string `json:"type,omitempty"` // process type
	// Since and Until bound the lines' times: RFC 3339, or a duration before
	// now ("2h", "7d"). Since belongs to the lines, Until not.
	Since      string `json:"since,omitempty"`
	Until      string `json:"until,omitempty"`
	Text       string `json:"text,omitempty"`        // lines that hold it
	IgnoreCase bool   `json:"ignore_case,omitempty"` // for Text and Pattern
	Pattern    string `json:"pattern,omitempty"`     // lines that match this RE2 expression
	Level      string `json:"level,omitempty"`       // lines that seem to be an "error", "warn" or "info"
}

// LogDrain is where an app's log lines are sent to. Its URL is masked.
type LogDrain struct {
	AddOn     *Ref      `json:"addon"`
	CreatedAt time.Time `json:"created_at"`
	ID        string    `json:"id"`
	Token     string    `json:"token"`
	UpdatedAt time.Time `json:"updated_at"`
	URL       string    `json:"url"`
}

// CreateLogDrain is the body of POST /apps/{app}/log-drains.
type CreateLogDrain struct {
	URL string `json:"url"`
}
