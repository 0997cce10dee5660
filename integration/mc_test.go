package integration

import (
	"path/filepath"
	"strings"
	"testing"
)

// mc returns MinIO's client with the gateway as "s".
func mc(t testing.TB, g *gateway) *program {
	t.Helper()
	scheme, host, _ := strings.Cut(g.Endpoint, "://")
	return &program{path: tool(t, "mc"), dir: t.TempDir(), env: g.environ(t, "MC_HOST_s="+scheme+"://"+g.AccessKey+":"+g.SecretKey+"@"+host)}
}

func TestMC(t *testing.T) { onEachStorage(t, false, testMC) }

func testMC(t *testing.T, s *server) {
	c := mc(t, &s.gateway)
	source := filepath.Join(t.TempDir(), "source")
	sourceTree(t, source, 200)
	writeNoise(t, filepath.Join(source, "large.bin"), 3, 70<<20) // above mc's 16 MiB parts
	age(t, source)
	c.run(t, "mb", "s/mirror")
	c.run(t, "mirror", "--quiet", source, "s/mirror")

	mark := s.mark()
	if out := c.run(t, "mirror", source, "s/mirror"); s.count(t, mark, transfers()...) > 0 {
		t.Errorf("a second mirror sent objects again:\n%s\n%v", out, s.requests(t, mark))
	}
	if s.count(t, mark, "ListObjectsV2", "ListObjects") == 0 {
		t.Error("the second mirror did not even look; the log is not what this test believes")
	}
	target := filepath.Join(t.TempDir(), "target")
	c.run(t, "mirror", "--quiet", "s/mirror", target)
	sameTree(t, source, target)

	file := writeFile(t, filepath.Join(t.TempDir(), "f"), noise(4, 123_456))
	c.run(t, "cp", "--attr", "Cache-Control=max-age=9;X-Amz-Meta-Colour=teal", file, "s/mirror/one")
	if out := c.run(t, "stat", "s/mirror/one"); !strings.Contains(out, "123456 B") && !strings.Contains(out, "121 KiB") || !strings.Contains(strings.ToLower(out), "teal") {
		t.Errorf("stat: %s", out)
	}
	c.run(t, "cp", "s/mirror/one", "s/mirror/two") // inside the server
	if c.run(t, "cat", "s/mirror/two") != string(noise(4, 123_456)) {
		t.Error("cat shows something else than was copied")
	}
	if out := c.run(t, "du", "s/mirror/edges"); !strings.Contains(out, "9 objects") { // sizes are those of the plaintext, see the diff below
		t.Errorf("du: %s", out)
	}
	if out := c.run(t, "diff", source, "s/mirror"); strings.Contains(out, "edges") {
		t.Errorf("diff: %s", out)
	}
	c.run(t, "rm", "s/mirror/one")
	if r := c.try(t, "stat", "s/mirror/one"); r.code == 0 {
		t.Error("what was removed is still there")
	}
	c.run(t, "rm", "--recursive", "--force", "s/mirror")
	if out := c.run(t, "ls", "--recursive", "s/mirror"); strings.TrimSpace(out) != "" {
		t.Errorf("after rm --recursive: %s", out)
	}
	c.run(t, "rb", "s/mirror")
	if left := s.left(t); len(left) > 0 {
		t.Errorf("objects are left in the storage: %q", left)
	}
	s.noServerErrors(t)
}
