package cli

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// TestDeniedFolderIsNamed runs the commands as somebody who may read their folder and not write to it.
func TestDeniedFolderIsNamed(t *testing.T) {
	k := newClinic(t)
	quick := filepath.Join(k.dir, "quick")
	_, stop := newConsole(t).quickstart("--dir", quick, "--key-file", k.key)
	stop()
	empty := filepath.Join(k.dir, "empty")
	if err := os.Mkdir(empty, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := filepath.WalkDir(filepath.Dir(k.dir), func(path string, e os.DirEntry, err error) error {
		mode := os.FileMode(0o444)
		if err == nil && e.IsDir() {
			mode = 0o555
			t.Cleanup(func() { _ = os.Chmod(path, 0o700) })
		}
		return errors.Join(err, os.Chmod(path, mode))
	}); err != nil {
		t.Fatal(err)
	}
	as := newUnprivileged(t)
	for folder, args := range map[string][]string{
		filepath.Join(empty, "data"): {"quickstart", "--dir", empty, "--listen", "127.0.0.1:0"},
		filepath.Join(quick, "data"): {"quickstart", "--dir", quick, "--listen", "127.0.0.1:0", "--key-file", k.key},
		k.path("data"):               {"serve", "--config", k.path("config.yaml")},
		quick + "/./data":            {"vault", "passwd", "--dir", quick, "--key-file", k.key},
	} {
		var code int
		var stderr string
		as(func() { code, _, stderr = k.run(t.Context(), args...) })
		if code != exitFailed || !strings.Contains(stderr, "folder "+filepath.Clean(folder)+": permission denied; give the user") || strings.Contains(stderr, ".sallyport") {
			t.Errorf("%v: exit %d\n%s", args, code, stderr)
		}
	}
}

// TestPasswordNeedsTheStateDirectory: a vault whose new file this gateway cannot remember is not changed.
func TestPasswordNeedsTheStateDirectory(t *testing.T) {
	c, dir, key := newConsole(t), t.TempDir(), keyFile(t)
	_, stop := c.quickstart("--dir", dir, "--key-file", key)
	stop()
	password, opens := filepath.Join(dir, "password"), filepath.Join(dir, "key")
	if err := errors.Join(os.WriteFile(password, []byte("unlikely Walrus teapot 41"), 0o600), os.Rename(key, opens)); err != nil {
		t.Fatal(err)
	}
	if os.Geteuid() == 0 {
		if err := filepath.WalkDir(filepath.Dir(dir), func(path string, _ os.DirEntry, err error) error {
			return errors.Join(err, os.Lchown(path, nobody, -1))
		}); err != nil {
			t.Fatal(err)
		}
	}
	state := filepath.Join(dir, "state", "vaults", quickstartVaultName)
	if err := os.Chmod(state, 0o500); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.Chmod(state, 0o700) })
	var code int
	var stderr string
	newUnprivileged(t)(func() {
		code, _, stderr = c.run(t.Context(), "vault", "passwd", "--dir", dir, "--key-file", opens, "--new-password-file", password)
	})
	if code != exitFailed || !strings.Contains(stderr, "write to the state directory: ") || !strings.Contains(stderr, state) {
		t.Errorf("exit %d\n%s", code, stderr)
	}
	if out := c.want(0, "generation  1", "vault", "status", "--dir", dir); strings.Contains(out, "  password  ") {
		t.Errorf("it has the password:\n%s", out)
	}
}

const nobody = 65534

// newUnprivileged returns what carries out a function with the file permissions of a user that owns nothing, if the test runs as the system's owner.
func newUnprivileged(t *testing.T) func(do func()) {
	t.Helper()
	return func(do func()) {
		if os.Geteuid() != 0 {
			do()
			return
		}
		runtime.LockOSThread() // the system keeps this per thread
		defer runtime.UnlockOSThread()
		if err := unix.Setfsuid(nobody); err != nil {
			t.Fatal(err)
		}
		defer func() {
			if err := unix.Setfsuid(0); err != nil {
				t.Fatal(err)
			}
		}()
		do()
	}
}
