package s3driver_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"

	"sallyport/integration/internal/minioserver"
	"sallyport/providers/driver"
	"sallyport/providers/drivertest"
	"sallyport/providers/s3"
)

// bench is one MinIO with one bucket, in which every driver gets a prefix of its own.
type bench struct {
	server *minioserver.Server
	client *minio.Client
	config s3.Config
	probe  *s3.Probe
	n      atomic.Int64
}

const bucketName = "drivers"

func newBench(t testing.TB, secure bool) *bench {
	t.Helper()
	return newBenchOn(t, &minioserver.Options{TLS: secure})
}

func newBenchOn(t testing.TB, opts *minioserver.Options) *bench {
	t.Helper()
	b := &bench{server: minioserver.Start(t, opts)}
	var err error
	if b.client, err = b.server.Client(); err != nil {
		t.Fatal(err)
	}
	if err := b.client.MakeBucket(t.Context(), bucketName, minio.MakeBucketOptions{}); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	b.config = s3.Config{
		Endpoint: b.server.Endpoint, Bucket: bucketName, CAFile: b.server.CAFile,
		AccessKeyFile: write("access", b.server.AccessKey), SecretKeyFile: write("secret", b.server.SecretKey),
	}
	return b
}

// open opens the driver at a prefix. What the first one found out about the service is remembered.
func (b *bench) open(t testing.TB, prefix string) *s3.Bucket {
	t.Helper()
	config := b.config
	config.Prefix = prefix
	d, err := s3.Open(t.Context(), config.For(s3.FlavourMinIO), &s3.Options{Probe: b.probe})
	if err != nil {
		t.Fatal(err)
	}
	if b.probe == nil {
		found := d.Probe()
		b.probe = &found
	}
	t.Cleanup(func() { _ = d.Close() })
	return d
}

func (b *bench) freshPrefix() string { return fmt.Sprintf("root-%d", b.n.Add(1)) }

// impossible is what MinIO cannot hold beside what the prefix holds already, said without the driver's help.
func (b *bench) impossible(t *testing.T, prefix, key string) bool {
	t.Helper()
	if key == ".sallyport" {
		return true // all below it would be hidden
	}
	for segment := range strings.SplitSeq(strings.TrimSuffix(key, "/"), "/") {
		if segment == "" || len(segment) > 255 {
			return true
		}
		for piece := range strings.SplitSeq(segment, `\`) {
			if piece = strings.Trim(piece, " \t\r\n\x01\x1f"); piece == "." || piece == ".." {
				return true
			}
		}
	}
	name := prefix + "/" + key
	for i := len(prefix) + 1; i < len(name)-1; i++ {
		if name[i] == '/' {
			if _, err := b.client.StatObject(t.Context(), bucketName, name[:i], minio.StatObjectOptions{}); err == nil {
				return true
			}
		}
	}
	if strings.HasSuffix(key, "/") {
		return false
	}
	for object := range b.client.ListObjectsIter(t.Context(), bucketName, minio.ListObjectsOptions{Prefix: name + "/", MaxKeys: 2, Recursive: true}) {
		if object.Err == nil && object.Key != name+"/" {
			return true
		}
	}
	return false
}

func TestConformance(t *testing.T) {
	if testing.Short() {
		t.Log("not run with -short: needs MinIO's server")
		return
	}
	for name, secure := range map[string]bool{"plain": false, "TLS": true} {
		t.Run(name, func(t *testing.T) { runSuite(t, newBench(t, secure), false) })
	}
	t.Run("through a proxy", func(t *testing.T) {
		b := newBench(t, false)
		b.config.Proxy = b.server.Endpoint // MinIO takes what a proxy would be sent, and bodies are signed
		runSuite(t, b, false)
	})
	t.Run("one of four drives lost", func(t *testing.T) {
		b := newBenchOn(t, &minioserver.Options{Drives: 4})
		d := b.open(t, "before")
		put(t, d, "k", []byte("on four drives"))
		if err := b.server.LoseDrive(2); err != nil {
			t.Fatal(err)
		}
		if got := get(t, d, "k"); string(got) != "on four drives" {
			t.Errorf("read %q", got)
		}
		runSuite(t, b, true)
	})
}

func runSuite(t *testing.T, b *bench, doubtfulRaces bool) {
	prefixes := map[driver.Driver]string{}
	current := ""
	openAt := func(t *testing.T, prefix string) driver.Driver {
		d := b.open(t, prefix)
		prefixes[d], current = prefix, prefix
		return d
	}
	drivertest.Run(t, drivertest.Harness{
		NewDriver: func(t *testing.T) driver.Driver { return openAt(t, b.freshPrefix()) },
		Reopen: func(t *testing.T, d driver.Driver) driver.Driver {
			if err := d.Close(); err != nil {
				t.Fatal(err)
			}
			return openAt(t, prefixes[d])
		},
		Impossible:    func(key string) bool { return b.impossible(t, current, key) },
		HashETags:     true,
		ModTimeSlack:  2 * time.Second,
		DoubtfulRaces: doubtfulRaces,
	})
	if left := b.openUploads(t); left > 0 {
		t.Logf("%d uploads are open at the server", left)
	}
}

func (b *bench) openUploads(t *testing.T) int {
	n := 0
	for range b.client.ListIncompleteUploads(context.WithoutCancel(t.Context()), bucketName, "", true) {
		n++
	}
	return n
}
