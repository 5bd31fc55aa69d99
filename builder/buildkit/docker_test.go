package buildkit_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// TestDockerEnginePullsWhatWasPushed is the promise to the agents: whatever
// the compression, Docker takes the image by digest.
func TestDockerEnginePullsWhatWasPushed(t *testing.T) {
	docker := &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", "/var/run/docker.sock")
		},
	}}
	for _, compression := range []string{"gzip", "uncompressed"} {
		t.Run(compression, func(t *testing.T) {
			cfg := shared(t).config()
			cfg.Compression = compression
			img, _ := mustBuild(t, newBuilder(t, cfg), tree(map[string]string{"Dockerfile": hello, "run": compression}))
			ref := shared(t).reg.Addr() + "/" + app(t) + "@" + img.Digest
			user, secret := cfg.Auth(app(t))
			auth, err := json.Marshal(map[string]string{"username": user, "password": secret, "serveraddress": shared(t).reg.Addr()})
			if err != nil {
				t.Fatal(err)
			}
			body := call(t, docker, "POST", "/images/create?fromImage="+url.QueryEscape(ref), base64.URLEncoding.EncodeToString(auth))
			if !strings.Contains(body, "Pull complete") && !strings.Contains(body, "Downloaded newer image") {
				t.Errorf("pull said %s", body)
			}
			inspect := call(t, docker, "GET", "/images/"+url.PathEscape(ref)+"/json", "")
			if !strings.Contains(inspect, img.Digest) || !strings.Contains(inspect, "/app/run") {
				t.Errorf("inspect said %s", inspect)
			}
			call(t, docker, "DELETE", "/images/"+url.PathEscape(ref), "")
		})
	}
}

func call(t *testing.T, c *http.Client, method, path, auth string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, "http://docker/v1.41"+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	if auth != "" {
		req.Header.Set("X-Registry-Auth", auth)
	}
	resp, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%s %s: %s: %s, %v", method, path, resp.Status, body, err)
	}
	return string(body)
}
