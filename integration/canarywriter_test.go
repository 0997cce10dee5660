package integration

import (
	"bytes"
	"context"
	"crypto/md5"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
	"github.com/minio/minio-go/v7/pkg/encrypt"
)

// canaryWriter sends canaries over every way in.
type canaryWriter struct {
	t       *testing.T
	s       *server
	c       canaries
	raw     *s3.Client
	content int            // bytes of canaries sent
	logs    []*process     // all that ever served
	written map[string]int // key -> size, without SSE-C
}

// body is n bytes or a little more, canaries throughout.
func (w *canaryWriter) body(what string, n int) []byte {
	w.t.Helper()
	text := w.c.text("plaintext of " + what)
	b := bytes.Repeat([]byte(text+"\n"), n/len(text)+1)
	w.content += len(b)
	return b
}

func (w *canaryWriter) must(what string, err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatalf("%s: %v", what, err)
	}
}

func (w *canaryWriter) mustFail(what string, err error) {
	w.t.Helper()
	if err == nil {
		w.t.Errorf("%s went through", what)
	}
}

// look searches folder, state, temporaries and all that the gateway ever said.
func (w *canaryWriter) look() {
	w.t.Helper()
	w.logs = append(w.logs, w.s.process)
	for _, p := range w.logs {
		w.c.notIn(w.t, "standard error", p.stderr.String())
		w.c.notIn(w.t, "standard output", p.stdout.String())
		if len(p.requestsLogged()) == 0 {
			w.t.Error("the log holds no request: it is not the one this test believes")
		}
	}
	for _, folder := range []string{"state", "tmp"} {
		w.c.none(w.t, filepath.Join(w.s.Dir, folder))
	}
	if n := w.c.none(w.t, w.s.root); n < 10 {
		w.t.Errorf("only %d files in the folder", n)
	}
}

func (p *process) requestsLogged() string {
	_, requests, _ := strings.Cut(p.stderr.String(), `"msg":"request"`)
	return requests
}

type ssecKey struct{ algorithm, key, sum string }

func newSSEC(raw []byte) ssecKey {
	digest := md5.Sum(raw)
	return ssecKey{"AES256", base64.StdEncoding.EncodeToString(raw), base64.StdEncoding.EncodeToString(digest[:])}
}

func randomKey() []byte {
	raw := make([]byte, 32)
	_, _ = rand.Read(raw) // it cannot fail
	theSuite().keep("a customer's key", hex.EncodeToString(raw))
	return raw
}

func (w *canaryWriter) writeEverything() {
	ctx, bucket := w.t.Context(), aws.String("canary-bucket")
	w.written = map[string]int{}
	_, err := w.raw.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: bucket})
	w.must("create bucket", err)
	w.puts(ctx, bucket)
	w.minioPuts(ctx, *bucket)
	w.multipart(ctx, bucket)
	w.copies(ctx, bucket)
	w.customerKeys(ctx, bucket)
	w.failures(ctx, bucket)
	w.malformedXML(ctx, bucket)
}

