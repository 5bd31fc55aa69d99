package server

// DrainStore keeps where log lines are sent to.
type DrainStore interface{}
