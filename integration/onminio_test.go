package integration

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"sallyport/integration/internal/minioserver"
)

const sealedBucket = "sealed"

// onMinIO is one MinIO with a vault in a bucket of it, and what starts gateways on that vault.
type onMinIO struct {
	minio   *minioserver.Server
	client  *minio.Client
	dir     string
	keyFile string
}

func newOnMinIO(t testing.TB) *onMinIO {
	t.Helper()
	m := newStorage(t)
	cli := command(t)
	m.keyFile = writeFile(t, filepath.Join(m.dir, "vault.key"), []byte(cli.run(t, "key", "new")))
	cli.run(t, "vault", "create", "--config", m.config(t, "first", m.provider("")), "--key-file", m.keyFile)
	return m
}

// newStorage is a MinIO with an empty bucket.
func newStorage(t testing.TB) *onMinIO {
	t.Helper()
	m := &onMinIO{minio: minioserver.Start(t, &minioserver.Options{}), dir: t.TempDir()}
	var err error
	if m.client, err = m.minio.Client(); err != nil {
		t.Fatal(err)
	}
	if err := m.client.MakeBucket(t.Context(), sealedBucket, minio.MakeBucketOptions{}); err != nil {
		t.Fatal(err)
	}
	theSuite().storage(t, m.client, sealedBucket)
	writeFile(t, filepath.Join(m.dir, "access"), []byte(m.minio.AccessKey+"\n"))
	writeFile(t, filepath.Join(m.dir, "secret"), []byte(m.minio.SecretKey+"\n"))
	return m
}

// provider is the configuration of the storage, with more settings.
func (m *onMinIO) provider(more string) string {
	return fmt.Sprintf("{type: minio, endpoint: %q, bucket: %s, access_key_file: %q, secret_key_file: %q%s}",
		m.minio.Endpoint, sealedBucket, filepath.Join(m.dir, "access"), filepath.Join(m.dir, "secret"), more)
}

// config writes the configuration of a gateway called name over a provider.
func (m *onMinIO) config(t testing.TB, name, provider string) string {
	t.Helper()
	return writeFile(t, filepath.Join(m.dir, name+".yaml"), fmt.Appendf(nil, `
state_dir: %q
listen: {address: "127.0.0.1:0"}
admin: {address: "127.0.0.1:0"}
limits: {drain_delay: 0s}
providers: {storage: %s}
vaults: [{name: main, provider: storage, buckets: ["*"], unlock: {key_file: %q}}]
credentials:
  - {access_key: %s, secret_key: %s, allow: [{buckets: ["*"], ops: [read, write, list, delete, create-bucket]}]}
log: {level: debug, format: json}
`, filepath.Join(m.dir, "state-"+name), provider, m.keyFile, serverAccessKey, serverSecretKey))
}

// gateway starts another gateway over a provider.
func (m *onMinIO) gateway(t testing.TB, name, provider string) *server {
	t.Helper()
	s := &server{config: m.config(t, name, provider), keyFile: m.keyFile}
	s.Dir = t.TempDir()
	if err := os.Mkdir(filepath.Join(s.Dir, "tmp"), 0o700); err != nil {
		t.Fatal(err)
	}
	s.serve(t)
	return s
}

