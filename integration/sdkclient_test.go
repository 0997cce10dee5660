package integration

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"slices"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/feature/s3/manager"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"
	"golang.org/x/sync/errgroup"
)

// code returns the S3 error code of an error, "" if it is none.
func code(err error) string {
	if api, ok := errors.AsType[smithy.APIError](err); ok {
		return api.ErrorCode()
	}
	return ""
}

// TestSDK runs aws-sdk-go-v2 with its defaults: checksums in trailers over TLS, in headers without.
func TestSDK(t *testing.T) {
	needsPrograms(t)
	for name, withTLS := range map[string]bool{"plain": false, "tls": true} {
		t.Run(name, func(t *testing.T) {
			if withTLS { // on a folder is enough: what lies behind TLS is the same
				t.Parallel()
				testSDK(t, newServerIn(t, t.TempDir(), true))
				return
			}
			onEachStorage(t, false, testSDK)
		})
	}
}

func testSDK(t *testing.T, s *server) {
	makeBucket(t, &s.gateway, "sdk-bucket")
	client, bucket := sdk(t, &s.gateway), aws.String("sdk-bucket")
	t.Run("checksums", func(t *testing.T) { sdkChecksums(t, client, bucket) })
	t.Run("manager", func(t *testing.T) { sdkManager(t, s, client, bucket) })
	t.Run("conditions", func(t *testing.T) { sdkConditions(t, client, bucket, s.root != "") })
	t.Run("presigned", func(t *testing.T) { sdkPresigned(t, &s.gateway, client, bucket) })
	t.Run("thousands", func(t *testing.T) { sdkThousands(t, client, bucket) })
	s.noServerErrors(t)
}

