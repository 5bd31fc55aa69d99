package server

import (
	"strings"
	"time"

	"paas/scheduler/agent"
)

// typeKey is a process type of an app.
type typeKey struct{ app, typ string }

// typeState is a process type as it was measured last, by host, and the CPU
// time it has taken since this process began.
type typeState struct {
	hosts map[string]hostState
	cpu   time.Duration
}

type hostState struct {
	at  time.Time
	sum UsageSum
}

// usageStale is the age from which on a measurement says nothing of now.
const usageStale = 2 * time.Minute

// typeOfName is "web" of "web.1".
func typeOfName(instance string) string {
	typ, _, _ := strings.Cut(instance, ".")
	return typ
}

func (k usageKey) row(s UsageSum) UsageRow {
	return UsageRow{AppID: k.app, At: k.at, Span: time.Minute, Type: k.typ, Host: k.host, UsageSum: s}
}

func (s *UsageSum) add(o UsageSum) {
	s.Rounds += o.Rounds
	s.Instances += o.Instances
	s.MilliCPU += o.MilliCPU
	s.Memory += o.Memory
	s.MemoryLimit += o.MemoryLimit
}

// mean is one measurement that stands for all of the sum.
func (s UsageSum) mean() UsageSum {
	n := float64(max(s.Rounds, 1))
	return UsageSum{Rounds: 1, Instances: s.Instances / n, MilliCPU: s.MilliCPU / n, Memory: s.Memory / n, MemoryLimit: s.MemoryLimit / n}
}

// addUsage counts measurements; m.mu is held.
func (m *Meter) addUsage(rows []UsageRow) {
	for _, r := range rows {
		k := usageKey{at: r.At, app: r.AppID, typ: r.Type, host: r.Host}
		s := m.usage[k]
		if s == nil {
			if len(m.usage) >= meterRows {
				continue
			}
			s = &UsageSum{}
			m.usage[k] = s
		}
		s.add(r.UsageSum)
	}
}

// takeUsage gives the minutes before that of a time; m.mu is held.
func (m *Meter) takeUsage(before time.Time) (rows []UsageRow) {
	before = before.UTC().Truncate(time.Minute)
	for k, s := range m.usage {
		if k.at.Before(before) && len(rows) < meterChunk {
			rows = append(rows, k.row(*s))
			delete(m.usage, k)
		}
	}
	return rows
}

// trimUsage drops minutes that are too old; m.mu is held.
func (m *Meter) trimUsage(oldest time.Time) (lost bool) {
	for k := range m.usage {
		if k.at.Before(oldest) {
			delete(m.usage, k)
			lost = true
		}
	}
	return lost
}

// noteTypes keeps a measurement for those who ask how it is now, and takes out
// of sums the types that are too many; m.mu is held.
func (m *Meter) noteTypes(host string, at time.Time, list []agent.Usage, sums map[typeKey]*UsageSum) {
	types := map[string]int{}
	for k := range m.types {
		types[k.app]++
	}
	for k, s := range sums {
		t := m.types[k]
		if t == nil {
			if types[k.app]++; types[k.app] > meterTypes {
				delete(sums, k)
				continue
			}
			t = &typeState{hosts: map[string]hostState{}}
			m.types[k] = t
		}
		t.hosts[host] = hostState{at: at, sum: *s}
	}
	for k, t := range m.types {
		if sums[k] == nil {
			delete(t.hosts, host) // it has none of them any more
		}
	}
	for _, u := range list {
		if t := m.types[typeKey{u.AppID, typeOfName(u.Name)}]; t != nil {
			t.cpu += u.CPU
		}
	}
}

// typeNow is what a process type uses now.
type typeNow struct {
	UsageSum
	cpu time.Duration // since this process began
}

// nowByType gives all process types that were measured, by app.
func (m *Meter) nowByType() map[string]map[string]typeNow {
	m.mu.Lock()
	defer m.mu.Unlock()
	out := map[string]map[string]typeNow{}
	for k, t := range m.types {
		now := typeNow{cpu: t.cpu}
		for _, h := range t.hosts {
			if m.now().Sub(h.at) < usageStale {
				now.add(h.sum)
			}
		}
		if out[k.app] == nil {
			out[k.app] = map[string]typeNow{}
		}
		out[k.app][k.typ] = now
	}
	return out
}

// forgetTypes drops those of apps that are gone.
func (m *Meter) forgetTypes(there map[string]bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for k := range m.types {
		if !there[k.app] {
			delete(m.types, k)
		}
	}
}