func (w *canaryWriter) puts(ctx context.Context, bucket *string) {
	for _, algorithm := range append(types.ChecksumAlgorithm("").Values(), "") {
		switch algorithm {
		case "", types.ChecksumAlgorithmCrc32, types.ChecksumAlgorithmCrc32c, types.ChecksumAlgorithmCrc64nvme, types.ChecksumAlgorithmSha1, types.ChecksumAlgorithmSha256:
		default:
			continue // newer than S3 as this gateway knows it; refused
		}
		for _, size := range []int{10, 16 << 10, 300_000} {
			key := fmt.Sprintf("put-%s-%d", algorithm, size)
			body := w.body(key, size)
			_, err := w.raw.PutObject(ctx, &s3.PutObjectInput{
				Bucket: bucket, Key: &key, Body: bytes.NewReader(body), ChecksumAlgorithm: algorithm,
				ContentType: aws.String("x/" + w.c.text("content type")), CacheControl: aws.String(w.c.text("cache control")),
				ContentDisposition: aws.String(w.c.text("disposition")), ContentLanguage: aws.String(w.c.text("language")),
				Metadata: map[string]string{"note": w.c.text("user metadata"), w.c.text("user metadata name"): "x"},
			})
			w.must(key, err)
			w.written[key] = len(body)
		}
	}
	// Overwritten and deleted content must leave nothing either.
	for i := range 3 {
		body := w.body("overwritten", 50_000)
		_, err := w.raw.PutObject(ctx, &s3.PutObjectInput{Bucket: bucket, Key: aws.String("overwritten"), Body: bytes.NewReader(body)})
		w.must(fmt.Sprint("overwrite ", i), err)
		w.written["overwritten"] = len(body)
	}
	_, err := w.raw.PutObject(ctx, &s3.PutObjectInput{Bucket: bucket, Key: aws.String("deleted"), Body: bytes.NewReader(w.body("deleted", 50_000))})
	w.must("put", err)
	_, err = w.raw.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: bucket, Key: aws.String("deleted")})
	w.must("delete", err)
	// A presigned PUT, whose signature is a secret for as long as it is valid.
	presigned, err := s3.NewPresignClient(w.raw).PresignPutObject(ctx, &s3.PutObjectInput{Bucket: bucket, Key: aws.String("presigned")})
	w.must("presign", err)
	_, signature, _ := strings.Cut(presigned.URL, "X-Amz-Signature=")
	w.c.add("the signature of a presigned URL", []byte(signature[:64]))
	body := w.body("presigned", 5000)
	req, err := http.NewRequestWithContext(ctx, http.MethodPut, presigned.URL, bytes.NewReader(body))
	w.must("presigned request", err)
	req.Header = presigned.SignedHeader.Clone()
	if status, text := answer(w.t, &w.s.gateway, req); status != http.StatusOK {
		w.t.Fatalf("presigned PUT: %d %s", status, text)
	}
	w.written["presigned"] = len(body)
}

// minioPuts are the payload forms of minio-go: signed chunks, with trailers, plain.
func (w *canaryWriter) minioPuts(ctx context.Context, bucket string) {
	for name, trailers := range map[string]bool{"minio-signed-chunks": false, "minio-trailers": true} {
		client := minioClient(w.t, &w.s.gateway, trailers)
		for form, o := range map[string]minio.PutObjectOptions{
			"default": {}, "no-sha256": {DisableContentSha256: true}, "md5": {SendContentMd5: true}, "concurrent": {ConcurrentStreamParts: true, NumThreads: 2, PartSize: 5 << 20},
		} {
			key := name + "-" + form
			body := w.body(key, 6<<20)
			o.UserMetadata = map[string]string{"Note": w.c.text("user metadata")}
			if form != "concurrent" {
				body = body[:100_000]
			}
			_, err := client.PutObject(ctx, bucket, key, bytes.NewReader(body), int64(len(body)), o)
			w.must(key, err)
			w.written[key] = len(body)
		}
	}
}

// minioClient returns minio-go with path style.
func minioClient(t testing.TB, g *gateway, trailers bool) *minio.Client {
	t.Helper()
	client, err := minio.New(g.host(), &minio.Options{
		Creds: credentials.NewStaticV4(g.AccessKey, g.SecretKey, ""), Secure: strings.HasPrefix(g.Endpoint, "https"), Region: g.Region,
		Transport: g.httpClient(t).Transport, TrailingHeaders: trailers,
	})
	if err != nil {
		t.Fatal(err)
	}
	return client
}

