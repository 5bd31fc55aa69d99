package gitd

import (
	"bytes"
	"context"
	"crypto/sha1"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-git/go-git/v5/plumbing/format/pktline"
	gossh "golang.org/x/crypto/ssh"
)

func TestRefusedRefs(t *testing.T) {
	b := newBench(t)
	dir := b.work("w")
	b.git(dir, "push", "-q", "paas", "main")
	head := b.git(dir, "rev-parse", "HEAD")
	b.git(dir, "tag", "v1")
	b.git(dir, "branch", "feature")
	b.git(dir, "branch", "master")
	b.commit(dir, "late", "1")
	for name, c := range map[string]struct {
		args []string
		want []string
	}{
		"branch":     {[]string{"main:feature"}, []string{"! [remote rejected] main -> feature (only main and master deploy; try: git push paas feature:main)", "remote:  !     feature: only main"}},
		"tag":        {[]string{"v1"}, []string{"! [remote rejected] v1 -> v1 (tags are not kept here"}},
		"delete":     {[]string{"--delete", "main"}, []string{"! [remote rejected] main (deleting is not possible here"}},
		"odd":        {[]string{"main:refs/odd/x"}, []string{"only the branches main and master deploy"}},
		"many":       {[]string{"main:a", "main:b"}, []string{"try: git push paas a:main", "try: git push paas b:main"}},
		"big branch": {[]string{"huge:huge"}, []string{"try: git push paas huge:main"}},
	} {
		t.Run(name, func(t *testing.T) {
			if name == "big branch" { // the report must come through although a pack is on its way
				b.git(dir, "checkout", "-q", "-b", "huge")
				b.commit(dir, "noise", noise(2<<20))
				b.git(dir, "checkout", "-q", "main")
			}
			out, err := b.try(dir, append([]string{"push", "paas"}, c.args...)...)
			if err == nil {
				t.Error("pushed")
			}
			wantIn(t, out, c.want...)
			b.wantRef(refMain, head)
		})
	}
	if n := len(b.platform.seen()); n != 1 {
		t.Errorf("%d pushes reached the platform, want 1", n)
	}
	b.wantClean(1)

	out, err := b.try(dir, "push", "paas", "main", "master", "feature", "v1")
	if err == nil {
		t.Error("what was refused must fail the push")
	}
	wantIn(t, out, "main -> main", "master -> master (one branch a push; main was taken)", "feature -> feature (only", "v1 -> v1 (tags")
	b.wantRef(refMain, b.git(dir, "rev-parse", "main"))
	b.wantRef(refMaster, zeroID)
}

// noise is text that does not compress.
func noise(n int) string {
	var buf bytes.Buffer
	for sum := sha1.Sum(nil); buf.Len() < n; sum = sha1.Sum(sum[:]) {
		buf.Write(sum[:])
	}
	return buf.String()
}

func TestUnknownAppAndVerbs(t *testing.T) {
	b := newBench(t)
	dir := b.work("w")
	for app, want := range map[string]string{
		"nope":   `fatal: remote error: There is no app "nope".`,
		"secret": `fatal: remote error: There is no app "secret".`,
		"NOPE":   "is not the name of an app",
	} {
		out, err := b.try(dir, "push", b.url(app), "main")
		if err == nil {
			t.Errorf("pushed to %s", app)
		}
		wantIn(t, out, want)
	}
	for line, want := range map[string]string{
		"git-receive-pack 'app'; id":      "is not the name of an app",
		"git-receive-pack ../app":         "is not the name of an app",
		"git-upload-archive 'app'":        errCommand.Error(),
		"git-receive-pack":                "is not the name of an app",
		"git-receive-packx 'app'":         errCommand.Error(),
		"git-upload-pack --strict 'app'":  "is not the name of an app",
		"git-receive-pack 'app' 'secret'": "is not the name of an app",
		"git":                             errCommand.Error(),
		"git push":                        errCommand.Error(),
		"git-lfs-authenticate app upload": errCommand.Error(),
		"git-receive-pack\t'app'":         errCommand.Error(),
		"git-receive-pack '" + strings.Repeat("x", maxCommand) + "'": errCommand.Error(),
		"ps 'unclosed":                       errLine.Error(),
		"ps '' -a x":                         "an empty argument",
		"ps " + strings.Repeat("x", maxLine): errLine.Error(),
	} {
		out, err := exec.Command("ssh", append(b.sshArgs("dev"), "paas@127.0.0.1", line)...).CombinedOutput()
		if err == nil {
			t.Errorf("%q succeeded", line)
		}
		wantIn(t, string(out), want)
		if strings.Count(string(out), "\n") != 1 {
			t.Errorf("%q: more than one line: %s", line, out)
		}
	}
}

