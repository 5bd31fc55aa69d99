package docker

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/api/types/registry"

	"paas/scheduler/agent"
)

// ensureImage makes sure the image is on the host and that it has a process to
// run. An image that is there is never asked for again: its name is its digest.
func (r *Runtime) ensureImage(ctx context.Context, a agent.Assignment) error {
	img, err := r.inspectImage(ctx, a.Image)
	if missing(err) {
		if err := r.pull(ctx, a.Image); err != nil {
			return err
		}
		img, err = r.inspectImage(ctx, a.Image)
	}
	if err != nil {
		return r.fault("look for image "+a.Image, err)
	}
	if len(a.Command) == 0 && (img.Config == nil || len(img.Config.Entrypoint)+len(img.Config.Cmd) == 0) {
		return appFault("the image has no process to run: give its Dockerfile a CMD or an ENTRYPOINT, or name a command for %s in a Procfile", a.Name)
	}
	return nil
}

// Fetch is agent.Fetcher. The engine shares what it loads with a start that asks
// for the same meanwhile, and keeps whole layers of a fetch that broke off.
func (r *Runtime) Fetch(ctx context.Context, ref string) error {
	_, err := r.inspectImage(ctx, ref)
	if missing(err) {
		return r.pull(ctx, ref)
	}
	if err != nil {
		return r.fault("look for image "+ref, err)
	}
	return nil
}

func (r *Runtime) inspectImage(ctx context.Context, ref string) (image.InspectResponse, error) {
	ctx, cancel := context.WithTimeout(ctx, r.cfg.CallTimeout)
	defer cancel()
	return r.cli.ImageInspect(ctx, ref)
}

var errStall = errors.New("no progress")

// pull fetches an image. The engine tells of a failure in the stream of
// progress, after its status 200, so the stream is read to the end.
func (r *Runtime) pull(ctx context.Context, ref string) error {
	ctx, cancel := context.WithTimeout(ctx, r.cfg.PullTimeout)
	defer cancel()
	ctx, stalled := context.WithCancelCause(ctx)
	defer stalled(nil)
	watch := time.AfterFunc(r.cfg.PullStall, func() { stalled(errStall) })
	defer watch.Stop()

	began := time.Now()
	stream, err := r.cli.ImagePull(ctx, ref, image.PullOptions{RegistryAuth: r.auth(ref)})
	if err == nil {
		err = drain(stream, func() { watch.Reset(r.cfg.PullStall) })
		_ = stream.Close() // read-only; what counts was read
	}
	switch {
	case err == nil:
		r.log.Debug("pulled image", "image", ref, "took", time.Since(began))
		return nil
	case context.Cause(ctx) == errStall:
		return fmt.Errorf("pull image %s: no progress for %s", ref, r.cfg.PullStall)
	}
	return r.pullFault(ref, err)
}

// drain reads the progress of a pull and returns the error it tells of.
func drain(stream io.Reader, alive func()) error {
	dec := json.NewDecoder(stream)
	for {
		var m struct {
			Error string `json:"error"`
		}
		if err := dec.Decode(&m); err != nil {
			if err == io.EOF {
				return nil
			}
			return fmt.Errorf("read progress: %w", err)
		}
		if m.Error != "" {
			return errors.New(m.Error)
		}
		alive()
	}
}

// auth is the value of X-Registry-Auth for an image name, empty when no
// credentials are known for its registry.
func (r *Runtime) auth(ref string) string {
	host, _, _ := strings.Cut(ref, "/")
	c, ok := r.cfg.RegistryAuth[host]
	if !ok {
		return ""
	}
	b, err := json.Marshal(registry.AuthConfig{Username: c.User, Password: c.Password, ServerAddress: host})
	if err != nil {
		return "" // three strings always marshal
	}
	return base64.URLEncoding.EncodeToString(b)
}