func (w *canaryWriter) multipart(ctx context.Context, bucket *string) {
	for key, end := range map[string]string{"multipart": "complete", "multipart-aborted": "abort", "multipart-left-open": ""} {
		up, err := w.raw.CreateMultipartUpload(ctx, &s3.CreateMultipartUploadInput{
			Bucket: bucket, Key: &key, ContentType: aws.String(w.c.text("content type")), Metadata: map[string]string{"note": w.c.text("user metadata")},
		})
		w.must("create upload", err)
		var parts []types.CompletedPart
		for n := range int32(3) {
			size := 5 << 20
			if n == 2 {
				size = 1000
			}
			if n == 1 && end != "complete" {
				continue
			}
			for range 2 { // each sent twice, with other bytes
				body := w.body("a part", size)
				part, err := w.raw.UploadPart(ctx, &s3.UploadPartInput{Bucket: bucket, Key: &key, UploadId: up.UploadId, PartNumber: aws.Int32(n + 1), Body: bytes.NewReader(body)})
				w.must("upload part", err)
				parts = append(parts[:min(len(parts), int(n))], types.CompletedPart{ETag: part.ETag, PartNumber: aws.Int32(n + 1), ChecksumCRC32: part.ChecksumCRC32})
				w.written[key] += len(body) / 2
			}
		}
		copied, err := w.raw.UploadPartCopy(ctx, &s3.UploadPartCopyInput{Bucket: bucket, Key: &key, UploadId: up.UploadId, PartNumber: aws.Int32(4), CopySource: aws.String(*bucket + "/put--300000")})
		w.must("upload part copy", err)
		_ = copied
		switch end {
		case "complete":
			_, err = w.raw.CompleteMultipartUpload(ctx, &s3.CompleteMultipartUploadInput{Bucket: bucket, Key: &key, UploadId: up.UploadId, MultipartUpload: &types.CompletedMultipartUpload{Parts: parts}})
			w.must("complete", err)
		case "abort":
			_, err = w.raw.AbortMultipartUpload(ctx, &s3.AbortMultipartUploadInput{Bucket: bucket, Key: &key, UploadId: up.UploadId})
			w.must("abort", err)
		}
		if end != "complete" {
			delete(w.written, key)
		}
	}
}

func (w *canaryWriter) copies(ctx context.Context, bucket *string) {
	source := aws.String(*bucket + "/put--300000")
	_, err := w.raw.CopyObject(ctx, &s3.CopyObjectInput{Bucket: bucket, Key: aws.String("copied"), CopySource: source})
	w.must("copy", err)
	w.written["copied"] = w.written["put--300000"]
	_, err = w.raw.CopyObject(ctx, &s3.CopyObjectInput{
		Bucket: bucket, Key: aws.String("replaced"), CopySource: source, MetadataDirective: types.MetadataDirectiveReplace,
		Metadata: map[string]string{"note": w.c.text("replaced metadata")},
	})
	w.must("copy with new metadata", err)
	w.written["replaced"] = w.written["put--300000"]
}

func (w *canaryWriter) customerKeys(ctx context.Context, bucket *string) {
	raw := randomKey()
	w.c.add("a customer's key", raw)
	k := newSSEC(raw)
	w.c.add("the MD5 of a customer's key", []byte(k.sum))
	_, err := w.raw.PutObject(ctx, &s3.PutObjectInput{
		Bucket: bucket, Key: aws.String("ssec"), Body: bytes.NewReader(w.body("ssec", 100_000)), Metadata: map[string]string{"note": w.c.text("metadata")},
		SSECustomerAlgorithm: &k.algorithm, SSECustomerKey: &k.key, SSECustomerKeyMD5: &k.sum,
	})
	w.must("put with SSE-C", err)
	_, err = w.raw.CopyObject(ctx, &s3.CopyObjectInput{
		Bucket: bucket, Key: aws.String("ssec-copy"), CopySource: aws.String(*bucket + "/ssec"), SSECustomerAlgorithm: &k.algorithm, SSECustomerKey: &k.key,
		SSECustomerKeyMD5: &k.sum, CopySourceSSECustomerAlgorithm: &k.algorithm, CopySourceSSECustomerKey: &k.key, CopySourceSSECustomerKeyMD5: &k.sum,
	})
	w.must("copy with SSE-C", err)
	_, err = w.raw.HeadObject(ctx, &s3.HeadObjectInput{Bucket: bucket, Key: aws.String("ssec")})
	w.mustFail("a HEAD without the key", err)
	other := randomKey()
	w.c.add("another customer's key", other)
	o := newSSEC(other)
	_, err = w.raw.GetObject(ctx, &s3.GetObjectInput{Bucket: bucket, Key: aws.String("ssec"), SSECustomerAlgorithm: &o.algorithm, SSECustomerKey: &o.key, SSECustomerKeyMD5: &o.sum})
	w.mustFail("a GET with the wrong key", err)
	_, err = w.raw.GetObject(ctx, &s3.GetObjectInput{Bucket: bucket, Key: aws.String("ssec"), SSECustomerAlgorithm: &k.algorithm, SSECustomerKey: &k.key, SSECustomerKeyMD5: &o.sum})
	w.mustFail("a GET with a key that does not match its MD5", err)
	malformed := w.c.text("a malformed customer's key")
	_, err = w.raw.GetObject(ctx, &s3.GetObjectInput{Bucket: bucket, Key: aws.String("ssec"), SSECustomerAlgorithm: &k.algorithm, SSECustomerKey: &malformed, SSECustomerKeyMD5: &o.sum})
	w.mustFail("a GET with a malformed key", err)
	if w.s.CACert != "" { // minio-go sends keys over TLS only
		sse, err := encrypt.NewSSEC(raw)
		w.must("make key", err)
		_, err = minioClient(w.t, &w.s.gateway, false).PutObject(ctx, *bucket, "ssec-parts", bytes.NewReader(w.body("ssec parts", 11<<20)), -1,
			minio.PutObjectOptions{ServerSideEncryption: sse, PartSize: 5 << 20})
		w.must("parts with SSE-C", err)
	}
}

