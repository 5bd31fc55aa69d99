package web

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"paas/server"
)

// managed is a fake whose app has people, domains, drains and a past. Changes
// are written down in did, or refused with refuse.
type managed struct {
	*fake
	did     []string
	refuse  error
	people  []server.Collaborator
	invited []server.Invitation
	domains []server.Domain
	links   []server.Link
	volumes []server.Volume
	around  server.Overview
	drains  []server.Drain
	past    []server.Activity
	audit   []server.AuditEntry
	asked   []server.ActivityQuery
	state   server.AuditState
	errors  []server.AppError
}

func newManaged() *managed {
	m := &managed{fake: newFake("shop")}
	m.domains = []server.Domain{{App: "shop", Hostname: "shop.example.com", Own: true}}
	return m
}

func (m *managed) change(format string, args ...any) error {
	if m.refuse != nil {
		return m.refuse
	}
	m.did = append(m.did, fmt.Sprintf(format, args...))
	return nil
}

func (m *managed) Domains(context.Context, server.Actor, string) ([]server.Domain, error) {
	return m.domains, nil
}

func (m *managed) Links(context.Context, server.Actor, string) ([]server.Link, error) {
	return m.links, nil
}

func (m *managed) Volumes(context.Context, server.Actor, string) ([]server.Volume, error) {
	return m.volumes, nil
}

func (m *managed) Overview(context.Context, server.Actor, string) (server.Overview, error) {
	return m.around, nil
}

func (m *managed) Hosts(context.Context, server.Actor) ([]server.HostRow, error) {
	return []server.HostRow{{ID: "h", Name: "host-2", State: server.HostReady}, {ID: "l", Name: hostile, State: server.HostLost}}, nil
}

func (m *managed) CreateVolume(_ context.Context, _ server.Actor, app string, n server.NewVolume) (server.Volume, error) {
	return server.Volume{Name: n.Name, Host: "host-1"}, m.change("create volume %s of %d on %q for %s", n.Name, n.Size, n.Host, app)
}

func (m *managed) AttachVolume(_ context.Context, _ server.Actor, _, name, typ, path string) (server.Deploy, error) {
	return server.Deploy{ID: "d-1"}, m.change("attach %s to %s at %s", name, typ, path)
}

func (m *managed) DetachVolume(_ context.Context, _ server.Actor, _, name string) (server.Deploy, error) {
	return server.Deploy{ID: "d-2"}, m.change("detach %s", name)
}

func (m *managed) DestroyVolume(_ context.Context, _ server.Actor, _, name string) (server.Volume, error) {
	return server.Volume{Name: name}, m.change("destroy %s", name)
}

func (m *managed) AddDomain(_ context.Context, _ server.Actor, app, name string) (server.Domain, error) {
	return server.Domain{Hostname: name}, m.change("add domain %s to %s", name, app)
}

func (m *managed) RemoveDomain(_ context.Context, _ server.Actor, app, name string) (server.Domain, error) {
	return server.Domain{Hostname: name}, m.change("remove domain %s of %s", name, app)
}

func (m *managed) Collaborators(context.Context, server.Actor, string) ([]server.Collaborator, error) {
	return m.people, nil
}

func (m *managed) AddCollaborator(_ context.Context, _ server.Actor, app, email string, list []server.Permission) (server.Grant, error) {
	if strings.HasPrefix(email, "new") {
		return server.Grant{Invitation: server.Invitation{ID: "i", Email: email, ExpiresAt: time.Now()}, Code: "the-code"}, m.change("invite %s", email)
	}
	return server.Grant{Collaborator: server.Collaborator{Email: email, Permissions: list}}, m.change("give %s %v on %s", email, list, app)
}

func (m *managed) UpdateCollaborator(_ context.Context, _ server.Actor, _, id string, list []server.Permission) (server.Collaborator, error) {
	return server.Collaborator{Email: id, Permissions: list}, m.change("update %s %v", id, list)
}

func (m *managed) RemoveCollaborator(_ context.Context, _ server.Actor, _, id string) (server.Collaborator, error) {
	return server.Collaborator{Email: id, AccountID: id}, m.change("remove %s", id)
}

func (m *managed) Invitations(context.Context, server.Actor, string) ([]server.Invitation, error) {
	return m.invited, nil
}

func (m *managed) RevokeInvitation(_ context.Context, _ server.Actor, _, id string) (server.Invitation, error) {
	return server.Invitation{Email: id}, m.change("revoke %s", id)
}

func (m *managed) AppSummary(context.Context, server.Actor, string) (server.AppSummary, error) {
	return server.AppSummary{App: m.apps[0], Repo: 5 << 20, Slug: 70 << 20}, nil
}

func (m *managed) ChangeApp(_ context.Context, _ server.Actor, _ string, c server.AppChange) (server.App, error) {
	a, words := m.apps[0], []string{}
	if c.Name != nil {
		a.Name, words = *c.Name, append(words, "rename "+*c.Name)
	}
	if c.Maintenance != nil {
		a.Maintenance, words = *c.Maintenance, append(words, fmt.Sprint("maintenance ", *c.Maintenance))
	}
	if c.Locked != nil {
		a.Locked, words = *c.Locked, append(words, fmt.Sprint("lock ", *c.Locked))
	}
	for name, n := range c.Settings {
		text := name + " unset"
		if n != nil {
			text = fmt.Sprint(name, "=", *n)
		}
		words = append(words, text)
	}
	slices.Sort(words)
	return a, m.change("%s", strings.Join(words, ", "))
}

func (m *managed) TransferApp(_ context.Context, _ server.Actor, _, to string, keep bool) (server.App, error) {
	a := m.apps[0]
	a.OwnerEmail = to
	return a, m.change("transfer to %s %v", to, keep)
}

func (m *managed) DestroyApp(context.Context, server.Actor, string) (server.App, error) {
	return m.apps[0], m.change("destroy")
}

func (m *managed) Config(context.Context, server.Actor, string, string) (map[string]string, error) {
	return map[string]string{"MAINTENANCE_PAGE_URL": "https://pages.example.org/" + hostile}, nil
}

func (m *managed) Drains(context.Context, server.Actor, string) ([]server.Drain, error) {
	return m.drains, nil
}

func (m *managed) AddDrain(_ context.Context, _ server.Actor, _, url string) (server.Drain, error) {
	return server.Drain{URL: "masked", Token: "d.1"}, m.change("drain to %s", url)
}

func (m *managed) RemoveDrain(_ context.Context, _ server.Actor, _, id string) (server.Drain, error) {
	return server.Drain{URL: "masked", Token: id}, m.change("end drain %s", id)
}

func (m *managed) Activity(_ context.Context, _ server.Actor, _ string, q server.ActivityQuery) ([]server.Activity, error) {
	m.asked = append(m.asked, q)
	return m.past[:min(q.Max, len(m.past))], nil
}

func (m *managed) AppErrors(context.Context, server.Actor, string, int) ([]server.AppError, error) {
	return m.errors, nil
}

func (m *managed) SearchAudit(_ context.Context, _ server.Actor, q server.ActivityQuery) ([]server.AuditEntry, error) {
	m.asked = append(m.asked, q)
	return m.audit, nil
}

func (m *managed) VerifyAudit(context.Context, server.Actor, string) (server.AuditState, error) {
	return m.state, m.refuse
}
