package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"paas/server/api"
)

func (c *cli) appCommands() []*cobra.Command {
	list := &cobra.Command{Use: "apps", Aliases: []string{"list", "apps:list"}, Short: "list your apps", Args: takes(0, 0)}
	listJSON := list.Flags().Bool("json", false, "print JSON")
	list.RunE = c.on(func(s *session, _ []string) error { return s.listApps(*listJSON) })

	create := &cobra.Command{
		Use: "apps:create [NAME]", Aliases: []string{"create"}, Short: "create an app", Args: takes(0, 1),
		Long: "Create an app. In a git repository the remote paas is added, so that git push paas main deploys.",
	}
	remoteName := create.Flags().StringP("remote", "r", sshUser, "git remote to add")
	noRemote := create.Flags().Bool("no-remote", false, "do not add a git remote")
	createJSON := create.Flags().Bool("json", false, "print JSON")
	create.RunE = c.on(func(s *session, args []string) error {
		if *noRemote {
			*remoteName = ""
		}
		return s.createApp(strings.Join(args, ""), *remoteName, *createJSON)
	})

	info := &cobra.Command{Use: "apps:info", Aliases: []string{"info"}, Short: "show an app", Args: takes(0, 0)}
	infoJSON := info.Flags().Bool("json", false, "print JSON")
	infoShell := info.Flags().BoolP("shell", "s", false, "print key=value lines for a shell to read")
	c.onApp(info, func(s *session, _ []string) error { return s.appInfo(*infoJSON, *infoShell) })

	destroy := &cobra.Command{
		Use: "apps:destroy", Aliases: []string{"destroy", "apps:delete"}, Args: takes(0, 0),
		Short: "destroy an app with all its releases, config and logs",
	}
	confirm := destroy.Flags().StringP("confirm", "c", "", "the app's name, to be asked nothing")
	c.onApp(destroy, func(s *session, _ []string) error { return s.destroyApp(*confirm) })
	return []*cobra.Command{list, create, info, destroy}
}

func (s *session) listApps(asJSON bool) error {
	apps, err := s.api.Apps(s.ctx)
	if err != nil {
		return err
	}
	if asJSON {
		return s.json(notNil(apps))
	}
	if len(apps) == 0 {
		s.say("You have no apps. Make one with: paas apps:create")
		return nil
	}
	me, err := s.api.Account(s.ctx)
	if err != nil {
		return err
	}
	var own, others [][]string
	for _, a := range apps {
		if a.Owner.ID == me.ID {
			own = append(own, []string{a.Name})
			continue
		}
		others = append(others, []string{a.Name, a.Owner.Email})
	}
	if len(own) > 0 {
		s.header("%s Apps", printable(me.Email))
		s.say("")
		table(s.out, own)
	}
	if len(others) > 0 {
		if len(own) > 0 {
			s.say("")
		}
		title := "Collaborated Apps"
		if me.Admin {
			title = "Apps of others"
		}
		s.header("%s", title)
		s.say("")
		table(s.out, others)
	}
	return nil
}

func (s *session) createApp(name, remoteName string, asJSON bool) error {
	what := "Creating app"
	if name != "" {
		what = "Creating " + appName(name)
	}
	var a api.App
	err := s.action(what, func() (more string, err error) {
		a, err = s.api.CreateApp(s.ctx, name)
		if err == nil && name == "" {
			more = appName(a.Name)
		}
		return more, err
	})
	if err != nil {
		return err
	}
	if remoteName != "" {
		s.addRemote(remoteName, a)
	}
	if asJSON {
		return s.json(a)
	}
	s.say("%s | %s", printable(a.WebURL), printable(s.gitURL(a)))
	return nil
}

// addRemote adds the git remote when there is a repository. The app exists
// already, so what goes wrong here is told and no failure.
func (s *session) addRemote(name string, a api.App) {
	if _, err := s.git(s.ctx, "rev-parse", "--git-dir"); err != nil {
		return
	}
	url := s.gitURL(a)
	by := "git remote add " + name + " " + url
	// git would run a helper program for some other kinds of URL.
	if _, app, ok := parseRemote(a.GitURL); !ok || app != a.Name {
		s.warn("The server sent a git URL that is none; no git remote was added.")
		return
	}
	remotes, err := s.remotes(s.ctx)
	if err != nil {
		s.warn("No git remote was added: " + err.Error())
		return
	}
	for _, r := range remotes {
		if r.name != name {
			continue
		}
		if r.url != url {
			s.warn("The git remote " + name + " points to " + r.url + " and was left as it is.")
			s.warn("To deploy this app from here: git remote set-url " + name + " " + url)
		}
		return
	}
	if _, err := s.git(s.ctx, "remote", "add", "--", name, url); err != nil {
		s.warn("The git remote was not added. Add it with: " + by)
		return
	}
	fmt.Fprintf(s.err, "Git remote %s added\n", printable(name))
}

