package httpd

import (
	"context"
	"net/http"
	"strconv"

	"paas/server"
	"paas/server/api"
)

// Auditing reads the audit log.
type Auditing interface {
	Audit(ctx context.Context, actor server.Actor, app string, max int) ([]server.AuditEntry, error)
	AuditAll(ctx context.Context, actor server.Actor, max int) ([]server.AuditEntry, error)
	VerifyAudit(ctx context.Context, actor server.Actor, head string) (server.AuditState, error)
}

func (s *Server) audit(w http.ResponseWriter, r *http.Request) error {
	return replyRecent(w, r, func(p server.Page) ([]api.AuditEntry, error) {
		list, err := s.svc.Audit(r.Context(), actor(r), param(r, "app"), p.Max)
		return convert(list, wireAudit), err
	}, auditID)
}

func (s *Server) auditAll(w http.ResponseWriter, r *http.Request) error {
	return replyRecent(w, r, func(p server.Page) ([]api.AuditEntry, error) {
		list, err := s.svc.AuditAll(r.Context(), actor(r), p.Max)
		return convert(list, wireAudit), err
	}, auditID)
}

func auditID(e api.AuditEntry) string { return strconv.FormatInt(e.ID, 10) }

// verifyAudit walks the log; ?head= is one noted earlier.
func (s *Server) verifyAudit(w http.ResponseWriter, r *http.Request) error {
	state, err := s.svc.VerifyAudit(r.Context(), actor(r), r.URL.Query().Get("head"))
	if err != nil {
		return err
	}
	out := api.AuditState{Rows: state.Rows, Head: state.Head, Intact: state.Broken == 0, Why: state.Why}
	if !out.Intact {
		out.Broken = &state.Broken
	}
	return reply(w, r, http.StatusOK, out)
}

func wireAudit(e server.AuditEntry) api.AuditEntry {
	out := api.AuditEntry{
		ID: e.ID, CreatedAt: stamp(e.At), Actor: api.UserRef{ID: e.AccountID, Email: e.Actor},
		TokenID: e.TokenID, Via: e.Via, From: e.From, Kind: e.Kind, Text: e.Text,
	}
	if e.AppID != "" {
		out.App = &api.Ref{ID: e.AppID, Name: e.App}
	}
	return out
}
