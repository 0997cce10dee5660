package integration

import (
	"bytes"
	"io"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// sdk returns a client of aws-sdk-go-v2 as it is by default, but for endpoint, keys and path style.
func sdk(t testing.TB, g *gateway, change ...func(*s3.Options)) *s3.Client {
	t.Helper()
	options := s3.Options{
		BaseEndpoint: aws.String(g.Endpoint),
		Region:       g.Region,
		Credentials:  credentials.NewStaticCredentialsProvider(g.AccessKey, g.SecretKey, ""),
		UsePathStyle: true,
		HTTPClient:   g.httpClient(t),
	}
	return s3.New(options, change...)
}

func makeBucket(t testing.TB, g *gateway, bucket string) {
	t.Helper()
	if _, err := sdk(t, g).CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: &bucket}); err != nil {
		t.Fatal(err)
	}
}

func putObject(t testing.TB, g *gateway, bucket, key string, content []byte) {
	t.Helper()
	if _, err := sdk(t, g).PutObject(t.Context(), &s3.PutObjectInput{Bucket: &bucket, Key: &key, Body: bytes.NewReader(content)}); err != nil {
		t.Fatal(err)
	}
}

func getObject(t testing.TB, g *gateway, bucket, key string) []byte {
	t.Helper()
	got, err := sdk(t, g).GetObject(t.Context(), &s3.GetObjectInput{Bucket: &bucket, Key: &key})
	if err != nil {
		t.Fatal(err)
	}
	defer got.Body.Close()
	content, err := io.ReadAll(got.Body)
	if err != nil {
		t.Fatal(err)
	}
	return content
}
