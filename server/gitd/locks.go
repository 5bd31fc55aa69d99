package gitd

import (
	"context"
	"fmt"
	"sync"
)

// locks has one lock an app, for what git itself does not lock. Those who wait
// give up with their context: whoever holds it may be waiting for the store.
type locks struct {
	mu    sync.Mutex
	byApp map[string]*appLock // those that are held or waited for
}

type appLock struct {
	held  chan struct{} // full while somebody has it
	users int
}

// take waits for the app's lock; unlock gives it back, once.
func (l *locks) take(ctx context.Context, appID string) (unlock func(), err error) {
	one := l.enter(appID)
	select {
	case one.held <- struct{}{}:
		return func() {
			<-one.held
			l.leave(appID, one)
		}, nil
	case <-ctx.Done():
		l.leave(appID, one)
		return nil, fmt.Errorf("wait for other work on the repository: %w", context.Cause(ctx))
	}
}

func (l *locks) enter(appID string) *appLock {
	l.mu.Lock()
	defer l.mu.Unlock()
	one := l.byApp[appID]
	if one == nil {
		one = &appLock{held: make(chan struct{}, 1)}
		l.byApp[appID] = one
	}
	one.users++
	return one
}

func (l *locks) leave(appID string, one *appLock) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if one.users--; one.users == 0 {
		delete(l.byApp, appID)
	}
}
