package web

import (
	"context"
	"slices"
	"strings"

	"github.com/go-chi/chi/v5"

	"paas/server"
)

// Sharing gives people access to apps.
type Sharing interface {
	Collaborators(ctx context.Context, actor server.Actor, app string) ([]server.Collaborator, error)
	AddCollaborator(ctx context.Context, actor server.Actor, app, email string, list []server.Permission) (server.Grant, error)
	UpdateCollaborator(ctx context.Context, actor server.Actor, app, ident string, list []server.Permission) (server.Collaborator, error)
	RemoveCollaborator(ctx context.Context, actor server.Actor, app, ident string) (server.Collaborator, error)
	Invitations(ctx context.Context, actor server.Actor, app string) ([]server.Invitation, error)
	RevokeInvitation(ctx context.Context, actor server.Actor, app, ident string) (server.Invitation, error)
}

func (s *Server) accessRoutes(r chi.Router) {
	r.Get("/access", s.page(s.accessPage))
	r.Post("/access", s.page(s.addAccess))
	r.Post("/access/update", s.page(s.updateAccess))
	r.Post("/access/remove", s.page(s.removeAccess))
	r.Post("/access/revoke", s.page(s.revokeInvitation))
	r.Post("/access/transfer", s.page(s.transferApp))
}

// collaborator is one of the people of the page.
type collaborator struct {
	server.Collaborator
	Self  bool
	Boxes []permissionBox
	Slip  slip
}

// permissionBox is one of the permissions in a form.
type permissionBox struct {
	Name, About string
	Ticked      bool
	Fixed       bool // cannot be changed: view is part of every other, and nobody gives what they do not have
}

type accessData struct {
	People      []collaborator
	Invitations []server.Invitation
	Boxes       []permissionBox // of the form to add
	MayTransfer bool
	Slip        slip
	Made        *server.Grant // an invitation made just now; its code is shown this once
	JoinURL     string
}

func (s *Server) accessPage(v *visit) error { return s.showAccess(v, accessData{}) }

func (s *Server) showAccess(v *visit, data accessData) error {
	list, err := s.svc.Collaborators(v.ctx(), v.actor(), v.app().ID)
	if err != nil {
		return err
	}
	for _, c := range list {
		form := "update-" + c.ID
		data.People = append(data.People, collaborator{Collaborator: c, Self: c.AccountID == v.who.ID, Slip: data.Slip,
			Boxes: v.boxes(data.Slip, form, func(p server.Permission) bool { return slices.Contains(c.Permissions, p) })})
	}
	if v.may(server.PermManage) {
		if data.Invitations, err = s.svc.Invitations(v.ctx(), v.actor(), v.app().ID); err != nil {
			return err
		}
		data.Boxes = v.boxes(data.Slip, "add", func(p server.Permission) bool { return slices.Contains(server.DefaultPermissions(), p) })
		data.MayTransfer = !v.app().Locked && (v.who.Admin || v.who.ID == v.app().OwnerID)
	}
	return v.showStatus(data.Slip.status(), "access", "access", "Access", data)
}

// boxes are the permissions of a form. A lock hides permissions from here, so
// who manages a locked app is not kept from giving them: the platform decides.
func (v *visit) boxes(bad slip, form string, has func(server.Permission) bool) []permissionBox {
	var list []permissionBox
	for _, p := range server.Permissions() {
		given := p == server.PermView || has(p)
		list = append(list, permissionBox{Name: string(p), About: p.Describe(), Ticked: bad.Ticked(form, "permission", string(p), given),
			Fixed: p == server.PermView || !given && !v.app().Locked && !v.may(p)})
	}
	return list
}

// Spelled is what somebody may do, as the CLI takes it.
func (c collaborator) Spelled() string { return spellPermissions(c.Permissions) }

func spellPermissions(list []server.Permission) string {
	words := make([]string, len(list))
	for i, p := range list {
		words[i] = string(p)
	}
	return strings.Join(words, ",")
}

// permissions are those ticked in a form. View is part of all: it is never
// posted, since its box cannot be changed.
func (v *visit) permissions() []server.Permission {
	list := []server.Permission{server.PermView}
	for _, p := range v.r.PostForm["permission"] {
		if p != string(server.PermView) {
			list = append(list, server.Permission(p))
		}
	}
	return list
}

func (s *Server) addAccess(v *visit) error {
	if err := v.form(); err != nil {
		return err
	}
	email := strings.TrimSpace(v.field("email"))
	g, err := s.svc.AddCollaborator(v.ctx(), v.actor(), v.app().ID, email, v.permissions())
	if err != nil {
		return s.mendAccess(v, "add", err)
	}
	if g.Invitation.ID == "" {
		return v.done(v.appPath("access"), g.Collaborator.Email+" may now do this with "+v.app().Name+": "+spellPermissions(g.Collaborator.Permissions)+".")
	}
	// No redirect: nothing but this answer knows the code.
	return s.showAccess(v, accessData{Made: &g, JoinURL: s.cfg.APIURL()})
}

// mendAccess shows the page again with what was typed into one of its forms.
func (s *Server) mendAccess(v *visit, form string, err error) error {
	bad, err := v.slip(form, err)
	if err != nil {
		return err
	}
	return s.showAccess(v, accessData{Slip: bad})
}

func (s *Server) updateAccess(v *visit) error {
	if err := v.form(); err != nil {
		return err
	}
	c, err := s.svc.UpdateCollaborator(v.ctx(), v.actor(), v.app().ID, v.field("id"), v.permissions())
	if err != nil {
		return s.mendAccess(v, "update-"+v.field("id"), err)
	}
	return v.done(v.appPath("access"), c.Email+" may now do this with "+v.app().Name+": "+spellPermissions(c.Permissions)+".")
}

func (s *Server) removeAccess(v *visit) error {
	if err := v.form(); err != nil {
		return err
	}
	c, err := s.svc.RemoveCollaborator(v.ctx(), v.actor(), v.app().ID, v.field("id"))
	switch {
	case err != nil:
		return err
	case c.AccountID == v.who.ID && !v.who.Admin:
		return v.done("/", "You gave up your access to "+v.app().Name+".")
	}
	return v.done(v.appPath("access"), c.Email+" has no access to "+v.app().Name+" any more.")
}

func (s *Server) revokeInvitation(v *visit) error {
	if err := v.form(); err != nil {
		return err
	}
	i, err := s.svc.RevokeInvitation(v.ctx(), v.actor(), v.app().ID, v.field("id"))
	if err != nil {
		return err
	}
	return v.done(v.appPath("access"), "The invitation of "+i.Email+" was withdrawn; its code is worth nothing now.")
}

func (s *Server) transferApp(v *visit) error {
	if err := v.form(); err != nil {
		return err
	}
	if !v.confirmed() {
		return s.showAccess(v, accessData{Slip: v.refuse("transfer", "What was typed is not the app's name, %s. Nothing was changed.", v.app().Name)})
	}
	a, err := s.svc.TransferApp(v.ctx(), v.actor(), v.app().ID, strings.TrimSpace(v.field("recipient")), v.field("keep") != "")
	if err != nil {
		return s.mendAccess(v, "transfer", err)
	}
	to := "/"
	if v.field("keep") != "" || v.who.Admin {
		to = appPath(a.Name, "access")
	}
	return v.done(to, a.Name+" belongs to "+a.OwnerEmail+" now.")
}
