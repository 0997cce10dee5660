package sigv4

import (
	"bytes"
	"crypto/sha256"
	"net/http"
	"net/textproto"
	"strings"
	"testing"
	"time"
)

// The examples AWS publishes for S3: sig-v4-header-based-auth, sigv4-query-string-auth, sigv4-streaming and sigv4-streaming-trailers in the S3 API reference.
const emptyPayload = "x-amz-content-sha256: e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\r\n"

func awsExample(t *testing.T, requestLine, host, headers, signedHeaders, signature string) *http.Request {
	t.Helper()
	return readRequest(t, requestLine+" HTTP/1.1\r\nHost: "+host+"\r\n"+headers+"x-amz-date: 20130524T000000Z\r\n"+
		"Authorization: AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,SignedHeaders="+signedHeaders+
		",Signature="+signature+"\r\n\r\n")
}

func exampleTime() time.Time { return time.Date(2013, 5, 24, 0, 0, 0, 0, time.UTC) }

func TestAWSExamplesHeader(t *testing.T) {
	const plain = "host;x-amz-content-sha256;x-amz-date"
	for name, r := range map[string]*http.Request{
		"get object": awsExample(t, "GET /test.txt", "examplebucket.s3.amazonaws.com", "Range: bytes=0-9\r\n"+emptyPayload, "host;range;x-amz-content-sha256;x-amz-date",
			"f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"),
		"put object": awsExample(t, "PUT /test$file.text", "examplebucket.s3.amazonaws.com",
			"Date: Fri, 24 May 2013 00:00:00 GMT\r\nx-amz-storage-class: REDUCED_REDUNDANCY\r\nx-amz-content-sha256: 44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072\r\n",
			"date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class", "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd"),
		"lifecycle": awsExample(t, "GET /?lifecycle", "examplebucket.s3.amazonaws.com", emptyPayload, plain,
			"fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"),
		"list": awsExample(t, "GET /?max-keys=2&prefix=J", "examplebucket.s3.amazonaws.com", emptyPayload, plain,
			"34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"),
	} {
		t.Run(name, func(t *testing.T) {
			s, v := mustVerify(t, r, exampleTime())
			if s.AccessKey != testKey || s.Payload.Mode != PayloadHashed || v != nil {
				t.Errorf("claims %+v, verifier %v", s, v)
			}
		})
	}
}

func TestAWSExamplePresigned(t *testing.T) {
	r := readRequest(t, "GET /test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Date=20130524T000000Z"+
		"&X-Amz-Expires=86400&X-Amz-SignedHeaders=host&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404 HTTP/1.1\r\nHost: examplebucket.s3.amazonaws.com\r\n\r\n")
	s, _ := mustVerify(t, r, exampleTime())
	if s.Payload.Mode != PayloadUnsigned || s.Expires != 24*time.Hour || !s.Presigned {
		t.Errorf("claims %+v", s)
	}
}

func sumOf(data []byte) *[sha256.Size]byte {
	sum := sha256.Sum256(data)
	return &sum
}

func TestAWSExampleChunks(t *testing.T) {
	headers := "x-amz-storage-class: REDUCED_REDUNDANCY\r\nx-amz-content-sha256: STREAMING-AWS4-HMAC-SHA256-PAYLOAD\r\nContent-Encoding: aws-chunked\r\n" +
		"x-amz-decoded-content-length: 66560\r\nContent-Length: 66824\r\n"
	r := awsExample(t, "PUT /examplebucket/chunkObject.txt", "s3.amazonaws.com", headers,
		"content-encoding;content-length;host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;x-amz-storage-class",
		"4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9")
	_, v := mustVerify(t, r, exampleTime())
	for i, chunk := range []struct {
		size      int
		signature string
	}{
		{65536, "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648"},
		{1024, "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497"},
		{0, "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9"},
	} {
		if !v.VerifyChunk(sumOf(bytes.Repeat([]byte("a"), chunk.size)), []byte(chunk.signature)) {
			t.Errorf("chunk %d is refused", i)
		}
	}
}

func TestAWSExampleTrailer(t *testing.T) {
	headers := "x-amz-storage-class: REDUCED_REDUNDANCY\r\nx-amz-content-sha256: STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER\r\nContent-Encoding: aws-chunked\r\n" +
		"x-amz-decoded-content-length: 66560\r\nx-amz-trailer: x-amz-checksum-crc32c\r\n"
	r := awsExample(t, "PUT /examplebucket/chunkObject.txt", "s3.amazonaws.com", headers,
		"content-encoding;host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;x-amz-storage-class;x-amz-trailer",
		"106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e")
	_, v := mustVerify(t, r, exampleTime())
	for i, chunk := range []struct {
		size      int
		signature string
	}{
		{65536, "b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2"},
		{1024, "1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7"},
		{0, "2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992"},
	} {
		if !v.VerifyChunk(sumOf(bytes.Repeat([]byte("a"), chunk.size)), []byte(chunk.signature)) {
			t.Errorf("chunk %d is refused", i)
		}
	}
	if !v.VerifyTrailer(sumOf([]byte("x-amz-checksum-crc32c:sOO8/Q==\n")), []byte("d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435")) {
		t.Error("the trailer is refused")
	}
	if v.VerifyTrailer(sumOf(nil), []byte("d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435")) {
		t.Error("a trailer in the wrong place passes")
	}
}

func TestChunkVerifierStaysFailed(t *testing.T) {
	v := newChunkVerifier(&Signed{Date: exampleTime(), day: "20130524", Region: "us-east-1"}, []byte("key"))
	if v.VerifyChunk(sumOf(nil), nil) {
		t.Fatal("an empty signature passes")
	}
	// The chain itself is right again from here on, for whoever can compute it.
	next := *v
	next.failed = false
	next.text = nil
	next.VerifyChunk(sumOf(nil), nil)
	if v.VerifyChunk(sumOf(nil), next.computed[:]) {
		t.Error("a chunk after a failed one passes")
	}
}

func TestSecretsPrintRedacted(t *testing.T) {
	secret := NewSecret(testSecret)
	v := newChunkVerifier(&Signed{}, []byte(testSecret))
	text, _ := secret.MarshalText()
	for _, got := range []string{secret.String(), secret.GoString(), secret.LogValue().String(), string(text), v.String(), v.GoString()} {
		if got != "REDACTED" {
			t.Errorf("got %q", got)
		}
	}
}

func TestCanonicalHeaderKeyAssumption(t *testing.T) {
	// headerValues finds a lower-case signed name in the map net/http fills.
	if got := textproto.CanonicalMIMEHeaderKey("x-amz-content-sha256"); got != "X-Amz-Content-Sha256" || !strings.HasPrefix(got, "X-Amz-") {
		t.Errorf("got %q", got)
	}
}
