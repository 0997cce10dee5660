package s3api

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awscredentials "github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"
	"github.com/minio/minio-go/v7"
	miniocredentials "github.com/minio/minio-go/v7/pkg/credentials"
	"github.com/minio/minio-go/v7/pkg/encrypt"
)

func (s *site) minio() *minio.Client {
	s.t.Helper()
	u, err := url.Parse(s.server.URL)
	if err != nil {
		s.t.Fatal(err)
	}
	client, err := minio.New(u.Host, &minio.Options{
		Creds: miniocredentials.NewStaticV4(testAccess, testSecret, ""), Secure: u.Scheme == "https", Region: s.signer.region,
		Transport: s.transport(), TrailingHeaders: true, MaxRetries: 1,
	})
	if err != nil {
		s.t.Fatal(err)
	}
	return client
}

func (s *site) transport() http.RoundTripper {
	if s.server.TLS == nil {
		return http.DefaultTransport
	}
	t := s.server.Client().Transport.(*http.Transport).Clone()
	if t.TLSClientConfig == nil {
		t.TLSClientConfig = &tls.Config{}
	}
	return t
}

func (s *site) aws() *s3.Client {
	return s3.New(s3.Options{
		BaseEndpoint: aws.String(s.server.URL), Region: s.signer.region, UsePathStyle: true,
		Credentials: awscredentials.NewStaticCredentialsProvider(testAccess, testSecret, ""),
		HTTPClient:  &http.Client{Transport: s.transport()}, RetryMaxAttempts: 1,
	})
}