// reply is what a push by hand got.
type reply struct {
	progress, report, err string
}

// rawPush speaks to git-receive-pack without git: the pack goes out as it is.
func rawPush(t *testing.T, c *gossh.Client, head string, pack io.Reader) reply {
	t.Helper()
	sess, err := c.NewSession()
	if err != nil {
		t.Fatal(err)
	}
	defer sess.Close()
	in, err := sess.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := sess.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := sess.Start("git-receive-pack 'app.git'"); err != nil {
		t.Fatal(err)
	}
	adverts := pktline.NewScanner(out)
	for adverts.Scan() && len(adverts.Bytes()) > 0 {
	}
	enc := pktline.NewEncoder(in)
	enc.EncodeString(fmt.Sprintf("%s %s refs/heads/main\x00report-status side-band-64k quiet", zeroID, head))
	enc.Flush()
	go func() {
		io.Copy(in, pack)
		in.Close()
	}()
	var r reply
	lines := pktline.NewScanner(out)
	for lines.Scan() && len(lines.Bytes()) > 0 {
		text := string(lines.Bytes()[1:])
		if lines.Bytes()[0] == bandProgress {
			r.progress += text
		} else {
			r.report += text
		}
	}
	if lines.Err() != nil {
		r.err = lines.Err().Error()
	}
	return r
}

// packOf packs all of a repository.
func (b *bench) packOf(dir string) []byte {
	b.t.Helper()
	cmd := b.command(dir, "pack-objects", "--all", "--revs", "--stdout", "-q")
	cmd.Stdin = strings.NewReader("")
	out, err := cmd.Output()
	if err != nil {
		b.t.Fatal(err)
	}
	return out
}

func TestBadPacks(t *testing.T) {
	b := newBench(t, func(c *Config) { c.MaxPack = 1 << 20 })
	dir := b.work("w")
	head := b.commit(dir, "f", strings.Repeat("abc\n", 1000))
	good := b.packOf(dir)
	flipped := bytes.Clone(good)
	flipped[len(flipped)/2] ^= 0x55
	bomb := bytes.Clone(good)
	copy(bomb[8:], "\xff\xff\xff\xff")
	signer := b.newKey("raw", "dev")

	for name, c := range map[string]struct {
		pack io.Reader
		want string
	}{
		"corrupt":      {bytes.NewReader(flipped), "git refused the pack"},
		"no pack":      {strings.NewReader(strings.Repeat("x", 4000)), "what was sent is not a git pack"},
		"truncated":    {bytes.NewReader(good[:len(good)-30]), "connection lost"},
		"nothing":      {strings.NewReader(""), "connection lost"},
		"many objects": {bytes.NewReader(bomb), "git refused the pack"},
		"incomplete":   {bytes.NewReader(b.packWithout(dir, head+":f")), "git refused the pack: "},
		"empty":        {bytes.NewReader(emptyPackBytes()), "the pack does not hold everything"},
		"bad empty":    {bytes.NewReader(append(emptyPackBytes()[:12], make([]byte, 20)...)), "the pack is damaged"},
	} {
		t.Run(name, func(t *testing.T) {
			r := rawPush(t, b.dial(signer), head, c.pack)
			wantIn(t, r.report, "unpack unpacker error", "ng refs/heads/main", c.want)
		})
	}
	t.Run("oversized", func(t *testing.T) {
		b.commit(dir, "noise", noise(3<<20))
		out, err := b.try(dir, "push", "paas", "main")
		if err == nil {
			t.Error("pushed")
		}
		wantIn(t, out, "the pack is larger than 1 MiB, which is the limit", "[remote rejected] main -> main")
	})
	if n := len(b.platform.seen()); n != 0 {
		t.Errorf("%d pushes reached the platform", n)
	}
	b.wantRef(refMain, zeroID)
	b.wantRef(refPushed, zeroID)
	b.wantClean(0)
}

