package sigv4

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/minio/minio-go/v7"
	miniocredentials "github.com/minio/minio-go/v7/pkg/credentials"
	"github.com/minio/minio-go/v7/pkg/s3utils"
	"github.com/minio/minio-go/v7/pkg/signer"
)

func weirdKeys() []string {
	return []string{
		"plain", "a b", "a+b", "a%2Fb", "a%b", "a//b", "a/./b", "a/../b", "./a", "../a", "a/", "a//", "é/日本/🙂", "~!*'()@:&=$,;", "\"<>[]{}|\\^`", "#?", "-._~", "%", "%%", "a\tb", "\x01\x7f",
		"a;b", "=", "a=b&c", ".", "..",
	}
}

func weirdQueries() []url.Values {
	return []url.Values{
		{},
		{"uploads": {""}},
		{"prefix": {"a b+c/%2F&=;é"}, "delimiter": {"/"}},
		{"partNumber": {"10"}, "uploadId": {"a/b+c=="}},
		{"a-b": {"1"}, "a": {"2"}, "a.b": {"3"}, "a_b": {"4"}, "A": {"5"}},
		{"response-content-disposition": {"attachment; filename=\"x y.txt\""}},
	}
}

// clientRequest is what a client has before signing: a path that is escaped as S3 wants it.
func clientRequest(t *testing.T, key string, query url.Values) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPut, "http://s3.example.test:9710/", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.URL.Path, r.URL.RawPath = "/bucket/"+key, s3utils.EncodePath("/bucket/"+key)
	r.URL.RawQuery = strings.ReplaceAll(query.Encode(), "+", "%20")
	r.Header.Set("X-Amz-Meta-Text", "  two  words ")
	r.Header.Set("Content-Type", "text/plain; charset=utf-8")
	r.Header["X-Amz-Meta-List"] = []string{"a", "b"}
	return r
}

func TestOracleMinioSigner(t *testing.T) {
	for _, key := range weirdKeys() {
		for _, query := range weirdQueries() {
			r := clientRequest(t, key, query)
			r.Header.Set("X-Amz-Content-Sha256", unsignedPayload)
			mustVerify(t, asReceived(t, signer.SignV4(*r, testKey, testSecret, "", testRegion)), time.Now())
			presigned := signer.PreSignV4(*clientRequest(t, key, query), testKey, testSecret, "", testRegion, 60)
			mustVerify(t, asReceived(t, presigned), time.Now())
		}
	}
}

func TestOracleAWSSigner(t *testing.T) {
	keys := aws.Credentials{AccessKeyID: testKey, SecretAccessKey: testSecret}
	s := v4.NewSigner(func(o *v4.SignerOptions) { o.DisableURIPathEscaping = true })
	for _, key := range weirdKeys() {
		for _, query := range append(weirdQueries(), url.Values{"a": {"2", "1", "", "10"}, "b": {"é", "z"}}) {
			r := clientRequest(t, key, query)
			r.Header.Set("X-Amz-Content-Sha256", unsignedPayload)
			if err := s.SignHTTP(t.Context(), keys, r, unsignedPayload, "s3", testRegion, testTime()); err != nil {
				t.Fatal(err)
			}
			mustVerify(t, asReceived(t, r), testTime())

			r = clientRequest(t, key, query)
			q := r.URL.Query()
			q.Set("X-Amz-Expires", "60")
			r.URL.RawQuery = strings.ReplaceAll(q.Encode(), "+", "%20")
			signed, headers, err := s.PresignHTTP(t.Context(), keys, r, unsignedPayload, "s3", testRegion, testTime())
			if err != nil {
				t.Fatal(err)
			}
			target, err := url.Parse(signed)
			if err != nil {
				t.Fatal(err)
			}
			received, err := http.NewRequestWithContext(t.Context(), http.MethodPut, target.String(), nil)
			if err != nil {
				t.Fatal(err)
			}
			received.Header = headers
			mustVerify(t, asReceived(t, received), testTime())
		}
	}
}

