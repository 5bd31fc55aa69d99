// Package buildkit builds images with BuildKit: the commit's tree goes to
// buildkitd over a session, the Dockerfile at its root is solved by the
// frontend that buildkitd has built in, and the image is pushed to the
// registry by digest.
package buildkit

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"strings"
	"time"

	"github.com/moby/buildkit/client"

	"paas/builder"
)

// Defaults of Config.
const (
	defaultMaxImage  = 2 << 30
	defaultMaxOutput = 10 << 20
	defaultRetryWait = 15 * time.Second
)

// Config says what to build with and where to push.
type Config struct {
	Addr     string // of buildkitd, "unix:///…" or "tcp://…"
	Registry string // host:port to push to
	// Auth gives the credentials for one app's repository in the registry. nil
	// pushes without.
	Auth func(repo string) (user, password string)
	// Compression of new layers: "gzip" (at its fastest level) or
	// "uncompressed". Empty means uncompressed where the registry is on this
	// machine: packing and unpacking cost more than copying.
	Compression   string
	MaxImageBytes int64         // of all layers as pushed; 0 means 2 GiB
	MaxOutput     int64         // bytes of build output shown; 0 means 10 MiB
	RetryWait     time.Duration // how long to wait for a buildkitd that is gone; 0 means 15 s
}

// Builder builds through one buildkitd. It is safe for use by many goroutines.
type Builder struct {
	cfg    Config
	log    *slog.Logger
	client *client.Client
}

// New prepares a Builder. It does not connect: buildkitd may come later.
func New(cfg Config, log *slog.Logger) (*Builder, error) {
	host, _, err := net.SplitHostPort(cfg.Registry)
	if err != nil {
		return nil, fmt.Errorf("builder: registry address %q: %w", cfg.Registry, err)
	}
	switch cfg.Compression {
	case "gzip", "uncompressed":
	case "":
		cfg.Compression = "gzip"
		if ip := net.ParseIP(host); ip != nil && ip.IsLoopback() {
			cfg.Compression = "uncompressed"
		}
	default:
		return nil, fmt.Errorf("builder: unknown compression %q; use gzip or uncompressed", cfg.Compression)
	}
	if cfg.MaxImageBytes == 0 {
		cfg.MaxImageBytes = defaultMaxImage
	}
	if cfg.MaxOutput == 0 {
		cfg.MaxOutput = defaultMaxOutput
	}
	if cfg.RetryWait == 0 {
		cfg.RetryWait = defaultRetryWait
	}
	c, err := client.New(context.Background(), cfg.Addr)
	if err != nil {
		return nil, fmt.Errorf("builder: buildkitd address %q: %w", cfg.Addr, err)
	}
	return &Builder{cfg: cfg, log: log, client: c}, nil
}

// Close ends the connection to buildkitd.
func (b *Builder) Close() error { return b.client.Close() }

// Ping gives buildkitd's version, or ErrUnavailable.
func (b *Builder) Ping(ctx context.Context) (version string, err error) {
	info, err := b.client.Info(ctx)
	if err != nil {
		return "", fmt.Errorf("%w: buildkitd at %s does not answer: %w", builder.ErrUnavailable, b.cfg.Addr, err)
	}
	return info.BuildkitVersion.Version, nil
}

// Build builds the Dockerfile at the root of req.Source and pushes the image.
// What it writes to out is for the pusher, line by line while it happens; errors
// of out are ignored, since a build goes on without its audience. Errors are a
// *builder.Failure, builder.ErrUnavailable, the cause of ctx's end, or the
// platform's own.
func (b *Builder) Build(ctx context.Context, req builder.Request, out io.Writer) (builder.Image, error) {
	if err := checkRequest(req); err != nil {
		return builder.Image{}, err
	}
	show := newDisplay(out, b.cfg.MaxOutput)
	digest, err := b.attempt(ctx, req, show)
	if b.lost(err) && b.await(ctx) {
		b.log.Warn("buildkitd was lost during a build, building once more", "app", req.AppID, "err", err)
		show.line("BuildKit was restarted; building once more")
		digest, err = b.attempt(ctx, req, show)
	}
	if err != nil {
		return builder.Image{}, b.explain(ctx, req, err)
	}
	img, err := b.inspect(ctx, req.AppID, digest)
	if err != nil {
		return builder.Image{}, err
	}
	if img.Size > b.cfg.MaxImageBytes {
		return builder.Image{}, b.tooBig(img.Size)
	}
	return img, nil
}

// await waits for buildkitd to be back, as its supervisor restarts it.
func (b *Builder) await(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, b.cfg.RetryWait)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		if _, err := b.Ping(ctx); err == nil {
			return true
		}
		select {
		case <-ctx.Done():
			return false
		case <-tick.C:
		}
	}
}

// checkRequest finds the Dockerfile before BuildKit is bothered.
func checkRequest(req builder.Request) error {
	if req.AppID == "" || strings.ContainsAny(req.AppID, "/:@ ,") {
		return fmt.Errorf("build: %q cannot name a repository", req.AppID)
	}
	info, err := fs.Stat(req.Source, "Dockerfile")
	switch {
	case err == nil && info.Mode().IsRegular():
		return nil
	case err == nil:
		return &builder.Failure{Reason: "Dockerfile in the root of the commit is not a file"}
	case !errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("build: read the commit's tree: %w", err)
	}
	detail := "An app is built from a file named Dockerfile in the root of its repository. " +
		"Add one that ends with the command to run, commit it and push again."
	entries, err := fs.ReadDir(req.Source, ".")
	if err != nil {
		return fmt.Errorf("build: read the commit's tree: %w", err)
	}
	for _, e := range entries {
		if e.Name() != "Dockerfile" && strings.EqualFold(e.Name(), "Dockerfile") {
			detail = fmt.Sprintf("There is a file named %s. Rename it: git mv %s Dockerfile", e.Name(), e.Name())
		}
	}
	return &builder.Failure{Reason: "no Dockerfile in the root of the commit", Detail: detail}
}
