package buildkit_test

import (
	"bytes"
	"strings"
	"testing"

	"paas/builder"
	"paas/builder/buildkit"
)

// buildAs builds for an app and gives what its image's /seen holds.
func buildAs(t *testing.T, b *buildkit.Builder, appID, dockerfile string) (seen, out string) {
	t.Helper()
	var buf bytes.Buffer
	req := builder.Request{AppID: appID, Commit: "c", Source: tree(map[string]string{"Dockerfile": dockerfile})}
	img, err := b.Build(t.Context(), req, &buf)
	if err != nil {
		t.Fatalf("%s: %v\n%s", appID, err, buf.String())
	}
	return shared(t).files(t, appID, img.Digest)["seen"], buf.String()
}

// TestCacheMountsAreTheAppsOwn: neither the mount itself nor a layer that was
// made from it passes from one app to another, while an app finds both again.
func TestCacheMountsAreTheAppsOwn(t *testing.T) {
	b := shared(t).builder(t)
	for what, mount := range map[string]string{
		"default": "target=/default", "id": "id=well-known,target=/id", "sharing": "sharing=locked,target=/sharing",
		"id-of-a-path": "id=/idpath,target=/idpath", "escape": "id=../escape,target=/escape",
	} {
		t.Run(what, func(t *testing.T) {
			file := mount[strings.Index(mount, "target=")+len("target="):] + "/f"
			run := func(word string) string {
				return "FROM tool:1\n" +
					`RUN --mount=type=cache,` + mount + ` ["/tool", "keep", "` + file + `", "` + word + "\"]\n"
			}
			alice, bob := app(t)+"-a", app(t)+"-b"
			if seen, _ := buildAs(t, b, alice, run("evil.")); seen != "" {
				t.Fatalf("the cache was not empty at first: %q", seen)
			}
			if seen, _ := buildAs(t, b, alice, run("more.")); seen != "evil." {
				t.Errorf("the app's own cache was lost: %q", seen)
			}
			// The layer that this made of evil things is in buildkitd's cache now.
			for _, word := range []string{"more.", "own."} {
				if seen, out := buildAs(t, b, bob, run(word)); strings.Contains(seen, "evil.") || strings.Contains(out, "evil.") {
					t.Errorf("another app's cache came through: %q\n%s", seen, out)
				}
			}
			if seen, out := buildAs(t, b, bob, run("own.")); seen != "more." || !strings.Contains(out, "CACHED") {
				t.Errorf("the app's own layer was not found again: %q\n%s", seen, out)
			}
		})
	}
}

// TestEntitlementsAreThePushersToRemove: the refusal names the line.
func TestEntitlementsAreThePushersToRemove(t *testing.T) {
	b := shared(t).builder(t)
	for what, tc := range map[string]struct{ run, reason string }{
		"security": {`RUN --security=insecure ["/tool", "print"]`, "Dockerfile line 3: the build asks for a privileged step (RUN --security=insecure)"},
		"network":  {`run --network=host ["/tool", "print"]`, "Dockerfile line 3: the build asks for the host's network (RUN --network=host)"},
		"two lines": {"RUN --mount=type=tmpfs,target=/x \\\n --network=host [\"/tool\", \"print\"]",
			"Dockerfile line 3: the build asks for the host's network (RUN --network=host)"},
	} {
		t.Run(what, func(t *testing.T) {
			f, _ := fails(t, b, tree(map[string]string{"Dockerfile": "FROM tool:1\nRUN [\"/tool\", \"print\"]\n" + tc.run + "\nCMD [\"/tool\"]\n"}))
			if f.Reason != tc.reason+": the entitlement is not granted here" {
				t.Errorf("reason = %q", f.Reason)
			}
			first, _, _ := strings.Cut(tc.run, "\n")
			if !strings.Contains(f.Detail, "   3 | >>> "+first) || !strings.Contains(f.Detail, "push again") {
				t.Errorf("detail = %q", f.Detail)
			}
		})
	}
}

// TestMissingFilesNameNothingInternal: the path, where it was looked for and
// the line; no refs of buildkitd and no paths of the server.
func TestMissingFilesNameNothingInternal(t *testing.T) {
	const inCommit = "not found in the commit (or left out by .dockerignore)"
	b := shared(t).builder(t)
	for what, tc := range map[string]struct{ line, reason string }{
		"copy":    {"COPY nope /", `"/nope": ` + inCommit},
		"ignored": {"COPY secret.key /", `"/secret.key": ` + inCommit},
		"add":     {"ADD a/nope /", `"/a/nope": ` + inCommit},
		"two":     {"COPY run nope /", `"/nope": ` + inCommit},
		"bind":    {`RUN --mount=type=bind,source=nope,target=/x ["/tool", "print"]`, `"/nope": ` + inCommit},
		"stage":   {"COPY --from=base nope /", `"/nope": not found in the stage or image that it is copied from`},
		"chown":   {"COPY --chown=1:1 --from=tool:1 x/nope /", `"/x/nope": not found in the stage or image that it is copied from`},
	} {
		t.Run(what, func(t *testing.T) {
			f, _ := fails(t, b, tree(map[string]string{
				"Dockerfile": "FROM tool:1 AS base\nFROM tool:1\n" + tc.line + "\n", ".dockerignore": "*.key\n", "run": "x", "secret.key": "s",
			}))
			if f.Reason != tc.reason {
				t.Errorf("reason = %q, want %q", f.Reason, tc.reason)
			}
			if !strings.Contains(f.Detail, "   3 | >>> "+tc.line) {
				t.Errorf("detail = %q", f.Detail)
			}
			for _, word := range []string{"checksum of ref", "::", "cache key", "buildkit-mount", shared(t).dir} {
				if strings.Contains(f.Reason+f.Detail, word) {
					t.Errorf("%q tells of %s", f.Reason+"\n"+f.Detail, word)
				}
			}
		})
	}
}
