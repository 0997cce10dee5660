package integration

import (
	"path/filepath"
	"strings"
	"testing"
)

// kopia returns kopia with a home of its own.
func kopia(t testing.TB, s *server) *program {
	t.Helper()
	home := t.TempDir()
	return &program{path: tool(t, "kopia"), dir: home, env: s.environ(t, "HOME="+home, "KOPIA_PASSWORD=kopia's own", "KOPIA_CHECK_FOR_UPDATES=false",
		"KOPIA_CONFIG_PATH="+filepath.Join(home, "repository.config"), "KOPIA_CACHE_DIRECTORY="+filepath.Join(home, "cache"), "KOPIA_LOG_DIR="+filepath.Join(home, "log"))}
}

// kopiaRemote are the arguments that name the repository in the bucket.
func kopiaRemote(t testing.TB, s *server) []string {
	t.Helper()
	return s.pastedWords(t, "kopia", "kopia repository create ", "BUCKET", "kopia-bucket", "HOST:9710", s.host())[2:]
}

func TestKopia(t *testing.T) { onEachStorage(t, true, testKopia) }

func testKopia(t *testing.T, s *server) {
	makeBucket(t, &s.gateway, "kopia-bucket")
	source := filepath.Join(t.TempDir(), "source")
	sourceTree(t, source, 200)
	k, remote := kopia(t, s), kopiaRemote(t, s)
	k.run(t, append([]string{"repository", "create"}, remote...)...)
	k.run(t, "snapshot", "create", source)
	writeFile(t, filepath.Join(source, "small", "new"), noise(4242, 2<<20))
	k.run(t, "snapshot", "create", source)
	k.run(t, "snapshot", "verify", "--verify-files-percent=100")
	k.run(t, "maintenance", "run", "--full")
	k.run(t, "repository", "disconnect")
	k.run(t, append([]string{"repository", "connect"}, remote...)...)
	k.run(t, "content", "verify", "--full")
	target := filepath.Join(t.TempDir(), "target")
	k.run(t, "snapshot", "restore", source, target)
	sameTree(t, source, target)
	s.noServerErrors(t)
}

func TestS5cmd(t *testing.T) { onEachStorage(t, false, testS5cmd) }

func testS5cmd(t *testing.T, s *server) {
	source := filepath.Join(t.TempDir(), "source")
	sourceTree(t, source, 2000)
	writeNoise(t, filepath.Join(source, "large.bin"), 9, 120<<20)
	age(t, source)
	c := &program{path: tool(t, "s5cmd"), dir: t.TempDir(), env: s.awsEnviron(t, "S3_ENDPOINT_URL="+s.Endpoint)}
	c.run(t, "mb", "s3://s5-bucket")
	c.run(t, "--numworkers", "32", "cp", source+"/", "s3://s5-bucket/tree/")
	mark := s.mark()
	c.run(t, "sync", source+"/", "s3://s5-bucket/tree/")
	if n := s.count(t, mark, transfers()...); n > 0 {
		t.Errorf("a sync of what is there sent %d objects", n)
	}
	target := filepath.Join(t.TempDir(), "target")
	c.run(t, "cp", "s3://s5-bucket/tree/*", target+"/")
	sameTree(t, source, target)
	if out := c.run(t, "du", "s3://s5-bucket/tree/*"); !strings.Contains(out, "objects") {
		t.Errorf("du: %s", out)
	}
	c.run(t, "rm", "s3://s5-bucket/*")
	if left := s.left(t); len(left) > 0 {
		t.Errorf("%d objects are left in the storage", len(left))
	}
	c.run(t, "rb", "s3://s5-bucket")
	s.noServerErrors(t)
}
