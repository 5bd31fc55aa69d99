package main

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
)

// webURL is where people find an app.
func (s *settings) webURL(app string) string {
	scheme, addr, usual := "http", s.http, "80"
	if s.https != "" {
		scheme, addr, usual = "https", s.https, "443"
	}
	_, port, err := net.SplitHostPort(addr)
	if err != nil || port == usual {
		return fmt.Sprintf("%s://%s.%s/", scheme, app, s.domain)
	}
	return fmt.Sprintf("%s://%s.%s:%s/", scheme, app, s.domain, port)
}

// gitURL is what `git remote add paas` takes.
func (s *settings) gitURL(ssh net.Addr, app string) string {
	_, port, _ := net.SplitHostPort(ssh.String())
	return fmt.Sprintf("ssh://paas@%s:%s/%s.git", s.domain, port, app)
}

// clientURL is the API's URL as `paas login` tells it to clients.
func (s *settings) clientURL(api net.Addr) string {
	if s.apiURL != "" || api == nil {
		return s.apiURL
	}
	scheme := "http"
	if s.tlsCert != "" {
		scheme = "https"
	}
	host, port, _ := net.SplitHostPort(api.String())
	if ip := net.ParseIP(host); ip == nil || ip.IsUnspecified() {
		host = s.domain
	}
	return scheme + "://" + net.JoinHostPort(host, port)
}

// buildkitdPath finds the program: as told, next to paas, or in PATH.
func buildkitdPath(given string) (string, error) {
	if given != "" {
		return filepath.Abs(given)
	}
	if self, err := os.Executable(); err == nil {
		if beside := filepath.Join(filepath.Dir(self), "buildkitd"); isFile(beside) {
			return beside, nil
		}
	}
	if found, err := exec.LookPath("buildkitd"); err == nil {
		return filepath.Abs(found)
	}
	return "", fmt.Errorf("buildkitd was found neither next to paas nor in PATH; nothing was started.\nBuild it with: make build, or name it with --buildkitd")
}

func isFile(path string) bool {
	st, err := os.Stat(path)
	return err == nil && st.Mode().IsRegular()
}

// diskUsed is how full the file system of a directory is, in percent, as an
// unprivileged process sees it.
func diskUsed(dir string) (int, error) {
	var st syscall.Statfs_t
	if err := syscall.Statfs(dir, &st); err != nil {
		return 0, err
	}
	used := st.Blocks - st.Bfree
	if used+st.Bavail == 0 {
		return 0, nil
	}
	return int(used * 100 / (used + st.Bavail)), nil
}

// freeSubnet refuses a network that an interface of this machine, other than
// our own, is in already: packets would go to the wrong one of the two.
func freeSubnet(flag, subnet, own string) error {
	want, err := netip.ParsePrefix(subnet)
	if err != nil {
		return fmt.Errorf("%s %s: must be a network like 10.254.240.0/22", flag, subnet)
	}
	list, err := net.Interfaces()
	if err != nil {
		return fmt.Errorf("list network interfaces: %w", err)
	}
	for _, i := range list {
		addrs, err := i.Addrs()
		if err != nil || i.Name == own {
			continue // an interface that is going away
		}
		for _, a := range addrs {
			if have, err := netip.ParsePrefix(a.String()); err == nil && have.Overlaps(want) {
				return fmt.Errorf("%s %s: the interface %s has the address %s in it; nothing was started.\nChoose another network, for example %s 10.253.0.0/22", flag, subnet, i.Name, have, flag)
			}
		}
	}
	return nil
}
