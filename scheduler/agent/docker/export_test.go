package docker

import "time"

// LookEvery sets how often the firewall's rules are looked at.
func (r *Runtime) LookEvery(d time.Duration) { r.wall.every = d }
