package server

// ConfigStore keeps what of config is not in a release: staged changes, and the keys it is sealed with.
type ConfigStore interface{}
