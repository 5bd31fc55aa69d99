package docker

import (
	"context"
	"errors"
	"fmt"
	"strings"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/mount"

	"paas/scheduler/agent"
)

// Start makes the instance run, once: a container of it that runs is returned
// as it is, one that ran and ended too (Running is false then), and one that
// never came to run is made anew. With a.Attach it is only made, for Attach to
// start.
func (r *Runtime) Start(ctx context.Context, a agent.Assignment) (agent.Container, error) {
	s, err := newSpec(r.cfg.Cluster, a)
	if err != nil {
		return agent.Container{}, err
	}
	if r.cfg.Doors.wanted() {
		s.ask(nameservers())
	}
	if err := s.publish(r.cfg.Publish, r.port(), a); err != nil {
		return agent.Container{}, err
	}
	c, found, err := r.existing(ctx, a)
	if found || err != nil {
		return c, err
	}
	if err := r.prepare(ctx, a); err != nil {
		return agent.Container{}, err
	}
	r.wall.ensure(ctx, true)
	if err := r.fitCPUs(ctx, s); err != nil {
		return agent.Container{}, err
	}
	if err := r.mount(ctx, s, a); err != nil {
		return agent.Container{}, err
	}
	c, err = r.launchOn(ctx, s, a)
	for try := 1; portTaken(err) && try < portTries; try++ {
		if err := s.publish(r.cfg.Publish, r.port(), a); err != nil {
			return c, err
		}
		c, err = r.launchOn(ctx, s, a)
	}
	if err != nil && !r.mayRun(s, err) {
		err = errors.Join(err, r.files.remove(a.ID))
	}
	return c, err
}

// mount brings the volumes and the config files of an instance.
func (r *Runtime) mount(ctx context.Context, s *spec, a agent.Assignment) (err error) {
	var volumes []mount.Mount
	if s.fresh, volumes, err = r.ensureVolumes(ctx, a); err != nil {
		return err
	}
	files, err := r.files.write(a)
	s.host.Mounts = append(volumes, files...)
	return err
}

// fitCPUs lowers a limit that is more than the machine has, which the engine
// would refuse: a size of 2.5 CPUs on a host of two may have both.
func (r *Runtime) fitCPUs(ctx context.Context, s *spec) error {
	const cpu = 1_000_000_000
	if s.host.NanoCPUs <= cpu { // every machine has as many
		return nil
	}
	has, err := r.Capacity(ctx)
	if err == nil && has.CPUs > 0 {
		s.host.NanoCPUs = min(s.host.NanoCPUs, int64(has.CPUs)*cpu)
	}
	return err
}

// mayRun says that the start of what must not run twice failed in a way that
// leaves open whether it runs: it stays for the next try to look at.
func (r *Runtime) mayRun(s *spec, err error) bool {
	return s.once && agent.KindOf(err) == agent.FaultEngine
}

// launchOn launches on the app's network, which may have to be made again.
func (r *Runtime) launchOn(ctx context.Context, s *spec, a agent.Assignment) (agent.Container, error) {
	c, err := r.launch(ctx, s)
	if missing(err) && strings.Contains(err.Error(), "network") {
		// Pruned under our hands: the last instance before this one had just
		// gone. Now that it is known, once more.
		if err := r.ensureNetwork(ctx, a); err != nil {
			return agent.Container{}, err
		}
		c, err = r.launch(ctx, s)
	}
	return c, err
}

// existing finds the container of an earlier Start.
func (r *Runtime) existing(ctx context.Context, a agent.Assignment) (agent.Container, bool, error) {
	id, err := r.find(ctx, a.ID)
	if errors.Is(err, agent.ErrNoContainer) {
		return agent.Container{}, false, nil
	}
	if err != nil {
		return agent.Container{}, false, err
	}
	c, ran, err := r.inspect(ctx, id)
	if missing(err) {
		return c, false, nil
	}
	if err != nil {
		return c, false, err
	}
	if ran || a.Attach {
		return c, true, nil
	}
	return c, false, r.remove(ctx, id)
}

