package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"paas/builder"
	"paas/builder/buildkit"
	"paas/server/child"
	"paas/server/registry"
)

// images is where the apps' images are kept.
type images struct {
	addr string
	auth registry.Auth
	// repo gives the credentials a build gets: for its own repository only.
	repo func(repo string) (user, password string)
}

func (h *house) openRegistry(context.Context) error {
	if h.s.externalRegistry != "" {
		return h.useRegistry()
	}
	auth, err := registry.EnsureAuth(h.data.join("registry", "auth.json"))
	if err != nil {
		return err
	}
	reg, err := registry.New(registry.Config{Addr: h.s.registry, Dir: h.data.join("registry"), User: auth.User, Password: auth.Password}, h.log)
	if err != nil {
		return portHint(err, "--registry", h.s.registry)
	}
	h.ground.run("registry", reg.Run)
	h.images = images{addr: reg.Addr(), auth: auth, repo: func(repo string) (user, password string) {
		a := registry.RepoAuth(auth.Password, repo)
		return a.User, a.Password
	}}
	return nil
}

// useRegistry takes a registry that others run.
func (h *house) useRegistry() (err error) {
	h.images.addr = h.s.externalRegistry
	if h.s.externalRegistryAuth != "" {
		h.images.auth, err = registry.ReadAuth(h.s.externalRegistryAuth)
	}
	h.images.repo = func(string) (user, password string) { return h.images.auth.User, h.images.auth.Password }
	return err
}

func (h *house) openBuilder(ctx context.Context) error {
	if h.s.buildkit == "" {
		bin, err := buildkitdPath(h.s.buildkitd)
		if err != nil {
			return err
		}
		bridge := "pb" + h.data.cluster // its own: another installation's stop removes its own only
		if err := freeSubnet("--build-subnet", h.s.buildNet, bridge); err != nil {
			return err
		}
		bk, err := child.NewBuildkitd(child.BuildkitdConfig{Bin: bin, Root: h.data.join("buildkit"),
			RegistryAddr: h.images.addr, MirrorDockerIO: h.s.mirror, MaxParallelism: 2 * h.s.maxBuilds,
			BridgeName: bridge, BridgeSubnet: h.s.buildNet,
			Env: buildEnv(os.Environ())}, h.log)
		if err != nil {
			return err
		}
		h.ground.run("buildkitd", bk.Run)
		h.s.buildkit, h.buildkitReady = bk.Addr(), bk.WaitReady
	}
	var err error
	h.builder, err = buildkit.New(buildkit.Config{Addr: h.s.buildkit, Registry: h.images.addr, Auth: h.images.repo}, h.log)
	return err
}

// Build is server.Builder: a build that comes while buildkitd is still starting
// waits for it, and says in its own words when it cannot start.
func (h *house) Build(ctx context.Context, r builder.Request, out io.Writer) (builder.Image, error) {
	if h.buildkitReady != nil {
		limited, cancel := context.WithTimeout(ctx, 30*time.Second)
		defer cancel()
		if err := h.buildkitReady(limited); err != nil {
			return builder.Image{}, fmt.Errorf("%w: %w", builder.ErrUnavailable, err)
		}
	}
	return h.builder.Build(ctx, r, out)
}

// buildEnv keeps of the environment what buildkitd needs to reach registries
// from behind a proxy or a private CA.
func buildEnv(env []string) []string {
	var keep []string
	for _, kv := range env {
		name, _, _ := strings.Cut(kv, "=")
		switch strings.ToUpper(name) {
		case "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR":
			keep = append(keep, kv)
		}
	}
	return keep
}
