package scheduler

import (
	"fmt"
	"sort"
	"strings"
)

// filter says in words why a host cannot take an instance, or "".
type filter func(h *Host, arch string, w Want) string

// filters are the reasons to refuse a host, asked in this order.
var filters = []filter{fitsArch, fitsMemory, fitsCPU}

func fitsArch(h *Host, arch string, _ Want) string {
	if arch == "" || h.Arch == "" || arch == h.Arch {
		return ""
	}
	return fmt.Sprintf("is %s, the image is %s", h.Arch, arch)
}

func fitsMemory(h *Host, _ string, w Want) string {
	if free := h.Memory - h.UsedMemory; free < w.Memory {
		return fmt.Sprintf("has %d MB of memory free, needs %d MB", max(free, 0)>>20, w.Memory>>20)
	}
	return ""
}

func fitsCPU(h *Host, _ string, w Want) string {
	if free := h.MilliCPU - h.UsedMilliCPU; free < w.MilliCPU {
		return fmt.Sprintf("has %d of %d milli-CPU free, needs %d", max(free, 0), h.MilliCPU, w.MilliCPU)
	}
	return ""
}

// placer books instances onto hosts within one plan.
type placer struct {
	hosts []*Host
	// same counts this app's instances of a type by host: spreading them
	// makes the loss of a host a smaller one.
	same map[string]int
}

func newPlacer(s State) *placer {
	p := &placer{same: map[string]int{}}
	for i := range s.Hosts {
		h := s.Hosts[i]
		p.hosts = append(p.hosts, &h)
	}
	for _, in := range s.Instances {
		if in.Release == s.Release && !in.Replace && !in.OneOff && in.Host != "" {
			p.same[in.Type+"\x00"+in.Host]++
		}
	}
	return p
}

// place gives the best host for an image of arch and books it, or why each refused.
func (p *placer) place(arch string, w Want) (host, reason string) {
	var fit []*Host
	var refusals []string
	for _, h := range p.hosts {
		if why := refuse(h, arch, w); why != "" {
			refusals = append(refusals, h.Name+" "+why)
			continue
		}
		fit = append(fit, h)
	}
	if len(fit) == 0 {
		if len(refusals) == 0 {
			return "", "there is no host"
		}
		return "", "no host has room: " + strings.Join(refusals, "; ")
	}
	sort.SliceStable(fit, func(i, j int) bool { return p.better(fit[i], fit[j], w) })
	best := fit[0]
	best.UsedMemory += w.Memory
	best.UsedMilliCPU += w.MilliCPU
	best.Instances++
	p.same[w.Type+"\x00"+best.ID]++
	return best.ID, ""
}

func refuse(h *Host, arch string, w Want) string {
	for _, f := range filters {
		if why := f(h, arch, w); why != "" {
			return why
		}
	}
	return ""
}

// better ranks: spread the app first, then the emptier host, then the name so
// that equal snapshots give equal plans.
func (p *placer) better(a, b *Host, w Want) bool {
	if x, y := p.same[w.Type+"\x00"+a.ID], p.same[w.Type+"\x00"+b.ID]; x != y {
		return x < y
	}
	if x, y := a.UsedMemory*max(b.Memory, 1), b.UsedMemory*max(a.Memory, 1); x != y {
		return x < y
	}
	return a.Name < b.Name
}
