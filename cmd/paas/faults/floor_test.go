package faults

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// floorName begins the names of floor's containers.
const floorName = "floor-"

// ask is one call of the engine's API; into may be nil.
func (h *host) ask(ctx context.Context, method, path string, body, into any) error {
	var sent io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return err
		}
		sent = bytes.NewReader(text)
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://engine"+path, sent)
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := h.api.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode >= 300 {
		err = fmt.Errorf("%s %s: %s: %.300s", method, path, resp.Status, answer)
	}
	if err != nil || into == nil {
		return err
	}
	return json.Unmarshal(answer, into)
}

// engineClient speaks to the engine of a host, on kept connections.
func (h *host) engineClient() *http.Client {
	return &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", h.SocketPath())
		}}}
}

// mould is what a dyno of the app looks like to its engine.
type mould struct {
	Config, HostConfig map[string]any
	NetworkSettings    struct{ Networks map[string]any }
}

// mould takes one from a dyno that runs on the host.
func (h *host) mould(t *testing.T, app string) mould {
	t.Helper()
	names := h.running(app)
	if len(names) == 0 {
		t.Fatalf("%s runs no dyno of %s", h.Name, app)
	}
	var m mould
	if err := h.ask(t.Context(), http.MethodGet, "/containers/"+names[0]+"/json", nil, &m); err != nil {
		t.Fatal(err)
	}
	return m
}

// body asks for the n-th container of a mould: the same but for its port, and
// nobody's, so that the agent leaves it alone.
func (m mould) body(n int) map[string]any {
	config, hostConfig := maps.Clone(m.Config), maps.Clone(m.HostConfig)
	config["Labels"] = map[string]string{}
	ports := map[string]any{}
	for port, bound := range m.HostConfig["PortBindings"].(map[string]any) {
		first := bound.([]any)[0].(map[string]any)
		ports[port] = []any{map[string]any{"HostIp": first["HostIp"], "HostPort": fmt.Sprint(32000 + n)}}
	}
	hostConfig["PortBindings"], hostConfig["ContainerIDFile"] = ports, ""
	nets := map[string]any{}
	for name := range m.NetworkSettings.Networks {
		nets[name] = map[string]any{}
	}
	config["HostConfig"], config["NetworkingConfig"] = hostConfig, map[string]any{"EndpointsConfig": nets}
	return config
}

// floor is what the engines alone take for count containers like the app's dynos,
// each being asked for so many at once, while nobody else is at work.
func (s *scene) floor(t *testing.T, app string, count, atOnce int) (w work) {
	t.Helper()
	moulds := make([]mould, len(s.hosts))
	for i, h := range s.hosts {
		h.api = h.engineClient()
		defer h.api.CloseIdleConnections()
		moulds[i] = h.mould(t, app)
	}
	began, cpu := time.Now(), busy()
	var all sync.WaitGroup
	for i, h := range s.hosts {
		share := (count + len(s.hosts) - 1 - i) / len(s.hosts)
		var next atomic.Int64
		for range atOnce {
			all.Go(func() {
				for n := int(next.Add(1)); n <= share; n = int(next.Add(1)) {
					if err := h.begin(t.Context(), floorName+strconv.Itoa(n), moulds[i].body(n)); err != nil {
						t.Errorf("%s: %v", h.Name, err)
					}
				}
			})
		}
	}
	all.Wait()
	w.running, w.cpu = time.Since(began), busy()-cpu
	for _, h := range s.hosts {
		all.Go(func() { h.sweep(t) })
	}
	all.Wait()
	return w
}

// begin makes a container and starts it.
func (h *host) begin(ctx context.Context, name string, body map[string]any) error {
	var made struct{ ID string }
	if err := h.ask(ctx, http.MethodPost, "/containers/create?name="+name, body, &made); err != nil {
		return err
	}
	return h.ask(ctx, http.MethodPost, "/containers/"+made.ID+"/start", nil, nil)
}

// sweep removes the containers of floor.
func (h *host) sweep(t *testing.T) {
	var list []struct{ ID string }
	filters := url.QueryEscape(`{"name":["^/` + floorName + `"]}`)
	if err := h.ask(t.Context(), http.MethodGet, "/containers/json?all=1&filters="+filters, nil, &list); err != nil {
		t.Errorf("%s: %v", h.Name, err)
	}
	var all sync.WaitGroup
	slots := make(chan struct{}, 4)
	for _, c := range list {
		slots <- struct{}{}
		all.Go(func() {
			defer func() { <-slots }()
			if err := h.ask(t.Context(), http.MethodDelete, "/containers/"+c.ID+"?force=1&v=1", nil, nil); err != nil {
				t.Errorf("%s: %v", h.Name, err)
			}
		})
	}
	all.Wait()
}
