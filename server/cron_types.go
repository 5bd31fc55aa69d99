package server

// CronStore keeps crons and says which are due.
type CronStore interface{}