func (w *canaryWriter) failures(ctx context.Context, bucket *string) {
	_, err := w.raw.PutObject(ctx, &s3.PutObjectInput{Bucket: bucket, Key: aws.String("bad-md5"), Body: bytes.NewReader(w.body("a bad digest", 40_000)), ContentMD5: aws.String("AAAAAAAAAAAAAAAAAAAAAA==")})
	w.mustFail("a wrong Content-MD5", err)
	_, err = w.raw.PutObject(ctx, &s3.PutObjectInput{Bucket: bucket, Key: aws.String("bad-crc"), Body: bytes.NewReader(w.body("a bad checksum", 40_000)), ChecksumCRC32: aws.String("AAAAAA==")})
	w.mustFail("a wrong checksum", err)
	_, err = w.raw.PutObject(ctx, &s3.PutObjectInput{Bucket: bucket, Key: aws.String("copied"), Body: bytes.NewReader(w.body("a failed condition", 40_000)), IfNoneMatch: aws.String("*")})
	w.mustFail("If-None-Match on what is there", err)
	_, err = w.raw.PutObject(ctx, &s3.PutObjectInput{Bucket: aws.String("no-such-bucket"), Key: aws.String("x"), Body: bytes.NewReader(w.body("no bucket", 40_000))})
	w.mustFail("a bucket that is not there", err)
	_, err = w.raw.PutObject(ctx, &s3.PutObjectInput{Bucket: bucket, Key: aws.String("large-metadata"), Body: bytes.NewReader(nil), Metadata: map[string]string{"note": strings.Repeat(w.c.text("large metadata"), 200)}})
	w.mustFail("metadata beyond the limit", err)

	stranger := w.s.gateway
	stranger.SecretKey = w.c.text("a stranger's secret")
	for name, send := range map[string]func() *http.Request{
		"wrong secret": func() *http.Request {
			return signed(w.t, &stranger, time.Now(), http.MethodPut, "/"+*bucket+"/x", w.body("a wrong signature", 40_000))
		},
		"security token": func() *http.Request {
			return signed(w.t, &w.s.gateway, time.Now(), http.MethodPut, "/"+*bucket+"/x", w.body("a token", 100), "X-Amz-Security-Token", w.c.text("a session token"))
		},
		"unsigned header": func() *http.Request {
			r := signed(w.t, &w.s.gateway, time.Now(), http.MethodPut, "/"+*bucket+"/x", w.body("an unsigned header", 100))
			r.Header.Set("X-Amz-Meta-Late", w.c.text("an unsigned header"))
			return r
		},
		"basic authentication": func() *http.Request {
			r := signed(w.t, &w.s.gateway, time.Now(), http.MethodGet, "/", nil)
			r.SetBasicAuth("user", w.c.text("a password of another kind"))
			return r
		},
		"malformed authorization": func() *http.Request {
			r := signed(w.t, &w.s.gateway, time.Now(), http.MethodGet, "/", nil)
			r.Header.Set("Authorization", "AWS4-HMAC-SHA256 "+w.c.text("a malformed authorization"))
			return r
		},
		"malformed query authorization": func() *http.Request {
			r, err := http.NewRequestWithContext(ctx, http.MethodGet, w.s.Endpoint+"/?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Signature="+w.c.text("a malformed signature"), nil)
			w.must("make request", err)
			return r
		},
		"body that is no XML": func() *http.Request {
			body := w.body("no XML", 500)
			sum := md5.Sum(body)
			return signed(w.t, &w.s.gateway, time.Now(), http.MethodPost, "/"+*bucket+"?delete=", body, "Content-Md5", base64.StdEncoding.EncodeToString(sum[:]))
		},
		"XML with a wrong value": func() *http.Request {
			body := []byte("<Delete><Object><Key>a</Key></Object><Quiet>" + w.c.text("a value in XML") + "</Quiet></Delete>")
			sum := md5.Sum(body)
			return signed(w.t, &w.s.gateway, time.Now(), http.MethodPost, "/"+*bucket+"?delete=", body, "Content-Md5", base64.StdEncoding.EncodeToString(sum[:]))
		},
		"expect nothing of a header": func() *http.Request {
			return signed(w.t, &w.s.gateway, time.Now(), http.MethodGet, "/"+*bucket+"/copied", nil, "Range", "bytes="+w.c.text("a range"), "X-Amz-Expected-Bucket-Owner", w.c.text("an owner"))
		},
	} {
		status, _ := answer(w.t, &w.s.gateway, send())
		if (status < 400) && name != "expect nothing of a header" && name != "XML with a wrong value" {
			w.t.Errorf("%s: answered with %d", name, status)
		}
	}
}

