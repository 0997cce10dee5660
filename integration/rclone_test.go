package integration

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"
)

// rclone returns rclone with the gateway as the remote "s:".
func rclone(t testing.TB, g *gateway, provider string, more ...string) *program {
	t.Helper()
	env := g.environ(t, "RCLONE_CONFIG_S_TYPE=s3", "RCLONE_CONFIG_S_PROVIDER="+provider, "RCLONE_CONFIG_S_ENDPOINT="+g.Endpoint,
		"RCLONE_CONFIG_S_ACCESS_KEY_ID="+g.AccessKey, "RCLONE_CONFIG_S_SECRET_ACCESS_KEY="+g.SecretKey, "RCLONE_CONFIG_S_REGION="+g.Region,
		"RCLONE_CONFIG=/notfound")
	return &program{path: tool(t, "rclone"), dir: t.TempDir(), env: append(env, more...)}
}

// rcloneStats are the last numbers of rclone's JSON log.
func rcloneStats(t testing.TB, log string) (transferred int64) {
	t.Helper()
	found := false
	for line := range strings.Lines(log) {
		var entry struct {
			Stats *struct {
				Transfers int64 `json:"transfers"`
				Errors    int64 `json:"errors"`
			} `json:"stats"`
		}
		if json.Unmarshal([]byte(line), &entry) == nil && entry.Stats != nil {
			transferred, found = entry.Stats.Transfers, true
			if entry.Stats.Errors > 0 {
				t.Errorf("rclone counts %d errors", entry.Stats.Errors)
			}
		}
	}
	if !found {
		t.Fatalf("rclone printed no statistics:\n%s", end(log, 2000))
	}
	return transferred
}

func TestRclone(t *testing.T) {
	needsPrograms(t)
	onFolder, onMinIO := storages()["folder"], storages()["minio"]
	for name, open := range map[string]func(testing.TB, bool) *server{"pasted/folder": onFolder, "pasted/minio": onMinIO, "Minio": onFolder} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := open(t, false)
			c := rclone(t, &s.gateway, name)
			if name != "Minio" {
				config := writeFile(t, filepath.Join(t.TempDir(), "rclone.conf"), []byte(s.pasted(t, "rclone", "", "provider = Other", "provider = Other")))
				c.env = s.environ(t, "RCLONE_CONFIG="+config, "RCLONE_CONFIG_S_TYPE=alias", "RCLONE_CONFIG_S_REMOTE=sallyport:")
			}
			source := filepath.Join(t.TempDir(), "source")
			sourceTree(t, source, 200)
			writeNoise(t, filepath.Join(source, "large.bin"), 3, 210<<20) // above rclone's cutoff of 200 MiB: multipart by default
			sync := []string{"sync", source, "s:rclone-bucket/tree", "--stats", "1h", "--use-json-log", "-v"}
			if n := rcloneStats(t, c.mustLog(t, sync...)); n < 200 {
				t.Errorf("the first sync transferred %d", n)
			}
			if s.count(t, 0, "CompleteMultipartUpload") == 0 {
				t.Error("the large file did not come in parts")
			}

			mark := s.mark()
			if n := rcloneStats(t, c.mustLog(t, sync...)); n != 0 || s.count(t, mark, transfers()...) > 0 {
				t.Errorf("a second sync transferred %d objects; requests: %v", n, s.requests(t, mark))
			}
			if s.count(t, mark, "ListObjectsV2", "ListObjects") == 0 {
				t.Error("the second sync did not even look; the log is not what this test believes")
			}
			c.run(t, "check", source, "s:rclone-bucket/tree", "--download")
			c.run(t, "check", source, "s:rclone-bucket/tree")

			target := filepath.Join(t.TempDir(), "target")
			c.run(t, "copy", "s:rclone-bucket/tree", target)
			sameTree(t, source, target)

			// A change, a rename on the server and deletes follow.
			writeFile(t, filepath.Join(source, "names", "UPPER"), []byte("changed, same name"))
			c.run(t, "moveto", "s:rclone-bucket/tree/large.bin", "s:rclone-bucket/moved.bin")
			c.run(t, "moveto", "s:rclone-bucket/moved.bin", "s:rclone-bucket/tree/large.bin")
			mark = s.mark()
			c.run(t, sync...)
			if n := s.count(t, mark, "PutObject", "CompleteMultipartUpload"); n != 1 {
				t.Errorf("one file changed, and %d were sent: %v", n, s.requests(t, mark))
			}
			empty := t.TempDir()
			writeFile(t, filepath.Join(empty, "last"), []byte("one"))
			c.run(t, "sync", empty, "s:rclone-bucket/tree")
			if out := c.run(t, "lsf", "-R", "--files-only", "s:rclone-bucket"); out != "last\n" && out != "tree/last\n" {
				t.Errorf("left after a sync with deletes: %s", out)
			}
			c.run(t, "purge", "s:rclone-bucket")
			s.noServerErrors(t)
		})
	}
}

// mustLog runs rclone and returns its log, which is on standard error.
func (p *program) mustLog(t testing.TB, args ...string) string {
	t.Helper()
	r := p.try(t, args...)
	if r.code != 0 {
		t.Fatalf("%s: exit %d\n%s", strings.Join(args, " "), r.code, end(r.both(), 6000))
	}
	return r.stderr
}
