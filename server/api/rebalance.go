package api

// Rebalance is the body of POST /hosts/rebalance.
type Rebalance struct {
	App    string `json:"app,omitempty"` // only its dynos move; empty: all
	DryRun bool   `json:"dry_run"`
}

// Rebalanced is its answer. Moves are begun a few at a time: it is asked again
// until there are none and none is under way.
type Rebalanced struct {
	Moves    []Move `json:"moves"` // still to do; the first Begun of them are begun
	Begun    int    `json:"begun"`
	Underway int    `json:"underway"` // dynos on their way in or out
	Cut      bool   `json:"cut"`      // there are more dynos than one look takes in: the next one looks at others
}

// Move is a dyno that would be better on another host.
type Move struct {
	App  string `json:"app"`
	Dyno string `json:"dyno"`
	From string `json:"from"` // names of hosts
	To   string `json:"to"`
	Why  string `json:"why"`
}
