package integration

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// folderUnderTest is a folder with content that a running gateway is about to lose its write permission on.
type folderUnderTest struct {
	t       *testing.T
	g       *gateway
	client  *s3.Client
	objects map[string][]byte
	upload  *string
	whole   []byte                // what the upload will hold
	parts   []types.CompletedPart // of which both are there
}

const readOnlyBucket = "kept"

func newFolderUnderTest(t *testing.T) *folderUnderTest {
	t.Helper()
	g := quickstart{dir: filepath.Join(t.TempDir(), "d"), bound: true}.start(t)
	f := &folderUnderTest{t: t, g: g, client: sdk(t, g, withoutRetries), objects: map[string][]byte{}}
	makeBucket(t, g, readOnlyBucket)
	makeBucket(t, g, "empty")
	for i, key := range []string{"nothing", "one", "large", "deep/down/below", "deep/beside"} {
		f.objects[key] = noise(uint64(i), []int{0, 1, 300_000, 20_000, 16 << 10}[i])
		putObject(t, g, readOnlyBucket, key, f.objects[key])
	}
	up, err := f.client.CreateMultipartUpload(t.Context(), &s3.CreateMultipartUploadInput{Bucket: aws.String(readOnlyBucket), Key: aws.String("parts")})
	if err != nil {
		t.Fatal(err)
	}
	f.upload, f.whole = up.UploadId, noise(9, 5<<20+1000)
	for n, body := range [][]byte{f.whole[:5<<20], f.whole[5<<20:]} {
		number := aws.Int32(int32(n + 1))
		part, err := f.client.UploadPart(t.Context(), &s3.UploadPartInput{
			Bucket: aws.String(readOnlyBucket), Key: aws.String("parts"), UploadId: f.upload, PartNumber: number, Body: bytes.NewReader(body),
		})
		if err != nil {
			t.Fatal(err)
		}
		f.parts = append(f.parts, types.CompletedPart{PartNumber: number, ETag: part.ETag, ChecksumCRC32: part.ChecksumCRC32})
	}
	return f
}

// withdraw takes the permission to write from every directory below root, and returns what gives it back.
func (f *folderUnderTest) withdraw(root string) (giveBack func()) {
	f.t.Helper()
	modes := map[string]fs.FileMode{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err == nil {
			modes[path] = info.Mode().Perm()
			err = os.Chmod(path, 0o500)
		}
		return err
	})
	if err != nil || len(modes) == 0 {
		f.t.Fatalf("%d directories changed: %v", len(modes), err)
	}
	giveBack = func() {
		for path, mode := range modes {
			if err := os.Chmod(path, mode); err != nil && !errors.Is(err, fs.ErrNotExist) {
				f.t.Errorf("give back: %v", err)
			}
		}
	}
	f.t.Cleanup(giveBack) // else the folder could not be removed
	return giveBack
}

// change is one request that has to change the bucket's directory, or with system set only the gateway's own.
type change struct {
	name   string
	system bool
	do     func() error
}

func (f *folderUnderTest) changes() []change {
	ctx, client, bucket := f.t.Context(), f.client, aws.String(readOnlyBucket)
	put := func(key string, change ...func(*s3.PutObjectInput)) func() error {
		return func() error {
			in := &s3.PutObjectInput{Bucket: bucket, Key: &key, Body: bytes.NewReader(noise(50, 30_000))}
			for _, c := range change {
				c(in)
			}
			return second(client.PutObject(ctx, in))
		}
	}
	part := func(n int32) func() error {
		return func() error {
			return second(client.UploadPart(ctx, &s3.UploadPartInput{
				Bucket: bucket, Key: aws.String("parts"), UploadId: f.upload, PartNumber: &n, Body: bytes.NewReader(noise(51, 100_000)),
			}))
		}
	}
	return []change{
		{"PUT of a new key", false, put("new")},
		{"PUT of a new key in a new directory", false, put("fresh/new")},
		{"PUT over an object", false, put("large")},
		{"PUT over nothing, on condition", false, put("conditional", func(in *s3.PutObjectInput) { in.IfNoneMatch = aws.String("*") })},
		{"copy to a new key", false, func() error {
			return second(client.CopyObject(ctx, &s3.CopyObjectInput{Bucket: bucket, Key: aws.String("copy"), CopySource: aws.String(readOnlyBucket + "/large")}))
		}},
		{"DELETE", false, func() error {
			return second(client.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: bucket, Key: aws.String("deep/beside")}))
		}},
		{"DELETE of several", false, func() error {
			out, err := client.DeleteObjects(ctx, &s3.DeleteObjectsInput{Bucket: bucket, Delete: &types.Delete{
				Objects: []types.ObjectIdentifier{{Key: aws.String("one")}, {Key: aws.String("large")}},
			}})
			if err == nil && len(out.Errors) == 2 && len(out.Deleted) == 0 { // the request itself is answered with 200
				return &deleteErrors{out.Errors}
			}
			return err
		}},
		{"complete", false, func() error {
			return second(client.CompleteMultipartUpload(ctx, &s3.CompleteMultipartUploadInput{
				Bucket: bucket, Key: aws.String("parts"), UploadId: f.upload, MultipartUpload: &types.CompletedMultipartUpload{Parts: f.parts},
			}))
		}},
		{"create upload", true, func() error {
			return second(client.CreateMultipartUpload(ctx, &s3.CreateMultipartUploadInput{Bucket: bucket, Key: aws.String("other parts")}))
		}},
		{"upload of a part again", true, part(1)},
		{"upload of a new part", true, part(3)},
		{"copy of a part", true, func() error {
			return second(client.UploadPartCopy(ctx, &s3.UploadPartCopyInput{
				Bucket: bucket, Key: aws.String("parts"), UploadId: f.upload, PartNumber: aws.Int32(2), CopySource: aws.String(readOnlyBucket + "/large"),
			}))
		}},
		{"abort", true, func() error {
			return second(client.AbortMultipartUpload(ctx, &s3.AbortMultipartUploadInput{Bucket: bucket, Key: aws.String("parts"), UploadId: f.upload}))
		}},
		{"create bucket", true, func() error {
			return second(client.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: aws.String("another")}))
		}},
		{"delete bucket", true, func() error {
			return second(client.DeleteBucket(ctx, &s3.DeleteBucketInput{Bucket: aws.String("empty")}))
		}},
	}
}