// core is a client that sends one request for each call.
func core(t testing.TB, s *server) *minio.Core {
	t.Helper()
	c, err := minio.NewCore(s.host(), &minio.Options{Creds: credentials.NewStaticV4(s.AccessKey, s.SecretKey, ""), Region: s.Region, MaxRetries: 1})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestTwoGatewaysOnMinIO: what is begun at one gateway is gone on with at the other, and MinIO holds ciphertext only.
func TestTwoGatewaysOnMinIO(t *testing.T) {
	needsPrograms(t)
	t.Parallel()
	m := newOnMinIO(t)
	one, two := m.gateway(t, "one", m.provider("")), m.gateway(t, "two", m.provider(""))

	source := filepath.Join(t.TempDir(), "source")
	sourceTree(t, source, 200)
	marker := []byte("a marker that nobody but its owner may read")
	writeFile(t, filepath.Join(source, "marked"), bytes.Repeat(marker, 1000))
	first, second := restic(t, &one.gateway, "s3:"+one.Endpoint+"/restic-bucket/repo"), restic(t, &two.gateway, "s3:"+two.Endpoint+"/restic-bucket/repo")
	first.run(t, "init")
	first.run(t, "backup", "-q", source)
	writeFile(t, filepath.Join(source, "small", "new"), noise(1, 1<<20))
	second.run(t, "backup", "-q", source)
	if out := second.run(t, "check", "--read-data"); !strings.Contains(out, "no errors were found") {
		t.Error(out)
	}
	target := t.TempDir()
	first.run(t, "restore", "-q", "latest", "--target", target)
	sameTree(t, source, filepath.Join(target, source))

	a, b := rclone(t, &one.gateway, "Minio"), rclone(t, &two.gateway, "Minio")
	sync := []string{"sync", source, "s:rclone-bucket/tree", "--stats", "1h", "--use-json-log", "-v", "--s3-upload-cutoff", "5Mi", "--s3-chunk-size", "5Mi"}
	if n := rcloneStats(t, a.mustLog(t, sync...)); n < 200 {
		t.Errorf("the first sync transferred %d", n)
	}
	if n := rcloneStats(t, b.mustLog(t, sync...)); n != 0 {
		t.Errorf("a second sync through the other gateway transferred %d objects", n)
	}
	b.run(t, "check", source, "s:rclone-bucket/tree", "--download")

	m.passUploadAround(t, core(t, one), core(t, two))
	one.noServerErrors(t)
	two.noServerErrors(t)
	m.holdsNothing(t, marker, []byte("content of UPPER"), []byte("size-5242880.bin content"))
}

// passUploadAround begins an upload at one gateway, sends parts to both, one of them twice, and completes it at the other.
func (m *onMinIO) passUploadAround(t *testing.T, one, two *minio.Core) {
	t.Helper()
	const bucket, key = "rclone-bucket", "passed/around"
	ctx := t.Context()
	id, err := one.NewMultipartUpload(ctx, bucket, key, minio.PutObjectOptions{ContentType: "text/passed"})
	if err != nil {
		t.Fatal(err)
	}
	parts := [][]byte{noise(1, 5<<20), noise(2, 5<<20+1), noise(3, 100)}
	put := func(c *minio.Core, n int, body []byte) minio.CompletePart {
		t.Helper()
		p, err := c.PutObjectPart(ctx, bucket, key, id, n, bytes.NewReader(body), int64(len(body)), minio.PutObjectPartOptions{})
		if err != nil {
			t.Fatal(err)
		}
		return minio.CompletePart{PartNumber: n, ETag: p.ETag}
	}
	third := put(two, 3, parts[2])
	put(one, 2, noise(9, 5<<20))
	second := put(two, 2, parts[1])
	done := []minio.CompletePart{put(one, 1, parts[0]), second, third}
	if _, err := two.CompleteMultipartUpload(ctx, bucket, key, id, done, minio.PutObjectOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := one.CompleteMultipartUpload(ctx, bucket, key, id, done, minio.PutObjectOptions{}); err != nil {
		t.Errorf("completed again at the other gateway: %v", err)
	}
	for _, c := range []*minio.Core{one, two} {
		body, info, _, err := c.GetObject(ctx, bucket, key, minio.GetObjectOptions{})
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(body)
		if err != nil || info.ContentType != "text/passed" {
			t.Errorf("%v, %+v", err, info)
		}
		sameBytes(t, "the object of three parts", bytes.Join(parts, nil), got)
	}
	// A condition that holds at one gateway binds the other.
	put1, err := one.PutObject(ctx, bucket, "lock", strings.NewReader("1"), 1, "", "", minio.PutObjectOptions{})
	if err != nil {
		t.Fatal(err)
	}
	taken := minio.PutObjectOptions{}
	taken.SetMatchETagExcept("*")
	if _, err := two.PutObject(ctx, bucket, "lock", strings.NewReader("2"), 1, "", "", taken); minio.ToErrorResponse(err).Code != "PreconditionFailed" {
		t.Errorf("a create over what the other gateway made: %v", err)
	}
	match := minio.PutObjectOptions{}
	match.SetMatchETag(put1.ETag)
	if _, err := two.PutObject(ctx, bucket, "lock", strings.NewReader("2"), 1, "", "", match); err != nil {
		t.Errorf("a replace of what the other gateway made: %v", err)
	}
	if _, err := one.PutObject(ctx, bucket, "lock", strings.NewReader("3"), 1, "", "", match); minio.ToErrorResponse(err).Code != "PreconditionFailed" {
		t.Errorf("a replace of what had changed: %v", err)
	}
}

// holdsNothing reads every stored object as MinIO gives it out.
func (m *onMinIO) holdsNothing(t *testing.T, secrets ...[]byte) {
	t.Helper()
	n := m.each(t, func(key string, stored []byte) {
		for _, s := range secrets {
			if bytes.Contains(stored, s) {
				t.Errorf("%s holds %q", key, s)
			}
		}
	})
	if n < 200 {
		t.Errorf("only %d objects are stored", n)
	}
}

// each reads every stored object as MinIO gives it out, and says how many there are.
func (m *onMinIO) each(t testing.TB, look func(key string, stored []byte)) (n int) {
	t.Helper()
	for o := range m.client.ListObjectsIter(t.Context(), sealedBucket, minio.ListObjectsOptions{Recursive: true}) {
		if o.Err != nil {
			t.Fatal(o.Err)
		}
		body, err := m.client.GetObject(t.Context(), sealedBucket, o.Key, minio.GetObjectOptions{})
		if err != nil {
			t.Fatal(err)
		}
		stored, err := io.ReadAll(body)
		if err != nil {
			t.Fatal(err)
		}
		look(o.Key, stored)
		n++
	}
	return n
}

// TestRootsMoveBetweenMinIOAndFolders: the bucket is one to one what a verbatim folder holds, so that rclone carries a root either way and
// nothing is lost; and recover needs neither.
func TestRootsMoveBetweenMinIOAndFolders(t *testing.T) {
	needsPrograms(t)
	t.Parallel()
	m := newOnMinIO(t)
	source := filepath.Join(t.TempDir(), "source")
	sourceTree(t, source, 50)
	s := m.gateway(t, "minio", m.provider(""))
	rclone(t, &s.gateway, "Other").run(t, "copy", source, "s:photos/tree", "--s3-upload-cutoff", "5Mi", "--s3-chunk-size", "5Mi")
	s.stop()

	raw := m.raw(t)
	folder := filepath.Join(t.TempDir(), "folder")
	raw.run(t, "copy", "s:"+sealedBucket, folder)
	recovered := t.TempDir()
	command(t).run(t, "recover", "--from", folder, "--to", recovered, "--key-file", m.keyFile)
	sameTree(t, source, filepath.Join(recovered, "photos", "tree"))

	verbatim := fmt.Sprintf("{type: local, path: %q, layout: verbatim}", folder)
	s = m.gateway(t, "folder", verbatim)
	c := rclone(t, &s.gateway, "Other")
	c.run(t, "check", source, "s:photos/tree", "--download")
	writeFile(t, filepath.Join(source, "added"), []byte("while it lay in the folder"))
	c.run(t, "sync", source, "s:photos/tree")
	s.stop()

	raw.run(t, "copy", folder, "s:back-again/below/here", "--exclude", "/.sallyport/lock", "--exclude", "/.sallyport/tmp/**")
	back := strings.Replace(m.provider(", prefix: below/here"), "bucket: "+sealedBucket, "bucket: back-again", 1)
	s = m.gateway(t, "back", back)
	c = rclone(t, &s.gateway, "Other")
	c.run(t, "check", source, "s:photos/tree", "--download")
	writeFile(t, filepath.Join(source, "added"), []byte("changed in the bucket"))
	c.run(t, "sync", source, "s:photos/tree")
	c.run(t, "check", source, "s:photos/tree", "--download")
	s.noServerErrors(t)
}

// raw is rclone on MinIO itself.
func (m *onMinIO) raw(t testing.TB) *program {
	t.Helper()
	return rclone(t, &gateway{Endpoint: m.minio.Endpoint, AccessKey: m.minio.AccessKey, SecretKey: m.minio.SecretKey, Region: m.minio.Region}, "Minio")
}

// TestMinIOInTrouble: a backend that is down is a 503, nothing that was stored is lost, and what is wrong at the start is said with the next step.
func TestMinIOInTrouble(t *testing.T) {
	needsPrograms(t)
	t.Parallel()
	m := newOnMinIO(t)
	s := m.gateway(t, "gateway", m.provider(""))
	c := core(t, s)
	if err := c.MakeBucket(t.Context(), "trouble", minio.MakeBucketOptions{}); err != nil {
		t.Fatal(err)
	}
	put := func(content string) error {
		_, err := c.PutObject(t.Context(), "trouble", "k", strings.NewReader(content), int64(len(content)), "", "", minio.PutObjectOptions{})
		return err
	}
	get := func() (string, error) {
		body, _, _, err := c.GetObject(t.Context(), "trouble", "k", minio.GetObjectOptions{})
		if err != nil {
			return "", err
		}
		b, err := io.ReadAll(body)
		return string(b), err
	}
	if err := put("old"); err != nil {
		t.Fatal(err)
	}
	if err := m.minio.Kill(); err != nil {
		t.Fatal(err)
	}
	_, getErr := get()
	for what, err := range map[string]error{"PUT": put("new"), "GET": getErr, "DELETE": c.RemoveObject(t.Context(), "trouble", "k", minio.RemoveObjectOptions{})} {
		if e := minio.ToErrorResponse(err); e.StatusCode != http.StatusServiceUnavailable || e.Code != "ServiceUnavailable" {
			t.Errorf("%s without MinIO: %d %s: %v", what, e.StatusCode, e.Code, err)
		}
	}
	if said := s.readyz(t); !strings.HasPrefix(said, "200 ready\nprovider storage: degraded: the last ") || !strings.HasSuffix(said, " ago: unavailable\n") {
		t.Errorf("without MinIO /readyz says %q", said)
	}
	if err := m.minio.Resume(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got, err := get(); got != "old" {
		t.Errorf("after MinIO came back: %q, %v", got, err)
	}
	if said := s.readyz(t); said != "200 ready\n" {
		t.Errorf("after MinIO came back /readyz says %q", said)
	}
	if err := put("newer"); err != nil {
		t.Error(err)
	}
	if got, err := get(); got != "newer" {
		t.Errorf("%q, %v", got, err)
	}

	wrongSecret := writeFile(t, filepath.Join(m.dir, "wrong"), []byte("not the secret at all\n"))
	for what, tc := range map[string]struct {
		old, replacement, want string
	}{
		"wrong secret":       {filepath.Join(m.dir, "secret"), wrongSecret, "check the credentials"},
		"unknown access key": {filepath.Join(m.dir, "access"), wrongSecret, "check the credentials"},
		"no such bucket":     {"bucket: " + sealedBucket, "bucket: not-there", "the bucket is not there: make it"},
		"nobody listens":     {m.minio.Endpoint, "http://127.0.0.1:1", "127.0.0.1:1"},
		"TLS to plain HTTP":  {m.minio.Endpoint, strings.Replace(m.minio.Endpoint, "http://", "https://", 1), "does not speak TLS on this port"},
	} {
		config := m.config(t, "broken", strings.Replace(m.provider(""), tc.old, tc.replacement, 1))
		for _, args := range [][]string{{"serve", "--config", config}, {"doctor", "--config", config}} {
			r := command(t).try(t, args...)
			if r.code == 0 || !strings.Contains(strings.ToLower(r.both()), strings.ToLower(tc.want)) || strings.Contains(r.both(), "panic") {
				t.Errorf("%s: %s: exit %d, without %q:\n%s", what, args[0], r.code, tc.want, r.both())
			}
		}
	}
}

// readyz is the status and text of the gateway's /readyz.
func (s *server) readyz(t testing.TB) string {
	t.Helper()
	resp, err := http.Get(s.adminAddress(t) + "/readyz") //nolint:noctx // a test on loopback
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%d %s", resp.StatusCode, text)
}

// TestDoctorOnMinIO says what MinIO does not do, and leaves nothing.
func TestDoctorOnMinIO(t *testing.T) {
	needsPrograms(t)
	t.Parallel()
	m := newOnMinIO(t)
	before := m.names(t)
	out := command(t).run(t, "doctor", "--config", m.config(t, "doctor", m.provider("")))
	for _, want := range []string{
		"several gateways may share it", "delete only if unchanged: the backend does not offer it", "such a name is refused", "not every name is held exactly", "a leading or doubled slash", "opens; vault file number 1",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("does not say %q:\n%s", want, out)
		}
	}
	if after := m.names(t); strings.Join(after, "\n") != strings.Join(before, "\n") {
		t.Errorf("%q became %q", before, after)
	}
}

func (m *onMinIO) names(t testing.TB) (all []string) {
	t.Helper()
	for o := range m.client.ListObjectsIter(t.Context(), sealedBucket, minio.ListObjectsOptions{Recursive: true}) {
		if o.Err != nil {
			t.Fatal(o.Err)
		}
		all = append(all, o.Key)
	}
	return all
}
