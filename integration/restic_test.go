package integration

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"
)

// restic returns restic with a repository in the bucket; restic itself makes the bucket.
func restic(t testing.TB, g *gateway, repository string) *program {
	t.Helper()
	return &program{path: tool(t, "restic"), dir: t.TempDir(), env: g.awsEnviron(t,
		"RESTIC_REPOSITORY="+repository, "RESTIC_PASSWORD=repository password", "RESTIC_CACHE_DIR="+t.TempDir(), "RESTIC_PROGRESS_FPS=0.1")}
}

func TestRestic(t *testing.T) { onEachStorage(t, false, testRestic) }

func testRestic(t *testing.T, s *server) {
	source := filepath.Join(t.TempDir(), "source")
	sourceTree(t, source, 300)
	r := restic(t, &s.gateway, "s3:"+s.Endpoint+"/restic-bucket/repo")
	r.run(t, "init")
	r.run(t, "backup", "-q", source)
	for i := range 3 {
		writeFile(t, filepath.Join(source, "small", "new"), noise(uint64(5000+i), 1<<20))
		r.run(t, "backup", "-q", source)
	}
	var snapshots []struct{ ID string }
	if err := json.Unmarshal([]byte(r.run(t, "snapshots", "--json")), &snapshots); err != nil || len(snapshots) != 4 {
		t.Fatalf("%d snapshots, %v", len(snapshots), err)
	}
	if out := r.run(t, "check", "--read-data"); !strings.Contains(out, "no errors were found") {
		t.Error(out)
	}
	r.run(t, "forget", "--keep-last", "1", "--prune")
	if out := r.run(t, "check", "--read-data"); !strings.Contains(out, "no errors were found") {
		t.Errorf("after prune: %s", out)
	}
	target := t.TempDir()
	r.run(t, "restore", "-q", "latest", "--target", target)
	sameTree(t, source, filepath.Join(target, source))
	if n := s.count(t, 0, "DeleteObject", "DeleteObjects"); n == 0 {
		t.Error("prune deleted nothing")
	}
	s.noServerErrors(t)

	// Another restic, that believes the repository is new, must find what is there.
	if out := r.try(t, "init"); out.code == 0 || !strings.Contains(out.stderr, "already") {
		t.Errorf("a second init: exit %d\n%s", out.code, out.both())
	}
}
