package fleet

import (
	"context"
	"crypto/x509"
	"crypto/x509/pkix"

	"paas/server"
)

// role is what a certificate is good for. A host's says none.
type role string

const (
	roleHost   role = ""
	roleRouter role = "router"
	roleServer role = "server"
)

func (r role) subject(id string) pkix.Name {
	n := pkix.Name{CommonName: id}
	if r != roleHost {
		n.OrganizationalUnit = []string{string(r)}
	}
	return n
}

func roleOf(leaf *x509.Certificate) role {
	if len(leaf.Subject.OrganizationalUnit) == 0 {
		return roleHost
	}
	return role(leaf.Subject.OrganizationalUnit[0])
}

var (
	errOtherRole = &server.Error{ID: server.ErrUnauthorized, Message: "That is for another role than the certificate's."}
	errNoRouters = &server.Error{ID: server.ErrNotFound, Message: "This control plane has no routers elsewhere."}
)

func (r role) removed() error {
	what := "host"
	if r == roleRouter {
		what = "router"
	}
	return server.Errorf(server.ErrForbidden, "This %s was removed from the platform.", what)
}

// registry is by what keys of a role are known.
type registry struct {
	byKey    func(ctx context.Context, keyHash []byte) (id string, err error)
	renewKey func(ctx context.Context, id string, from, to []byte) error
}

func (s *Server) registry(leaf *x509.Certificate) registry {
	switch roleOf(leaf) {
	case roleHost:
		return registry{s.hosts.HostByKey, s.hosts.RenewKey}
	case roleRouter:
		if s.cfg.Routers != nil {
			return registry{s.cfg.Routers.RouterByKey, s.cfg.Routers.RenewKey}
		}
	}
	unknown := func(context.Context, []byte) (string, error) { return "", errNoRouters }
	return registry{unknown, func(context.Context, string, []byte, []byte) error { return errNoRouters }}
}
