package hiddenfaults

import (
	"bytes"
	"context"
	"crypto/md5"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"sallyport/gateway/cache"
	"sallyport/gateway/checksum"
	"sallyport/gateway/objects"
	"sallyport/gateway/vaults"
	"sallyport/gateway/vaults/vaultstest"
	"sallyport/providers"
	"sallyport/providers/driver"
	"sallyport/providers/s3"
	"sallyport/providers/s3/internal/awslike"
)

const (
	bucketName = "test-bucket"
	principal  = "test"

	// Longer bodies go in parts, which are much shorter than in life so that runs are many.
	splitAbove = 1<<20 + 256<<10
	splitPart  = 512 << 10
)

// stored are the objects that are there when a run begins. Their sizes are on both sides of what is held in memory, sent again and sent in parts.
func stored() map[string][]byte {
	return map[string][]byte{
		"empty": {}, "small": content(1, 5000), "medium": content(2, 50_000), "long": content(3, 1<<20+100_000), "split": content(4, splitAbove+200_000),
		"other": content(5, 3000), "up/held": content(6, 100), "up/large": content(7, 200), "folder/a": content(8, 10),
	}
}

// content returns n bytes that a number decides.
func content(seed uint64, n int) []byte {
	b := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8)}).Read(b)
	return b
}

// sums remembers MD5s of contents, which no run changes: they took half of the time.
type sums map[*byte]string

func (s sums) of(b []byte) string {
	if len(b) == 0 {
		return md5Hex(b)
	}
	sum, ok := s[&b[0]]
	if !ok {
		sum = md5Hex(b)
		s[&b[0]] = sum
	}
	return sum
}

func md5Hex(b []byte) string {
	sum := md5.Sum(b)
	return hex.EncodeToString(sum[:])
}

// flavour is a kind of service.
type flavour struct {
	name  string
	lacks []string
	probe s3.Probe
}

func flavours() []flavour {
	perfect := s3.Probe{CreateIfAbsent: true, ReplaceIfMatch: true, CompleteIfAbsent: true, CompleteIfMatch: true, ConditionalDelete: true, ReadAfterWrite: true, StrongList: true, SuffixRange: true}
	minio := perfect
	minio.ConditionalDelete, minio.FolderClash = false, true
	return []flavour{{s3.FlavourS3, nil, perfect}, {s3.FlavourMinIO, []string{"delete-if", "part-checksum"}, minio}}
}

// openUpload is an upload that has begun when a run begins.
type openUpload struct {
	objects.UploadRef
	parts []objects.CompletedPart
	whole []byte
}

// template is a service as it is when a run begins.
type template struct {
	flavour
	service *awslike.Service
	dir     string // credentials
	objects map[string][]byte
	held    openUpload
	large   openUpload

	sums       sums
	operations []operation
	requests   map[string][]string // of each operation when nothing goes wrong
}

