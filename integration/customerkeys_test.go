package integration

import (
	"encoding/base64"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func mcCustomerKeys(t *testing.T, s *server, small, large string, right, wrong []byte) {
	c := mc(t, &s.gateway)
	encoded := func(key []byte) string { return "s/ssec=" + base64.RawStdEncoding.EncodeToString(key) }
	for name, file := range map[string]string{"mc-small": small, "mc-large": large} {
		c.run(t, "cp", "--enc-c", encoded(right), file, "s/ssec/"+name)
		if got := c.run(t, "cat", "--enc-c", encoded(right), "s/ssec/"+name); got != string(readFile(t, file)) {
			t.Errorf("%s came back as %d other bytes", name, len(got))
		}
		if r := c.try(t, "cat", "--enc-c", encoded(wrong), "s/ssec/"+name); r.code == 0 || r.stdout != "" {
			t.Errorf("%s with the wrong key: exit %d, %d bytes", name, r.code, len(r.stdout))
		}
		if r := c.try(t, "cat", "s/ssec/"+name); r.code == 0 || r.stdout != "" {
			t.Errorf("%s without a key: exit %d, %d bytes", name, r.code, len(r.stdout))
		}
	}
	// A copy from one key to another, inside the server.
	c.run(t, "cp", "--enc-c", encoded(right), "s/ssec/mc-small", "s/ssec/mc-copy")
	if got := c.run(t, "cat", "--enc-c", encoded(right), "s/ssec/mc-copy"); got != string(readFile(t, small)) {
		t.Errorf("the copy came back as %d other bytes", len(got))
	}
}

func rcloneCustomerKeys(t *testing.T, s *server, small, large string, right, wrong []byte) {
	with := func(key []byte) *program {
		return rclone(t, &s.gateway, "Other", "RCLONE_CONFIG_S_SSE_CUSTOMER_ALGORITHM=AES256",
			"RCLONE_CONFIG_S_SSE_CUSTOMER_KEY_BASE64="+base64.StdEncoding.EncodeToString(key), "RCLONE_S3_UPLOAD_CUTOFF=20M", "RCLONE_S3_CHUNK_SIZE=5M")
	}
	c := with(right)
	for name, file := range map[string]string{"rclone-small": small, "rclone-large": large} {
		c.run(t, "copyto", file, "s:ssec/"+name)
		back := filepath.Join(t.TempDir(), "back")
		c.run(t, "copyto", "s:ssec/"+name, back)
		if string(readFile(t, back)) != string(readFile(t, file)) {
			t.Errorf("%s came back different", name)
		}
		out := filepath.Join(t.TempDir(), "out")
		if r := with(wrong).try(t, "copyto", "s:ssec/"+name, out, "--retries", "1", "--low-level-retries", "1"); r.code == 0 {
			t.Errorf("%s with the wrong key: exit 0\n%s", name, r.both())
		}
		if b, err := os.ReadFile(out); err == nil && len(b) > 0 {
			t.Errorf("%s with the wrong key: %d bytes written", name, len(b))
		}
	}
	source := filepath.Join(t.TempDir(), "tree")
	sourceTree(t, source, 20)
	c.run(t, "sync", source, "s:ssec/tree")
	mark := s.mark()
	c.run(t, "sync", source, "s:ssec/tree")
	if n := s.count(t, mark, transfers()...); n > 0 {
		t.Errorf("a second sync with a key sent %d objects again", n)
	}
	if out := c.run(t, "check", "--download", source, "s:ssec/tree"); strings.Contains(out, "differ") {
		t.Error(out)
	}
}