func emptyPackBytes() []byte {
	head := []byte("PACK\x00\x00\x00\x02\x00\x00\x00\x00")
	sum := sha1.Sum(head)
	return append(head, sum[:]...)
}

// packWithout packs everything but one object.
func (b *bench) packWithout(dir, object string) []byte {
	b.t.Helper()
	skip := b.git(dir, "rev-parse", object)
	var ids []string
	for line := range strings.Lines(b.git(dir, "rev-list", "--objects", "--all")) {
		if id := strings.Fields(line)[0]; id != skip {
			ids = append(ids, id)
		}
	}
	cmd := b.command(dir, "pack-objects", "--stdout", "-q")
	cmd.Stdin = strings.NewReader(strings.Join(ids, "\n") + "\n")
	out, err := cmd.Output()
	if err != nil {
		b.t.Fatal(err)
	}
	return out
}

// TestMaliciousTrees pushes trees that stock git would refuse to make.
func TestMaliciousTrees(t *testing.T) {
	b := newBench(t)
	dir := b.work("w")
	blob := b.git(dir, "rev-parse", "HEAD:README")
	raw := string(mustHex(t, blob))
	tree := b.git(dir, "rev-parse", "HEAD^{tree}")
	rawTree := string(mustHex(t, tree))
	for name, entry := range map[string]string{
		"dot git":      "40000 .git\x00" + rawTree,
		"dot git ntfs": "40000 GIT~1\x00" + rawTree,
		"dot dot":      "40000 ..\x00" + rawTree,
		"dot":          "40000 .\x00" + rawTree,
		"slash":        "100644 a/b\x00" + raw,
		"empty name":   "100644 \x00" + raw,
		"twice":        "100644 a\x00" + raw + "100644 a\x00" + raw,
		"no object":    "100644 a\x00" + strings.Repeat("\x07", 20),
	} {
		t.Run(name, func(t *testing.T) {
			id := b.hash(dir, "tree", entry)
			head := b.git(dir, "commit-tree", "-m", name, id)
			list := head + "\n" + id + "\n" + tree + "\n" + blob + "\n"
			cmd := b.command(dir, "pack-objects", "--stdout", "-q")
			cmd.Stdin = strings.NewReader(list)
			pack, err := cmd.Output()
			if err != nil {
				t.Fatal(err)
			}
			r := rawPush(t, b.dial(b.newKey("raw", "dev")), head, bytes.NewReader(pack))
			wantIn(t, r.report, "unpack unpacker error", "ng refs/heads/main git refused the pack")
		})
	}
	t.Run("not a commit", func(t *testing.T) {
		r := rawPush(t, b.dial(b.newKey("raw", "dev")), tree, bytes.NewReader(b.packOf(dir)))
		wantIn(t, r.report, "is a tree, and only a commit can be deployed")
	})
	b.wantClean(0)
	b.wantRef(refMain, zeroID)
}

