package server

import (
	"context"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/idna"
)

// MaxDomains is how many host names an app may have beside its own (Heroku).
const MaxDomains = 1000

const (
	maxHostname = 253 // bytes, as DNS has it
	wildcard    = "*."
)

var topLabel = regexp.MustCompile(`^[a-z]([a-z0-9-]*[a-z0-9])?$`)

// NormalHostname gives the one way to write a host name that people may give
// an app: lower case, ASCII (IDNA), without the dot at the end. A wildcard for
// one level, "*.example.com", is allowed. below is the platform's own domain,
// which no app may have.
func NormalHostname(name, below string) (string, error) {
	refuse := func(why string) (string, error) {
		return "", Errorf(ErrInvalid, "%q %s Nothing was changed.", shorten(name, 100), why)
	}
	base, wild := strings.CutPrefix(strings.TrimSpace(name), wildcard)
	base = strings.TrimSuffix(base, ".")
	switch {
	case base == "":
		return refuse("is no host name.")
	case strings.Contains(base, "://"), strings.Contains(base, "/"):
		return refuse("is an address; give its host name only, like www.example.com.")
	case isIP(base):
		return refuse("is an IP address; an app is found by a host name.")
	case strings.Contains(base, ":"):
		return refuse("has a port; a host name serves all ports of the router. Leave it out.")
	case strings.Contains(base, "*"):
		return refuse("may have a star only in front, as in *.example.com.")
	}
	profile := idna.New(idna.MapForLookup(), idna.Transitional(false), idna.BidiRule(),
		idna.StrictDomainName(true), idna.ValidateLabels(true), idna.VerifyDNSLength(true))
	ascii, err := profile.ToASCII(base)
	if err == nil && utf8.ValidString(base) {
		// A name must be the same when it is read again.
		base = ascii
		ascii, err = profile.ToASCII(base)
	}
	if err != nil || ascii != base {
		return refuse("is no host name: it may hold letters, digits and dashes, in parts of at most 63, with dots between.")
	}
	labels := strings.Split(ascii, ".")
	if len(labels) < 2 || !topLabel.MatchString(labels[len(labels)-1]) {
		return refuse("is no full host name; it ends in a domain, like www.example.com.")
	}
	if _, parent, _ := strings.Cut(below, "."); ascii == below || strings.HasSuffix(ascii, "."+below) || wild && ascii == parent {
		return refuse("belongs to the platform: every app has its own name there already.")
	}
	if wild {
		ascii = wildcard + ascii
	}
	if len(ascii) > maxHostname {
		return refuse("is longer than a host name may be.")
	}
	return ascii, nil
}

func isIP(s string) bool {
	_, err := netip.ParseAddr(strings.Trim(s, "[]"))
	if err == nil {
		return true
	}
	_, err = netip.ParseAddrPort(s)
	return err == nil
}

// shorten cuts a text for a message.
func shorten(s string, most int) string {
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}

// ownHost is the app's host name under the platform's domain.
func (s *Service) ownHost(app App) string { return app.Name + "." + s.cfg.Domain }

func (s *Service) domainsOf(ctx context.Context, app App) ([]Domain, error) {
	list, err := s.store.Domains(ctx, app.ID)
	if err != nil {
		return nil, err
	}
	own := Domain{AppID: app.ID, App: app.Name, Hostname: s.ownHost(app), Own: true, CreatedAt: app.CreatedAt}
	all := append([]Domain{own}, list...)
	for i := range all[1:] {
		all[i+1].Target = own.Hostname
	}
	return all, nil
}

// Domains lists the host names of an app, its own first.
func (s *Service) Domains(ctx context.Context, actor Actor, ident string) ([]Domain, error) {
	app, err := s.appToRead(ctx, actor, ident, PermView)
	if err != nil {
		return nil, err
	}
	return s.domainsOf(ctx, app)
}

// Domain finds one by name or id.
func (s *Service) Domain(ctx context.Context, actor Actor, ident, domain string) (Domain, error) {
	list, err := s.Domains(ctx, actor, ident)
	if err != nil {
		return Domain{}, err
	}
	i := slices.IndexFunc(list, func(d Domain) bool { return d.ID != "" && d.ID == domain || d.Hostname == s.domainIdent(domain) })
	if i < 0 {
		return Domain{}, noDomain(ident)
	}
	return list[i], nil
}

func noDomain(app string) error {
	return &Error{ID: ErrNotFound, Message: "Couldn't find that domain name.", Next: "See which there are: paas domains -a " + app}
}

// domainIdent is how a name is kept, or the ident itself where it is none.
func (s *Service) domainIdent(ident string) string {
	if name, err := NormalHostname(ident, s.cfg.Domain); err == nil {
		return name
	}
	return strings.ToLower(ident)
}

// AddDomain makes a host name lead to an app. Who its DNS belongs to is not
// asked: whoever it points here is served.
func (s *Service) AddDomain(ctx context.Context, actor Actor, ident, hostname string) (Domain, error) {
	app, err := s.app(ctx, actor, ident, PermOperate)
	if err != nil {
		return Domain{}, err
	}
	name, err := NormalHostname(hostname, s.cfg.Domain)
	if err != nil {
		return Domain{}, err
	}
	d, err := s.store.AddDomain(ctx, app.ID, name, actor.Email)
	d.Target = s.ownHost(app)
	return d, err
}

// RemoveDomain takes one away, by name or id. The router stops serving it at once.
func (s *Service) RemoveDomain(ctx context.Context, actor Actor, ident, domain string) (Domain, error) {
	app, err := s.app(ctx, actor, ident, PermOperate)
	if err != nil {
		return Domain{}, err
	}
	if domain == s.ownHost(app) {
		return Domain{}, Errorf(ErrInvalid, "%s is the app's own name under the platform's domain; it goes only with the app. Nothing was changed.", domain)
	}
	if domain = s.domainIdent(domain); domain == "" {
		return Domain{}, noDomain(app.Name)
	}
	gone, err := s.store.RemoveDomains(ctx, app.ID, domain, actor.Email)
	if err != nil {
		return Domain{}, err
	}
	if len(gone) == 0 {
		return Domain{}, noDomain(app.Name)
	}
	gone[0].Target = s.ownHost(app)
	return gone[0], nil
}

// ClearDomains takes all away but the app's own, and gives them.
func (s *Service) ClearDomains(ctx context.Context, actor Actor, ident string) ([]Domain, error) {
	app, err := s.app(ctx, actor, ident, PermOperate)
	if err != nil {
		return nil, err
	}
	gone, err := s.store.RemoveDomains(ctx, app.ID, "", actor.Email)
	for i := range gone {
		gone[i].Target = s.ownHost(app)
	}
	return gone, err
}
