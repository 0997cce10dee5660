package integration

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

// expectedFailure is a test of minio-go's own suite that fails against Sallyport, and why that is right or known.
type expectedFailure struct {
	function    string // as the suite reports it; several tests share one
	says        string // in the error
	plain, tls  int    // how often, without and with TLS: the suite runs its SSE-C tests with TLS only
	becauseThat string
}

const (
	signatureV2   = "Signature Version 2 is refused: it signs neither the body nor most headers, and AWS itself has retired it"
	oneRegion     = "a gateway has one region, and a request signed for another is refused as AWS refuses it; MinIO takes any region"
	postObject    = "POST Object is a later stage, until then a truthful 501"
	storageClass  = "there is one storage class, and another one is refused rather than ignored"
	minioMetadata = "metadata in listings is MinIO's extension of the protocol; S3 has none"
	ontoItself    = "AWS refuses a copy of an object onto itself that changes nothing; the test's second step is such a copy (SSE-S3 off, which S3 does not know)"
)

func expectedFailures() []expectedFailure {
	const v2, v2says = signatureV2, "authorization mechanism you have provided is not supported"
	return []expectedFailure{
		{"ComposeObject(destination, sourceList)", v2says, 2, 2, v2},
		{"CopyObject(destination, source)", v2says, 2, 3, v2},
		{"CopyObjectWithChecksums(destination, source)", v2says, 2, 2, v2},
		{"FGetObject(ctx, bucketName, objectName,fileName)", v2says, 1, 1, v2},
		{"FPutObject(bucketName, objectName, fileName, opts)", v2says, 1, 1, v2},
		{"FPutObjectContext(ctx, bucketName, objectName, fileName, opts)", v2says, 1, 1, v2},
		{"GetObject(bucketName, objectName)", v2says, 2, 2, v2},
		{"GetObject(ctx, bucketName, objectName)", v2says, 1, 1, v2},
		{"MakeBucket(bucketName, location)", v2says, 1, 1, v2},
		{"MakeBucket(bucketName, region)", v2says, 3, 3, v2},
		{"PutObject(bucketName, objectName, reader, size, opts)", v2says, 3, 3, v2},
		{"PutObject(bucketName, objectName, reader,size,opts)", v2says, 1, 1, v2},
		{"PutObject(ctx, bucketName, objectName, reader, size, opts)", v2says, 1, 1, v2},
		{"MakeBucket(bucketName, region)", "region", 2, 2, oneRegion},
		{"PresignedPostPolicy(policy)", "501 Not Implemented", 3, 3, postObject},
		{"ListObjects(bucketName, objectPrefix, recursive, doneCh)", "storage class", 1, 1, storageClass},
		{"testStorageClassMetadataCopyObject()", "storage class", 1, 1, storageClass},
		{"testStorageClassMetadataPutObject()", "storage class", 1, 1, storageClass},
		{"ListUnsorted(bucketName, opts)", "missing user metadata", 1, 1, minioMetadata},
		{"CopyObject(destination, source)", "onto itself", 0, 1, ontoItself},
	}
}

const (
	versions   = "versioning is a later stage, until then a truthful 501; the test begins by switching it on"
	objectLock = "object lock is a later stage, until then a truthful 501"
	bucketSets = "this configuration of buckets is a later stage, until then a truthful 501"
	newSums    = "the checksums MD5, SHA-512 and XXHASH, which S3 learnt late, are answered 501; the test goes through all algorithms and stops at the first of them"
)

