package server

import "context"

// Activity is an event of an app and, for who manages it, from where a person
// caused it.
type Activity struct {
	Event
	Via, From string // as of an AuditEntry; empty for what the platform did by itself
}

// ActivityQuery chooses events or audit entries; zero values choose all.
type ActivityQuery struct {
	App    string   // name or id; of the audit log only, where it may be the name of an app that is gone
	Person string   // e-mail; "paas" is the platform itself
	Kinds  []string // first words of kinds: "deploy", "config"
	Before int64    // only entries older than the one with this id
	Max    int      // 1 to MaxAudit
}

func (q ActivityQuery) check() error {
	if q.Max < 1 || q.Max > MaxAudit {
		return Errorf(ErrInvalid, "What happened is shown in 1 to %d lines.", MaxAudit)
	}
	return nil
}

// Activity lists what happened to an app, newest first. From where people did
// it is for who manages the app, as in its audit log.
func (s *Service) Activity(ctx context.Context, actor Actor, app string, q ActivityQuery) ([]Activity, error) {
	a, err := s.appToRead(ctx, actor, app, PermView)
	if err != nil {
		return nil, err
	}
	if err := q.check(); err != nil {
		return nil, err
	}
	_, denied := s.appToRead(ctx, actor, a.ID, PermManage)
	return s.store.Activity(ctx, a.ID, q, denied == nil)
}

// SearchAudit lists entries of the whole installation's audit log, newest
// first. Admins only.
func (s *Service) SearchAudit(ctx context.Context, actor Actor, q ActivityQuery) ([]AuditEntry, error) {
	if err := allowAuditAll(actor); err != nil {
		return nil, err
	}
	if err := q.check(); err != nil {
		return nil, err
	}
	return s.store.SearchAudit(ctx, q)
}
