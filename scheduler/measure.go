package scheduler

// Progress is how far a rollout of a release has come.
type Progress struct {
	Want, Up int
	Crashed  []string // ids of instances of the release that crashed
	Pending  []string // reasons of those that no host takes
}

// Measure counts the target's instances. Those on lost hosts are none, and
// one that is being restarted does not count; one that only moves to another
// host does until it has moved.
func Measure(s State) Progress {
	var pr Progress
	odd := oddHosts(&s)
	want := map[string]int{}
	for _, w := range s.Wants {
		pr.Want += w.Quantity
		want[w.Type] = w.Quantity
	}
	type slot struct {
		typ     string
		ordinal int
	}
	up := map[slot]bool{}
	for i := range s.Instances {
		in := &s.Instances[i]
		if in.Release != s.Release || in.OneOff || in.Ordinal > want[in.Type] || lost(odd, in) {
			continue
		}
		if in.Replace && !moving(&s, odd, in) {
			continue
		}
		switch in.State {
		case Up:
			up[slot{in.Type, in.Ordinal}] = true
		case Crashed:
			pr.Crashed = append(pr.Crashed, in.ID)
		case Pending:
			pr.Pending = append(pr.Pending, in.Reason)
		}
	}
	pr.Up = len(up)
	return pr
}