// hash writes a raw object without asking git whether it is sane.
func (b *bench) hash(dir, kind, body string) string {
	b.t.Helper()
	cmd := b.command(dir, "hash-object", "-t", kind, "-w", "--literally", "--stdin")
	cmd.Stdin = strings.NewReader(body)
	out, err := cmd.CombinedOutput()
	if err != nil {
		b.t.Fatalf("%v: %s", err, out)
	}
	return strings.TrimSpace(string(out))
}

// TestMemoryLimit pushes an object that unpacks to more than git may take.
func TestMemoryLimit(t *testing.T) {
	b := newBench(t)
	b.repos.git.memory = 40 << 20
	dir := b.work("w")
	body := "tree " + b.git(dir, "rev-parse", "HEAD^{tree}") + "\nauthor a <a@b> 1 +0000\ncommitter a <a@b> 1 +0000\n\n" + strings.Repeat("x", 60<<20)
	file := b.write("bomb", body)
	head := b.git(dir, "hash-object", "-t", "commit", "-w", file)
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	b.git(dir, "branch", "-f", "bomb", head)
	out, err := b.try(dir, "push", "paas", "bomb:main")
	if err == nil {
		t.Error("pushed")
	}
	wantIn(t, out, "the pack needs too much memory to unpack")
	b.wantClean(0)
}

func TestHangUpMidPack(t *testing.T) {
	b := newBench(t)
	dir := b.work("w")
	head := b.commit(dir, "noise", noise(1<<20))
	pack := b.packOf(dir)
	c := b.dial(b.newKey("raw", "dev"))
	r, w := io.Pipe()
	gone := make(chan reply, 1)
	go func() { gone <- rawPush(t, c, head, r) }()
	if _, err := w.Write(pack[:len(pack)/2]); err != nil {
		t.Fatal(err)
	}
	path, _ := b.repos.repo(testApp)
	b.eventually("the pack arrives", func() bool {
		found, _ := filepath.Glob(filepath.Join(path, quarantineDir, "*", "pack", "tmp_*"))
		return len(found) == 1
	})
	c.Close()
	<-gone
	w.Close()
	b.wantClean(0)
	b.wantRef(refPushed, zeroID)
	if n := len(b.platform.seen()); n != 0 {
		t.Errorf("%d pushes reached the platform", n)
	}
}

func TestHangUpAfterPack(t *testing.T) {
	b := newBench(t)
	dir := b.work("w")
	head := b.git(dir, "rev-parse", "HEAD")
	began, cut := make(chan struct{}), make(chan error, 1)
	b.platform.hook(func(ctx context.Context, p Push, out io.Writer) error {
		close(began)
		<-ctx.Done()
		cut <- ctx.Err()
		// The deploy goes on without an audience.
		fmt.Fprintln(out, "nobody hears this")
		return b.repos.Follow(context.WithoutCancel(ctx), p.AppID, p.Ref, p.Old, p.New)
	})
	c := b.dial(b.newKey("raw", "dev"))
	gone := make(chan reply, 1)
	go func() { gone <- rawPush(t, c, head, bytes.NewReader(b.packOf(dir))) }()
	<-began
	c.Close()
	if err := <-cut; err == nil {
		t.Error("ctx did not end")
	}
	<-gone
	b.eventually("the branch follows", func() bool {
		path, _ := b.repos.repo(testApp)
		at, err := readRef(path, refMain)
		return err == nil && at == head
	})
	b.wantClean(1)
}

func TestStopDuringPush(t *testing.T) {
	b := newBench(t)
	dir := b.work("w")
	began := make(chan struct{})
	b.platform.hook(func(ctx context.Context, p Push, out io.Writer) error {
		close(began)
		<-ctx.Done()
		return ctx.Err()
	})
	result := make(chan string, 1)
	go func() {
		out, _ := b.try(dir, "push", "paas", "main")
		result <- out
	}()
	<-began
	b.stop()
	wantIn(t, <-result, "the server is stopping; a deploy that began goes on when it is back", "[remote rejected] main -> main")
	b.wantRef(refMain, zeroID)
}
