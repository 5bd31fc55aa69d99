package buildkit

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"

	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/exporter/containerimage/exptypes"
	"github.com/moby/buildkit/session"
	"github.com/moby/buildkit/session/auth"
	"github.com/tonistiigi/fsutil"
	"google.golang.org/grpc"

	"paas/builder"
)

// revisionLabel is where the commit's id goes, by the OCI's annotation rules.
const revisionLabel = "org.opencontainers.image.revision"

// attempt runs one solve and gives the digest of the pushed manifest.
func (b *Builder) attempt(ctx context.Context, req builder.Request, show *display) (string, error) {
	status := make(chan *client.SolveStatus, 64)
	done := make(chan struct{})
	go func() {
		defer close(done)
		show.follow(status)
	}()
	resp, err := b.client.Solve(ctx, nil, b.options(req), status)
	<-done
	if err != nil {
		return "", err
	}
	digest := resp.ExporterResponse[exptypes.ExporterImageDigestKey]
	if digest == "" {
		return "", errors.New("build: BuildKit did not say the image's digest")
	}
	return digest, nil
}

// options asks for the least work: nothing is kept as an image inside
// buildkitd, no attestations are made, no record of the build is written.
func (b *Builder) options(req builder.Request) client.SolveOpt {
	export := map[string]string{
		string(exptypes.OptKeyName):         b.cfg.Registry + "/" + req.AppID,
		string(exptypes.OptKeyPush):         "true",
		string(exptypes.OptKeyPushByDigest): "true",
		string(exptypes.OptKeyStore):        "false",
		// Docker's own media types, which every engine pulls.
		string(exptypes.OptKeyOCITypes): "false",
	}
	export[string(exptypes.OptKeyLayerCompression)] = b.cfg.Compression
	if b.cfg.Compression == "gzip" {
		export[string(exptypes.OptKeyCompressionLevel)] = "1"
	}
	source := newContext(req.Source)
	return client.SolveOpt{
		Frontend: "dockerfile.v0",
		FrontendAttrs: map[string]string{
			"filename": "Dockerfile",
			// Set, it keeps the built-in frontend from handing over to the image
			// that a "# syntax=" line names.
			"cmdline":                "dockerfile.v0",
			"label:" + revisionLabel: req.Commit,
			// What RUN keeps in a cache mount is the app's own.
			"build-arg:BUILDKIT_CACHE_MOUNT_NS": req.AppID,
			"hostname":                          sandbox(req.AppID),
		},
		LocalMounts: map[string]fsutil.FS{"context": source, "dockerfile": source},
		// Files that did not change since the app's last build are not sent again.
		SharedKey: req.AppID,
		Session:   []session.Attachable{b.credentials(req.AppID)},
		Exports:   []client.ExportEntry{{Type: client.ExporterImage, Attrs: export}},
		Internal:  true,
	}
}

// sandbox is the host name that an app's RUN steps see. It is what keeps their
// results apart in the layer cache: BuildKit leaves the id of a cache mount out
// of a step's key, so a step that read one app's cache mount would otherwise
// be the cached result of another app's step of the same words.
func sandbox(appID string) string {
	sum := sha256.Sum256([]byte(appID))
	return "build-" + hex.EncodeToString(sum[:16])
}

// credentials lets buildkitd ask for the password of the registry, and of no
// other host, while a build is running.
func (b *Builder) credentials(repo string) session.Attachable {
	c := &credentials{host: b.cfg.Registry}
	if b.cfg.Auth != nil {
		c.user, c.password = b.cfg.Auth(repo)
	}
	return c
}

type credentials struct {
	auth.UnimplementedAuthServer
	host, user, password string
}

func (c *credentials) Register(s *grpc.Server) { auth.RegisterAuthServer(s, c) }

func (c *credentials) Credentials(_ context.Context, req *auth.CredentialsRequest) (*auth.CredentialsResponse, error) {
	if req.Host != c.host {
		return &auth.CredentialsResponse{}, nil
	}
	return &auth.CredentialsResponse{Username: c.user, Secret: c.password}, nil
}
