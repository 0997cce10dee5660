package integration

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

const (
	largeFile     = 300<<20 + 12345
	largeFilePart = 5 << 20
)

// TestLargeFiles moves a file of 300 MiB in parts of 5 MiB, several at once, with each client up and down again.
func TestLargeFiles(t *testing.T) {
	needsPrograms(t)
	t.Parallel()
	s := newServer(t)
	makeBucket(t, &s.gateway, "large")
	dir := t.TempDir()
	source := writeNoise(t, filepath.Join(dir, "source"), 11, largeFile)
	want := digestOf(t, source)
	m := mc(t, &s.gateway)
	r := rclone(t, &s.gateway, "Other", "RCLONE_S3_CHUNK_SIZE=5M", "RCLONE_S3_UPLOAD_CUTOFF=5M", "RCLONE_S3_UPLOAD_CONCURRENCY=6", "RCLONE_MULTI_THREAD_CUTOFF=50M")
	s5 := &program{path: tool(t, "s5cmd"), dir: t.TempDir(), env: s.awsEnviron(t, "S3_ENDPOINT_URL="+s.Endpoint)}
	for _, c := range []struct {
		name     string
		client   *program
		up, down []string
	}{
		{"mc", m, []string{"put", "--quiet", "--parallel", "6", "--part-size", "5MiB", source, "s/large/mc"}, []string{"get", "--quiet", "s/large/mc"}},
		{"rclone", r, []string{"copyto", source, "s:large/rclone"}, []string{"copyto", "s:large/rclone"}},
		{
			"s5cmd", s5,
			[]string{"cp", "--part-size", "5", "--concurrency", "6", source, "s3://large/s5cmd"},
			[]string{"cp", "--part-size", "7", "--concurrency", "6", "s3://large/s5cmd"},
		},
	} {
		mark := s.mark()
		c.client.run(t, c.up...)
		const parts = (largeFile + largeFilePart - 1) / largeFilePart
		if n := s.count(t, mark, "UploadPart"); n != parts {
			t.Errorf("%s sent %d parts, want %d", c.name, n, parts)
		}
		head, err := sdk(t, &s.gateway).HeadObject(t.Context(), &s3.HeadObjectInput{Bucket: aws.String("large"), Key: &c.name})
		if err != nil {
			t.Fatal(err)
		}
		if *head.ContentLength != largeFile || !strings.HasSuffix(*head.ETag, fmt.Sprintf("-%d\"", parts)) {
			t.Errorf("%s: %d bytes, ETag %s", c.name, *head.ContentLength, *head.ETag)
		}
		target := filepath.Join(dir, "target-"+c.name)
		c.client.run(t, append(c.down, target)...)
		if got := digestOf(t, target); got != want {
			t.Errorf("%s brought back %s, want %s", c.name, got, want)
		}
		removeFile(t, target) // one at a time is enough for the disk
		if _, err := sdk(t, &s.gateway).DeleteObject(t.Context(), &s3.DeleteObjectInput{Bucket: aws.String("large"), Key: &c.name}); err != nil {
			t.Error(err)
		}
	}
	if left := objectFiles(t, s.root); len(left) > 0 {
		t.Errorf("files are left in the folder: %q", left)
	}
	s.noServerErrors(t)
}
