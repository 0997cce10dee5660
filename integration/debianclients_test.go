package integration

import (
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
)

// awsCLI is the aws cli as the system has it. Version 1 presigns with Signature Version 2 unless it is told not to.
func awsCLI(t testing.TB, s *server) *program {
	t.Helper()
	return &program{path: installed(t, "aws", "awscli"), dir: t.TempDir(), env: s.environ(t, "AWS_ACCESS_KEY_ID="+s.AccessKey, "AWS_SECRET_ACCESS_KEY="+s.SecretKey,
		"AWS_EC2_METADATA_DISABLED=true", "AWS_PAGER=", "AWS_CONFIG_FILE="+writeFile(t, filepath.Join(t.TempDir(), "config"), []byte(s.pasted(t, "aws cli", ""))))}
}

func TestAWSCLI(t *testing.T) { onEachStorage(t, false, testAWSCLI) }

func testAWSCLI(t *testing.T, s *server) {
	c := awsCLI(t, s)
	aws := func(args ...string) string {
		t.Helper()
		return c.run(t, append([]string{"--endpoint-url", s.Endpoint}, args...)...)
	}
	source := filepath.Join(t.TempDir(), "source")
	sourceTree(t, source, 100)
	writeNoise(t, filepath.Join(source, "large.bin"), 9, 40<<20) // above its 8 MiB parts
	age(t, source)
	aws("s3", "mb", "s3://aws-bucket")
	aws("s3", "sync", "--only-show-errors", source, "s3://aws-bucket/tree")
	if s.count(t, 0, "CompleteMultipartUpload") == 0 {
		t.Error("the large file did not come in parts")
	}
	mark := s.mark()
	aws("s3", "sync", source, "s3://aws-bucket/tree")
	if n := s.count(t, mark, transfers()...); n > 0 || s.count(t, mark, "ListObjectsV2", "ListObjects") == 0 {
		t.Errorf("a sync of what is there sent %d objects: %v", n, s.requests(t, mark))
	}
	target := filepath.Join(t.TempDir(), "target")
	aws("s3", "sync", "--only-show-errors", "s3://aws-bucket/tree", target)
	sameTree(t, source, target)

	aws("s3", "cp", "s3://aws-bucket/tree/large.bin", "s3://aws-bucket/copied") // in parts, inside of the server
	sameBytes(t, "the object that was copied", readFile(t, filepath.Join(source, "large.bin")), getObject(t, &s.gateway, "aws-bucket", "copied"))
	resp, err := http.Get(strings.TrimSpace(aws("s3", "presign", "s3://aws-bucket/tree/names/UPPER"))) //nolint:noctx // a test on loopback
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if text, err := io.ReadAll(resp.Body); err != nil || resp.StatusCode != http.StatusOK || string(text) != "content of UPPER" {
		t.Errorf("presigned: %s, %v, %q", resp.Status, err, text)
	}
	aws("s3", "rm", "--recursive", "--only-show-errors", "s3://aws-bucket")
	if left := s.left(t); len(left) > 0 {
		t.Errorf("%d objects are left", len(left))
	}
	aws("s3", "rb", "s3://aws-bucket")
	s.noServerErrors(t)
}

func TestS3cmd(t *testing.T) { onEachStorage(t, false, testS3cmd) }

func testS3cmd(t *testing.T, s *server) {
	config := writeFile(t, filepath.Join(t.TempDir(), "s3cfg"), []byte(s.pasted(t, "s3cmd", "")))
	c := &program{path: installed(t, "s3cmd", "s3cmd"), dir: t.TempDir(), env: s.environ(t, "LC_ALL=C.UTF-8")}
	s3cmd := func(args ...string) string {
		t.Helper()
		return c.run(t, append([]string{"--config", config, "--no-progress"}, args...)...)
	}
	source := filepath.Join(t.TempDir(), "source")
	sourceTree(t, source, 100)
	writeNoise(t, filepath.Join(source, "large.bin"), 9, 40<<20) // above its 15 MiB parts, whose ETags it compares with their MD5
	age(t, source)
	s3cmd("mb", "s3://s3cmd-bucket")
	s3cmd("sync", source+"/", "s3://s3cmd-bucket/tree/")
	if s.count(t, 0, "CompleteMultipartUpload") == 0 {
		t.Error("the large file did not come in parts")
	}
	mark := s.mark()
	s3cmd("sync", source+"/", "s3://s3cmd-bucket/tree/")
	if n := s.count(t, mark, transfers()...); n > 0 || s.count(t, mark, "ListObjectsV2", "ListObjects") == 0 {
		t.Errorf("a sync of what is there sent %d objects: %v", n, s.requests(t, mark))
	}
	target := t.TempDir()
	s3cmd("get", "--recursive", "s3://s3cmd-bucket/tree/", target+"/")
	sameTree(t, source, target)
	s3cmd("cp", "s3://s3cmd-bucket/tree/names/UPPER", "s3://s3cmd-bucket/copy")
	s3cmd("mv", "s3://s3cmd-bucket/copy", "s3://s3cmd-bucket/moved")
	if out := s3cmd("info", "s3://s3cmd-bucket/moved"); !strings.Contains(out, "File size: 16") {
		t.Errorf("info: %s", out)
	}
	s3cmd("del", "--recursive", "--force", "s3://s3cmd-bucket")
	if left := s.left(t); len(left) > 0 {
		t.Errorf("%d objects are left", len(left))
	}
	s3cmd("rb", "s3://s3cmd-bucket")
	s.noServerErrors(t)
}

func TestDuplicity(t *testing.T) { onEachStorage(t, false, testDuplicity) }

func testDuplicity(t *testing.T, s *server) {
	makeBucket(t, &s.gateway, "duplicity-bucket")
	home := t.TempDir()
	c := &program{path: installed(t, "duplicity", "duplicity python3-boto3"), dir: home, env: s.awsEnviron(t, "LC_ALL=C.UTF-8", "HOME="+home)}
	source := filepath.Join(t.TempDir(), "source")
	words := s.pastedWords(t, "duplicity", "duplicity ", "SOURCE", source, "BUCKET/PATH", "duplicity-bucket/backup")
	endpoint, there := words[:2], words[3]
	duplicity := func(args ...string) string {
		t.Helper()
		return c.run(t, append(append(args, "--no-encryption", "--archive-dir", filepath.Join(home, "archive")), endpoint...)...)
	}
	sourceTree(t, source, 100)
	writeNoise(t, filepath.Join(source, "large.bin"), 9, 30<<20)
	duplicity("full", "--volsize", "12", source, there)
	writeFile(t, filepath.Join(source, "names", "UPPER"), []byte("changed, same name"))
	writeFile(t, filepath.Join(source, "small", "new"), noise(4242, 1<<20))
	duplicity("incremental", "--volsize", "12", source, there)
	duplicity("verify", "--compare-data", there, source)
	// Somebody else, who has nothing but the bucket.
	c.env = append(c.env, "HOME="+t.TempDir())
	target := filepath.Join(t.TempDir(), "target")
	c.run(t, "restore", "--no-encryption", endpoint[0], endpoint[1], "--archive-dir", t.TempDir(), there, target)
	sameTree(t, source, target)
	duplicity("full", "--volsize", "12", source, there)
	mark := s.mark()
	duplicity("remove-all-but-n-full", "1", "--force", there)
	if s.count(t, mark, "DeleteObject", "DeleteObjects") == 0 {
		t.Error("nothing was removed")
	}
	duplicity("verify", "--compare-data", there, source)
	s.noServerErrors(t)
}
