package cluster

import (
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"paas/cmd/paas/platformtest"
	"paas/scheduler/agent/machinetest"
)

// cluster is one of two Postgres that are one: a primary and its standby.
type cluster struct {
	t         *testing.T
	bin, data string
	port      string
	as        *syscall.Credential
	cmd       *exec.Cmd
	log       platformtest.Buffer
	ended     chan struct{}
}

func newCluster(t *testing.T, dir, name string) *cluster {
	t.Helper()
	bins, err := filepath.Glob("/usr/lib/postgresql/*/bin")
	if err != nil || len(bins) == 0 {
		t.Skip("the programs of PostgreSQL are not where Debian has them")
	}
	_, port, _ := strings.Cut(platformtest.FreeAddr("127.0.0.1"), ":")
	c := &cluster{t: t, bin: bins[len(bins)-1], data: filepath.Join(dir, name), port: port}
	u, err := user.Lookup("postgres")
	platformtest.Must(err)
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	platformtest.Must(err)
	gid, err := strconv.ParseUint(u.Gid, 10, 32)
	platformtest.Must(err)
	c.as = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	platformtest.Must(os.Mkdir(c.data, 0o700))
	platformtest.Must(os.Chown(c.data, int(uid), int(gid)))
	return c
}

// run runs one of its programs to the end, as the user that owns the data.
func (c *cluster) run(program string, args ...string) string {
	c.t.Helper()
	cmd := exec.Command(filepath.Join(c.bin, program), args...)
	cmd.Dir = c.data
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: c.as}
	out, err := cmd.CombinedOutput()
	if err != nil {
		c.t.Fatalf("%s %v: %v\n%s", program, args, err, out)
	}
	return string(out)
}

func (c *cluster) start() {
	c.t.Helper()
	c.cmd = exec.Command(filepath.Join(c.bin, "postgres"), "-D", c.data, "-p", c.port, "-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=",
		"-c", "shared_buffers=32MB", "-c", "max_connections=100", "-c", "wal_receiver_timeout=5s")
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Credential: c.as, Setpgid: true}
	c.cmd.Stdout, c.cmd.Stderr = &c.log, &c.log
	c.ended = make(chan struct{})
	platformtest.Must(c.cmd.Start())
	go func() { _ = c.cmd.Wait(); close(c.ended) }()
	c.t.Cleanup(c.kill)
	machinetest.Await(c.t, time.Minute, "ready", func() bool { return strings.Contains(c.log.String(), "ready to accept") })
}

// kill ends every process of it at once.
func (c *cluster) kill() {
	_ = syscall.Kill(-c.cmd.Process.Pid, syscall.SIGKILL)
	<-c.ended
}

func (c *cluster) sql(text string) string {
	c.t.Helper()
	return strings.TrimSpace(c.run("psql", "-XAtq", "-h", "127.0.0.1", "-p", c.port, "-U", "paas", "-d", "postgres", "-c", text))
}

// withReplicas gives the scene a primary whose commits wait for a standby.
func (s *scene) withReplicas() (primary, standby *cluster) {
	s.t.Helper()
	a, b := newCluster(s.t, s.dir, "pa"), newCluster(s.t, s.dir, "pb")
	a.run("initdb", "-D", a.data, "-U", "paas", "--auth=trust", "-E", "UTF8", "--locale=C.UTF-8")
	a.start()
	b.run("pg_basebackup", "-D", b.data, "-h", "127.0.0.1", "-p", a.port, "-U", "paas", "-R", "-X", "stream", "--checkpoint=fast")
	b.start()
	a.sql("alter system set synchronous_standby_names = '*'")
	a.sql("select pg_reload_conf()")
	machinetest.Await(s.t, time.Minute, "a synchronous standby", func() bool {
		return a.sql("select count(*) from pg_stat_replication where sync_state = 'sync'") == "1"
	})
	s.dsn = fmt.Sprintf("host=127.0.0.1,127.0.0.1 port=%s,%s user=paas dbname=postgres target_session_attrs=read-write", a.port, b.port)
	return a, b
}

// The primary dies while changes are made; its standby takes its place. What
// was acknowledged is there, and the servers go on by themselves.
func TestPostgresFailsOver(t *testing.T) {
	platformtest.Thorough(t)
	s := newScene(t).withBuildkit()
	primary, standby := s.withReplicas()
	s.server()
	s.server()
	s.shop()
	r := s.repo()
	commit := r.Commit(t, "a")
	r.Git(t, "push", url(s.follower(), "shop"), "main")

	f, acked, stop, ended := s.follower(), make(chan int, 1000), make(chan struct{}), make(chan int)
	go func() {
		n := 0
		defer func() { ended <- n }()
		for {
			select {
			case <-stop:
				return
			default:
			}
			if _, err := f.paas("config:set", fmt.Sprintf("N=%d", n+1), "-a", "shop"); err != nil {
				return
			}
			n++
			acked <- n
		}
	}()
	for range 3 {
		<-acked
	}
	primary.kill()
	killed := time.Now()
	standby.run("pg_ctl", "promote", "-D", standby.data, "-w")
	t.Logf("the standby was promoted %s after the primary was killed", time.Since(killed).Round(10*time.Millisecond))
	for _, n := range s.servers {
		machinetest.Await(t, time.Minute, "a change through "+n.name, func() bool {
			_, err := n.paas("config:set", "BY="+n.name, "-a", "shop")
			return err == nil
		})
		t.Logf("%s made a change %s after the primary was killed", n.name, time.Since(killed).Round(10*time.Millisecond))
	}
	close(stop)
	last := <-ended
	got := strings.TrimSpace(s.leader().must("config:get", "N", "-a", "shop"))
	if n, err := strconv.Atoi(got); err != nil || n < last || n > last+1 {
		t.Errorf("N is %q; %d was acknowledged last", got, last)
	}
	for _, n := range s.servers {
		if at := r.head(n); at != commit {
			t.Errorf("main of %s is at %.8s, and %.8s was acknowledged", n.name, at, commit)
		}
	}
	if out := r.Git(t, "push", url(f, "shop"), r.Commit(t, "b")+":refs/heads/main"); !strings.Contains(out, "Released v") {
		t.Errorf("a push after that:\n%s", out)
	}
	t.Logf("a push was released %s after the primary was killed", time.Since(killed).Round(10*time.Millisecond))
}
