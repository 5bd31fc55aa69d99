package api

import (
	"strconv"
	"time"
)

// StagedConfig is what waits for an app's next release.
type StagedConfig struct {
	// Vars by name, of a process type's own by "type/NAME"; null is removed.
	Vars map[string]*string `json:"vars"`
	// Files by path: "set" or "removed".
	Files     map[string]string `json:"files"`
	Actor     string            `json:"actor,omitempty"` // e-mail of who staged the last of it
	UpdatedAt *time.Time        `json:"updated_at"`      // null when nothing is staged
}

// Unstage is the body of DELETE /apps/{app}/config-vars/staged: names of vars
// ("NAME" or "type/NAME") and paths of files; none are all.
type Unstage struct {
	Names []string `json:"names,omitempty"`
}

// ConfigChange says what of the config a release changed: names, never values.
type ConfigChange struct {
	Release     ReleaseRef  `json:"release"`
	Status      string      `json:"status"` // of the release
	Description string      `json:"description"`
	User        UserRef     `json:"user"`
	CreatedAt   time.Time   `json:"created_at"`
	Changes     []KeyChange `json:"changes"`
}

// KeyChange says what became of one config var or file.
type KeyChange struct {
	Name        string `json:"name"` // of the var, or the path of the file
	ProcessType string `json:"process_type,omitempty"`
	File        bool   `json:"file,omitempty"`
	Change      string `json:"change"` // set, changed, removed
}

// ConfigFile is a file that every process of an app finds in its file system.
type ConfigFile struct {
	Path    string `json:"path"`
	Size    int    `json:"size"` // bytes, as it was set
	Raw     bool   `json:"raw"`  // no config vars are put in
	Content []byte `json:"content,omitempty"`
}

// SetFile is the body of PUT /apps/{app}/files.
type SetFile struct {
	Path    string `json:"path"`
	Content []byte `json:"content"` // base64
	Raw     bool   `json:"raw,omitempty"`
}

// ReleaseDiff is what differs between two releases.
type ReleaseDiff struct {
	From        Release         `json:"from"`
	To          Release         `json:"to"`
	Commits     []Commit        `json:"commits"`      // that came, newest first
	CommitsGone []Commit        `json:"commits_gone"` // that were taken back
	CommitsMore bool            `json:"commits_more"` // there are more of either
	CommitsLost bool            `json:"commits_lost"` // the repository no longer has them
	Config      []KeyChange     `json:"config"`
	Processes   []ProcessChange `json:"processes"`
	CronsAdded  []CronSpec      `json:"crons_added"`
	CronsGone   []CronSpec      `json:"crons_gone"`
}

// Commit is one commit.
type Commit struct {
	ID        string    `json:"id"`
	Subject   string    `json:"subject"`
	Author    string    `json:"author"`
	CreatedAt time.Time `json:"created_at"`
}

// ProcessChange is a process type whose command changed; an empty command is
// a type that was not there.
type ProcessChange struct {
	Type string `json:"type"`
	From string `json:"from"`
	To   string `json:"to"`
}

// CronSpec is a command that runs by the clock.
type CronSpec struct {
	Command  string `json:"command"`
	Schedule string `json:"schedule"`
	Timezone string `json:"timezone,omitempty"`
	Policy   string `json:"policy,omitempty"`
}

// MasterKey names the key that everything sealed depends on.
type MasterKey struct {
	ID   string `json:"id"`             // of the key, not the key
	Apps int    `json:"apps,omitempty"` // whose data keys were wrapped anew
}

// Name is "v12".
func (r Release) Name() string { return "v" + strconv.Itoa(r.Version) }