func sdkChecksums(t *testing.T, client *s3.Client, bucket *string) {
	for i, size := range []int{0, 1, 16383, 16384, 16385, 1 << 20} {
		key, body := fmt.Sprint("size-", size), noise(uint64(i), size)
		put, err := client.PutObject(t.Context(), &s3.PutObjectInput{Bucket: bucket, Key: &key, Body: bytes.NewReader(body)})
		if err != nil {
			t.Fatal(err)
		}
		if put.ChecksumCRC32 == nil && put.ChecksumCRC64NVME == nil {
			t.Errorf("%s: the answer shows no checksum", key)
		}
		got, err := client.GetObject(t.Context(), &s3.GetObjectInput{Bucket: bucket, Key: &key, ChecksumMode: types.ChecksumModeEnabled})
		if err != nil {
			t.Fatal(err)
		}
		read, err := io.ReadAll(got.Body) // the SDK checks the checksum on the way
		if err != nil {
			t.Fatal(err)
		}
		sameBytes(t, key, body, read)
		if *got.ETag != *put.ETag || *got.ContentLength != int64(size) {
			t.Errorf("%s: ETag %s and length %d, want %s and %d", key, *got.ETag, *got.ContentLength, *put.ETag, size)
		}
		ranged, err := client.GetObject(t.Context(), &s3.GetObjectInput{Bucket: bucket, Key: &key, Range: aws.String("bytes=16380-16390")})
		if size <= 16380 {
			if code(err) != "InvalidRange" {
				t.Errorf("%s: a range past the end: %v", key, err)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		read, err = io.ReadAll(ranged.Body)
		if err != nil {
			t.Fatal(err)
		}
		sameBytes(t, key+" in part", body[16380:min(16391, size)], read)
	}
}

// sdkManager moves a file of 300 MiB in parts, up and down.
func sdkManager(t *testing.T, s *server, client *s3.Client, bucket *string) {
	size := int64(40 << 20)
	if s.CACert != "" {
		size = 300<<20 + 12345
	}
	body := noise(77, int(size))
	up, err := manager.NewUploader(client, func(u *manager.Uploader) { u.PartSize = 7 << 20 }).Upload(t.Context(), //nolint:staticcheck // deprecated, and what most programs use
		&s3.PutObjectInput{Bucket: bucket, Key: aws.String("big"), Body: bytes.NewReader(body)})
	if err != nil {
		t.Fatal(err)
	}
	got := manager.NewWriteAtBuffer(make([]byte, 0, size))
	n, err := manager.NewDownloader(client).Download(t.Context(), got, //nolint:staticcheck // as above
		&s3.GetObjectInput{Bucket: bucket, Key: aws.String("big")})
	if err != nil || n != size {
		t.Fatalf("%d bytes, %v", n, err)
	}
	if !bytes.Equal(body, got.Bytes()) {
		t.Error("the large object came back different")
	}
	list, err := client.ListObjectsV2(t.Context(), &s3.ListObjectsV2Input{Bucket: bucket, Prefix: aws.String("big")})
	if err != nil {
		t.Fatal(err)
	}
	if len(list.Contents) != 1 || *list.Contents[0].Size != size || *list.Contents[0].ETag != *up.ETag {
		t.Errorf("listed as %+v, want %d bytes and %s", list.Contents, size, *up.ETag)
	}
	if _, err := client.DeleteObject(t.Context(), &s3.DeleteObjectInput{Bucket: bucket, Key: aws.String("big")}); err != nil {
		t.Error(err)
	}
}

// sdkConditions expects of a storage that cannot delete under a condition that such a request is refused and nothing is deleted.
func sdkConditions(t *testing.T, client *s3.Client, bucket *string, deletes bool) {
	put := func(in s3.PutObjectInput) (*s3.PutObjectOutput, error) {
		in.Bucket, in.Key = bucket, aws.String("lock")
		return client.PutObject(t.Context(), &in)
	}
	// Of many who create it one may win.
	var group errgroup.Group
	won := make(chan string, 16)
	for i := range 16 {
		group.Go(func() error {
			out, err := put(s3.PutObjectInput{Body: bytes.NewReader([]byte{byte(i)}), IfNoneMatch: aws.String("*")})
			if c := code(err); err != nil && c != "PreconditionFailed" && c != "ConditionalRequestConflict" {
				return err
			}
			if err == nil {
				won <- *out.ETag
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	if len(won) != 1 {
		t.Fatalf("%d of 16 created the same object", len(won))
	}
	etag := <-won
	if _, err := put(s3.PutObjectInput{Body: bytes.NewReader(nil), IfMatch: aws.String(`"00000000000000000000000000000000"`)}); code(err) != "PreconditionFailed" {
		t.Errorf("a stale If-Match: %v", err)
	}
	next, err := put(s3.PutObjectInput{Body: bytes.NewReader([]byte("next")), IfMatch: &etag})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.GetObject(t.Context(), &s3.GetObjectInput{Bucket: bucket, Key: aws.String("lock"), IfNoneMatch: next.ETag}); err == nil {
		t.Error("If-None-Match with the current ETag is not 304")
	}
	if !deletes {
		for _, condition := range []*string{&etag, next.ETag} {
			if _, err := client.DeleteObject(t.Context(), &s3.DeleteObjectInput{Bucket: bucket, Key: aws.String("lock"), IfMatch: condition}); code(err) != "NotImplemented" {
				t.Errorf("a DELETE with If-Match that the storage cannot decide: %v", err)
			}
		}
		if _, err := client.HeadObject(t.Context(), &s3.HeadObjectInput{Bucket: bucket, Key: aws.String("lock"), IfMatch: next.ETag}); err != nil {
			t.Errorf("after refused deletes: %v", err)
		}
		return
	}
	if _, err := client.DeleteObject(t.Context(), &s3.DeleteObjectInput{Bucket: bucket, Key: aws.String("lock"), IfMatch: &etag}); code(err) != "PreconditionFailed" {
		t.Errorf("a DELETE with a stale If-Match: %v", err)
	}
	if _, err := client.DeleteObject(t.Context(), &s3.DeleteObjectInput{Bucket: bucket, Key: aws.String("lock"), IfMatch: next.ETag}); err != nil {
		t.Errorf("a DELETE with the current If-Match: %v", err)
	}
}

func sdkPresigned(t *testing.T, g *gateway, client *s3.Client, bucket *string) {
	presign := s3.NewPresignClient(client)
	body := noise(3, 30_000)
	put, err := presign.PresignPutObject(t.Context(), &s3.PutObjectInput{Bucket: bucket, Key: aws.String("by url")})
	if err != nil {
		t.Fatal(err)
	}
	send := func(method, url string, header http.Header, content []byte) (int, string) {
		req, err := http.NewRequestWithContext(t.Context(), method, url, bytes.NewReader(content))
		if err != nil {
			t.Fatal(err)
		}
		req.Header = header.Clone()
		return answer(t, g, req)
	}
	if status, text := send(put.Method, put.URL, put.SignedHeader, body); status != http.StatusOK {
		t.Fatalf("presigned PUT: %d %s", status, text)
	}
	get, err := presign.PresignGetObject(t.Context(), &s3.GetObjectInput{Bucket: bucket, Key: aws.String("by url")})
	if err != nil {
		t.Fatal(err)
	}
	status, text := send(get.Method, get.URL, get.SignedHeader, nil)
	if status != http.StatusOK {
		t.Fatalf("presigned GET: %d %s", status, text)
	}
	sameBytes(t, "by url", body, []byte(text))
	if status, _ := send(http.MethodDelete, get.URL, get.SignedHeader, nil); status != http.StatusForbidden {
		t.Errorf("a URL for GET deletes with %d", status)
	}
	if status, _ := send(get.Method, get.URL+"x", get.SignedHeader, nil); status < 400 {
		t.Errorf("a changed URL reads with %d", status)
	}
}

// sdkThousands puts, lists and deletes more objects than a page holds.
func sdkThousands(t *testing.T, client *s3.Client, bucket *string) {
	const many = 2300
	group, ctx := errgroup.WithContext(t.Context())
	group.SetLimit(16)
	for i := range many {
		group.Go(func() error {
			_, err := client.PutObject(ctx, &s3.PutObjectInput{Bucket: bucket, Key: aws.String(fmt.Sprintf("many/%05d", i)), Body: bytes.NewReader(noise(uint64(i), i%500))})
			return err
		})
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	names := listAll(t, client, bucket, "many/", many)
	for from := 0; from < many; from += 1000 {
		var ids []types.ObjectIdentifier
		for _, name := range names[from:min(from+1000, many)] {
			ids = append(ids, types.ObjectIdentifier{Key: &name})
		}
		out, err := client.DeleteObjects(t.Context(), &s3.DeleteObjectsInput{Bucket: bucket, Delete: &types.Delete{Objects: ids}})
		if err != nil || len(out.Errors) > 0 || len(out.Deleted) != len(ids) {
			t.Fatalf("%d of %d deleted, errors %v, %v", len(out.Deleted), len(ids), out.Errors, err)
		}
	}
	listAll(t, client, bucket, "many/", 0)
}

func listAll(t *testing.T, client *s3.Client, bucket *string, prefix string, want int) (names []string) {
	t.Helper()
	pages := s3.NewListObjectsV2Paginator(client, &s3.ListObjectsV2Input{Bucket: bucket, Prefix: &prefix})
	for pages.HasMorePages() {
		page, err := pages.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for i, o := range page.Contents {
			if n := len(names); *o.Size != int64(n%500) {
				t.Fatalf("object %d, %s, is listed with %d bytes (%d on its page)", n, *o.Key, *o.Size, i)
			}
			names = append(names, *o.Key)
		}
	}
	if len(names) != want || !slices.IsSorted(names) {
		t.Fatalf("%d objects listed, want %d in order", len(names), want)
	}
	return names
}

// TestCustomerKeys brings the client's own key over TLS with three clients: both ways, in parts, and with the wrong key.
func TestCustomerKeys(t *testing.T) {
	needsPrograms(t)
	t.Parallel()
	s := newTLSServer(t)
	makeBucket(t, &s.gateway, "ssec")
	small := writeFile(t, filepath.Join(t.TempDir(), "small"), noise(5, 100_000))
	large := writeNoise(t, filepath.Join(t.TempDir(), "large"), 6, 40<<20)
	right, wrong := randomKey(), randomKey()

	t.Run("aws-sdk-go-v2", func(t *testing.T) { sdkCustomerKeys(t, s, readFile(t, large), newSSEC(right), newSSEC(wrong)) })
	t.Run("mc", func(t *testing.T) { mcCustomerKeys(t, s, small, large, right, wrong) })
	t.Run("rclone", func(t *testing.T) { rcloneCustomerKeys(t, s, small, large, right, wrong) })
	s.noServerErrors(t)

	// What they stored opens with the key alone, once the gateway is gone.
	s.stop()
	cli := command(t)
	for _, name := range []string{"rclone-small", "mc-small"} {
		out := filepath.Join(t.TempDir(), "out")
		cli.run(t, "object", "decrypt", filepath.Join(s.root, "ssec,", name), "--customer-key-file", secretFile(t, fmt.Sprintf("%x", right)), "--to", out)
		sameBytes(t, name, readFile(t, small), readFile(t, out))
		if r := cli.try(t, "object", "decrypt", filepath.Join(s.root, "ssec,", name), "--key-file", s.keyFile, "--to", out+"2"); r.code == 0 {
			t.Errorf("the vault's key opens %s, which has a key of its own", name)
		}
	}
}

func sdkCustomerKeys(t *testing.T, s *server, body []byte, k, wrong ssecKey) {
	client, ctx := sdk(t, &s.gateway), context.WithoutCancel(t.Context())
	for _, size := range []int{0, 1, 16384, len(body)} {
		key := aws.String(fmt.Sprint("sdk-", size))
		_, err := manager.NewUploader(client, func(u *manager.Uploader) { u.PartSize = 6 << 20 }).Upload(ctx, &s3.PutObjectInput{ //nolint:staticcheck // deprecated, and what most programs use
			Bucket: aws.String("ssec"), Key: key, Body: bytes.NewReader(body[:size]), SSECustomerAlgorithm: &k.algorithm, SSECustomerKey: &k.key, SSECustomerKeyMD5: &k.sum,
		})
		if err != nil {
			t.Fatal(err)
		}
		got, err := client.GetObject(ctx, &s3.GetObjectInput{Bucket: aws.String("ssec"), Key: key, SSECustomerAlgorithm: &k.algorithm, SSECustomerKey: &k.key, SSECustomerKeyMD5: &k.sum})
		if err != nil {
			t.Fatal(err)
		}
		read, err := io.ReadAll(got.Body)
		if err != nil || !bytes.Equal(read, body[:size]) || aws.ToString(got.SSECustomerKeyMD5) != k.sum {
			t.Errorf("%s: %d bytes, %v, key MD5 %s", *key, len(read), err, aws.ToString(got.SSECustomerKeyMD5))
		}
		if _, err := client.GetObject(ctx, &s3.GetObjectInput{Bucket: aws.String("ssec"), Key: key, SSECustomerAlgorithm: &wrong.algorithm, SSECustomerKey: &wrong.key, SSECustomerKeyMD5: &wrong.sum}); code(err) != "AccessDenied" {
			t.Errorf("%s with the wrong key: %v", *key, err)
		}
		if _, err := client.HeadObject(ctx, &s3.HeadObjectInput{Bucket: aws.String("ssec"), Key: key, SSECustomerAlgorithm: &wrong.algorithm, SSECustomerKey: &wrong.key, SSECustomerKeyMD5: &wrong.sum}); err == nil {
			t.Errorf("HEAD of %s with the wrong key", *key)
		}
		if _, err := client.GetObject(ctx, &s3.GetObjectInput{Bucket: aws.String("ssec"), Key: key}); code(err) != "InvalidRequest" {
			t.Errorf("%s without a key: %v", *key, err)
		}
	}
}
