package doctor

import (
	"errors"
	"io/fs"
	"strings"
	"testing"
	"time"
)

// goodEngine is an engine with nothing to complain about.
func goodEngine() engineFacts {
	return engineFacts{
		socket: "/run/docker.sock", version: "29.1.0", api: "1.52", runc: "1.4.3", containerd: "v2.3.6",
		driver: "overlay2", cgroupDriver: "systemd", cgroup: "2", memoryLimit: true, pidsLimit: true, seccomp: true,
	}
}

func engine(change func(*engineFacts)) engineFacts {
	f := goodEngine()
	change(&f)
	return f
}

func TestChecks(t *testing.T) {
	down := engine(func(f *engineFacts) { f.err = errors.New("connect: no such file or directory") })
	denied := engine(func(f *engineFacts) { f.err = errors.New("connect: permission denied") })
	notFound := toolFacts{path: "/x/buildkitd", err: fs.ErrNotExist}
	noTool := toolFacts{err: errors.New("not in PATH")}
	sock := "/d/run/paas.sock"

	tests := []struct {
		name   string
		got    Result
		status Status
		says   string // in Found, Cause or Next
	}{
		{"engine", checkEngine(goodEngine()), OK, "29.1.0, API 1.52"},
		{"engine down", checkEngine(down), Fail, "no such file"},
		{"engine denied", checkEngine(denied), Fail, "as root"},
		{"engine 1.41", checkEngine(engine(func(f *engineFacts) { f.api = "1.41" })), OK, "1.41"},
		{"engine 1.40", checkEngine(engine(func(f *engineFacts) { f.api = "1.40" })), Fail, "1.41 or newer"},
		{"engine without api", checkEngine(engine(func(f *engineFacts) { f.api = "" })), Fail, "1.41 or newer"},
		{"engine without seccomp", checkEngine(engine(func(f *engineFacts) { f.seccomp = false })), Warn, "seccomp"},

		{"cgroup 2", checkCgroup(goodEngine()), OK, "v2, driver systemd"},
		{"cgroup 1", checkCgroup(engine(func(f *engineFacts) { f.cgroup = "1" })), Warn, "v1"},
		{"no memory limit", checkCgroup(engine(func(f *engineFacts) { f.memoryLimit = false })), Fail, "cannot limit"},
		{"no pids limit", checkCgroup(engine(func(f *engineFacts) { f.pidsLimit = false })), Fail, "cannot limit"},
		{"cgroup unknown", checkCgroup(down), Warn, "unknown"},

		{"runc", checkRunc(goodEngine()), OK, "1.4.3"},
		{"runc of Debian 12", checkRunc(engine(func(f *engineFacts) { f.runc = "1.1.5+ds1" })), Warn, "single-tenant only"},
		{"runc 1.3.6", checkRunc(engine(func(f *engineFacts) { f.runc = "1.3.6" })), OK, "1.3.6"},
		{"runc 1.4.2", checkRunc(engine(func(f *engineFacts) { f.runc = "1.4.2" })), Warn, "CVE-2026-41579"},
		{"runc 1.4.3-rc.1", checkRunc(engine(func(f *engineFacts) { f.runc = "1.4.3-rc.1" })), Warn, "below"},
		{"runc 1.5.0", checkRunc(engine(func(f *engineFacts) { f.runc = "1.5.0" })), OK, "1.5.0"},
		{"runc untold", checkRunc(engine(func(f *engineFacts) { f.runc = "" })), Warn, "runc --version"},
		{"runc unknown", checkRunc(down), Warn, "unknown"},
		{"containerd 1.6", checkContainerd(engine(func(f *engineFacts) { f.containerd = "1.6.20~ds1" })), Warn, "CVE-2026-53488"},
		{"containerd 1.7", checkContainerd(engine(func(f *engineFacts) { f.containerd = "1.7.33" })), OK, "1.7.33"},
		{"containerd 2", checkContainerd(goodEngine()), OK, "2.3.6"},

		{"overlay by engine", checkOverlay(goodEngine(), ""), OK, "overlay2"},
		{"overlay by kernel", checkOverlay(engineFacts{}, "nodev\tsysfs\nnodev\toverlay\n\text4\n"), OK, "in the kernel"},
		{"no overlay", checkOverlay(engineFacts{driver: "vfs"}, "nodev\tsysfs\nnodev\toverlayish\n"), Warn, "modprobe"},

		{"kernel", checkKernel("6.1.0-40-amd64"), OK, "6.1.0"},
		{"kernel old", checkKernel("4.19.0-27-amd64"), Warn, "not mended any more"},
		{"kernel untold", checkKernel(""), Warn, "uname -r"},
		{"clock", checkClock(2*time.Second, nil), OK, "as the control plane's"},
		{"clock ahead", checkClock(61*time.Second, nil), Warn, "1m1s ahead of"},
		{"clock behind", checkClock(-61*time.Minute, nil), Warn, "1h1m0s behind"},
		{"clock far off", checkClock(-3*time.Hour, nil), Fail, "certificates are not good"},
		{"clock unknown", checkClock(0, errors.New("no route")), Warn, "no route"},
		{"engine's disk", checkRoom(engineFacts{root: "/"}, diskFacts{path: "/", total: 100 << 30, free: 21 << 30}), OK, "79 % used"},
		{"engine's disk 80", checkRoom(engineFacts{root: "/"}, diskFacts{path: "/", total: 100 << 30, free: 20 << 30}), Warn, "images and what dynos write share what is left\ndocker image prune, or a larger disk; du -xsh /* shows"},
		{"engine's disk unknown", checkRoom(down, diskFacts{}), Warn, "unknown"},
		{"agent's data", ofAgent(checkDataDir(dataFacts{path: "/d", exists: true, isDir: true, mode: 0o777})), Fail, "is this host"},
		{"agent's data new", ofAgent(checkDataDir(dataFacts{path: "/d"})), OK, "joining makes it"},

		{"git", checkGit(toolFacts{version: "git version 2.39.5"}), OK, "2.39.5"},
		{"git old", checkGit(toolFacts{version: "git version 2.34.1"}), Fail, "2.39 or newer"},
		{"git odd", checkGit(toolFacts{version: "hello"}), Fail, "2.39 or newer"},
		{"no git", checkGit(noTool), Fail, "apt-get install git"},
		{"ssh", checkSSH(toolFacts{version: "OpenSSH_9.2p1 Debian-2"}), OK, "9.2p1"},
		{"no ssh", checkSSH(noTool), Warn, "openssh-client"},
		{"firewall", checkFirewall(toolFacts{version: "-P INPUT ACCEPT"}), OK, "iptables"},
		{"no firewall", checkFirewall(toolFacts{err: errors.New("permission denied")}), Warn, "only apps you trust: permission denied"},
		{"postgres", checkPostgres(toolFacts{path: "/b", version: "postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)"}), OK, "15.18"},
		{"postgres old", checkPostgres(toolFacts{version: "postgres (PostgreSQL) 13.9"}), Fail, "14 or newer"},
		{"no postgres", checkPostgres(noTool), Warn, "apt-get install postgresql"},

		{"buildkitd", checkBuildkitd(toolFacts{path: "/x/buildkitd", version: "v0.33.1"}), OK, "v0.33.1 at /x"},
		{"buildkitd old", checkBuildkitd(toolFacts{version: "v0.28.0"}), Fail, "CVE-2026-33747"},
		{"buildkitd missing", checkBuildkitd(notFound), Fail, "make build"},
		{"buildkitd broken", checkBuildkitd(toolFacts{err: errors.New("not executable")}), Fail, "not executable"},
		{"buildkitd untold", checkBuildkitd(toolFacts{version: "(devel)"}), Warn, "0.28.1"},

		{"go", checkGo("go1.26.8"), OK, "go1.26.8"},
		{"go 1.25", checkGo("go1.25.13 X:nodwarf5"), OK, ""},
		{"go old", checkGo("go1.26.5"), Warn, "1.25.13 or 1.26.6"},
		{"go older", checkGo("go1.24.13"), Warn, "newer Go"},
		{"go next", checkGo("go1.27.0"), OK, ""},

		{"data", checkDataDir(dataFacts{path: "/d", exists: true, isDir: true, mode: 0o711}), OK, "/d, mode 0711"},
		{"data new", checkDataDir(dataFacts{path: "/d"}), OK, "does not exist yet"},
		{"data is a file", checkDataDir(dataFacts{path: "/d", exists: true}), Fail, "no directory"},
		{"data open", checkDataDir(dataFacts{path: "/d", exists: true, isDir: true, mode: 0o777}), Fail, "chmod go-w /d"},
		{"data of others", checkDataDir(dataFacts{path: "/d", exists: true, isDir: true, mode: 0o700, owner: 5, self: 6}), Fail, "uid 5"},
		{"data of others, root", checkDataDir(dataFacts{path: "/d", exists: true, isDir: true, mode: 0o700, owner: 5}), OK, ""},
		{"data denied", checkDataDir(dataFacts{path: "/d", err: fs.ErrPermission}), Fail, "permission denied"},

		{"disk", checkDisk(diskFacts{path: "/d", total: 100 << 30, free: 21 << 30}), OK, "79 % used, 21.0 GiB free"},
		{"disk 80", checkDisk(diskFacts{path: "/d", total: 100 << 30, free: 20 << 30}), Warn, "at 95 % pushes are refused"},
		{"disk 95", checkDisk(diskFacts{path: "/d", total: 100 << 30, free: 5 << 30}), Fail, "docker image prune"},
		{"disk unknown", checkDisk(diskFacts{path: "/d", err: fs.ErrPermission}), Warn, "unknown"},
		{"memory", checkMemory(memoryFacts{total: 4 << 30, available: 2 << 30}), OK, "2.0 GiB available"},
		{"memory scarce", checkMemory(memoryFacts{total: 1 << 30, available: 600 << 20}), Warn, "600 MiB"},
		{"memory gone", checkMemory(memoryFacts{total: 1 << 30, available: 300 << 20}), Fail, "not enough"},
		{"memory unknown", checkMemory(memoryFacts{err: errors.New("no /proc")}), Warn, "no /proc"},

		{"port", checkPort(portFacts{addr: ":1"}, false), OK, "free"},
		{"port of ours", checkPort(portFacts{addr: ":1", busy: true}, true), OK, "while paas runs"},
		{"port of others", checkPort(portFacts{addr: ":1", busy: true}, false), Fail, "ss -ltnp"},
		{"port denied", checkPort(portFacts{addr: ":1", err: fs.ErrPermission}, true), Fail, "permission denied"},

		{"paas", checkPaas(paasFacts{socket: sock, exists: true, status: 200}, "paas standalone"), OK, "healthy"},
		{"no server", checkPaas(paasFacts{dir: "/d", socket: sock}, "paas server"), Warn, "paas server --data-dir /d"},
		{"no paas", checkPaas(paasFacts{dir: "/d", socket: sock}, "paas standalone"), Warn, "paas standalone --data-dir /d"},
		{"paas gone", checkPaas(paasFacts{socket: sock, exists: true, err: errors.New("connection refused")}, "paas standalone"), Fail, "refused"},
		{"paas sick", checkPaas(paasFacts{socket: sock, exists: true, status: 503, body: "database down"}, "paas standalone"), Fail, "database down"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := tt.got
			if r.Status != tt.status {
				t.Errorf("status %q, want %q (%+v)", r.Status, tt.status, r)
			}
			if !strings.Contains(r.Found+"\n"+r.Cause+"\n"+r.Next, tt.says) {
				t.Errorf("%+v does not say %q", r, tt.says)
			}
			if r.Check == "" || r.Found == "" && r.Status == OK {
				t.Errorf("nothing told: %+v", r)
			}
			if r.Status != OK && (r.Cause == "" || r.Next == "") {
				t.Errorf("no cause or no next command: %+v", r)
			}
		})
	}
}