func newTemplate(t *testing.T, f flavour) *template {
	t.Helper()
	tm := &template{flavour: f, dir: t.TempDir(), objects: stored(), requests: map[string][]string{}, sums: sums{}, service: awslike.New("example-bucket")}
	tm.service.Lacks, tm.service.MinPart = f.lacks, 64<<10
	for _, name := range []string{"access", "secret"} {
		if err := os.WriteFile(filepath.Join(tm.dir, name), []byte(name+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	synctest.Test(t, func(t *testing.T) {
		w := newWire(tm.service)
		defer w.close()
		g := openGateway(t, tm, w)
		defer func() {
			if err := g.close(); err != nil {
				t.Error(err)
			}
		}()
		if err := g.CreateBucket(t.Context(), bucketName); err != nil {
			t.Fatal(err)
		}
		for _, key := range slices.Sorted(maps.Keys(tm.objects)) {
			if _, err := g.put(t.Context(), key, tm.objects[key], objects.WriteConditions{}); err != nil {
				t.Fatal(err)
			}
		}
		tm.held = g.begin(t, "up/held", content(20, 3000))
		tm.large = g.begin(t, "up/large", content(21, 5<<20), content(22, 1000))
	})
	tm.operations = operations(tm)
	return tm
}

// lowered makes a bucket's Store split early.
type lowered struct{ *s3.Bucket }

func (l lowered) Capabilities() driver.Capabilities {
	caps := l.Bucket.Capabilities()
	caps.SplitAbove, caps.MinPart = splitAbove, 64<<10
	return caps
}

// gateway is one gateway at a service.
type gateway struct {
	*objects.Service
	template *template
	bucket   *s3.Bucket
	store    *providers.Store
}

func openGateway(t *testing.T, tm *template, w *wire) *gateway {
	t.Helper()
	config := &s3.Config{
		Endpoint: "http://127.0.0.1:9", Bucket: "example-bucket", Prefix: "in/a", AccessKeyFile: filepath.Join(tm.dir, "access"), SecretKeyFile: filepath.Join(tm.dir, "secret"),
	}
	bucket, err := s3.Open(t.Context(), config.For(tm.name), &s3.Options{Probe: &tm.probe, Dial: w.pipes.dial})
	if err != nil {
		t.Fatal(err)
	}
	g := &gateway{template: tm, bucket: bucket}
	g.store = providers.Open(tm.name, lowered{bucket}, &providers.StoreOptions{
		SplitPart: splitPart, Retry: providers.RetryOptions{Jitter: func(most time.Duration) time.Duration { return most / 2 }},
	})
	v := vaultstest.NewVault(t, vaultstest.Options{Store: g.store})
	g.Service = objects.New(&objects.Options{Vaults: vaults.NewSet(nil, v), Cache: cache.New(&cache.Options{})})
	return g
}

// close ends a gateway, and tells what calls have left behind.
func (g *gateway) close() error {
	var left error
	for what, n := range map[string]int64{"store's": g.store.BuffersLent(), "driver's": g.bucket.BuffersLent(), "reads'": g.BuffersLent()} {
		if n != 0 {
			left = errors.Join(left, fmt.Errorf("%d of the %s buffers are not given back", n, what))
		}
	}
	return errors.Join(left, g.store.Close())
}

// stream hides everything of a reader but Read, as a body from a client.
type stream struct{ io.Reader }

func bodyOf(b []byte) *checksum.Reader {
	return checksum.NewReader(stream{bytes.NewReader(b)}, &checksum.Options{Size: int64(len(b))})
}

func (g *gateway) put(ctx context.Context, key string, b []byte, c objects.WriteConditions) (*objects.PutOutput, error) {
	out, err := g.Put(ctx, &objects.PutInput{Bucket: bucketName, Key: key, Size: int64(len(b)), Body: bodyOf(b), Conditions: c})
	if err == nil && out.ETag != g.template.sums.of(b) {
		return nil, fmt.Errorf("%w: the ETag of a put is %s", errWrong, out.ETag)
	}
	return out, err
}

// get returns what a GET yields until it ends or fails.
func (g *gateway) get(ctx context.Context, in objects.GetInput) ([]byte, error) {
	in.Bucket = bucketName
	out, err := g.Get(ctx, &in)
	if err != nil {
		return nil, err
	}
	b, err := io.ReadAll(out.Body)
	return b, errors.Join(err, out.Body.Close())
}

func (g *gateway) part(ctx context.Context, ref objects.UploadRef, n int, b []byte) (*objects.PartInfo, error) {
	p, err := g.PutPart(ctx, &objects.PutPartInput{UploadRef: ref, Number: n, Size: int64(len(b)), Body: bodyOf(b)})
	if err == nil && p.ETag != g.template.sums.of(b) {
		return nil, fmt.Errorf("%w: the ETag of a part is %s", errWrong, p.ETag)
	}
	return p, err
}

func (g *gateway) complete(ctx context.Context, ref objects.UploadRef, c objects.WriteConditions, parts ...objects.CompletedPart) error {
	_, err := g.CompleteUpload(ctx, &objects.CompleteInput{UploadRef: ref, Parts: parts, Size: -1, Conditions: c})
	return err
}

func (g *gateway) begin(t *testing.T, key string, parts ...[]byte) openUpload {
	t.Helper()
	id, err := g.CreateUpload(t.Context(), &objects.CreateUploadInput{Bucket: bucketName, Key: key, Principal: principal})
	if err != nil {
		t.Fatal(err)
	}
	up := openUpload{UploadRef: objects.UploadRef{Bucket: bucketName, Key: key, UploadID: id, Principal: principal}, whole: bytes.Join(parts, nil)}
	for i, b := range parts {
		p, err := g.part(t.Context(), up.UploadRef, i+1, b)
		if err != nil {
			t.Fatal(err)
		}
		up.parts = append(up.parts, objects.CompletedPart{Number: i + 1, ETag: p.ETag})
	}
	return up
}

// errWrong marks a success that is none.
var errWrong = errors.New("success with a wrong answer")

func kindOf(err error) objects.Kind {
	e, ok := errors.AsType[*objects.Error](err)
	if !ok {
		return -1
	}
	return e.Kind
}
