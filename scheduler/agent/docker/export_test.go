package docker

import "time"

// LookEvery sets how often the firewall's rules are looked at.
func (r *Runtime) LookEvery(d time.Duration) { r.wall.every = d }

// PublishFirst makes the first instance try that port.
func (r *Runtime) PublishFirst(port int) {
	r.port = func() int {
		r.port = anyPort
		return port
	}
}
