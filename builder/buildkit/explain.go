package buildkit

import (
	"context"
	"fmt"
	"regexp"
	"strings"

	"github.com/moby/buildkit/solver/errdefs"
	"github.com/moby/buildkit/util/grpcerrors"
	"google.golang.org/grpc/codes"

	"paas/builder"
)

// lost reports that the connection to buildkitd failed, not the build. Errors
// that buildkitd itself sends may carry the same code (of a registry that is
// down, say) but not the words of the connection.
func (b *Builder) lost(err error) bool {
	if err == nil || grpcerrors.Code(err) != codes.Unavailable || len(errdefs.Sources(err)) > 0 {
		return false
	}
	for _, words := range []string{"error reading from server", "connection error", "transport is closing",
		"error while dialing", "connection reset by peer", "server is not accepting", "closing transport"} {
		if strings.Contains(err.Error(), words) {
			return true
		}
	}
	return false
}

// explain decides whose error it is and words it for that reader.
func (b *Builder) explain(ctx context.Context, req builder.Request, err error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("build: %w", context.Cause(ctx))
	}
	if b.lost(err) {
		return fmt.Errorf("%w: buildkitd at %s: %w", builder.ErrUnavailable, b.cfg.Addr, err)
	}
	text := message(err)
	switch {
	case strings.Contains(text, "no space left on device"):
		return fmt.Errorf("%w: the disk of the build service or of the registry is full: %s", builder.ErrUnavailable, text)
	case strings.Contains(text, "failed to push "):
		return fmt.Errorf("%w: push the image to the registry at %s: %s", builder.ErrUnavailable, b.cfg.Registry, text)
	}
	if f := baseImage(text); f != nil {
		f.Detail = detail(err, text)
		return f
	}
	if f := notGranted(req.Source, text); f != nil {
		return f
	}
	if f := missingFile(errdefs.Sources(err), text); f != nil {
		f.Detail = detail(err, f.Reason)
		return f
	}
	if len(errdefs.Sources(err)) > 0 || fromDockerfile(text) {
		return &builder.Failure{Reason: reason(text), Detail: detail(err, text)}
	}
	return fmt.Errorf("build: %w", err)
}

func (b *Builder) tooBig(size int64) error {
	return &builder.Failure{
		Reason: fmt.Sprintf("the image is larger than %s", mib(b.cfg.MaxImageBytes)),
		Detail: fmt.Sprintf("Its layers take %s. Build in one stage and copy only what the app needs into the last one, "+
			"or leave files out with .dockerignore.", mib(size)),
	}
}

func mib(n int64) string { return fmt.Sprintf("%d MiB", (n+1<<20-1)>>20) }

// message is BuildKit's own text without the wrapping of its client.
func message(err error) string {
	text := err.Error()
	if i := strings.Index(text, "desc = "); i >= 0 && strings.Contains(text[:i], "rpc error") {
		text = text[i+len("desc = "):]
	}
	return internals.ReplaceAllString(strings.TrimPrefix(text, "failed to solve: "), "")
}

var (
	// internals name the insides of buildkitd, which tell a pusher nothing.
	internals  = regexp.MustCompile(`failed to (compute|load) cache key: |failed to calculate checksum of ref \S+: |\S*/buildkit-mount\d+`)
	noMetadata = regexp.MustCompile(`failed to resolve source metadata for ([^\s]+?): (.*)`)
	exitCode   = regexp.MustCompile(`process "(.*)" did not complete successfully: exit code: (\d+)`)
)

// baseImage recognizes a FROM that names nothing that can be had.
func baseImage(text string) *builder.Failure {
	m := noMetadata.FindStringSubmatch(text)
	if m == nil {
		return nil
	}
	ref := strings.TrimPrefix(strings.TrimPrefix(m[1], "docker.io/"), "library/")
	why := m[2]
	switch {
	case strings.Contains(why, "not found") || strings.Contains(why, "pull access denied") || strings.Contains(why, "insufficient_scope"):
		return &builder.Failure{Reason: fmt.Sprintf("base image %s not found", ref)}
	case strings.Contains(why, "no match for platform"):
		return &builder.Failure{Reason: fmt.Sprintf("base image %s does not exist for this machine's architecture", ref)}
	}
	return &builder.Failure{Reason: fmt.Sprintf("base image %s could not be fetched", ref)}
}

// fromDockerfile knows the frontend's errors that come without a place in the
// Dockerfile.
func fromDockerfile(text string) bool {
	for _, words := range []string{"dockerfile parse error", "Dockerfile cannot be empty", "file with no instructions",
		"no build stage in current context", "circular dependency", "failed to process", "failed to read dockerfile",
		"failed to read dockerignore patterns", errBadName.Error(), "platform not specified", "unsupported frontend capability"} {
		if strings.Contains(text, words) {
			return true
		}
	}
	return false
}

// reason is the one line: what a person did wrong, as near as it can be told.
func reason(text string) string {
	if m := exitCode.FindStringSubmatch(text); m != nil {
		command := strings.TrimPrefix(m[1], "/bin/sh -c ")
		command, _, _ = strings.Cut(command, "\n")
		return fmt.Sprintf("RUN %s failed with exit code %s", stepName(command), m[2])
	}
	first, _, _ := strings.Cut(text, "\n")
	return stepName(first)
}

// detail is BuildKit's message and the lines of the Dockerfile it is about.
func detail(err error, text string) string {
	var b strings.Builder
	for _, line := range strings.Split(strings.TrimSpace(text), "\n") {
		b.WriteString(cleanLine(line) + "\n")
	}
	b.WriteString(excerpt(errdefs.Sources(err)))
	return strings.TrimSpace(b.String())
}