func (s *session) appInfo(asJSON, shell bool) error {
	sum, err := s.api.AppSummary(s.ctx, s.app)
	if err != nil {
		return err
	}
	if asJSON {
		return s.json(sum)
	}
	if shell {
		s.shellInfo(sum)
		return nil
	}
	a := sum.App
	s.header("%s", appName(a.Name))
	s.say("")
	rows := [][2]string{{"Collaborators", strconv.Itoa(sum.Collaborators)}}
	if len(sum.Domains) > 1 { // more than its own, which the web URL shows
		rows = append(rows, [2]string{"Domains", customDomains(sum.Domains)})
	}
	rows = append(rows, [2]string{"Dynos", dynoCounts(sum.Formation)}, [2]string{"Git URL", s.gitURL(a)}, [2]string{"Locked", yesNo(a.Locked)},
		[2]string{"Maintenance", onOff(a.Maintenance)}, [2]string{"Owner", a.Owner.Email})
	if len(sum.ProcessTypes) > 0 {
		rows = append(rows, [2]string{"Process Types", strings.Join(sum.ProcessTypes, ", ")})
	}
	rows = append(rows, [2]string{"Region", a.Region.Name}, [2]string{"Release", currentRelease(sum.Release)})
	if a.RepoSize != nil {
		rows = append(rows, [2]string{"Repo Size", size(*a.RepoSize)})
	}
	if own := ownSettings(sum.Settings); own != "" {
		rows = append(rows, [2]string{"Settings", own})
	}
	if a.SlugSize != nil {
		rows = append(rows, [2]string{"Slug Size", size(*a.SlugSize)})
	}
	released := "never"
	if a.ReleasedAt != nil {
		released = when(*a.ReleasedAt, time.Now())
	}
	fields(s.out, append(rows, [2]string{"Stack", a.Stack.Name}, [2]string{"Created", when(a.CreatedAt, time.Now())},
		[2]string{"Released", released}, [2]string{"Web URL", a.WebURL}))
	return nil
}

// shellInfo is the app as key=value lines, named as Heroku's.
func (s *session) shellInfo(sum api.AppSummary) {
	a := sum.App
	rows := map[string]string{"name": a.Name, "git_url": s.gitURL(a), "web_url": a.WebURL, "owner": a.Owner.Email, "region": a.Region.Name,
		"stack": a.Stack.Name, "dynos": dynoCounts(sum.Formation), "maintenance": strconv.FormatBool(a.Maintenance), "locked": strconv.FormatBool(a.Locked)}
	for name, n := range map[string]*int64{"repo_size": a.RepoSize, "slug_size": a.SlugSize} {
		if n != nil {
			rows[name] = strconv.FormatInt(*n, 10)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(rows)) {
		s.say("%s=%s", name, shellQuote(printable(rows[name])))
	}
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

// dynoCounts is "web: 2, worker: 1".
func dynoCounts(formation []api.Formation) string {
	words := make([]string, 0, len(formation))
	for _, f := range formation {
		words = append(words, f.Type+": "+strconv.Itoa(f.Quantity))
	}
	slices.Sort(words)
	return strings.Join(words, ", ")
}

func customDomains(list []api.Domain) string {
	const most = 5
	var names []string
	for _, d := range list {
		if d.Kind != api.DomainOwn {
			names = append(names, d.Hostname)
		}
	}
	if n := len(names); n > most {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), n-most)
	}
	return strings.Join(names, ", ")
}

func currentRelease(r *api.Release) string {
	if r == nil {
		return "none"
	}
	return fmt.Sprintf("v%d, %s", r.Version, r.Description)
}

// ownSettings is "stop-timeout=60", without what is the installation's.
func ownSettings(list api.AppSettings) string {
	var words []string
	for name, v := range list {
		if v != nil {
			words = append(words, fmt.Sprintf("%s=%d", strings.ReplaceAll(name, "_", "-"), *v))
		}
	}
	slices.Sort(words)
	return strings.Join(words, " ")
}

func (s *session) destroyApp(confirm string) error {
	a, err := s.api.App(s.ctx, s.app)
	if err != nil {
		return err
	}
	if confirm == "" {
		volumes, verr := s.api.Volumes(s.ctx, a.ID)
		if verr != nil {
			return verr
		}
		if confirm, err = s.askConfirm(a.Name, volumes); err != nil {
			return err
		}
	}
	if confirm != a.Name {
		return tell("Confirmation "+confirm+" did not match "+a.Name+". Nothing was destroyed.", "")
	}
	err = s.action("Destroying "+appName(a.Name), func() (string, error) {
		_, err := s.api.DestroyApp(s.ctx, a.ID)
		return "", err
	})
	if err != nil {
		return err
	}
	s.dropRemotes(a)
	return nil
}

func (s *session) askConfirm(app string, volumes []api.Volume) (string, error) {
	s.warn("WARNING: This will destroy " + app + " with all its releases, config and logs.")
	for _, v := range volumes {
		s.warn(fmt.Sprintf("The data of volume %s goes, too, for good: %s, used %s.", printable(v.Name), printable(volumeAt(v)), volumeUsed(v)))
	}
	if !isTerminal(s.in) {
		return "", tell("Nothing was destroyed.", "To go on, run it with --confirm "+app)
	}
	s.warn("To proceed, type " + app + " or run it again with --confirm " + app)
	fmt.Fprint(s.err, "> ")
	line, err := bufio.NewReader(io.LimitReader(s.in, 256)).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return "", fmt.Errorf("read confirmation: %w", err)
	}
	return strings.TrimSpace(line), nil
}

// dropRemotes removes the git remotes of an app that is gone.
func (s *session) dropRemotes(a api.App) {
	remotes, err := s.remotes(s.ctx)
	if err != nil {
		return
	}
	for _, r := range remotes {
		if r.url != a.GitURL && r.url != s.gitURL(a) {
			continue
		}
		if _, err := s.git(s.ctx, "remote", "remove", "--", r.name); err != nil {
			s.warn("The git remote " + r.name + " was not removed.")
		}
	}
}