// prepare brings image and network, side by side: neither needs the other.
func (r *Runtime) prepare(ctx context.Context, a agent.Assignment) error {
	netErr := make(chan error, 1)
	go func() { netErr <- r.ensureNetwork(ctx, a) }()
	imageErr, netFault := r.ensureImage(ctx, a), <-netErr
	if imageErr != nil {
		return imageErr // the more telling one
	}
	return netFault
}

// launch creates and starts with the limit on open files that the engine can set.
func (r *Runtime) launch(ctx context.Context, s *spec) (agent.Container, error) {
	for {
		files := r.ulimit.files()
		if s.attach {
			files = r.ulimit.safe()
		}
		s.host.Ulimits = []*container.Ulimit{files}
		c, err := r.attempt(ctx, s)
		retry, first := r.ulimit.lower(err, files.Hard)
		if !retry {
			if err == nil && !s.attach {
				r.ulimit.proven.Store(true)
			}
			return c, err
		}
		if first {
			r.log.Warn("the engine cannot give containers as many open files; they get fewer",
				"wanted", files.Hard, "next", r.ulimit.files().Hard, "err", err)
		}
	}
}

// attempt creates and starts; what it made is gone again when it fails.
func (r *Runtime) attempt(ctx context.Context, s *spec) (agent.Container, error) {
	id, err := r.create(ctx, s)
	if err != nil {
		return agent.Container{}, err
	}
	if s.attach {
		c, _, err := r.inspect(ctx, id)
		return c, err
	}
	var c agent.Container
	if err = r.own(ctx, id, s.fresh); err == nil {
		c, err = r.run(ctx, id)
	}
	if err == nil || r.mayRun(s, err) {
		return c, err
	}
	// The caller's context may be what ended: the cleaning must not depend on it.
	if rmErr := r.remove(context.WithoutCancel(ctx), id); rmErr != nil {
		return agent.Container{}, fmt.Errorf("%w (and then: %w)", err, rmErr)
	}
	return agent.Container{}, err
}

func (r *Runtime) create(ctx context.Context, s *spec) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, r.cfg.StartTimeout)
	defer cancel()
	made, err := r.cli.ContainerCreate(ctx, s.config, s.host, s.network, nil, s.name)
	if cerrdefs.IsConflict(err) {
		made, err = r.cli.ContainerCreate(ctx, s.config, s.host, s.network, nil, s.longName)
	}
	if err != nil {
		return "", createFault(s.name, r.fault("create container "+s.name, err))
	}
	for _, w := range made.Warnings {
		r.log.Debug("engine warns", "container", s.name, "warning", w)
	}
	return made.ID, nil
}

func (r *Runtime) run(ctx context.Context, id string) (agent.Container, error) {
	if err := r.begin(ctx, id); err != nil {
		return agent.Container{}, err
	}
	c, _, err := r.inspect(ctx, id)
	return c, err
}

// createFault knows what no further try makes good: a volume or config file is to
// be shown below what is a file in the image. The engine names the path inside a
// directory of its own, another one with each try.
func createFault(name string, err error) error {
	if err == nil || !strings.Contains(err.Error(), "not a directory") {
		return err
	}
	_, path, ok := strings.Cut(err.Error(), "/merged/")
	if !ok {
		return err
	}
	path, _, _ = strings.Cut("/"+path, ":")
	return appFault("create container %s: nothing can be shown at %s: a part of that path is a file in the image", name, path)
}

// startFault knows the errors of a start that the app made itself.
func startFault(err error) error {
	for _, own := range []string{"executable file not found", "no such file or directory", "exec format error", "permission denied"} {
		if strings.Contains(err.Error(), "exec") && strings.Contains(err.Error(), own) {
			if own != "permission denied" && own != "exec format error" {
				err = fmt.Errorf("%w: %w", agent.ErrNotFound, err)
			}
			return &agent.Fault{Kind: agent.FaultApp, Err: err}
		}
	}
	if text := err.Error(); strings.Contains(text, "not a directory") && strings.Contains(text, "mount") {
		return &agent.Fault{Kind: agent.FaultApp, Err: fmt.Errorf("a config file cannot be shown: its path is a directory in the image, or goes through a file: %w", err)}
	}
	return err
}
