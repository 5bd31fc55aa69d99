package doctor

import (
	"errors"
	"fmt"
	"io/fs"
)

// toolFacts is a program found on the machine.
type toolFacts struct {
	path    string
	version string // as it prints it
	err     error
}

func checkGit(f toolFacts) Result {
	r := Result{Check: "git", Status: OK, Found: f.version}
	v, ok := parseVersion(f.version)
	switch {
	case f.err != nil:
		r.Status, r.Found, r.Cause = Fail, "not found", "no push can be received: "+f.err.Error()
		r.Next = "apt-get install git"
	case !ok || v.below(must(2, 39, 0)):
		r.Status, r.Cause = Fail, "paas needs git 2.39 or newer to check packs"
		r.Next = "apt-get install git, from a newer release of the distribution"
	}
	return r
}

func checkSSH(f toolFacts) Result {
	r := Result{Check: "ssh client", Status: OK, Found: f.version}
	if f.err != nil {
		r.Status, r.Found = Warn, "not found"
		r.Cause = "git push from this machine needs it; pushes from others do not"
		r.Next = "apt-get install openssh-client"
	}
	return r
}

func checkPostgres(f toolFacts) Result {
	r := Result{Check: "PostgreSQL server", Status: OK, Found: f.version}
	v, ok := parseVersion(f.version)
	switch {
	case f.err != nil:
		r.Status, r.Found = Warn, "no server programs"
		r.Cause = "standalone can keep no database of its own: " + f.err.Error()
		r.Next = "apt-get install postgresql, or give standalone the address of a server"
	case !ok || v.n[0] < 14:
		r.Status, r.Cause = Fail, "paas needs PostgreSQL 14 or newer"
		r.Next = "apt-get install postgresql, from a newer release of the distribution"
	default:
		r.Found += " in " + f.path
	}
	return r
}

func checkBuildkitd(f toolFacts) Result {
	r := Result{Check: "buildkitd", Status: OK, Found: fmt.Sprintf("%s at %s", f.version, f.path)}
	v, ok := parseVersion(f.version)
	switch {
	case errors.Is(f.err, fs.ErrNotExist):
		r.Status, r.Found = Fail, "not found at "+f.path
		r.Cause, r.Next = "no push can be built", "make build"
	case f.err != nil:
		r.Status, r.Found = Fail, "not usable at "+f.path
		r.Cause, r.Next = f.err.Error(), "make build"
	case !ok:
		r.Status, r.Cause = Warn, "its version is not recorded in it; the floor is "+buildkitFirst().String()
		r.Next = "make build"
	case v.below(buildkitFirst()):
		r.Status, r.Cause = Fail, "below "+buildkitFirst().String()+": "+buildkitWhy
		r.Next = "make build"
	}
	return r
}

// checkFirewall: without the tables every app reaches this machine and what is
// private around it.
func checkFirewall(f toolFacts) Result {
	r := Result{Check: "firewall of the apps", Status: OK, Found: "iptables can be read"}
	if f.err == nil {
		return r
	}
	r.Status, r.Found = Warn, "iptables cannot be used"
	r.Cause = "apps can reach this machine, its cloud's metadata and private networks; run only apps you trust: " + f.err.Error()
	r.Next = "apt-get install iptables, and run paas as root"
	return r
}

// buildFacts is what paas was built from.
type buildFacts struct {
	goVersion string
	modules   map[string]string // path to version
}

func checkGo(goVersion string) Result {
	fl := goFloor()
	r := Result{Check: "built with Go", Status: OK, Found: goVersion}
	v, ok := parseVersion(goVersion)
	if !ok || !fl.met(v) {
		r.Status, r.Below = Warn, true
		r.Cause = fmt.Sprintf("below %s: %s", fl, fl.why)
		r.Next = "build paas with a newer Go"
	}
	return r
}

// checkModules gives one result for all when they are in order, and one for
// each that is not. A module that is not linked in cannot do harm.
func checkModules(f buildFacts) []Result {
	var bad []Result
	linked := 0
	for _, m := range moduleFloors() {
		found, ok := f.modules[m.path]
		if !ok {
			continue
		}
		linked++
		if v, ok := parseVersion(found); ok && m.met(v) {
			continue
		}
		bad = append(bad, Result{
			Check: "library", Status: Warn, Below: true, Found: m.path + " " + found,
			Cause: fmt.Sprintf("below %s: %s", m.floor, m.floor.why), Next: "go get " + m.path + "@latest, then make build",
		})
	}
	if bad != nil {
		return bad
	}
	return []Result{{Check: "libraries", Status: OK, Found: fmt.Sprintf("%d with a floor, all at or above it", linked)}}
}
