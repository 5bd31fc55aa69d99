package api

import "time"

// ChangeApp is the body of PATCH /apps/{app}; null leaves as it is. Heroku's,
// but for locked.
type ChangeApp struct {
	Name        *string `json:"name,omitempty"`
	Maintenance *bool   `json:"maintenance,omitempty"`
	Locked      *bool   `json:"locked,omitempty"`
}

// TransferApp is the body of POST /apps/{app}/transfer.
type TransferApp struct {
	Recipient  string `json:"recipient"` // e-mail or id of an account
	KeepAccess bool   `json:"keep_access,omitempty"`
}

// AppSettings are an app's own limits by name; null is the installation's.
type AppSettings map[string]*int

// AppSummary is the answer of GET /apps/{app}/summary: an app with what
// belongs to it.
type AppSummary struct {
	App           App         `json:"app"`
	Formation     []Formation `json:"formation"`
	Domains       []Domain    `json:"domains"`
	Collaborators int         `json:"collaborators"` // the owner is not counted
	Settings      AppSettings `json:"settings"`
	Release       *Release    `json:"release"`       // the current one
	ProcessTypes  []string    `json:"process_types"` // of the current release
}

// AppError is how often an error code came up in an app's log.
type AppError struct {
	Code  string    `json:"code"` // H10, R14, …
	Text  string    `json:"text"`
	Count int       `json:"count"`
	Last  time.Time `json:"last"`
	Dyno  *string   `json:"dyno"` // of the last one
}

// Domain is a host name that leads to an app.
type Domain struct {
	ACMStatus       *string   `json:"acm_status"`
	ACMStatusReason *string   `json:"acm_status_reason"`
	App             Ref       `json:"app"`
	CNAME           *string   `json:"cname"` // what its DNS is to point at
	CreatedAt       time.Time `json:"created_at"`
	Hostname        string    `json:"hostname"`
	ID              string    `json:"id"`
	Kind            string    `json:"kind"` // heroku: the app's own, under the platform's domain; custom
	SNIEndpoint     *Ref      `json:"sni_endpoint"`
	Status          string    `json:"status"` // none, succeeded
	UpdatedAt       time.Time `json:"updated_at"`
}

// The kinds of domain, as Heroku's schema has them.
const (
	DomainOwn    = "heroku"
	DomainCustom = "custom"
)

// CreateDomain is the body of POST /apps/{app}/domains.
type CreateDomain struct {
	Hostname    string  `json:"hostname"`
	SNIEndpoint *string `json:"sni_endpoint"`
}
