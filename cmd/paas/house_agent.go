package main

import (
	"context"
	"os"
	"time"

	"paas/scheduler"
	"paas/scheduler/agent"
	"paas/scheduler/agent/docker"
	"paas/server"
)

func (h *house) openAgent(context.Context) (err error) {
	h.runtime, err = docker.New(docker.Config{Socket: "unix://" + h.s.docker, Cluster: h.data.cluster, FilesDir: filesDir(h.data.cluster), EgressAllow: h.s.fleet.egressNets, Publish: h.s.fleet.published, Doors: doorPorts(),
		RegistryAuth: map[string]docker.Credentials{h.images.addr: {User: h.images.auth.User, Password: h.images.auth.Password}}}, h.log)
	if err != nil {
		return err
	}
	h.services.run("agent", func(ctx context.Context) error { return h.agent(ctx, h.control) })
	h.services.run("image sweep", func(ctx context.Context) error {
		return agent.SweepImages(ctx, 10*time.Minute, h.control.KeptImages, h.runtime, h.log)
	})
	return nil
}

// filesDir is where the config files of instances are kept: in memory. A
// machine without /dev/shm runs everything but apps that have some.
func filesDir(cluster string) string {
	const memory = "/dev/shm"
	if _, err := os.Stat(memory); err != nil {
		return ""
	}
	return memory + "/paas-" + cluster
}

// agent registers this machine as a host as soon as its engine answers, and
// then runs what is assigned to it.
func (h *house) agent(ctx context.Context, control *server.Control) error {
	host, err := h.host(ctx)
	for told := false; err != nil; host, err = h.host(ctx) {
		if !told {
			h.log.Error("Docker Engine is not reachable; apps cannot start until it is", "err", err)
			told = true
		}
		select {
		case <-time.After(500 * time.Millisecond):
		case <-ctx.Done():
			return nil
		}
	}
	doors, err := newDoors(host.ID, h.data.join("router", "links.json"), h.traffic, h.log)
	if err != nil {
		return err
	}
	h.services.run("linked apps", doors.Run)
	a, err := agent.New(agent.Config{Host: host.ID, LogRate: h.s.logRate << 10, LogBurst: 2 * h.s.logRate << 10}, doored{control, doors}, h.runtime, h.log)
	if err != nil {
		return err
	}
	h.bell.Ring(server.NoticeAll) // what waits for a host may be placed now
	return a.Run(ctx)
}

func (h *house) host(ctx context.Context) (scheduler.Host, error) {
	c, err := h.runtime.Capacity(ctx)
	if err != nil {
		return scheduler.Host{}, err
	}
	name, err := os.Hostname()
	if err != nil {
		return scheduler.Host{}, err
	}
	// A tenth of the memory is left to the machine itself and to builds.
	return h.store.EnsureHost(ctx, scheduler.Host{Name: name, Arch: c.Arch, MilliCPU: int64(c.CPUs) * 1000, Memory: c.Memory / 10 * 9})
}
