package integration

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// serveAgain starts the gateway anew where it was, so that clients under way find it.
func (s *server) serveAgain(t testing.TB) {
	t.Helper()
	config := string(readFile(t, s.config))
	writeFile(t, s.config, []byte(strings.Replace(config, `listen: {address: "127.0.0.1:0"`, fmt.Sprintf("listen: {address: %q", s.host()), 1)))
	before := s.Endpoint
	s.serve(t)
	if s.Endpoint != before {
		t.Fatalf("serving at %s after the restart, before at %s", s.Endpoint, before)
	}
}

// start runs a program beside the test.
func (p *program) start(t testing.TB, args ...string) *process {
	t.Helper()
	cmd := exec.Command(p.path, args...)
	cmd.Env, cmd.Dir = p.env, p.dir
	return spawn(t, cmd)
}

// interruptBackup kills the gateway in the middle of a client's backup, twice, and starts it again. A client that gives up is run again, as anybody
// would.
func interruptBackup(t *testing.T, s *server, client *program, args ...string) {
	t.Helper()
	backup := client.start(t, args...)
	for range 2 {
		mark := s.mark()
		eventually(t, patience, "objects of the backup", func() bool { return s.count(t, mark, "PutObject") >= 3 || backup.ended() })
		if backup.ended() {
			t.Fatalf("the backup was over before the gateway could be killed: exit %d\n%s", backup.code, end(backup.stderr.String(), 2000))
		}
		s.kill()
		s.serveAgain(t)
	}
	code := backup.wait(2 * patience)
	if code != 0 {
		t.Logf("the client gave up and is run again: exit %d\n%s", code, end(backup.stderr.String(), 1000))
		client.run(t, args...)
	}
	if s.count(t, 0, "PutObject") == 0 {
		t.Error("nothing was stored after the last kill: it did not hit the middle")
	}
}

// largeSource makes a tree that takes a client with a limit of 20 MB/s some seconds.
func largeSource(t testing.TB) string {
	t.Helper()
	source := filepath.Join(t.TempDir(), "source")
	sourceTree(t, source, 200)
	for i := range 6 {
		writeNoise(t, filepath.Join(source, "large", fmt.Sprint(i)), uint64(70+i), 20<<20)
	}
	return source
}

func TestResticThroughKills(t *testing.T) {
	needsPrograms(t)
	t.Parallel()
	s := newServer(t)
	source := largeSource(t)
	r := restic(t, &s.gateway, "s3:"+s.Endpoint+"/restic-bucket/repo")
	r.run(t, "init")
	interruptBackup(t, s, r, "backup", "-q", "--limit-upload", "20000", source)
	if out := r.run(t, "check", "--read-data"); !strings.Contains(out, "no errors were found") {
		t.Error(out)
	}
	target := t.TempDir()
	r.run(t, "restore", "-q", "latest", "--target", target)
	sameTree(t, source, filepath.Join(target, source))
	s.noServerErrors(t)
}

func TestKopiaThroughKills(t *testing.T) {
	needsPrograms(t)
	t.Parallel()
	s := newTLSServer(t)
	makeBucket(t, &s.gateway, "kopia-bucket")
	source := largeSource(t)
	k := kopia(t, s)
	k.run(t, append([]string{"repository", "create"}, kopiaRemote(t, s)...)...)
	k.run(t, "repository", "throttle", "set", "--upload-bytes-per-second=20000000")
	interruptBackup(t, s, k, "snapshot", "create", source)
	k.run(t, "repository", "disconnect")
	k.run(t, append([]string{"repository", "connect"}, kopiaRemote(t, s)...)...)
	k.run(t, "snapshot", "verify", "--verify-files-percent=100")
	k.run(t, "content", "verify", "--full")
	target := filepath.Join(t.TempDir(), "target")
	k.run(t, "snapshot", "restore", source, target)
	sameTree(t, source, target)
	s.noServerErrors(t)
}