func TestCheckModules(t *testing.T) {
	good := buildFacts{modules: map[string]string{"golang.org/x/crypto": "v0.58.0", "github.com/jackc/pgx/v5": "v5.9.2"}}
	if r := checkModules(good); len(r) != 1 || r[0].Status != OK || !strings.Contains(r[0].Found, "2 with a floor") {
		t.Errorf("good: %+v", r)
	}
	bad := buildFacts{modules: map[string]string{
		"golang.org/x/crypto": "v0.51.0", "github.com/go-git/go-git/v5": "v5.19.3", "github.com/moby/buildkit": "v0.28.0",
	}}
	r := checkModules(bad)
	if len(r) != 2 || r[0].Status != Warn || !strings.Contains(r[0].Found, "x/crypto v0.51.0") || !strings.Contains(r[1].Found, "buildkit") {
		t.Errorf("bad: %+v", r)
	}
}

func TestParseVersion(t *testing.T) {
	tests := []struct {
		in   string
		want string
		pre  bool
	}{
		{"1.1.5+ds1-1+deb12u1", "1.1.5", false},
		{"go1.26.8", "1.26.8", false},
		{"go1.27rc1", "1.27.0", true},
		{"v0.33.1", "0.33.1", false},
		{"v2.3.0-beta.2", "2.3.0", true},
		{"1.6.20~ds1", "1.6.20", false},
		{"git version 2.39.5", "2.39.5", false},
		{"OpenSSH_9.2p1 Debian-2+deb12u7, OpenSSL 3.0.17", "9.2.0", false},
		{"postgres (PostgreSQL) 15.18 (Debian 15.18-0)", "15.18.0", false},
	}
	for _, tt := range tests {
		v, ok := parseVersion(tt.in)
		if !ok || v.pre != tt.pre || tt.want != v.String() {
			t.Errorf("%q: %v pre=%v ok=%v, want %v", tt.in, v, v.pre, ok, tt.want)
		}
	}
	for _, in := range []string{"", "(devel)", "no version", "15", "99999999999999999999.1"} {
		if v, ok := parseVersion(in); ok {
			t.Errorf("%q was read as %v", in, v)
		}
	}
}

func FuzzParseVersion(f *testing.F) {
	for _, s := range []string{"go1.26.8", "1.1.5+ds1", "v0.0.0-20260101-abc", "1..2", "(x) 9.9.9-rc1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		v, ok := parseVersion(s)
		if !ok {
			return
		}
		if w, ok := parseVersion(v.String()); !ok || w.n != v.n {
			t.Fatalf("%q: %v read again as %v", s, v, w)
		}
	})
}

func FuzzParseMemory(f *testing.F) {
	f.Add([]byte("MemTotal:       24683876 kB\nMemFree: 1 kB\nMemAvailable:   23676000 kB\n"))
	f.Add([]byte("MemTotal: x kB\n\n:"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if f := parseMemory(b); f.err == nil && f.total == 0 {
			t.Fatalf("%q: no error and no total", b)
		}
	})
}
