package scheduler

import (
	"fmt"
	"strings"
)

// ask is what an instance needs of a host.
type ask struct {
	release string
	typ     string
	arch    string
	image   string // digest
	cpu     int64  // milli
	memory  int64  // bytes
	// once: it is no part of a formation, so nothing of it is spread.
	once bool
	// grows: it is more of the app than there was before, not in the place of
	// anything.
	grows bool
	// bound: it has a volume, whose data is on the host home; that is empty
	// when the host was removed.
	bound          bool
	volume         string // name
	home, homeName string
}

// load is what instances reserve of a host.
type load struct {
	cpu, memory int64
	n           int // instances
}

// candidate is a host as one ask finds it.
type candidate struct {
	host *Host
	used load // with what this plan booked on it
	same int  // instances of the asked type and release that stay there
}

// filter refuses hosts. The words are made only for those that people read
// of: a plan asks thousands of hosts and mostly gets a yes.
type filter struct {
	refuses func(c *candidate, a *ask, pl *Placement) bool
	why     func(c *candidate, a *ask, pl *Placement) string // of one host
	many    string                                           // of several, after their number
}

// filters are the reasons to refuse a host, asked in this order.
func filters() []filter {
	fs := append([]filter{volumeFilter()}, stateFilters()...)
	fs = append(fs, archFilter(), constraintFilter(), uniqueFilter(), diskFilter())
	return append(fs, capacityFilters()...)
}

// stateFilters are about the host itself, whoever asks.
func stateFilters() []filter {
	state := func(is func(h *Host) bool, one, many string) filter {
		return filter{
			refuses: func(c *candidate, _ *ask, _ *Placement) bool { return is(c.host) },
			why:     func(*candidate, *ask, *Placement) string { return one },
			many:    many,
		}
	}
	return []filter{
		state(func(h *Host) bool { return h.Lost }, "is lost", "lost"),
		state(func(h *Host) bool { return h.Draining }, "is being drained", "being drained"),
		state(func(h *Host) bool { return h.Cordoned }, "is cordoned", "cordoned"),
		state(func(h *Host) bool { return h.Settling }, "was lost not long ago and takes nothing new yet",
			"lost not long ago"),
	}
}

func archFilter() filter {
	return filter{
		refuses: func(c *candidate, a *ask, _ *Placement) bool {
			return a.arch != "" && c.host.Arch != "" && !runsOn(a.arch, c.host.Arch)
		},
		why: func(c *candidate, a *ask, _ *Placement) string {
			return fmt.Sprintf("is %s, the image is %s", c.host.Arch, strings.ReplaceAll(a.arch, ",", " and "))
		},
		many: "of another architecture than the image",
	}
}

// runsOn: an image may be for several architectures, "amd64,arm64".
func runsOn(image, host string) bool {
	if image == host {
		return true
	}
	for one := range strings.SplitSeq(image, ",") {
		if one == host {
			return true
		}
	}
	return false
}

func constraintFilter() filter {
	return filter{
		refuses: func(c *candidate, _ *ask, pl *Placement) bool { return pl.broken(c.host) != nil },
		why: func(c *candidate, _ *ask, pl *Placement) string {
			k := pl.broken(c.host)
			if v, ok := c.host.Labels[k.Label]; ok {
				return fmt.Sprintf("has %s=%s, the app asks for %s", k.Label, v, k)
			}
			return fmt.Sprintf("has no label %s, the app asks for %s", k.Label, k)
		},
		many: "without the labels that the app asks for",
	}
}

func uniqueFilter() filter {
	return filter{
		refuses: func(c *candidate, a *ask, pl *Placement) bool { return pl.Unique && !a.once && c.same > 0 },
		why: func(_ *candidate, a *ask, _ *Placement) string {
			return fmt.Sprintf("has a %s already, the app asks for one a host", a.typ)
		},
		many: "with one already",
	}
}

func capacityFilters() []filter {
	memory := filter{
		refuses: func(c *candidate, a *ask, _ *Placement) bool { return c.host.Memory-c.used.memory < a.memory },
		why: func(c *candidate, a *ask, _ *Placement) string {
			return fmt.Sprintf("has %d MB of memory free, needs %d MB", max(c.host.Memory-c.used.memory, 0)>>20, a.memory>>20)
		},
		many: "with too little memory free",
	}
	cpu := filter{
		refuses: func(c *candidate, a *ask, _ *Placement) bool { return c.host.MilliCPU-c.used.cpu < a.cpu },
		why: func(c *candidate, a *ask, _ *Placement) string {
			return fmt.Sprintf("has %s of %s CPU free, needs %s", cpus(max(c.host.MilliCPU-c.used.cpu, 0)), cpus(c.host.MilliCPU), cpus(a.cpu))
		},
		many: "with too little CPU free",
	}
	return []filter{memory, cpu, portFilter()}
}

// MaxInstances is how many instances a host takes. Each may be published on a
// port of the host, which are 12,000, and an agent that seeks a free one among
// them must find it within a few tries.
const MaxInstances = 10_000

// portFilter counts every instance: which of them are published is not the
// planner's to know, and no host has that many others.
func portFilter() filter {
	return filter{
		refuses: func(c *candidate, _ *ask, _ *Placement) bool { return c.used.n >= MaxInstances },
		why: func(c *candidate, _ *ask, _ *Placement) string {
			return fmt.Sprintf("has %d instances, and ports for no more", c.used.n)
		},
		many: "without a free port",
	}
}

// cpus is milli-CPU as people read them: "0.05".
func cpus(milli int64) string { return fmt.Sprintf("%.2f", float64(milli)/1000) }

// broken is the first constraint that a host does not satisfy.
func (pl *Placement) broken(h *Host) *Constraint {
	for i := range pl.Constraints {
		if c := &pl.Constraints[i]; !c.holds(h.Labels) {
			return c
		}
	}
	return nil
}

// holds: a host without the label is none of those that "label!=value" is about.
func (c *Constraint) holds(labels map[string]string) bool {
	v, ok := labels[c.Label]
	return (ok && v == c.Value) != c.Not
}

// String is the constraint as people write it: "zone=a", "zone!=a".
func (c Constraint) String() string {
	if c.Not {
		return c.Label + "!=" + c.Value
	}
	return c.Label + "=" + c.Value
}

// fewHosts is up to how many hosts are named one by one where none takes it;
// Explain always names all.
const fewHosts = 5

// noRoom says in one line why each of a few hosts refused.
func noRoom(list []Refusal) string {
	if len(list) == 0 {
		return "there is no host"
	}
	var parts []string
	for _, r := range list {
		parts = append(parts, r.Host+" "+r.Why)
	}
	return "no host takes it: " + strings.Join(parts, "; ")
}

// noRoomOf does so for many: tally is how many of them each filter refused.
func noRoomOf(hosts int, tally []int, fs []filter) string {
	var parts []string
	for i, n := range tally {
		if n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, fs[i].many))
		}
	}
	return fmt.Sprintf("no host takes it: of %d hosts, %s", hosts, strings.Join(parts, ", "))
}