// deleteErrors are the errors inside of an answer to DeleteObjects.
type deleteErrors struct{ each []types.Error }

// Error implements error.
func (e *deleteErrors) Error() string {
	return fmt.Sprintf("api error %s: %s", *e.each[0].Code, *e.each[0].Message)
}

// reads fails the test unless everything that was stored is listed and comes back.
func (f *folderUnderTest) reads(when string) {
	f.t.Helper()
	for key, want := range f.objects {
		sameBytes(f.t, key+" "+when, want, getObject(f.t, f.g, readOnlyBucket, key))
	}
	list, err := f.client.ListObjectsV2(f.t.Context(), &s3.ListObjectsV2Input{Bucket: aws.String(readOnlyBucket)})
	if err != nil {
		f.t.Fatalf("list %s: %v", when, err)
	}
	var keys []string
	for _, o := range list.Contents {
		keys = append(keys, *o.Key)
		if want := f.objects[*o.Key]; *o.Size != int64(len(want)) {
			f.t.Errorf("listed %s: %s with %d bytes, want %d", when, *o.Key, *o.Size, len(want))
		}
	}
	if want := slices.Sorted(maps.Keys(f.objects)); !slices.Equal(keys, want) {
		f.t.Errorf("listed %s: %q, want %q", when, keys, want)
	}
}

// TestFolderTurnsReadOnly takes a folder's permission to write from a running gateway: every change is refused with an error that says so and
// that clients try again upon, what is stored stays and reads, and given back the permission is all it takes.
func TestFolderTurnsReadOnly(t *testing.T) {
	needsPrograms(t)
	needsPermissions(t)
	for name, where := range map[string]string{"all of it": "", "a bucket": readOnlyBucket + ","} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFolderUnderTest(t)
			before := digests(t, f.g.data())
			giveBack := f.withdraw(filepath.Join(f.g.data(), where))
			for _, c := range f.changes() {
				if c.system && where != "" {
					continue // the gateway's own directory can still be written
				}
				f.refuses(c)
			}
			after := digests(t, f.g.data())
			for name, sum := range before {
				if after[name] != sum {
					t.Errorf("%s was changed or removed", name)
				}
			}
			for name := range after {
				// Completing puts the upload's last part in its place before the object's own directory is touched.
				own := where != "" && strings.HasPrefix(name, ".sallyport/uploads/")
				if _, ok := before[name]; !ok && !own {
					t.Errorf("%s was added", name)
				}
			}
			f.reads("while nothing can be written")
			if !strings.Contains(f.g.stderr.String(), "permission denied") {
				t.Errorf("the log does not name the cause:\n%s", end(f.g.stderr.String(), 2000))
			}
			giveBack()
			f.reads("after the permission came back")
			f.works()
		})
	}
}

// refuses makes a change that must fail, with what the documentation promises for it.
func (f *folderUnderTest) refuses(c change) {
	f.t.Helper()
	err := c.do()
	if err == nil {
		f.t.Errorf("%s went through", c.name)
		return
	}
	inner := new(deleteErrors)
	if s := status(err); s != http.StatusServiceUnavailable && !errors.As(err, &inner) {
		f.t.Errorf("%s: status %d: %v", c.name, s, err)
	}
	if code(err) != "ServiceUnavailable" && len(inner.each) == 0 || !strings.Contains(err.Error(), "denies the gateway this access") {
		f.t.Errorf("%s: %v", c.name, err)
	}
	for _, e := range inner.each {
		if *e.Code != "ServiceUnavailable" {
			f.t.Errorf("%s: %s: %s", c.name, *e.Key, *e.Code)
		}
	}
}

// works makes every change that was refused before, in the gateway that refused it, and compares what becomes of it.
func (f *folderUnderTest) works() {
	f.t.Helper()
	for _, c := range f.changes() {
		if c.name == "abort" || c.name == "upload of a part again" || c.name == "upload of a new part" || c.name == "copy of a part" {
			continue // the upload is completed, with the parts that it had before
		}
		if err := c.do(); err != nil {
			f.t.Errorf("%s, after the permission came back: %v", c.name, err)
		}
	}
	written := noise(50, 30_000)
	f.objects["copy"] = written // of "large", which was overwritten before
	for _, key := range []string{"new", "conditional", "fresh/new", "large"} {
		f.objects[key] = written
	}
	for _, key := range []string{"deep/beside", "one", "large"} {
		delete(f.objects, key)
	}
	f.objects["parts"] = f.whole
	f.reads("after the changes")
	if left, err := os.ReadDir(filepath.Join(f.g.data(), ".sallyport", "tmp")); err != nil || len(left) > 0 {
		f.t.Errorf("%d temporary files are left, %v", len(left), err)
	}
	recovered := filepath.Join(f.t.TempDir(), "out")
	key := f.g.keyFile(f.t)
	f.g.stop()
	command(f.t).run(f.t, "recover", "--from", f.g.data(), "--to", recovered, "--key-file", key)
	for key, want := range f.objects {
		sameBytes(f.t, key+" recovered", want, readFile(f.t, filepath.Join(recovered, readOnlyBucket, key)))
	}
}
