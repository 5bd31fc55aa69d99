package server

import (
	"fmt"
	"sync"
	"time"
)

// How many clients may read logs at once: each holds some megabytes while it
// is slow to take them.
const (
	maxLogReaders    = 300 // of all apps
	maxAppLogReaders = 50
)

// logReaders counts the clients that read logs. Its zero value is ready.
type logReaders struct {
	mu    sync.Mutex
	byApp map[string]int
	total int
}

// enter counts a client in; the function counts it out.
func (r *logReaders) enter(appID string) (leave func(), err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.byApp == nil {
		r.byApp = map[string]int{}
	}
	next := "Close one of them and try again."
	if r.byApp[appID] >= maxAppLogReaders {
		return nil, &Error{ID: ErrConflict, Message: fmt.Sprintf("The app's log is read by %d clients at once, which is the limit.", maxAppLogReaders), Next: next}
	}
	if r.total >= maxLogReaders {
		return nil, &Error{ID: ErrUnavailable, Message: fmt.Sprintf("Logs are read by %d clients at once, which is the platform's limit.", maxLogReaders), Next: "Try again in a moment."}
	}
	r.byApp[appID]++
	r.total++
	return func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.total--
		if r.byApp[appID]--; r.byApp[appID] == 0 {
			delete(r.byApp, appID)
		}
	}, nil
}

// notRead is the line that a client gets in place of a log: its answer has
// begun when it is refused.
func notRead(appID string, why error) LogLine {
	return LogLine{AppID: appID, At: time.Now().UTC(), Source: "paas", Dyno: "logplex", Text: "Error: " + why.Error()}
}
