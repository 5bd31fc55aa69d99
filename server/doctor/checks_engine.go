package doctor

import (
	"fmt"
	"strings"
)

// engineFacts is what the Docker Engine says of itself.
type engineFacts struct {
	socket       string
	err          error // why it did not answer
	version      string
	api          string
	runc         string
	containerd   string
	driver       string // storage driver
	root         string // where it keeps everything
	cgroupDriver string
	cgroup       string // "1" or "2"
	memoryLimit  bool
	pidsLimit    bool
	liveRestore  bool
	seccomp      bool
}

const startDocker = "systemctl start docker, or where no init system runs: make up"

func checkEngine(f engineFacts) Result {
	r := Result{Check: "Docker Engine", Status: OK}
	if f.err != nil {
		r.Status, r.Found = Fail, "no answer at "+f.socket
		r.Cause = f.err.Error() + "; no app can be started"
		r.Next = startDocker
		if strings.Contains(f.err.Error(), "permission denied") {
			r.Next = "run paas doctor as root, or as a member of the group docker"
		}
		return r
	}
	r.Found = fmt.Sprintf("%s, API %s", f.version, f.api)
	api, ok := parseVersion(f.api)
	switch {
	case !ok || api.below(must(1, 41, 0)):
		r.Status, r.Cause = Fail, "paas speaks API 1.41 or newer"
		r.Next = "install Docker Engine 20.10 or newer, then paas doctor"
	case !f.seccomp:
		r.Status, r.Cause = Warn, "the engine has no seccomp: apps can reach every system call; run no app of strangers"
		r.Next = "use a kernel and an engine with seccomp (docker info)"
	}
	return r
}

func checkCgroup(f engineFacts) Result {
	r := Result{Check: "cgroups", Status: OK}
	if f.err != nil {
		return unknown(r.Check)
	}
	r.Found = fmt.Sprintf("v%s, driver %s", f.cgroup, f.cgroupDriver)
	switch {
	case !f.memoryLimit || !f.pidsLimit:
		r.Status, r.Cause = Fail, "the engine cannot limit memory or processes: one app could take the machine down"
		r.Next = "mount the cgroup controllers memory and pids (docker info shows warnings)"
	case f.cgroup == "1":
		r.Status, r.Cause = Warn, "cgroup v1 works, but newer runc gives it up"
		r.Next = "boot with systemd.unified_cgroup_hierarchy=1"
	}
	return r
}

func checkRunc(f engineFacts) Result {
	return checkRuntime("runc", f.runc, f, runcFloor())
}

func checkContainerd(f engineFacts) Result {
	return checkRuntime("containerd", f.containerd, f, containerdFloor())
}

// checkRuntime warns below the floor: fine for apps of one's own, not for
// those of strangers.
func checkRuntime(name, found string, f engineFacts, fl floor) Result {
	if f.err != nil {
		return unknown(name)
	}
	r := Result{Check: name, Status: OK, Found: found}
	v, ok := parseVersion(found)
	if !ok {
		r.Status, r.Found = Warn, "version unknown"
		r.Cause = "the engine did not tell its version; the floor is " + fl.String()
		r.Next = name + " --version"
		return r
	}
	if fl.met(v) {
		return r
	}
	r.Status, r.Below = Warn, true
	r.Cause = fmt.Sprintf("below %s: %s; single-tenant only: run only apps you trust", fl, fl.why)
	r.Next = "apt-get install --only-upgrade " + name + ", or the packages of Docker itself where the distribution's are older"
	return r
}

// checkOverlay: without overlay BuildKit and the engine copy every layer.
func checkOverlay(f engineFacts, filesystems string) Result {
	r := Result{Check: "overlay filesystem", Status: OK, Found: "in the kernel"}
	if f.driver != "" {
		r.Found += ", engine stores by " + f.driver
	}
	if f.driver == "overlay2" || f.driver == "overlayfs" {
		return r
	}
	for line := range strings.Lines(filesystems) {
		if strings.TrimSpace(strings.TrimPrefix(line, "nodev")) == "overlay" {
			return r
		}
	}
	r.Status, r.Found = Warn, "not in the kernel"
	r.Cause = "builds and starts copy every layer: slow, and much disk"
	r.Next = "modprobe overlay"
	return r
}

// unknown is the result of what only the engine could have told.
func unknown(check string) Result {
	return Result{Check: check, Status: Warn, Found: "unknown", Cause: "the Docker Engine did not answer", Next: startDocker}
}