// malformedXML sends documents that are no XML, or not the operation's, with names and values of the client's own, which a parser's errors repeat.
func (w *canaryWriter) malformedXML(ctx context.Context, bucket *string) {
	up, err := w.raw.CreateMultipartUpload(ctx, &s3.CreateMultipartUploadInput{Bucket: bucket, Key: aws.String("malformed")})
	w.must("create upload", err)
	for operation, target := range map[string]struct{ method, path, document, inside string }{
		"DeleteObjects":           {http.MethodPost, "/" + *bucket + "?delete=", "Delete", "Object"},
		"CompleteMultipartUpload": {http.MethodPost, "/" + *bucket + "/malformed?uploadId=" + *up.UploadId, "CompleteMultipartUpload", "Part"},
		"CreateBucket":            {http.MethodPut, "/malformed-bucket", "CreateBucketConfiguration", "LocationConstraint"},
	} {
		c := func(what string) string { return w.c.text(what + " in the XML of " + operation) }
		whole := func(inner string) string { return "<" + target.document + ">" + inner + "</" + target.document + ">" }
		for name, body := range map[string]string{
			"another root":             "<" + c("a root's name") + "/>",
			"an unknown element":       whole("<" + c("an element's name") + ">x</" + target.inside + ">"),
			"an unknown empty element": whole("<" + c("an element's name") + "/>"),
			"an element too deep":      whole("<" + target.inside + "><" + c("an element's name") + "><x/></" + c("an element's name") + "></" + target.inside + ">"),
			"an element left open":     "<" + target.document + "><" + c("an element's name") + ">",
			"another closed":           whole("<" + target.inside + "></" + c("an element's name") + ">"),
			"a strange namespace":      whole("<" + c("a prefix") + ":" + target.inside + "></" + target.inside + ">"),
			"an attribute unquoted":    whole("<" + target.inside + " a=" + c("an attribute's value") + "/>"),
			"an attribute cut":         whole("<" + target.inside + " " + c("an attribute's name") + `="` + c("an attribute's value")),
			"an unknown entity":        whole("<" + target.inside + " a=\"&" + c("an entity's name") + ";\">&" + c("an entity's name") + ";</" + target.inside + ">"),
			"a document type":          "<!DOCTYPE " + c("a document type") + ">" + whole(""),
			"another encoding":         `<?xml version="1.0" encoding="` + c("an encoding's name") + `"?>` + whole(""),
			"an instruction":           whole("<?" + c("an instruction's name") + " " + c("an instruction") + "?>"),
			"text between":             whole(c("text between elements")),
			"text after":               whole("") + c("text after the end"),
			"an attribute and text":    whole("<" + target.inside + ` a="` + c("an attribute's value") + `">` + c("a text") + "</" + target.inside + ">"),
		} {
			sum := md5.Sum([]byte(body))
			request := signed(w.t, &w.s.gateway, time.Now(), target.method, target.path, []byte(body), "Content-Md5", base64.StdEncoding.EncodeToString(sum[:]))
			if status, text := answer(w.t, &w.s.gateway, request); status != http.StatusBadRequest {
				w.t.Errorf("%s with %s: %d %s", operation, name, status, text)
			}
		}
	}
	_, err = w.raw.HeadBucket(ctx, &s3.HeadBucketInput{Bucket: aws.String("malformed-bucket")})
	w.mustFail("a bucket made with malformed XML", err)
}

