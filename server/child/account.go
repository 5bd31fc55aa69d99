package child

import (
	"errors"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
)

// account is the user that a child runs as; the zero value is the caller's own.
type account struct {
	name     string
	uid, gid uint32
	switched bool
}

// serverAccount finds the unprivileged user. A caller that is not root cannot
// switch and runs the server as itself.
func serverAccount(name string) (account, error) {
	if os.Geteuid() != 0 {
		return account{}, nil
	}
	names := []string{name}
	if name == "" {
		names = []string{"postgres", "nobody"}
	}
	for _, n := range names {
		u, err := user.Lookup(n)
		if err != nil {
			continue
		}
		uid, err := strconv.ParseUint(u.Uid, 10, 32)
		if err != nil {
			return account{}, fmt.Errorf("user %s: %w", n, err)
		}
		gid, err := strconv.ParseUint(u.Gid, 10, 32)
		if err != nil {
			return account{}, fmt.Errorf("user %s: %w", n, err)
		}
		if uid == 0 {
			return account{}, errors.New("PostgreSQL refuses to run as root; name an unprivileged user")
		}
		return account{name: n, uid: uint32(uid), gid: uint32(gid), switched: true}, nil
	}
	return account{}, fmt.Errorf("there is no user %v to run it as; nothing was changed; run: useradd --system paas-postgres", names)
}

func (a account) credential() *syscall.Credential {
	if !a.switched {
		return nil
	}
	return &syscall.Credential{Uid: a.uid, Gid: a.gid}
}

// own gives a file or directory to the account.
func (a account) own(path string, mode os.FileMode) error {
	if a.switched {
		if err := os.Lchown(path, int(a.uid), int(a.gid)); err != nil {
			return err
		}
	}
	return os.Chmod(path, mode)
}

// replaceFile writes a file of the account into a directory that may be the
// account's own: by way of a new file, so that a link put there is not followed.
func (a account) replaceFile(path, text string) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), ".paas-*") // mode 0600
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(f.Name()))
		}
	}()
	if a.switched {
		if err := f.Chown(int(a.uid), int(a.gid)); err != nil {
			return errors.Join(err, f.Close())
		}
	}
	if _, err := f.WriteString(text); err != nil {
		return errors.Join(err, f.Close())
	}
	if err := f.Close(); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}

// canReach checks that the account may pass through dir and all above it.
func (a account) canReach(dir string) error {
	if !a.switched {
		return nil
	}
	for d := dir; ; d = filepath.Dir(d) {
		info, err := os.Stat(d)
		if err != nil {
			return err
		}
		if !a.maySearch(info) {
			return fmt.Errorf("the user %s, as whom it runs, cannot enter %s (mode %04o); nothing was changed; run: chmod o+x %s, "+
				"or choose another data directory", a.name, d, info.Mode().Perm(), d)
		}
		if d == filepath.Dir(d) {
			return nil
		}
	}
}

func (a account) maySearch(info os.FileInfo) bool {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return true
	}
	switch {
	case st.Uid == a.uid:
		return info.Mode().Perm()&0o100 != 0
	case st.Gid == a.gid:
		return info.Mode().Perm()&0o010 != 0
	}
	return info.Mode().Perm()&0o001 != 0
}

func currentUser() (string, error) {
	u, err := user.LookupId(strconv.Itoa(os.Geteuid()))
	if err != nil {
		return "", fmt.Errorf("find the name of the present user: %w", err)
	}
	return u.Username, nil
}
