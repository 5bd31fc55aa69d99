package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"paas/server/api"
)

func (c *cli) volumeCommands() []*cobra.Command {
	list := &cobra.Command{Use: "volumes", Short: "list an app's volumes", Args: takes(0, 0)}
	listJSON := list.Flags().Bool("json", false, "print JSON")
	c.onApp(list, func(s *session, _ []string) error { return s.listVolumes(*listJSON) })

	info := &cobra.Command{Use: "volumes:info VOLUME", Short: "show a volume", Args: takes(1, 1)}
	infoJSON := info.Flags().Bool("json", false, "print JSON")
	c.onApp(info, func(s *session, args []string) error { return s.showVolume(args[0], *infoJSON) })

	create := &cobra.Command{
		Use: "volumes:create NAME", Short: "give an app a disk that outlives its dynos", Args: takes(1, 1),
		Long: "Give an app a disk. Its data is on one host, chosen now: what the volume is attached to runs there, one dyno at a\n" +
			"time. When that host is lost the dyno waits for it; keep copies elsewhere of what must not be lost.",
	}
	sizeText := create.Flags().String("size", "", "how much it will hold, as in 10G: for choosing the host, not a limit")
	host := create.Flags().String("host", "", "host that keeps the data (default: where there is most room)")
	driver := create.Flags().String("driver", "", "volume driver of Docker, one that the operator has allowed; then the data is on no single host")
	createJSON := create.Flags().Bool("json", false, "print JSON")
	c.onApp(create, func(s *session, args []string) error {
		in := api.NewVolume{Name: args[0], Host: *host, Driver: *driver}
		var ok bool
		if in.Size, ok = parseMemory(*sizeText); *sizeText != "" && (!ok || in.Size == 0) {
			return usagef(s.cmd, "%s is no size: it must be like 500M or 10G. Nothing was changed.", printable(*sizeText))
		}
		return s.createVolume(in, *createJSON)
	})
	return append([]*cobra.Command{list, info, create}, c.volumeChangeCommands()...)
}

func (c *cli) volumeChangeCommands() []*cobra.Command {
	attach := &cobra.Command{
		Use: "volumes:attach VOLUME PATH", Short: "show a volume to dynos: makes a release and restarts", Args: takes(2, 2),
		Long: "Show a volume to the dynos of a process type, at a path. From then on one dyno of that type runs, and each deploy\n" +
			"stops the old one before the new one starts. A volume that is attached elsewhere moves.",
	}
	typ := attach.Flags().StringP("process-type", "p", "web", "process type")
	c.onApp(attach, func(s *session, args []string) error {
		return s.action(fmt.Sprintf("Attaching volume %s to %s at %s and restarting %s", printable(args[0]), printable(*typ), printable(args[1]), appName(s.app)), func() (string, error) {
			deploy, err := s.api.AttachVolume(s.ctx, s.app, args[0], api.Mount{Type: *typ, Path: args[1]})
			if err != nil {
				return "", err
			}
			return s.follow(deploy)
		})
	})

	detach := &cobra.Command{
		Use: "volumes:detach VOLUME", Short: "take a volume from the dynos: makes a release and restarts", Args: takes(1, 1),
		Long: "Take a volume from the dynos that have it. Its data stays until paas volumes:destroy.",
	}
	c.onApp(detach, func(s *session, args []string) error {
		return s.action(fmt.Sprintf("Detaching volume %s and restarting %s", printable(args[0]), appName(s.app)), func() (string, error) {
			deploy, err := s.api.DetachVolume(s.ctx, s.app, args[0])
			if err != nil {
				return "", err
			}
			return s.follow(deploy)
		})
	})

	destroy := &cobra.Command{
		Use: "volumes:destroy VOLUME", Short: "delete a volume with its data, for good", Args: takes(1, 1),
		Long: "Delete a volume with its data. Nobody can bring it back. It must not be attached.",
	}
	confirm := destroy.Flags().StringP("confirm", "c", "", "the volume's name, to be asked nothing")
	c.onApp(destroy, func(s *session, args []string) error { return s.destroyVolume(args[0], *confirm) })
	return []*cobra.Command{attach, detach, destroy}
}