// cutUpload leaves a PUT hanging after half of its body and returns the connection.
func (w *canaryWriter) cutUpload() net.Conn {
	w.t.Helper()
	body := w.body("a cut upload", 8<<20)
	// A client that goes away: half of a body, then nothing.
	req := signed(w.t, &w.s.gateway, time.Now(), http.MethodPut, "/canary-bucket/gone", body)
	req.Body, req.ContentLength = io.NopCloser(io.LimitReader(bytes.NewReader(body), 4<<20)), int64(len(body))
	if resp, err := w.s.httpClient(w.t).Do(req); err == nil {
		_ = resp.Body.Close()
		if resp.StatusCode < 400 {
			w.t.Errorf("half of a body was accepted: %s", resp.Status)
		}
	}
	if w.s.CACert != "" {
		return nopConn{}
	}
	// And one that stays, with the gateway still waiting when it is killed.
	conn, err := net.Dial("tcp", w.s.host())
	w.must("connect", err)
	req = signed(w.t, &w.s.gateway, time.Now(), http.MethodPut, "/canary-bucket/hangs", body)
	req.Body, req.ContentLength = io.NopCloser(io.LimitReader(bytes.NewReader(body), 4<<20)), int64(len(body))
	_ = req.Write(conn) // it ends with an error: the body is shorter than its length says
	eventually(w.t, patience, "a temporary file of the upload under way", func() bool {
		left, err := filepath.Glob(filepath.Join(w.s.root, ".sallyport", "tmp", "*"))
		for _, path := range left {
			if info, err := os.Stat(path); err == nil && info.Size() > 1<<20 {
				return true
			}
		}
		return err != nil
	})
	return conn
}

// nopConn stands for no connection.
type nopConn struct{ net.Conn }

// Close implements net.Conn.
func (nopConn) Close() error { return nil }

func (w *canaryWriter) readEverything() {
	w.raw = sdk(w.t, &w.s.gateway) // another port
	for key, size := range w.written {
		if got := getObject(w.t, &w.s.gateway, "canary-bucket", key); len(got) != size || !bytes.Contains(got[:min(len(got), 200)], []byte("canary-")) {
			w.t.Errorf("%s: %d bytes, want %d with canaries in them", key, len(got), size)
		}
	}
	for _, key := range []string{"gone", "hangs", "bad-md5", "bad-crc", "x", "deleted", "malformed"} {
		if _, err := w.raw.HeadObject(w.t.Context(), &s3.HeadObjectInput{Bucket: aws.String("canary-bucket"), Key: &key}); err == nil {
			w.t.Errorf("%s is there, and its upload failed", key)
		}
	}
}
