// Package api holds the wire types of the HTTP API: Heroku's Platform API v3
// where Heroku has the resource, our own in the same style where it has not.
// It imports nothing but the standard library, so that any client can use it.
package api

import "time"

// The one region and the one stack there are.
const (
	RegionName = "local"
	StackName  = "container"
)

// ContentType is what the API sends and what its clients accept.
const ContentType = "application/vnd.heroku+json; version=3"

// The headers of the API beyond HTTP's own.
const (
	HeaderRequestID = "Request-Id"
	HeaderNextRange = "Next-Range"
	// HeaderDeploy is the id of the deploy that a change of config or a
	// rollback started.
	HeaderDeploy = "Paas-Deploy"
)

// Ref points at another resource.
type Ref struct {
	ID   string `json:"id"`
	Name string `json:"name,omitempty"`
}

// UserRef points at an account.
type UserRef struct {
	ID    string `json:"id"`
	Email string `json:"email"`
}

// ReleaseRef points at a release.
type ReleaseRef struct {
	ID      string `json:"id"`
	Version int    `json:"version,omitempty"`
}

// Account is a person.
type Account struct {
	AllowTracking           bool       `json:"allow_tracking"`
	Beta                    bool       `json:"beta"`
	CountryOfResidence      *string    `json:"country_of_residence"`
	CreatedAt               time.Time  `json:"created_at"`
	DefaultOrganization     *Ref       `json:"default_organization"`
	DefaultTeam             *Ref       `json:"default_team"`
	DelinquentAt            *time.Time `json:"delinquent_at"`
	Email                   string     `json:"email"`
	Federated               bool       `json:"federated"`
	ID                      string     `json:"id"`
	IdentityProvider        *Ref       `json:"identity_provider"`
	LastLogin               *time.Time `json:"last_login"`
	Name                    *string    `json:"name"`
	SMSNumber               *string    `json:"sms_number"`
	SuspendedAt             *time.Time `json:"suspended_at"`
	TwoFactorAuthentication bool       `json:"two_factor_authentication"`
	UpdatedAt               time.Time  `json:"updated_at"`
	Verified                bool       `json:"verified"`
	// Admin is ours: the account may act on the apps of others.
	Admin bool `json:"admin"`
}

// App is one application. The sizes are bytes; lists leave them null.
type App struct {
	ACM                          bool       `json:"acm"`
	ArchivedAt                   *time.Time `json:"archived_at"`
	BuildStack                   Ref        `json:"build_stack"`
	BuildpackProvidedDescription *string    `json:"buildpack_provided_description"`
	CreatedAt                    time.Time  `json:"created_at"`
	GitURL                       string     `json:"git_url"`
	ID                           string     `json:"id"`
	InternalRouting              *bool      `json:"internal_routing"`
	Maintenance                  bool       `json:"maintenance"`
	Name                         string     `json:"name"`
	Organization                 *Ref       `json:"organization"`
	Owner                        UserRef    `json:"owner"`
	Region                       Ref        `json:"region"`
	ReleasedAt                   *time.Time `json:"released_at"`
	RepoSize                     *int64     `json:"repo_size"`
	SlugSize                     *int64     `json:"slug_size"`
	Space                        *Ref       `json:"space"`
	Stack                        Ref        `json:"stack"`
	Team                         *Ref       `json:"team"`
	UpdatedAt                    time.Time  `json:"updated_at"`
	WebURL                       string     `json:"web_url"`
	// Locked is ours: nothing of the app can be changed until it is unlocked.
	Locked bool `json:"locked"`
}

// Key is an SSH public key.
type Key struct {
	Comment     string    `json:"comment"`
	CreatedAt   time.Time `json:"created_at"`
	Email       string    `json:"email"`
	Fingerprint string    `json:"fingerprint"`
	ID          string    `json:"id"`
	PublicKey   string    `json:"public_key"`
	UpdatedAt   time.Time `json:"updated_at"`
}

// ConfigVars are an app's config. In a PATCH a null removes the key.
type ConfigVars map[string]*string

// Release is one immutable release.
type Release struct {
	AddonPlanNames  []string  `json:"addon_plan_names"`
	App             Ref       `json:"app"`
	CreatedAt       time.Time `json:"created_at"`
	Current         bool      `json:"current"`
	Description     string    `json:"description"`
	ID              string    `json:"id"`
	OutputStreamURL *string   `json:"output_stream_url"`
	Slug            *Ref      `json:"slug"`
	Status          string    `json:"status"` // failed, pending, succeeded
	UpdatedAt       time.Time `json:"updated_at"`
	User            UserRef   `json:"user"`
	Version         int       `json:"version"`
	// EligibleForRollback is sent by Heroku though its schema lacks it.
	EligibleForRollback bool `json:"eligible_for_rollback"`
	// The rest is ours.
	Commit string `json:"commit,omitempty"`
	Image  string `json:"image,omitempty"`  // digest
	Reason string `json:"reason,omitempty"` // why it failed
}

