package docker

import (
	"context"
	"errors"
	"fmt"
	"strings"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/docker/docker/client"

	"paas/scheduler/agent"
)

// fault wraps an error of the engine with the step that failed and sorts it.
func (r *Runtime) fault(step string, err error) error {
	if err == nil {
		return nil
	}
	var f *agent.Fault
	if errors.As(err, &f) {
		return err
	}
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		// What the client adds is the URL it asked, which helps nobody.
		err = fmt.Errorf("%s: Docker Engine at %s did not answer in time", step, r.cfg.Socket)
		return &agent.Fault{Kind: agent.FaultEngine, Err: err}
	case client.IsErrConnectionFailed(err):
		return &agent.Fault{Kind: agent.FaultEngine, Err: fmt.Errorf("%s: %w", step, err)}
	}
	return fmt.Errorf("%s: %w", step, err)
}

// pullFault sorts an error that the engine passed on from a registry. Only its
// text tells what the registry said: inside a progress stream there is no code.
// Engines from 28 on may pass the registry's answer on as it is, with its codes.
func (r *Runtime) pullFault(ref string, err error) error {
	step := "pull image " + ref
	text := err.Error()
	for _, lasting := range []string{
		"manifest unknown", "manifest_unknown", "name_unknown", "not found", "unauthorized", "denied", "no basic auth credentials",
		"no matching manifest", "unsupported media type", "failed to register layer", "invalid reference format",
	} {
		if strings.Contains(strings.ToLower(text), lasting) {
			return &agent.Fault{Kind: agent.FaultLasting, Err: fmt.Errorf("%s: %w", step, err)}
		}
	}
	for _, away := range []string{"connection refused", "no such host", "i/o timeout", "connection reset", "no route to host"} {
		if strings.Contains(text, away) {
			return fmt.Errorf("%s: registry unreachable: %w", step, err)
		}
	}
	return r.fault(step, err)
}

func lasting(format string, args ...any) error {
	return &agent.Fault{Kind: agent.FaultLasting, Err: fmt.Errorf(format, args...)}
}

func appFault(format string, args ...any) error {
	return &agent.Fault{Kind: agent.FaultApp, Err: fmt.Errorf(format, args...)}
}

// missing is true for "no such object" of any kind.
func missing(err error) bool { return cerrdefs.IsNotFound(err) }
