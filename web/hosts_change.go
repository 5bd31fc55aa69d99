package web

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"paas/server"
	"paas/server/api"
)

// addHost answers with the page that shows the command, once: nothing but this
// answer knows its token, so there is no redirect.
func (s *Server) addHost(v *visit) error {
	if err := v.form(); err != nil {
		return err
	}
	labels, err := readLabels(v.field("labels"))
	if err != nil {
		return s.mendHosts(v, err)
	}
	made, err := s.svc.AddHost(v.ctx(), v.actor(), strings.TrimSpace(v.field("name")), labels)
	if err != nil {
		return s.mendHosts(v, err)
	}
	v.w.Header().Set("Cache-Control", "no-store")
	return s.showHosts(v, hostsData{Made: &made})
}

// Command is what is run on a new machine.
func (d hostsData) Command() string {
	if d.Made == nil {
		return ""
	}
	return api.JoinCommand(d.Made.Fleet, d.Made.Token, d.Made.CA)
}

func (s *Server) mendHosts(v *visit, err error) error {
	bad, err := v.slip("add", err)
	if err != nil {
		return err
	}
	return s.showHosts(v, hostsData{Slip: bad})
}

// mendHost shows the host again with what was typed into one of its forms.
func (s *Server) mendHost(v *visit, form string, err error) error {
	if server.IsID(err, server.ErrNotFound) || server.IsID(err, server.ErrForbidden) {
		return err // there is no page to show it on, or it had no form
	}
	bad, err := v.slip(form, err)
	if err != nil {
		return err
	}
	return s.showHost(v, bad)
}

// cordonHost lets a host take nothing new, or takes that and a drain back.
func (s *Server) cordonHost(v *visit) error {
	if err := v.form(); err != nil {
		return err
	}
	off, on := false, v.field("cordon") == "on"
	change := server.HostChange{Cordon: &on}
	said := "takes no new dynos any more; what runs on it runs on."
	if !on {
		change.Drain, said = &off, "takes new dynos again."
	}
	return s.changeHost(v, "cordon", change, said)
}

// drainTimes are the deadlines that the form offers; none is the first.
func drainTimes() []time.Duration { return []time.Duration{0, 10 * time.Minute, time.Hour} }

func (s *Server) drainHost(v *visit) error {
	if err := v.form(); err != nil {
		return err
	}
	on, limit := true, time.Duration(0)
	if text := v.field("deadline"); text != "" {
		var err error
		if limit, err = time.ParseDuration(text); err != nil || !slices.Contains(drainTimes(), limit) {
			return s.showHost(v, v.refuse("drain", "%s is not one of the deadlines. Nothing was changed.", plain(text)))
		}
	}
	said := "is being drained: what it has moves away, the new dynos before the old."
	if limit > 0 {
		said += fmt.Sprintf(" What is left after %s is stopped.", deadlineText(limit))
	}
	return s.changeHost(v, "drain", server.HostChange{Drain: &on, Deadline: limit}, said)
}

// deadlineText is a deadline as the CLI takes it.
func deadlineText(d time.Duration) string {
	return strings.TrimSuffix(strings.TrimSuffix(d.String(), "0s"), "0m")
}

// labelHost makes the host's labels those of the form. What the page did not
// show, because somebody set it meanwhile, stays.
func (s *Server) labelHost(v *visit) error {
	if err := v.form(); err != nil {
		return err
	}
	labels, err := readLabels(v.field("labels"))
	if err != nil {
		return s.mendHost(v, "labels", err)
	}
	had, err := readLabels(v.field("had"))
	if err != nil {
		return s.mendHost(v, "labels", err)
	}
	change := server.HostChange{Labels: map[string]string{}}
	for name, value := range labels {
		if old, ok := had[name]; !ok || old != value {
			change.Labels[name] = value
		}
	}
	for name := range had {
		if _, ok := labels[name]; !ok {
			change.Unset = append(change.Unset, name)
		}
	}
	slices.Sort(change.Unset)
	if len(change.Labels)+len(change.Unset) == 0 {
		return v.done(hostPath(v.hostName()), "The labels are as they were.")
	}
	return s.changeHost(v, "labels", change, "has other labels now. Dynos whose constraints it does not meet any more move away.")
}

func (s *Server) changeHost(v *visit, form string, change server.HostChange, said string) error {
	h, err := s.svc.ChangeHost(v.ctx(), v.actor(), v.hostName(), change)
	if err != nil {
		return s.mendHost(v, form, err)
	}
	return v.done(hostPath(h.Name), h.Name+" "+said)
}

// removeHost asks for the host's name: a machine that was taken out comes back
// by a new command only.
func (s *Server) removeHost(v *visit) error {
	if err := v.form(); err != nil {
		return err
	}
	if v.field("confirm") != v.hostName() {
		return s.showHost(v, v.refuse("remove", "What was typed is not the host's name. Nothing was changed."))
	}
	h, err := s.svc.RemoveHost(v.ctx(), v.actor(), v.hostName(), v.field("force") != "")
	if err != nil {
		return s.mendHost(v, "remove", err)
	}
	return v.done("/hosts", h.Name+" is not a host any more.")
}

// readLabels reads "zone=a disk=ssd"; the platform says which it takes.
func readLabels(text string) (map[string]string, error) {
	labels := map[string]string{}
	for word := range strings.FieldsSeq(text) {
		name, value, ok := strings.Cut(word, "=")
		if !ok || name == "" {
			return nil, server.Errorf(server.ErrInvalid, "%s is no label: one is like zone=a. Nothing was changed.", plain(word))
		}
		if _, twice := labels[name]; twice {
			return nil, server.Errorf(server.ErrInvalid, "The label %s is there twice. Nothing was changed.", plain(name))
		}
		labels[name] = value
	}
	return labels, nil
}

// labelLine is what readLabels reads.
func labelLine(labels map[string]string) string {
	words := make([]string, 0, len(labels))
	for _, name := range slices.Sorted(maps.Keys(labels)) {
		words = append(words, name+"="+labels[name])
	}
	return strings.Join(words, " ")
}