func (s *session) listVolumes(asJSON bool) error {
	list, err := s.api.Volumes(s.ctx, s.app)
	if err != nil {
		return err
	}
	if asJSON {
		return s.json(list)
	}
	if len(list) == 0 {
		s.say("%s has no volumes.", appName(s.app))
		return nil
	}
	s.header("%s Volumes", appName(s.app))
	s.say("")
	rows := [][]string{{"Name", "On", "Used", "Asked for", "Attached"}}
	for _, v := range list {
		rows = append(rows, []string{v.Name, volumeAt(v), volumeUsed(v), volumeSize(v), volumeMount(v)})
	}
	table(s.out, rows)
	return nil
}

// volumeAt is where a volume's data is.
func volumeAt(v api.Volume) string {
	switch {
	case v.Driver != nil:
		return "driver " + *v.Driver
	case v.Host == nil:
		return "no host"
	case v.Gone:
		return *v.Host + " (removed)"
	}
	return *v.Host
}

func volumeUsed(v api.Volume) string {
	if v.Used == nil {
		return "-"
	}
	return size(*v.Used)
}

func volumeSize(v api.Volume) string {
	if v.Size == 0 {
		return "-"
	}
	return size(v.Size)
}

func volumeMount(v api.Volume) string {
	if v.Mount == nil {
		return "no"
	}
	return v.Mount.Type + " at " + v.Mount.Path
}

func (s *session) showVolume(name string, asJSON bool) error {
	v, err := s.api.Volume(s.ctx, s.app, name)
	if err != nil {
		return err
	}
	if asJSON {
		return s.json(v)
	}
	s.printVolume(v)
	return nil
}

func (s *session) printVolume(v api.Volume) {
	s.header("%s", printable(v.Name))
	s.say("")
	fields(s.out, [][2]string{
		{"App", s.app}, {"Data on", volumeAt(v)}, {"Used", volumeUsed(v)}, {"Asked for", volumeSize(v)},
		{"Attached", volumeMount(v)}, {"Created", stamp(v.CreatedAt)}, {"Id", v.ID},
	})
}

func (s *session) createVolume(in api.NewVolume, asJSON bool) error {
	var v api.Volume
	err := s.action(fmt.Sprintf("Creating volume %s for %s", printable(in.Name), appName(s.app)), func() (_ string, err error) {
		v, err = s.api.CreateVolume(s.ctx, s.app, in)
		return "", err
	})
	switch {
	case err != nil:
		return err
	case asJSON:
		return s.json(v)
	}
	s.printVolume(v)
	s.warn(fmt.Sprintf("Show it to a process type: paas volumes:attach %s /data -p web -a %s", printable(v.Name), s.app))
	return nil
}

func (s *session) destroyVolume(name, confirm string) error {
	v, err := s.api.Volume(s.ctx, s.app, name)
	if err != nil {
		return err
	}
	if confirm == "" {
		return tell(fmt.Sprintf("This deletes the data of volume %s%s for good. Nothing was destroyed.", v.Name, map[bool]string{true: " (" + volumeUsed(v) + " used)"}[v.Used != nil]),
			fmt.Sprintf("To go on: paas volumes:destroy %s --confirm %s -a %s", v.Name, v.Name, s.app))
	}
	if confirm != v.Name {
		return tell("Confirmation "+confirm+" did not match "+v.Name+". Nothing was destroyed.", "")
	}
	return s.action("Destroying volume "+printable(v.Name), func() (string, error) {
		_, err := s.api.DestroyVolume(s.ctx, s.app, v.ID)
		return "", err
	})
}
