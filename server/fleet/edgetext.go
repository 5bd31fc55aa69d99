package fleet

import "errors"

// mayBe says whether an identity is of the role that it is read for.
func (cfg ClientConfig) mayBe(id Identity) error {
	switch {
	case !id.Joined() && cfg.Edge:
		return errors.New("this router has not joined yet; get the command for it with: paas routers:add NAME")
	case !id.Joined():
		return errors.New("this machine has not joined yet; get the command for it with: paas hosts:add NAME")
	case cfg.Edge && id.Edge == nil:
		return errors.New("this data directory is a host's, not a router's: give another with --data-dir")
	case !cfg.Edge && id.Edge != nil:
		return errors.New("this data directory is a router's, not a host's: give another with --data-dir")
	}
	return nil
}

// alone is said when the control plane does not answer.
func (cfg ClientConfig) alone() string {
	if cfg.Edge {
		return "the control plane does not answer; this router serves from the table it has"
	}
	return "the control plane does not answer; what runs goes on"
}

// unknown is said when the control plane does not know who asks.
func (cfg ClientConfig) unknown() string {
	if cfg.Edge {
		return "the control plane does not know this router; it serves from the table it has, which gets old: stop it. To join again: run here what paas routers:add NAME prints, then restart it"
	}
	return "the control plane does not know this host; what runs goes on. To join again: run here what paas hosts:add NAME prints"
}
