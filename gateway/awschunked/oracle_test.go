package awschunked_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"hash"
	"hash/crc32"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	md5simd "github.com/minio/md5-simd"
	"github.com/minio/minio-go/v7"
	miniocredentials "github.com/minio/minio-go/v7/pkg/credentials"
	"github.com/minio/minio-go/v7/pkg/signer"

	"sallyport/gateway/awschunked"
	"sallyport/gateway/checksum"
	"sallyport/gateway/sigv4"
)

const (
	accessKey = "AKIAIOSFODNN7EXAMPLE"
	secretKey = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
	region    = "us-east-1"
)

// receive does with a request what the gateway does: parse, verify, decode, verify checksums.
func receive(r *http.Request, now time.Time) (mode sigv4.PayloadMode, data []byte, body *checksum.Reader, err error) {
	s, err := sigv4.Parse(r)
	if err != nil {
		return 0, nil, nil, err
	}
	verifier, err := s.Verify(r, sigv4.NewSecret(secretKey), region, now)
	if err != nil {
		return 0, nil, nil, err
	}
	var src io.Reader = r.Body
	opts := checksum.Options{Size: r.ContentLength, MD5: true}
	var names []string
	if s.Payload.Mode == sigv4.PayloadHashed {
		opts.PayloadSHA256 = &s.Payload.SHA256
	}
	if s.Payload.Mode.Streaming() {
		decode := &awschunked.Options{Mode: map[sigv4.PayloadMode]awschunked.Mode{
			sigv4.PayloadStreamingSigned: awschunked.Signed, sigv4.PayloadStreamingSignedTrailer: awschunked.SignedTrailer,
			sigv4.PayloadStreamingUnsignedTrailer: awschunked.UnsignedTrailer,
		}[s.Payload.Mode]}
		if verifier != nil {
			decode.Verifier = verifier
		}
		if decode.DecodedLength, err = awschunked.ParseDecodedLength(r.Header); err != nil {
			return 0, nil, nil, err
		}
		if names, err = awschunked.ParseTrailerNames(r.Header); err != nil {
			return 0, nil, nil, err
		}
		decode.TrailerNames = names
		decoder, err := awschunked.NewReader(r.Body, decode)
		if err != nil {
			return 0, nil, nil, err
		}
		src, opts.Size = decoder, decode.DecodedLength
		opts.TrailerValue = func() (string, bool) { return decoder.Trailer(opts.Trailer.Header()) }
	}
	promise, err := checksum.ParseHeaders(r.Header, names)
	if err != nil {
		return 0, nil, nil, err
	}
	opts.ContentMD5, opts.Value, opts.Trailer = promise.ContentMD5, promise.Value, promise.Trailer
	body = checksum.NewReader(src, &opts)
	data, err = io.ReadAll(body)
	return s.Payload.Mode, data, body, err
}

type received struct {
	mode      sigv4.PayloadMode
	data      []byte
	algorithm checksum.Algorithm
	err       error
}

// store is a server that receives every request as the gateway does.
func store(t *testing.T, server func(http.Handler) *httptest.Server) (*httptest.Server, func() []received) {
	t.Helper()
	var all []received
	started := server(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mode, data, body, err := receive(r, time.Now())
		got := received{mode: mode, data: data, err: err}
		if err == nil {
			got.algorithm = body.Promised()
			sum, _ := body.MD5()
			w.Header().Set("ETag", `"`+checksum.ETag(sum)+`"`)
		} else {
			w.WriteHeader(http.StatusBadRequest)
		}
		all = append(all, got)
	}))
	t.Cleanup(started.Close)
	return started, func() []received {
		started.Close()
		return all
	}
}

func sizes() []int { return []int{0, 1, 100, 65535, 65536, 65537, 200000} }

// serverRequest turns a signed client request into what a server reads.
func serverRequest(r *http.Request) *http.Request {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(err)
	}
	received := r.Clone(r.Context())
	received.Host = r.URL.Host
	received.Body = io.NopCloser(bytes.NewReader(body))
	return received
}

func sha256Hasher() md5simd.Hasher { return hasher{sha256.New()} }

type hasher struct{ hash.Hash }

func (hasher) Close() {}

func crc32c(data []byte) string {
	sum := crc32.Checksum(data, crc32.MakeTable(crc32.Castagnoli))
	return base64.StdEncoding.EncodeToString([]byte{byte(sum >> 24), byte(sum >> 16), byte(sum >> 8), byte(sum)})
}

func TestOracleMinioStreamingSigner(t *testing.T) {
	for _, size := range sizes() {
		for _, trailer := range []bool{false, true} {
			data := pattern(size)
			r, err := http.NewRequestWithContext(t.Context(), http.MethodPut, "http://s3.example.test:9000/bucket/key", bytes.NewReader(data))
			if err != nil {
				t.Fatal(err)
			}
			want := sigv4.PayloadStreamingSigned
			if trailer {
				r.Trailer = http.Header{"X-Amz-Checksum-Crc32c": {crc32c(data)}}
				want = sigv4.PayloadStreamingSignedTrailer
			}
			now := time.Now().UTC()
			signed := signer.StreamingSignV4(r, accessKey, secretKey, "", region, int64(size), now, sha256Hasher())
			mode, got, body, err := receive(serverRequest(signed), now)
			if err != nil || mode != want {
				t.Fatalf("%d trailer=%v: mode %v, %v", size, trailer, mode, err)
			}
			wantData(t, got, data)
			if trailer != (body.Promised() == checksum.CRC32C) {
				t.Errorf("checksum %v", body.Promised())
			}
		}
	}
}

