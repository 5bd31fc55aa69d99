package server

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"
)

// Allowed finds an app for someone who may see it, and says what they may do
// with it as it is now: of a locked app nothing changes but what managing does.
func (s *Service) Allowed(ctx context.Context, actor Actor, ident string) (App, []Permission, error) {
	app, err := s.appToRead(ctx, actor, ident, PermView)
	if err != nil {
		return App{}, nil, err
	}
	may, err := s.permissions(ctx, actor, app)
	may = slices.DeleteFunc(slices.Clone(may), func(p Permission) bool {
		return allow(actor, app, may, p) != nil || app.Locked && p != PermView && p != PermManage
	})
	return app, may, err
}

// Watch gives a channel that receives after something of an app changed, or,
// without an app, after anything did that the actor may see; that channel is
// closed when the actor's session or account is gone. The function must be
// called in the end.
func (s *Service) Watch(ctx context.Context, actor Actor, app string) (<-chan string, func(), error) {
	if app == "" {
		if err := allowAccount(actor, ScopeRead, ScopeWrite); err != nil {
			return nil, nil, err
		}
		wake, stop := s.watchAll(ctx, actor)
		return wake, stop, nil
	}
	a, err := s.App(ctx, actor, app)
	if err != nil {
		return nil, nil, err
	}
	wake, stop := s.bell.Listen(AppTopic(a.ID))
	return wake, stop, nil
}

// watchAll gives a channel that receives after something changed which the
// actor may see; not even when others are busy is anybody else's business.
func (s *Service) watchAll(ctx context.Context, actor Actor) (<-chan string, func()) {
	rings, stop := s.bell.Listen()
	ctx, cancel := context.WithCancel(ctx)
	wake := make(chan string, 1)
	var sifting sync.WaitGroup
	sifting.Go(func() {
		defer close(wake)
		tick := time.NewTicker(recheckEvery)
		defer tick.Stop()
		for {
			concerned, all := false, true
			select {
			case topic := <-rings:
				concerned, all = s.concerns(ctx, actor, topic, rings), topic == NoticeAll
			case <-tick.C:
			case <-ctx.Done():
				return
			}
			if all && s.left(ctx, actor) {
				return
			}
			if concerned {
				select {
				case wake <- NoticeAll:
				default: // one is waiting there already
				}
			}
		}
	})
	return wake, func() { cancel(); sifting.Wait(); stop() }
}

// left says that the actor is signed out, or the account gone. To ask is no
// use of the session: a page that is open keeps nobody signed in.
func (s *Service) left(ctx context.Context, actor Actor) bool {
	_, err := s.actorNow(ctx, actor)
	return IsID(err, ErrUnauthorized)
}

// concerns says whether one of a topic and those that wait is of an app that
// the actor may see. Each is asked for once, however often it rang.
func (s *Service) concerns(ctx context.Context, actor Actor, topic string, more <-chan string) bool {
	topics := map[string]bool{topic: true}
	for len(more) > 0 {
		topics[<-more] = true
	}
	if topics[NoticeAll] {
		return true
	}
	for topic := range topics {
		id, ok := strings.CutPrefix(topic, AppTopic(""))
		if !ok {
			continue
		}
		if _, err := s.appToRead(ctx, actor, id, PermView); err == nil {
			return true
		}
	}
	return false
}
