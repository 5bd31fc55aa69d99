package web

import (
	"context"
	"strings"

	"github.com/go-chi/chi/v5"
	"golang.org/x/net/publicsuffix"

	"paas/server"
)

// HostNames gives apps host names.
type HostNames interface {
	Domains(ctx context.Context, actor server.Actor, app string) ([]server.Domain, error)
	AddDomain(ctx context.Context, actor server.Actor, app, hostname string) (server.Domain, error)
	RemoveDomain(ctx context.Context, actor server.Actor, app, domain string) (server.Domain, error)
	Links(ctx context.Context, actor server.Actor, app string) ([]server.Link, error)
}

func (s *Server) domainRoutes(r chi.Router) {
	r.Get("/domains", s.page(s.domainsPage))
	r.Post("/domains", s.page(s.addDomain))
	r.Post("/domains/remove", s.page(s.removeDomain))
}

// hostName is a domain with the DNS record that makes it lead here.
type hostName struct {
	server.Domain
	Record string // "CNAME", or what stands in for it at the top of a domain
	Apex   bool
	URL    string // empty for a wildcard
}

type domainsData struct {
	Own    hostName
	Custom []hostName
	Local  bool          // the installation's domain is one that no DNS knows
	Links  []server.Link // from and to the app, inside
	Slip   slip
}

func (s *Server) domainsPage(v *visit) error { return s.showDomains(v, slip{}) }

func (s *Server) showDomains(v *visit, bad slip) error {
	list, err := s.svc.Domains(v.ctx(), v.actor(), v.app().ID)
	if err != nil {
		return err
	}
	data := domainsData{Slip: bad, Local: s.cfg.Domain == "localhost" || strings.HasSuffix(s.cfg.Domain, ".localhost")}
	for _, d := range list {
		h := s.hostName(d)
		if d.Own {
			data.Own = h
			continue
		}
		data.Custom = append(data.Custom, h)
	}
	if data.Links, err = s.svc.Links(v.ctx(), v.actor(), v.app().ID); err != nil {
		return err
	}
	return v.showStatus(bad.status(), "domains", "domains", "Domains", data)
}

// hostName says how a domain's DNS leads here. At the top of a domain stands
// no CNAME: there are other records already.
func (s *Server) hostName(d server.Domain) hostName {
	h := hostName{Domain: d, Record: "CNAME"}
	if d.Own {
		h.URL = s.cfg.WebURL(d.App)
		return h
	}
	if top, err := publicsuffix.EffectiveTLDPlusOne(d.Hostname); err == nil && top == d.Hostname {
		h.Apex, h.Record = true, "ALIAS"
	}
	if !strings.HasPrefix(d.Hostname, "*") {
		h.URL = s.beside(d.App, d.Hostname)
	}
	return h
}

// beside is the URL of a host name that is served where the app is: with the
// same scheme and port.
func (s *Server) beside(app, host string) string {
	return strings.Replace(s.cfg.WebURL(app), "//"+app+"."+s.cfg.Domain, "//"+host, 1)
}

func (s *Server) addDomain(v *visit) error {
	if err := v.form(); err != nil {
		return err
	}
	d, err := s.svc.AddDomain(v.ctx(), v.actor(), v.app().ID, v.field("hostname"))
	if err != nil {
		bad, err := v.slip("add", err)
		if err != nil {
			return err
		}
		return s.showDomains(v, bad)
	}
	return v.done(v.appPath("domains"), "Added "+d.Hostname+". It is served as soon as its DNS leads here.")
}

func (s *Server) removeDomain(v *visit) error {
	if err := v.form(); err != nil {
		return err
	}
	d, err := s.svc.RemoveDomain(v.ctx(), v.actor(), v.app().ID, v.field("domain"))
	if err != nil {
		return err
	}
	return v.done(v.appPath("domains"), "Removed "+d.Hostname+". It is not served any more.")
}