func TestOracleMinioUnsignedTrailerSigner(t *testing.T) {
	for _, size := range sizes() {
		data := pattern(size)
		for _, sum := range []string{crc32c(data), "AAAAAQ=="} {
			r, err := http.NewRequestWithContext(t.Context(), http.MethodPut, "http://s3.example.test:9000/bucket/key", bytes.NewReader(data))
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("X-Amz-Content-Sha256", "STREAMING-UNSIGNED-PAYLOAD-TRAILER")
			signed := signer.SignV4Trailer(*r, accessKey, secretKey, "", region, http.Header{"X-Amz-Checksum-Crc32c": {sum}})
			mode, got, _, err := receive(serverRequest(signed), time.Now())
			if good := sum == crc32c(data); good != (err == nil) || err == nil && mode != sigv4.PayloadStreamingUnsignedTrailer {
				t.Fatalf("%d: mode %v, %v", size, mode, err)
			}
			if err == nil {
				wantData(t, got, data)
			}
		}
	}
}

func TestOracleMinioClient(t *testing.T) {
	for _, server := range []func(http.Handler) *httptest.Server{httptest.NewServer, httptest.NewTLSServer} {
		s, all := store(t, server)
		u, err := url.Parse(s.URL)
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for _, trailers := range []bool{false, true} {
			client, err := minio.New(u.Host, &minio.Options{
				Creds: miniocredentials.NewStaticV4(accessKey, secretKey, ""), Region: region, BucketLookup: minio.BucketLookupPath,
				Secure: u.Scheme == "https", TrailingHeaders: trailers, Transport: s.Client().Transport,
			})
			if err != nil {
				t.Fatal(err)
			}
			for _, size := range sizes() {
				for _, opts := range []minio.PutObjectOptions{
					{}, {SendContentMd5: true}, {DisableContentSha256: true}, {Checksum: minio.ChecksumCRC32C}, {Checksum: minio.ChecksumSHA256}, {Checksum: minio.ChecksumCRC64NVME},
				} {
					if !trailers && opts.Checksum.IsSet() {
						continue
					}
					if _, err := client.PutObject(t.Context(), "bucket", "key", bytes.NewReader(pattern(size)), int64(size), opts); err != nil {
						t.Errorf("%s trailers=%v %d: %v", u.Scheme, trailers, size, err)
					}
					n++
				}
			}
		}
		modes := map[sigv4.PayloadMode]int{}
		for i, got := range all() {
			if got.err != nil || !bytes.Equal(got.data, pattern(len(got.data))) {
				t.Errorf("request %d, %v: %v", i, got.mode, got.err)
			}
			modes[got.mode]++
		}
		t.Logf("%s: %d puts, modes %v", u.Scheme, n, modes)
		if modes[sigv4.PayloadStreamingSigned]+modes[sigv4.PayloadStreamingSignedTrailer]+modes[sigv4.PayloadStreamingUnsignedTrailer] == 0 {
			t.Error("the client did not stream")
		}
	}
}

func TestOracleAWSClient(t *testing.T) {
	for _, server := range []func(http.Handler) *httptest.Server{httptest.NewServer, httptest.NewTLSServer} {
		s, all := store(t, server)
		client := s3.New(s3.Options{
			Region: region, BaseEndpoint: aws.String(s.URL), UsePathStyle: true, HTTPClient: s.Client(),
			RequestChecksumCalculation: aws.RequestChecksumCalculationWhenSupported, // what clients made from the shared configuration do
			Credentials:                credentials.NewStaticCredentialsProvider(accessKey, secretKey, ""),
		})
		for _, size := range sizes() {
			for _, algorithm := range []types.ChecksumAlgorithm{"", types.ChecksumAlgorithmCrc32, types.ChecksumAlgorithmCrc32c, types.ChecksumAlgorithmCrc64nvme, types.ChecksumAlgorithmSha1, types.ChecksumAlgorithmSha256} {
				_, err := client.PutObject(t.Context(), &s3.PutObjectInput{Bucket: aws.String("bucket"), Key: aws.String("key"), Body: bytes.NewReader(pattern(size)), ChecksumAlgorithm: algorithm})
				if err != nil {
					t.Errorf("%d %s: %v", size, algorithm, err)
				}
				if !strings.HasPrefix(s.URL, "https:") {
					continue
				}
				// A stream that cannot be rewound: unsigned chunks.
				_, err = client.PutObject(t.Context(), &s3.PutObjectInput{
					Bucket: aws.String("bucket"), Key: aws.String("key"), Body: io.MultiReader(bytes.NewReader(pattern(size))),
					ContentLength: aws.Int64(int64(size)), ChecksumAlgorithm: algorithm,
				})
				if err != nil {
					t.Errorf("stream of %d %s: %v", size, algorithm, err)
				}
			}
		}
		modes := map[sigv4.PayloadMode]int{}
		for i, got := range all() {
			if got.err != nil || !bytes.Equal(got.data, pattern(len(got.data))) || got.algorithm == checksum.None {
				t.Errorf("request %d, %v %v: %v", i, got.mode, got.algorithm, got.err)
			}
			modes[got.mode]++
		}
		t.Logf("modes %v", modes)
		if strings.HasPrefix(s.URL, "https:") && modes[sigv4.PayloadStreamingUnsignedTrailer] == 0 {
			t.Error("the client did not stream")
		}
	}
}