// notApplicable are the tests that the suite itself leaves off at a 501, by function: how many in each mode, and why the 501 is right.
func notApplicable() map[string]struct {
	times   int
	because string
} {
	return map[string]struct {
		times   int
		because string
	}{
		"ComposeObject()": {1, versions},
		"CopyObject()":    {2, versions},
		"DeleteObject()":  {1, versions},
		"DeleteObjects()": {1, versions},
		"GetObject()":     {3, versions + "; one is about a download that goes on in another version"},
		"ListObjectVersions(bucketName, prefix, recursive)":                        {1, versions},
		"ListObjects(bucketName, opts)":                                            {1, versions},
		"StatObject":                                                               {1, versions},
		"{Get,Set,Remove}ObjectTagging()":                                          {1, versions},
		"GetObjectAttributes(ctx, bucketName, objectName, opts)":                   {2, versions},
		"RemoveObjects(bucketName, objectsCh)":                                     {1, objectLock},
		"RemoveObjects(bucketName, objectsCh, opts)":                               {2, objectLock},
		"GetBucketTagging(bucketName)":                                             {1, bucketSets},
		"RemoveBucketTagging(bucketName)":                                          {1, bucketSets},
		"SetBucketTagging(bucketName, tags)":                                       {1, bucketSets},
		"SetBucketCors(bucketName, cors)":                                          {2, bucketSets},
		"SetBucketNotification(bucketName)":                                        {1, bucketSets},
		"SetBucketPolicy(bucketName, readOnlyPolicy)":                              {1, bucketSets},
		"{Put,Get,List,Remove}ObjectAnnotation()":                                  {1, "annotations are a later stage, until then a truthful 501"},
		"GetObject(bucketName, objectName)":                                        {1, "reading out of ZIP files is MinIO's extension"},
		"GetObjectACL(ctx, bucketName, objectName)":                                {1, "public ACLs cannot be kept, so that they are refused"},
		"PutObject(bucketName, objectName, reader, size, opts) with preconditions": {1, "If-None-Match with an ETag is 501 on a write, as AWS answers it"},
		"PutObject(bucketName, objectName, reader, size, opts)":                    {1, newSums},
		"PutObject(bucketName, objectName, reader,size, opts)":                     {2, newSums},
	}
}

// TestMinioGoFunctional runs the tests that minio-go has for any S3 server. Against a real MinIO 94 of them pass without and 121 with TLS; the suite
// itself counts what a server answers with 501 as not applicable. A failure or
// a 501 that is not in the tables fails, and so does one that is and passes.
func TestMinioGoFunctional(t *testing.T) {
	needsPrograms(t)
	for name, withTLS := range map[string]bool{"plain": false, "tls": true} {
		t.Run(name, func(t *testing.T) {
			if !withTLS { // a part of what runs with TLS
				t.Parallel()
				testFunctional(t, newServerIn(t, t.TempDir(), false), false)
				return
			}
			onEachStorage(t, true, func(t *testing.T, s *server) { testFunctional(t, s, true) })
		})
	}
}

func testFunctional(t *testing.T, s *server, withTLS bool) {
	https, least := "0", 33
	if withTLS {
		https, least = "1", 62
	}
	suite := &program{path: tool(t, "minio-go-functional"), dir: t.TempDir(), env: s.environ(t, "SERVER_ENDPOINT="+s.host(), "ACCESS_KEY="+s.AccessKey,
		"SECRET_KEY="+s.SecretKey, "MINT_MODE=full", "RUN_ON_FAIL=1", "ENABLE_KMS=0", "ENABLE_HTTPS="+https, "SKIP_CERT_VALIDATION=1")}
	r := suite.try(t)
	passed, failures, left := functionalResults(t, r.both())
	if passed < least {
		t.Errorf("only %d passed", passed)
	}
	for function, e := range notApplicable() {
		if left[function] != e.times {
			t.Errorf("%s was left off %d times, want %d (%s)", function, left[function], e.times, e.because)
		}
		delete(left, function)
	}
	for function, times := range left {
		t.Errorf("%s was left off %d times at a 501 that the table knows nothing of", function, times)
	}
	for _, e := range expectedFailures() {
		want := e.plain
		if withTLS {
			want = e.tls
		}
		rest, got := failures[:0:0], 0
		for _, f := range failures {
			if got < want && strings.HasPrefix(f, e.function+": ") && strings.Contains(f, e.says) {
				got++
				continue
			}
			rest = append(rest, f)
		}
		if failures = rest; got != want {
			t.Errorf("%s failed %d times with %q, want %d (%s): if it passes now, take it off the table", e.function, got, e.says, want, e.becauseThat)
		}
	}
	for _, f := range failures {
		t.Errorf("failed, and is not in the table: %s", f)
	}
	s.noServerErrors(t)
	t.Logf("%d passed", passed)
}

func functionalResults(t testing.TB, log string) (passed int, failures []string, left map[string]int) {
	t.Helper()
	left = map[string]int{}
	for line := range strings.Lines(log) {
		var r struct{ Status, Function, Error, Message string }
		if json.Unmarshal([]byte(line), &r) != nil {
			continue
		}
		switch r.Status {
		case "PASS":
			passed++
		case "NA":
			left[r.Function]++
		default:
			failures = append(failures, fmt.Sprintf("%s: %s %s", r.Function, r.Error, r.Message))
		}
	}
	return passed, failures, left
}