// gate is a server that verifies every request and answers like an empty store.
func gate(t *testing.T) (endpoint string, verdicts func() []error) {
	t.Helper()
	var all []error
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _, err := verify(r, time.Now())
		all = append(all, err)
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("ETag", `"d41d8cd98f00b204e9800998ecf8427e"`)
		w.WriteHeader(http.StatusOK)
	}))
	t.Cleanup(server.Close)
	return server.URL, func() []error {
		server.Close()
		return all
	}
}

func wantAllAccepted(t *testing.T, verdicts []error, n int) {
	t.Helper()
	if len(verdicts) < n {
		t.Errorf("%d requests seen, want %d", len(verdicts), n)
	}
	for i, err := range verdicts {
		if err != nil {
			t.Errorf("request %d: %v", i, err)
		}
	}
}

func TestOracleAWSClient(t *testing.T) {
	endpoint, verdicts := gate(t)
	client := s3.New(s3.Options{
		Region: testRegion, BaseEndpoint: aws.String(endpoint), UsePathStyle: true,
		Credentials: credentials.NewStaticCredentialsProvider(testKey, testSecret, ""),
	})
	presign := s3.NewPresignClient(client)
	n := 0
	for _, key := range weirdKeys() {
		if key == "." || key == ".." {
			continue
		}
		if _, err := client.PutObject(t.Context(), &s3.PutObjectInput{Bucket: aws.String("bucket"), Key: aws.String(key), Body: strings.NewReader("data"), Metadata: map[string]string{"a": "b  c"}}); err != nil {
			t.Errorf("%q: %v", key, err)
		}
		get, err := presign.PresignGetObject(t.Context(), &s3.GetObjectInput{Bucket: aws.String("bucket"), Key: aws.String(key), ResponseContentType: aws.String("a b")})
		if err != nil {
			t.Fatal(err)
		}
		put, err := presign.PresignPutObject(t.Context(), &s3.PutObjectInput{Bucket: aws.String("bucket"), Key: aws.String(key), ContentType: aws.String("text/plain"), Metadata: map[string]string{"a": "b"}})
		if err != nil {
			t.Fatal(err)
		}
		send(t, get.Method, get.URL, get.SignedHeader)
		send(t, put.Method, put.URL, put.SignedHeader)
		n += 3
	}
	wantAllAccepted(t, verdicts(), n)
}

func send(t *testing.T, method, target string, header http.Header) {
	t.Helper()
	r, err := http.NewRequestWithContext(context.Background(), method, target, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	for name, values := range header {
		if name != "Host" {
			r.Header[http.CanonicalHeaderKey(name)] = values
		}
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	_ = answer.Body.Close()
}

func TestOracleMinioClient(t *testing.T) {
	endpoint, verdicts := gate(t)
	u, err := url.Parse(endpoint)
	if err != nil {
		t.Fatal(err)
	}
	client, err := minio.New(u.Host, &minio.Options{Creds: miniocredentials.NewStaticV4(testKey, testSecret, ""), Region: testRegion, BucketLookup: minio.BucketLookupPath})
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, key := range weirdKeys() {
		if s3utils.CheckValidObjectName(key) != nil {
			continue
		}
		if _, err := client.PutObject(t.Context(), "bucket", key, strings.NewReader("data"), 4, minio.PutObjectOptions{UserMetadata: map[string]string{"a": "b"}}); err != nil {
			t.Errorf("%q: %v", key, err)
		}
		target, err := client.PresignedGetObject(t.Context(), "bucket", key, time.Minute, url.Values{"response-content-type": {"a b"}})
		if err != nil {
			t.Fatal(err)
		}
		send(t, http.MethodGet, target.String(), nil)
		n += 2
	}
	wantAllAccepted(t, verdicts(), n)
}
