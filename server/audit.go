package server

import (
	"context"
	"encoding/hex"
	"fmt"
	"time"

	"paas/scheduler/agent"
)

// MaxAudit is how many entries of the audit log one question may ask for.
const MaxAudit = 1000

// Audit lists the newest entries of an app's audit log, for who manages it.
func (s *Service) Audit(ctx context.Context, actor Actor, app string, max int) ([]AuditEntry, error) {
	a, err := s.appToRead(ctx, actor, app, PermManage)
	if err != nil {
		return nil, err
	}
	return s.audit(ctx, a.ID, max)
}

// AuditAll lists the newest entries of the whole installation's audit log,
// which outlives apps and accounts. Admins only.
func (s *Service) AuditAll(ctx context.Context, actor Actor, max int) ([]AuditEntry, error) {
	if err := allowAuditAll(actor); err != nil {
		return nil, err
	}
	return s.audit(ctx, "", max)
}

func allowAuditAll(actor Actor) error {
	if !actor.Admin {
		return &Error{ID: ErrForbidden, Message: "Only an admin may read the whole audit log.", Next: "That of an app which you manage: paas audit -a APP"}
	}
	return allowAccount(actor)
}

func (s *Service) audit(ctx context.Context, appID string, max int) ([]AuditEntry, error) {
	if max < 1 || max > MaxAudit {
		return nil, Errorf(ErrInvalid, "The audit log is shown in 1 to %d lines.", MaxAudit)
	}
	return s.store.Audit(ctx, appID, max)
}

// VerifyAudit walks the audit log and says whether a row was altered, taken
// out or put in. A head that an earlier walk gave and somebody noted elsewhere
// shows also whether the newest rows were cut off. Admins only.
func (s *Service) VerifyAudit(ctx context.Context, actor Actor, head string) (AuditState, error) {
	if err := allowAdmin(actor, "verify the audit log"); err != nil {
		return AuditState{}, err
	}
	if b, err := hex.DecodeString(head); err != nil || len(b) != 0 && len(b) != 32 {
		return AuditState{}, Errorf(ErrInvalid, "The head of an audit log is 64 hexadecimal digits.")
	}
	return s.store.VerifyAudit(ctx, head)
}

// forwardQuiet is how long the TCP connections of one person to one dyno count
// as one visit: a browser opens many.
const forwardQuiet = 10 * time.Minute

// noteSession writes down that somebody goes into an instance. What they type
// there is theirs, and may be secret.
func (s *Service) noteSession(ctx context.Context, actor Actor, a App, o OpenRequest, in Instance) error {
	quiet := time.Duration(0)
	if o.Kind == agent.Forward {
		quiet = forwardQuiet
	}
	return s.store.SessionOpened(ctx, a.ID, actor.Email, fmt.Sprintf("%s %s", o.Kind, instanceName(in.Type, in.Ordinal)), quiet)
}