func TestMinioClient(t *testing.T) {
	for _, secure := range []bool{false, true} {
		t.Run(map[bool]string{false: "http", true: "https"}[secure], func(t *testing.T) {
			s := newSite(t, siteOptions{tls: secure})
			c, ctx := s.minio(), t.Context()
			if err := c.MakeBucket(ctx, "made", minio.MakeBucketOptions{}); err != nil {
				t.Fatal(err)
			}
			exists, err := c.BucketExists(ctx, "made")
			if err != nil || !exists {
				t.Fatalf("exists: %v %v", exists, err)
			}
			names := []string{"a b+c%2F.txt", "deep/er/é", "x//y", "dots/../up", "tail/"}
			for _, name := range names {
				body := []byte("body of " + name)
				info, err := c.PutObject(ctx, "made", name, bytes.NewReader(body), int64(len(body)), minio.PutObjectOptions{
					UserMetadata: map[string]string{"Note": "n"}, ContentType: "text/plain", SendContentMd5: true,
				})
				if err != nil {
					t.Fatalf("put %q: %v", name, err)
				}
				if info.ETag != md5Hex(body) {
					t.Errorf("put %q: ETag %s", name, info.ETag)
				}
				object, err := c.GetObject(ctx, "made", name, minio.GetObjectOptions{})
				if err != nil {
					t.Fatal(err)
				}
				got, err := io.ReadAll(object)
				if err != nil || !bytes.Equal(got, body) {
					t.Errorf("get %q: %q %v", name, got, err)
				}
			}
			var listed []string
			for o := range c.ListObjects(ctx, "made", minio.ListObjectsOptions{Recursive: true}) {
				if o.Err != nil {
					t.Fatal(o.Err)
				}
				listed = append(listed, o.Key)
			}
			slices.Sort(names)
			if !slices.Equal(listed, names) {
				t.Errorf("listed %q, want %q", listed, names)
			}
			for o := range c.ListObjects(ctx, "made", minio.ListObjectsOptions{Recursive: true, WithVersions: true}) {
				if o.Err != nil || o.VersionID != "null" {
					t.Errorf("version of %q: %q %v", o.Key, o.VersionID, o.Err)
				}
			}
			if _, err := c.CopyObject(ctx, minio.CopyDestOptions{Bucket: "made", Object: "copied +%"}, minio.CopySrcOptions{Bucket: "made", Object: names[0]}); err != nil {
				t.Errorf("copy: %v", err)
			}
			stat, err := c.StatObject(ctx, "made", "copied +%", minio.StatObjectOptions{})
			if err != nil || stat.UserMetadata["Note"] != "n" || stat.ContentType != "text/plain" {
				t.Errorf("stat: %+v %v", stat, err)
			}
			remove := make(chan minio.ObjectInfo)
			go func() {
				defer close(remove)
				for _, name := range append(names, "copied +%", "never there") {
					remove <- minio.ObjectInfo{Key: name}
				}
			}()
			for e := range c.RemoveObjects(ctx, "made", remove, minio.RemoveObjectsOptions{}) {
				t.Errorf("remove %q: %v", e.ObjectName, e.Err)
			}
			if err := c.RemoveBucket(ctx, "made"); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestMinioClientMultipart(t *testing.T) {
	s := newSite(t, siteOptions{})
	c, ctx := s.minio(), t.Context()
	body := pattern(11<<20 + 17)
	info, err := c.PutObject(ctx, testBucket, "multi", bytes.NewReader(body), int64(len(body)), minio.PutObjectOptions{PartSize: 5 << 20})
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasSuffix(info.ETag, "-3") {
		t.Errorf("ETag %s", info.ETag)
	}
	if _, err := c.PutObject(ctx, testBucket, "streamed", bytes.NewReader(body), -1, minio.PutObjectOptions{PartSize: 5 << 20, Checksum: minio.ChecksumCRC32C}); err != nil {
		t.Errorf("unknown size: %v", err)
	}
	for _, name := range []string{"multi", "streamed"} {
		object, err := c.GetObject(ctx, testBucket, name, minio.GetObjectOptions{})
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(object)
		if err != nil || !bytes.Equal(got, body) {
			t.Errorf("%s: %d bytes %v", name, len(got), err)
		}
	}
	if _, err := c.ComposeObject(ctx, minio.CopyDestOptions{Bucket: testBucket, Object: "composed"},
		minio.CopySrcOptions{Bucket: testBucket, Object: "multi"}, minio.CopySrcOptions{Bucket: testBucket, Object: "streamed"}); err != nil {
		t.Errorf("compose: %v", err)
	}
	stat, err := c.StatObject(ctx, testBucket, "composed", minio.StatObjectOptions{})
	if err != nil || stat.Size != 2*int64(len(body)) {
		t.Errorf("composed: %d %v", stat.Size, err)
	}
	attributes, err := c.GetObjectAttributes(ctx, testBucket, "streamed", minio.ObjectAttributesOptions{})
	if err != nil || attributes.ObjectParts.PartsCount != 3 || attributes.ObjectSize != len(body) {
		t.Errorf("attributes: %+v %v", attributes, err)
	}
	core := minio.Core{Client: c}
	id, err := core.NewMultipartUpload(ctx, testBucket, "open", minio.PutObjectOptions{})
	if err != nil {
		t.Fatal(err)
	}
	uploads, err := core.ListMultipartUploads(ctx, testBucket, "", "", "", "", 10)
	if err != nil || len(uploads.Uploads) != 1 || uploads.Uploads[0].UploadID != id {
		t.Errorf("uploads: %+v %v", uploads, err)
	}
	if err := core.AbortMultipartUpload(ctx, testBucket, "open", id); err != nil {
		t.Error(err)
	}
}

func TestMinioClientCustomerKey(t *testing.T) {
	s := newSite(t, siteOptions{tls: true})
	c, ctx := s.minio(), t.Context()
	key, err := encrypt.NewSSEC(bytes.Repeat([]byte{7}, 32))
	if err != nil {
		t.Fatal(err)
	}
	body := pattern(6<<20 + 1)
	for name, size := range map[string]int{"small": 100, "empty": 0, "parts": len(body)} {
		if _, err := c.PutObject(ctx, testBucket, name, bytes.NewReader(body[:size]), int64(size), minio.PutObjectOptions{ServerSideEncryption: key, PartSize: 5 << 20}); err != nil {
			t.Fatalf("put %s: %v", name, err)
		}
		object, err := c.GetObject(ctx, testBucket, name, minio.GetObjectOptions{ServerSideEncryption: key})
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(object)
		if err != nil || !bytes.Equal(got, body[:size]) {
			t.Errorf("get %s: %d bytes %v", name, len(got), err)
		}
		if _, err := c.StatObject(ctx, testBucket, name, minio.StatObjectOptions{}); err == nil {
			t.Errorf("stat %s without key succeeded", name)
		}
	}
	if _, err := c.CopyObject(ctx, minio.CopyDestOptions{Bucket: testBucket, Object: "plain"},
		minio.CopySrcOptions{Bucket: testBucket, Object: "small", Encryption: encrypt.SSECopy(key)}); err != nil {
		t.Errorf("copy out of SSE-C: %v", err)
	}
	if _, err := c.StatObject(ctx, testBucket, "plain", minio.StatObjectOptions{}); err != nil {
		t.Error(err)
	}
}

func TestAWSClient(t *testing.T) {
	s := newSite(t, siteOptions{tls: true})
	c, ctx := s.aws(), t.Context()
	body := pattern(300 << 10)
	put, err := c.PutObject(ctx, &s3.PutObjectInput{
		Bucket: aws.String(testBucket), Key: aws.String("k"), Body: bytes.NewReader(body), ContentType: aws.String("text/plain"),
		Metadata: map[string]string{"one": "1"},
	})
	if err != nil {
		t.Fatal(err)
	}
	if aws.ToString(put.ChecksumCRC64NVME) == "" {
		t.Errorf("no checksum came back: %+v", put)
	}
	get, err := c.GetObject(ctx, &s3.GetObjectInput{Bucket: aws.String(testBucket), Key: aws.String("k"), ChecksumMode: types.ChecksumModeEnabled})
	if err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(get.Body)
	if err != nil || !bytes.Equal(got, body) || aws.ToString(get.ChecksumCRC64NVME) != aws.ToString(put.ChecksumCRC64NVME) {
		t.Errorf("get: %d bytes, %v, checksum %v", len(got), err, aws.ToString(get.ChecksumCRC64NVME))
	}
	if _, err := c.PutObject(ctx, &s3.PutObjectInput{
		Bucket: aws.String(testBucket), Key: aws.String("k"), Body: strings.NewReader("x"), IfNoneMatch: aws.String("*"),
	}); !isCode(err, "PreconditionFailed") {
		t.Errorf("conditional put over an object: %v", err)
	}
	awsMultipart(t, s, c)
	if _, err := c.PutObject(ctx, &s3.PutObjectInput{Bucket: aws.String(testBucket), Key: aws.String("tagged"), Body: strings.NewReader("x"), Tagging: aws.String("a=b")}); !isCode(err, "NotImplemented") {
		t.Errorf("tagging: %v", err)
	}
	deleted, err := c.DeleteObjects(ctx, &s3.DeleteObjectsInput{Bucket: aws.String(testBucket), Delete: &types.Delete{
		Objects: []types.ObjectIdentifier{{Key: aws.String("k")}, {Key: aws.String("m")}},
	}})
	if err != nil || len(deleted.Deleted) != 2 || len(deleted.Errors) != 0 {
		t.Errorf("delete: %+v %v", deleted, err)
	}
	_, err = c.HeadObject(ctx, &s3.HeadObjectInput{Bucket: aws.String(testBucket), Key: aws.String("k")})
	if nf, ok := errors.AsType[*types.NotFound](err); !ok {
		t.Errorf("head of a deleted object: %v %v", err, nf)
	}
}

func awsMultipart(t *testing.T, s *site, c *s3.Client) {
	t.Helper()
	ctx := t.Context()
	for _, algorithm := range []types.ChecksumAlgorithm{types.ChecksumAlgorithmCrc32, types.ChecksumAlgorithmCrc64nvme, types.ChecksumAlgorithmSha256} {
		up, err := c.CreateMultipartUpload(ctx, &s3.CreateMultipartUploadInput{Bucket: aws.String(testBucket), Key: aws.String("m"), ChecksumAlgorithm: algorithm})
		if err != nil {
			t.Fatal(err)
		}
		var done []types.CompletedPart
		for n, size := range []int{5 << 20, 5 << 20, 3} {
			part, err := c.UploadPart(ctx, &s3.UploadPartInput{
				Bucket: aws.String(testBucket), Key: aws.String("m"), UploadId: up.UploadId, PartNumber: aws.Int32(int32(n + 1)),
				Body: bytes.NewReader(pattern(size)), ChecksumAlgorithm: algorithm,
			})
			if err != nil {
				t.Fatalf("%s: part %d: %v", algorithm, n+1, err)
			}
			done = append(done, types.CompletedPart{
				PartNumber: aws.Int32(int32(n + 1)), ETag: part.ETag, ChecksumCRC32: part.ChecksumCRC32, ChecksumSHA256: part.ChecksumSHA256,
				ChecksumCRC64NVME: part.ChecksumCRC64NVME,
			})
		}
		completed, err := c.CompleteMultipartUpload(ctx, &s3.CompleteMultipartUploadInput{
			Bucket: aws.String(testBucket), Key: aws.String("m"), UploadId: up.UploadId, MultipartUpload: &types.CompletedMultipartUpload{Parts: done},
		})
		if err != nil {
			t.Fatalf("%s: complete: %v", algorithm, err)
		}
		if completed.ChecksumType == "" {
			t.Errorf("%s: no checksum type", algorithm)
		}
		part, err := c.GetObject(ctx, &s3.GetObjectInput{Bucket: aws.String(testBucket), Key: aws.String("m"), PartNumber: aws.Int32(3), ChecksumMode: types.ChecksumModeEnabled})
		if err != nil {
			t.Fatalf("%s: get part: %v", algorithm, err)
		}
		got, err := io.ReadAll(part.Body)
		if err != nil || !bytes.Equal(got, pattern(3)) || aws.ToInt32(part.PartsCount) != 3 {
			t.Errorf("%s: part 3: %d bytes, %v parts, %v", algorithm, len(got), aws.ToInt32(part.PartsCount), err)
		}
	}
}

func isCode(err error, code string) bool {
	e, ok := errors.AsType[smithy.APIError](err)
	return ok && e.ErrorCode() == code
}

func TestPresignedByClients(t *testing.T) {
	s := newSite(t, siteOptions{})
	ctx := t.Context()
	put, err := s3.NewPresignClient(s.aws()).PresignPutObject(ctx, &s3.PutObjectInput{
		Bucket: aws.String(testBucket), Key: aws.String("pre signed"), Metadata: map[string]string{"m": "v"},
	}, s3.WithPresignExpires(time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	r, err := http.NewRequestWithContext(ctx, put.Method, put.URL, strings.NewReader("hello"))
	if err != nil {
		t.Fatal(err)
	}
	for name, values := range put.SignedHeader {
		if !strings.EqualFold(name, "host") {
			r.Header[name] = values
		}
	}
	s.want(s.send(r), http.StatusOK, "")
	get, err := s.minio().PresignedGetObject(context.WithoutCancel(ctx), testBucket, "pre signed", time.Minute, url.Values{"response-content-type": {"text/override"}})
	if err != nil {
		t.Fatal(err)
	}
	r, err = http.NewRequestWithContext(ctx, http.MethodGet, get.String(), nil)
	if err != nil {
		t.Fatal(err)
	}
	a := s.send(r)
	s.want(a, http.StatusOK, "")
	if string(a.body) != "hello" || a.header.Get("Content-Type") != "text/override" || a.header.Get("X-Amz-Meta-M") != "v" {
		t.Errorf("presigned get: %s", a)
	}
}
