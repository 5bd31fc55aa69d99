package buildkit

import (
	"strings"
	"testing"
	"testing/fstest"
)

// TestNotGrantedOnlyForEntitlements covers what needs devices on the machine or
// a base image with ONBUILD, and that other words are left alone.
func TestNotGrantedOnlyForEntitlements(t *testing.T) {
	plain := "FROM x\nRUN a\n"
	for what, tc := range map[string]struct{ text, dockerfile, reason, detail string }{
		"device":  {"failed to load LLB: device a/b=c is requested by the build but not allowed", "FROM x\nRUN --device=a/b=c d\n", "Dockerfile line 2: the build asks for a device", ">>> RUN --device=a/b=c d"},
		"no cdi":  {`CDI device "a/b=c" is required by step "d", but CDI device support is disabled`, "FROM x\nRUN --device=a/b=c d\n", "Dockerfile line 2: the build asks for a device", ">>> RUN"},
		"onbuild": {"failed to load LLB: network.host is not allowed", plain, "the build asks for the host's network", "ONBUILD"},
		"several": {"network.host is not allowed", "FROM x\nRUN --network=host a\nRUN --network=none b\nRUN --network=host c\n", "Dockerfile line 2: ", "   4 | >>> RUN --network=host c"},
		"other":   {"pulling from this registry is not allowed", plain, "", ""},
	} {
		t.Run(what, func(t *testing.T) {
			f := notGranted(fstest.MapFS{"Dockerfile": {Data: []byte(tc.dockerfile)}}, tc.text)
			if tc.reason == "" {
				if f != nil {
					t.Errorf("failure = %+v", f)
				}
				return
			}
			if f == nil || !strings.HasPrefix(f.Reason, tc.reason) || !strings.Contains(f.Detail, tc.detail) {
				t.Errorf("failure = %+v", f)
			}
		})
	}
}
