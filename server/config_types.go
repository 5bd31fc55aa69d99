package server

import (
	"context"
	"encoding/json"
	"time"
)

// The limits of an app's config.
const (
	MaxConfigBytes   = 64 << 10  // all keys and values together (Heroku: 32 KB)
	MaxConfigKeys    = 1000      // keys, those of process types counted too
	MaxFileBytes     = 64 << 10  // of one config file as it was set
	MaxRenderedBytes = 256 << 10 // of one config file with its config vars put in
	MaxFilesBytes    = 1 << 20   // of all config files, likewise
	MaxFiles         = 20        // config files
	MaxFilePath      = 255       // bytes of a config file's path
)

// ConfigFile is a file that every process of an app finds in its file system.
type ConfigFile struct {
	Content []byte `json:"content"`
	Raw     bool   `json:"raw,omitempty"` // no config vars are put in; it may be binary
}

// ConfigPatch is a change of config. A key is "NAME", or "type/NAME" for the
// value that only processes of a type get; nil removes. Of Files the keys are
// paths, and nil removes too.
type ConfigPatch struct {
	Vars  map[string]*string     `json:"vars,omitempty"`
	Files map[string]*ConfigFile `json:"files,omitempty"`
	// Expect is the version of the release the change was made from: with
	// another one current it is refused (409). 0: whichever is current.
	Expect int `json:"expect,omitempty"`
	// Mounts are volumes that are attached, or with an empty path detached.
	Mounts []Mount `json:"mounts,omitempty"`
}

// plainPatch is how a patch is written: inside a key that no config var can
// have, so that it is told from the plain map of vars that it used to be.
type plainPatch ConfigPatch

// MarshalJSON writes the patch.
func (p ConfigPatch) MarshalJSON() ([]byte, error) {
	return json.Marshal(map[string]plainPatch{"": plainPatch(p)})
}

// UnmarshalJSON also reads a plain map of vars, as releases before config
// files wrote it.
func (p *ConfigPatch) UnmarshalJSON(b []byte) error {
	var outer map[string]json.RawMessage
	if err := json.Unmarshal(b, &outer); err != nil {
		return err
	}
	if inner, ok := outer[""]; ok {
		return json.Unmarshal(inner, (*plainPatch)(p))
	}
	return json.Unmarshal(b, &p.Vars)
}

// empty says that the patch changes nothing.
func (p ConfigPatch) empty() bool { return len(p.Vars)+len(p.Files)+len(p.Mounts) == 0 }

// ConfigChange is one release's change of config: names, never values.
type ConfigChange struct {
	Release Release
	Keys    []KeyChange // sorted
}

// KeyChange says what became of one config var or file.
type KeyChange struct {
	Name string // of the var, or the path of the file
	Type string // process type whose value it is; empty: all
	File bool
	What string // "set", "changed" or "removed"
}

// StagedConfig is what waits for the next release.
type StagedConfig struct {
	Patch     ConfigPatch
	Actor     string // who staged the last of it
	UpdatedAt time.Time
}

// StagedRow is one staged patch as it is kept.
type StagedRow struct {
	ID        string
	Patch     []byte // sealed
	Actor     string
	UpdatedAt time.Time
}

// ConfigStore keeps what of config is not in a release: staged changes, and
// the keys it is sealed with.
type ConfigStore interface {
	// Staged are the patches that wait for a release, in the order to apply.
	Staged(ctx context.Context, appID string) ([]StagedRow, error)
	// Stage replaces what waits by what merge makes of it; nil leaves nothing.
	// text says for the event which names were changed.
	Stage(ctx context.Context, appID, actor, text string, merge func([]StagedRow) ([]byte, error)) error
	// EachRelease gives an app's newest releases, oldest first, with their
	// sealed config and files; before them, for comparison, the newest older
	// one that served.
	EachRelease(ctx context.Context, appID string, newest int, fn func(r Release, config, files []byte) error) error
	// ReleaseFiles gives a release's sealed files, nil when it has none.
	ReleaseFiles(ctx context.Context, releaseID string) ([]byte, error)
	// Rewrap replaces all wrapped data keys and the check value of the master
	// key, in one transaction. The caller keeps new ones from being made
	// meanwhile (Keyring.Making).
	Rewrap(ctx context.Context, actor, keyID string, check []byte, rewrap func(appID string, wrapped []byte) ([]byte, error)) (apps int, err error)
}

// ConfigRequest is a change of config that somebody asks for.
type ConfigRequest struct {
	Type   string             // process type whose own values are meant; empty: all
	Vars   map[string]*string // nil removes
	Files  map[string]*ConfigFile
	Expect int // as in ConfigPatch
}
