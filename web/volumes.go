package web

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"github.com/go-chi/chi/v5"

	"paas/server"
)

// Volumes keeps apps' disks.
type Volumes interface {
	Volumes(ctx context.Context, actor server.Actor, app string) ([]server.Volume, error)
	CreateVolume(ctx context.Context, actor server.Actor, app string, n server.NewVolume) (server.Volume, error)
	AttachVolume(ctx context.Context, actor server.Actor, app, name, typ, path string) (server.Deploy, error)
	DetachVolume(ctx context.Context, actor server.Actor, app, name string) (server.Deploy, error)
	DestroyVolume(ctx context.Context, actor server.Actor, app, name string) (server.Volume, error)
}

func (s *Server) volumeRoutes(r chi.Router) {
	r.Get("/volumes", s.page(s.volumesPage))
	r.Post("/volumes", s.page(s.createVolume))
	r.Post("/volumes/attach", s.page(s.attachVolume))
	r.Post("/volumes/detach", s.page(s.detachVolume))
	r.Post("/volumes/destroy", s.page(s.destroyVolume))
}

// volumeRow is a volume with what the page says of it.
type volumeRow struct {
	server.Volume
	At     string // where its data is
	Writer string // the dyno that has it; empty: none
	State  string // what keeps it from being used, or how it is
	Slip   slip   // of its own forms
}

type volumesData struct {
	Volumes []volumeRow
	Types   []string    // that a volume can be attached to
	Hosts   []string    // that may keep data
	Written []writtenBy // outside volumes
	Most    int
	Slip    slip
}

// writtenBy is what dynos of a type have written outside volumes.
type writtenBy struct {
	Type, Text string
	Commands   []string
}

func (s *Server) volumesPage(v *visit) error { return s.showVolumes(v, slip{}) }

func (s *Server) showVolumes(v *visit, bad slip) error {
	list, err := s.svc.Volumes(v.ctx(), v.actor(), v.app().ID)
	if err != nil {
		return err
	}
	o, err := s.svc.Overview(v.ctx(), v.actor(), v.app().ID)
	if err != nil {
		return err
	}
	hosts, err := s.svc.Hosts(v.ctx(), v.actor())
	if err != nil {
		return err
	}
	data := volumesData{Most: server.MaxVolumes, Slip: bad, Types: []string{"web"}, Written: writtenOf(o)}
	for _, f := range o.Formation {
		if f.Type != server.ReleaseType && f.Type != "web" {
			data.Types = append(data.Types, f.Type)
		}
	}
	for _, h := range hosts {
		if h.State != server.HostInvited {
			data.Hosts = append(data.Hosts, h.Name)
		}
	}
	for _, vol := range list {
		data.Volumes = append(data.Volumes, viewVolume(vol, o.Dynos, hosts))
	}
	return v.showStatus(bad.status(), "volumes", "volumes", "Volumes", data)
}

func viewVolume(vol server.Volume, dynos []server.Instance, hosts []server.HostRow) volumeRow {
	row := volumeRow{Volume: vol, At: vol.Host, State: "not attached"}
	if vol.Driver != "" {
		row.At = "driver " + vol.Driver
	}
	if vol.Mount != nil {
		row.State = "no dyno runs"
		i := slices.IndexFunc(dynos, func(in server.Instance) bool { return in.Type == vol.Mount.Type && !in.OneOff })
		if i >= 0 {
			in := dynos[i]
			row.State = in.State
			if in.State == "pending" && in.Reason != "" {
				row.State = "waits: " + in.Reason
			} else if in.State != "pending" {
				row.Writer = dynoName(in)
			}
		}
	}
	if vol.Driver != "" {
		return row
	}
	i := slices.IndexFunc(hosts, func(h server.HostRow) bool { return h.ID == vol.HostID })
	switch {
	case vol.HostID == "":
		row.At, row.State = vol.Host+" (removed)", "its data is given up"
	case i >= 0 && hosts[i].State == server.HostLost:
		row.State = "its host is lost: what it is attached to waits for it"
	}
	return row
}

// writtenOf is what dynos of the release that serves have written outside volumes.
func writtenOf(o server.Overview) (list []writtenBy) {
	for _, in := range o.Dynos {
		told := slices.ContainsFunc(list, func(w writtenBy) bool { return w.Type == in.Type })
		if len(in.Wrote) == 0 || told || o.Release == nil || in.ReleaseID != o.Release.ID {
			continue
		}
		list = append(list, writtenBy{in.Type, server.SpellWritten(in.Wrote), server.KeepWritten(o.Row.Name, in.Type, in.Wrote)})
	}
	return list
}

// mendVolumes shows the page again with what was typed into one of its forms.
func (s *Server) mendVolumes(v *visit, form string, err error) error {
	bad, err := v.slip(form, err)
	if err != nil {
		return err
	}
	return s.showVolumes(v, bad)
}

func (s *Server) createVolume(v *visit) error {
	if err := v.form(); err != nil {
		return err
	}
	n := server.NewVolume{Name: strings.TrimSpace(v.field("name")), Host: v.field("host")}
	if text := strings.TrimSpace(v.field("size")); text != "" {
		gb, err := strconv.ParseFloat(text, 64)
		if err != nil || !(gb > 0 && gb <= 1<<20) {
			return s.showVolumes(v, v.refuse("create", "The size must be a number of GB, from 0.001 to 1,048,576. Nothing was changed."))
		}
		n.Size = int64(gb * (1 << 30))
	}
	vol, err := s.svc.CreateVolume(v.ctx(), v.actor(), v.app().ID, n)
	if err != nil {
		return s.mendVolumes(v, "create", err)
	}
	return v.done(v.appPath("volumes"), "Made volume "+vol.Name+" on "+vol.Host+". Attach it, so that dynos find it.")
}

func (s *Server) attachVolume(v *visit) error {
	if err := v.form(); err != nil {
		return err
	}
	name := v.field("volume")
	d, err := s.svc.AttachVolume(v.ctx(), v.actor(), v.app().ID, name, v.field("type"), strings.TrimSpace(v.field("path")))
	if err != nil {
		return s.mendVolumes(v, "attach-"+name, err)
	}
	return v.done(v.appPath("deploys", d.ID), "Attaching volume "+plain(name)+": the dyno that has it is stopped before the new one starts.")
}

func (s *Server) detachVolume(v *visit) error {
	if err := v.form(); err != nil {
		return err
	}
	name := v.field("volume")
	d, err := s.svc.DetachVolume(v.ctx(), v.actor(), v.app().ID, name)
	if err != nil {
		return s.mendVolumes(v, "detach-"+name, err)
	}
	return v.done(v.appPath("deploys", d.ID), "Detaching volume "+plain(name)+". Its data stays.")
}

func (s *Server) destroyVolume(v *visit) error {
	if err := v.form(); err != nil {
		return err
	}
	name := v.field("volume")
	if v.field("confirm") != name {
		return s.showVolumes(v, v.refuse("destroy-"+name, "What was typed is not the volume's name, %s. Nothing was destroyed.", name))
	}
	vol, err := s.svc.DestroyVolume(v.ctx(), v.actor(), v.app().ID, name)
	if err != nil {
		return s.mendVolumes(v, "destroy-"+name, err)
	}
	return v.done(v.appPath("volumes"), "Volume "+vol.Name+" is destroyed, with its data.")
}
