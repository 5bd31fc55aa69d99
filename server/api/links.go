package api

import "time"

// AppLink lets an app reach the web type of another from inside, at Hostname.
type AppLink struct {
	ID        string    `json:"id"`
	App       Ref       `json:"app"`      // who calls
	Target    Ref       `json:"target"`   // who is called
	Hostname  string    `json:"hostname"` // "other.internal"
	AddedBy   string    `json:"added_by"` // e-mail
	CreatedAt time.Time `json:"created_at"`
}

// CreateLink is the body of POST /apps/{app}/links.
type CreateLink struct {
	Target string `json:"target"` // the other app's name or id
}
