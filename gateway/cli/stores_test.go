package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"sallyport/providers/driver"
	"sallyport/providers/local"
)

// TestFolderInUse: whichever command meets the lock says which folder, who has it, and what to do.
func TestFolderInUse(t *testing.T) {
	k := newClinic(t)
	folder, err := local.Open(t.Context(), &local.Config{Path: k.path("data")}, &local.Options{})
	if err != nil {
		t.Fatal(err)
	}
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	refused := func(says []string, args ...string) {
		t.Helper()
		code, stdout, stderr := k.run(t.Context(), args...)
		if code == 0 || strings.Contains(stderr, "{") || strings.Contains(stdout, "64-digit key:") {
			t.Errorf("%v: exit %d\n%s%s", args, code, stdout, stderr)
		}
		for _, want := range append(says, "stop it first") {
			if !strings.Contains(stderr, want) {
				t.Errorf("%v: %q is missing in\n%s", args, want, stderr)
			}
		}
	}
	says := []string{"folder " + k.path("data"), fmt.Sprintf("process %d", os.Getpid()), host, "since 20"}
	refused(append(says, `provider "nas"`), "serve", "--config", k.path("config.yaml"))
	refused(says, "vault", "passwd", "--config", k.path("config.yaml"), "--key-file", k.key)
	refused(says, "vault", "passwd", "--dir", k.dir, "--key-file", k.key)
	refused(says, "vault", "create", "--dir", k.dir)
	refused(says, "quickstart", "--dir", k.dir, "--listen", "127.0.0.1:0")
	if err := folder.Close(); err != nil {
		t.Fatal(err)
	}
	if err := explainFolder("/srv/x", &local.LockedError{Owner: []byte("half a rec")}); !strings.Contains(err.Error(), "/srv/x") || !strings.Contains(err.Error(), "another process") {
		t.Errorf("without a legible owner: %v", err)
	}
}

// TestTwoProvidersOnOneFolder are found whatever way leads there.
func TestTwoProvidersOnOneFolder(t *testing.T) {
	k := newClinic(t)
	if err := os.Symlink(k.path("data"), k.path("link")); err != nil {
		t.Fatal(err)
	}
	for _, second := range []string{"data", "./data/", "link", "link/."} {
		k.write("other.yaml", strings.Replace(k.config, "/data}}", fmt.Sprintf("/data}, usb: {type: local, path: %s/%s}}", k.dir, second), 1))
		k.want(2, "providers.usb: has the same root as providers.nas, "+k.path("data"), "config", "check", "--config", k.path("other.yaml"))
	}
	k.write("other.yaml", strings.Replace(k.config, "/data}}", fmt.Sprintf("/data}, usb: {type: local, path: %s/other}}", k.dir), 1))
	k.want(0, "is valid", "config", "check", "--config", k.path("other.yaml"))
}

// TestRootsInsideOneAnother are found whatever way leads there, also where a folder is still to be made.
func TestRootsInsideOneAnother(t *testing.T) {
	k := newClinic(t)
	if err := errors.Join(os.Symlink(k.path("data"), k.path("link")), os.Symlink(k.path("state"), k.path("remembered"))); err != nil {
		t.Fatal(err)
	}
	for second, says := range map[string]string{
		"data/b": "lies inside that of providers.nas, " + k.path("data"), "link/not/there": "lies inside that of providers.nas, " + k.path("data"),
		".": "holds that of providers.nas, " + k.path("data"), "state/x": "state_dir: its root " + k.path("state") + " holds that of providers.usb",
		"remembered/x": "state_dir: its root " + k.path("state") + " holds that of providers.usb",
	} {
		k.write("other.yaml", strings.Replace(k.config, "/data}}", fmt.Sprintf("/data}, usb: {type: local, path: %s/%s}}", k.dir, second), 1))
		for _, command := range [][]string{{"config", "check"}, {"serve"}, {"vault", "status", "--name", "home"}, {"doctor"}} {
			k.want(2, says, append(command, "--config", k.path("other.yaml"))...)
		}
	}
	k.write("other.yaml", strings.Replace(k.config, "/state\n", "/link/state\n", 1))
	k.want(2, "state_dir: its root "+k.path("data/state")+" lies inside that of providers.nas", "config", "check", "--config", k.path("other.yaml"))
}

// TestTwoProvidersInOnePlaceOfABucket: nothing there keeps two vaults from mixing, no lock as a folder has.
func TestTwoProvidersInOnePlaceOfABucket(t *testing.T) {
	k := newClinic(t)
	check := func(code int, says, first, second string) {
		t.Helper()
		k.write("other.yaml", strings.Replace(k.config, "/data}}", "/data}, one: {"+first+"}, two: {"+second+"}}", 1))
		k.want(code, says, "config", "check", "--config", k.path("other.yaml"))
	}
	minio := "type: minio, endpoint: 'https://nas.example:9000', bucket: backup, prefix: p"
	check(2, "providers.two: has the same root as providers.one", minio, "type: s3, endpoint: 'https://NAS.example:9000/', bucket: backup, prefix: p/")
	check(2, "providers.two: has the same root as providers.one", "type: s3, bucket: backup", "type: s3, bucket: backup, region: eu-west-1")
	check(2, "providers.two: its root https://nas.example:9000/backup/p/q lies inside that of providers.one, https://nas.example:9000/backup/p", minio, minio+"/q")
	check(2, "providers.two: its root https://s3.amazonaws.com/backup holds that of providers.one", "type: s3, bucket: backup, prefix: p", "type: s3, bucket: backup")
	check(0, "is valid", minio, minio+"q")
	check(0, "is valid", minio, "type: s3, bucket: backup, prefix: p")
}

// TestFolderThatTakesNoWrites: what the system knows of a lock file or a temporary name is of no use to an operator, its folder is.
func TestFolderThatTakesNoWrites(t *testing.T) {
	openat := func(cause error) error {
		return &fs.PathError{Op: "mkdirat", Path: ".sallyport-new-580c", Err: cause}
	}
	dir := t.TempDir()
	for name, c := range map[string]struct {
		err  error
		says string
	}{
		"read-only, of a driver":   {&driver.Error{Kind: driver.ReadOnly, Op: "Open", Err: openat(errors.New("of another system"))}, "mount it writable"},
		"denied, of a driver":      {&driver.Error{Kind: driver.Denied, Op: "Open", Err: openat(errors.New("of another system"))}, "ownership"},
		"read-only, of the system": {openat(syscall.EROFS), "mount it writable"},
		"denied, of the system":    {openat(syscall.EACCES), "ownership"},
	} {
		err := explainFolder(dir, c.err)
		if text := err.Error(); !strings.HasPrefix(text, "folder "+dir+": ") || !strings.Contains(text, c.says) || strings.Contains(text, ".sallyport-new") {
			t.Errorf("%s: %v", name, err)
		}
		if !errors.Is(err, c.err) {
			t.Errorf("%s: the cause is lost", name)
		}
	}
	if other := errors.New("something else"); !errors.Is(explainFolder(dir, other), other) || explainFolder(dir, other).Error() != other.Error() {
		t.Error("an error of another kind was changed")
	}
	absent, cause := filepath.Join(dir, "absent"), openat(syscall.ENOENT)
	if err := explainFolder(absent, openat(syscall.EACCES)); !strings.Contains(err.Error(), "permission denied") {
		t.Error(err)
	}
	if err := explainFolder(absent, cause); !errors.Is(err, cause) || !strings.HasPrefix(err.Error(), "folder "+absent+": there is none") {
		t.Error(err)
	}
}
