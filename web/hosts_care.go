package web

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/go-chi/chi/v5"

	"paas/server"
)

// HostCare is what admins do with hosts besides: rehearse the loss of one, spread
// the load anew.
type HostCare interface {
	PlanDrill(ctx context.Context, actor server.Actor, host string) (server.Drill, error)
	StartDrill(ctx context.Context, actor server.Actor, host string, o server.DrillOrder) (server.Drill, error)
	Drill(ctx context.Context, actor server.Actor, host string) (server.Drill, error)
	EndDrill(ctx context.Context, actor server.Actor, host string) (server.Drill, error)
	PlanRebalance(ctx context.Context, actor server.Actor, app string) (server.Rebalanced, error)
	Rebalance(ctx context.Context, actor server.Actor, o server.RebalanceOrder) (server.Rebalanced, error)
}

func (s *Server) hostCareRoutes(r chi.Router) {
	r.Get("/rebalance", s.page(s.rebalancePage))
	r.Post("/rebalance", s.page(s.rebalance))
	r.Post("/hosts/{host}/keep", s.page(s.keepOfHost))
	r.Get("/hosts/{host}/drill", s.page(s.drillPage))
	r.Post("/hosts/{host}/drill", s.page(s.startDrill))
	r.Post("/hosts/{host}/drill/end", s.page(s.endDrill))
}

// rebalanceData is the plan, and what is under way.
type rebalanceData struct {
	server.Rebalanced
	Slip slip
}

func (s *Server) rebalancePage(v *visit) error { return s.showRebalance(v, slip{}) }

func (s *Server) showRebalance(v *visit, bad slip) error {
	plan, err := s.svc.PlanRebalance(v.ctx(), v.actor(), "")
	if err != nil {
		return err
	}
	return v.showStatus(bad.status(), "rebalance", "", "Spread the load anew", rebalanceData{plan, bad})
}

// rebalance begins with the first few moves; the page says what is left.
func (s *Server) rebalance(v *visit) error {
	if err := v.form(); err != nil {
		return err
	}
	r, err := s.svc.Rebalance(v.ctx(), v.actor(), server.RebalanceOrder{})
	if err != nil {
		bad, err := v.slip("rebalance", err)
		if err != nil {
			return err
		}
		return s.showRebalance(v, bad)
	}
	said := fmt.Sprintf("%d of %d moves begun.", r.Begun, len(r.Moves))
	switch {
	case r.Begun == 0 && r.Underway > 0:
		said = "Dynos are on their way already. Nothing was begun: look again when they have arrived."
	case r.Begun == 0:
		said = "There was nothing to move any more."
	}
	return v.done("/rebalance", said)
}

// keepOfHost keeps a part of the machine from dynos.
func (s *Server) keepOfHost(v *visit) error {
	if err := v.form(); err != nil {
		return err
	}
	const mostCPU, mostMB = 10_000, 1 << 30
	cpu, err := strconv.ParseFloat(strings.TrimSpace(v.field("cpu")), 64)
	if err != nil || !(cpu >= 0 && cpu <= mostCPU) {
		return s.showHost(v, v.refuse("keep", "%s is no number of CPUs. Nothing was changed.", plain(v.field("cpu"))))
	}
	mb, err := strconv.ParseInt(strings.TrimSpace(v.field("memory")), 10, 64)
	if err != nil || mb < 0 || mb > mostMB {
		return s.showHost(v, v.refuse("keep", "%s is no number of megabytes. Nothing was changed.", plain(v.field("memory"))))
	}
	milli, memory := int64(cpu*1000+0.5), mb<<20
	return s.changeHost(v, "keep", server.HostChange{KeptCPU: &milli, KeptMemory: &memory}, fmt.Sprintf("keeps %s and %s from dynos now; what is there already stays.", cpusText(milli), bytesText(memory)))
}

// KeepCPU and KeepMB are what is kept, as the form takes it.
func (h hostView) KeepCPU() string { return strconv.FormatFloat(float64(h.KeptCPU)/1000, 'f', -1, 64) }

// KeepMB is in units of 2^20 bytes.
func (h hostView) KeepMB() string { return strconv.FormatInt(h.KeptMemory>>20, 10) }

// drillData is what the page of a host's drills shows.
type drillData struct {
	Host   server.HostRow
	Plan   server.Drill
	Barred problem // why there can be none now; Message is empty when there can
	Last   *server.Drill
	Slip   slip
	Now    time.Time
}

// Runs says that the last one goes on.
func (d drillData) Runs() bool { return d.Last != nil && !d.Last.Ended(d.Now) }

// drillTimes are the lengths that the form offers.
func drillTimes() []time.Duration {
	return []time.Duration{time.Minute, 5 * time.Minute, 15 * time.Minute}
}

// Lengths are drillTimes, as the CLI takes them.
func (d drillData) Lengths() (list []string) {
	for _, t := range drillTimes() {
		list = append(list, deadlineText(t))
	}
	return list
}

func (s *Server) drillPage(v *visit) error { return s.showDrill(v, slip{}) }

func (s *Server) showDrill(v *visit, bad slip) error {
	data := drillData{Slip: bad, Now: time.Now()}
	var err error
	if data.Host, err = s.svc.Host(v.ctx(), v.actor(), v.hostName()); err != nil {
		return err
	}
	switch last, err := s.svc.Drill(v.ctx(), v.actor(), data.Host.Name); {
	case err == nil:
		data.Last = &last
	case !server.IsID(err, server.ErrNotFound):
		return err
	}
	if !data.Runs() {
		data.Plan, err = s.svc.PlanDrill(v.ctx(), v.actor(), data.Host.Name)
		if server.IsID(err, server.ErrConflict) {
			data.Barred, err = s.explain(v.r, err), nil
		}
	}
	if err != nil {
		return err
	}
	return v.showStatus(bad.status(), "drill", "", "Drill of "+plain(data.Host.Name), data)
}

// startDrill asks for the host's name: what has no other host is away meanwhile.
func (s *Server) startDrill(v *visit) error {
	if err := v.form(); err != nil {
		return err
	}
	length, err := time.ParseDuration(v.field("for"))
	if err != nil {
		return s.showDrill(v, v.refuse("drill", "%s is no length of time. Nothing was changed.", plain(v.field("for"))))
	}
	if v.field("confirm") != v.hostName() {
		return s.showDrill(v, v.refuse("drill", "What was typed is not the host's name. Nothing was changed."))
	}
	d, err := s.svc.StartDrill(v.ctx(), v.actor(), v.hostName(), server.DrillOrder{For: length, Force: v.field("force") != ""})
	if err != nil {
		return s.mendDrill(v, err)
	}
	return v.done(hostPath(d.Host, "drill"), d.Host+" is not listened to any more, for "+deadlineText(length)+".")
}

func (s *Server) endDrill(v *visit) error {
	if err := v.form(); err != nil {
		return err
	}
	d, err := s.svc.EndDrill(v.ctx(), v.actor(), v.hostName())
	if err != nil {
		return s.mendDrill(v, err)
	}
	return v.done(hostPath(d.Host, "drill"), d.Host+" is given back. It takes dynos again once it has settled.")
}

func (s *Server) mendDrill(v *visit, err error) error {
	if server.IsID(err, server.ErrNotFound) || server.IsID(err, server.ErrForbidden) {
		return err
	}
	bad, err := v.slip("drill", err)
	if err != nil {
		return err
	}
	return s.showDrill(v, bad)
}
