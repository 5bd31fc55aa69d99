package builder

// Manifest is what a commit's Procfile and app.json say about how its image
// is to be run. The zero value is a commit with neither.
type Manifest struct {
	// Processes are the Procfile's types and commands as written; nil without
	// a Procfile: then the image's own command is "web".
	Processes  map[string]string        `json:"processes,omitempty"`
	Formation  map[string]FormationSpec `json:"formation,omitempty"`
	Env        map[string]EnvSpec       `json:"env,omitempty"`
	Postdeploy string                   `json:"postdeploy,omitempty"` // a command, run once in an app's life
	Health     map[string]HealthSpec    `json:"health,omitempty"`     // by process type
	Crons      []CronSpec               `json:"crons,omitempty"`
}

// FormationSpec is the quantity and size that a process type starts with.
type FormationSpec struct {
	Quantity *int   `json:"quantity,omitempty"`
	Size     string `json:"size,omitempty"`
}

// EnvSpec is a config var that the app wants to have.
type EnvSpec struct {
	Description string  `json:"description,omitempty"`
	Value       *string `json:"value,omitempty"`     // used when it is not set
	Required    bool    `json:"required,omitempty"`  // without it nothing is deployed
	Generator   string  `json:"generator,omitempty"` // "secret": a random one when it is not set
}

// HealthSpec is how an instance shows that it is up.
type HealthSpec struct {
	Path    string `json:"path,omitempty"`    // of the GET request, "/" when empty
	Timeout int    `json:"timeout,omitempty"` // seconds from the start until it must have answered; 0 is the app's boot timeout
}

// CronSpec is a command that runs by the clock.
type CronSpec struct {
	Command  string `json:"command"`
	Schedule string `json:"schedule"`           // five fields, or @hourly …
	Timezone string `json:"timezone,omitempty"` // IANA name, UTC when empty
	Policy   string `json:"policy,omitempty"`   // when the one before still runs: "allow", "forbid", "replace"
}