// Formation is how many dynos of a process type an app wants, and how large.
type Formation struct {
	App       Ref       `json:"app"`
	Command   string    `json:"command"`
	CreatedAt time.Time `json:"created_at"`
	ID        string    `json:"id"`
	Quantity  int       `json:"quantity"`
	Size      string    `json:"size"`
	Type      string    `json:"type"`
	UpdatedAt time.Time `json:"updated_at"`
}

// FormationUpdate changes one process type; nil leaves as it is.
type FormationUpdate struct {
	Type     string  `json:"type"`
	Quantity *int    `json:"quantity,omitempty"`
	Size     *string `json:"size,omitempty"`
}

// FormationBatch is the body of PATCH /apps/{app}/formation.
type FormationBatch struct {
	Updates []FormationUpdate `json:"updates"`
}

// Dyno is one running copy of a process.
type Dyno struct {
	App       Ref        `json:"app"`
	AttachURL *string    `json:"attach_url"`
	Command   string     `json:"command"`
	CreatedAt time.Time  `json:"created_at"`
	ID        string     `json:"id"`
	Name      string     `json:"name"`
	Release   ReleaseRef `json:"release"`
	Size      string     `json:"size"`
	State     string     `json:"state"` // crashed, down, idle, starting, up
	Type      string     `json:"type"`
	UpdatedAt time.Time  `json:"updated_at"`
	// The rest is ours.
	Host    string `json:"host,omitempty"`   // name; empty where there is one host only
	Reason  string `json:"reason,omitempty"` // why it is in that state
	Crashes int    `json:"crashes,omitempty"`
	OneOff  bool   `json:"one_off,omitempty"` // runs once, as paas run does
	// Wrote is what dynos of its type have written outside volumes since the
	// release: it is gone with them.
	Wrote []Written `json:"wrote,omitempty"`
}

// SourceBlob says what was built.
type SourceBlob struct {
	Checksum *string `json:"checksum"`
	URL      string  `json:"url"`
	Version  *string `json:"version"` // the commit
}

// Build is one run of the builder.
type Build struct {
	App             Ref         `json:"app"`
	Buildpacks      []Ref       `json:"buildpacks"`
	CreatedAt       time.Time   `json:"created_at"`
	ID              string      `json:"id"`
	OutputStreamURL string      `json:"output_stream_url"`
	Release         *ReleaseRef `json:"release"`
	Slug            *Ref        `json:"slug"`
	SourceBlob      SourceBlob  `json:"source_blob"`
	Stack           string      `json:"stack"`
	Status          string      `json:"status"` // failed, pending, succeeded
	UpdatedAt       time.Time   `json:"updated_at"`
	User            UserRef     `json:"user"`
}

// LogSession is a place to read logs from. Its URL needs no token, can be
// opened for a few minutes and reads one app's log only.
type LogSession struct {
	CreatedAt  time.Time `json:"created_at"`
	ID         string    `json:"id"`
	LogplexURL string    `json:"logplex_url"`
	UpdatedAt  time.Time `json:"updated_at"`
}

// DynoSize is a size a dyno can have.
type DynoSize struct {
	Compute          int     `json:"compute"` // whole CPUs, at least one
	Cost             *Cost   `json:"cost"`
	Dedicated        bool    `json:"dedicated"`
	DynoUnits        int     `json:"dyno_units"`
	ID               string  `json:"id"`
	Memory           float64 `json:"memory"` // GB
	Name             string  `json:"name"`
	PrivateSpaceOnly bool    `json:"private_space_only"`
	CPU              float64 `json:"cpu"` // CPUs, as they are; ours
}

// Cost is what a dyno costs; ours are null.
type Cost struct {
	Cents int    `json:"cents"`
	Unit  string `json:"unit"`
}

// Region is where apps run.
type Region struct {
	Country        string    `json:"country"`
	CreatedAt      time.Time `json:"created_at"`
	Description    string    `json:"description"`
	ID             string    `json:"id"`
	Locale         string    `json:"locale"`
	Name           string    `json:"name"`
	PrivateCapable bool      `json:"private_capable"`
	UpdatedAt      time.Time `json:"updated_at"`
}

// Stack is what apps run on.
type Stack struct {
	CreatedAt time.Time `json:"created_at"`
	Default   bool      `json:"default"`
	ID        string    `json:"id"`
	Name      string    `json:"name"`
	State     string    `json:"state"`
	UpdatedAt time.Time `json:"updated_at"`
}
