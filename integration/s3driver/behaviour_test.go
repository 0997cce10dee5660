package s3driver_test

import (
	"bytes"
	"crypto/rand"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"

	"sallyport/providers/driver"
	"sallyport/providers/s3"
)

type stream struct{ io.Reader }

func put(t testing.TB, d driver.Driver, key string, data []byte) {
	t.Helper()
	if _, err := d.Put(t.Context(), key, stream{bytes.NewReader(data)}, int64(len(data)), &driver.PutOptions{}); err != nil {
		t.Fatal(err)
	}
}

func get(t testing.TB, d driver.Driver, key string) []byte {
	t.Helper()
	r, _, err := d.Get(t.Context(), key, &driver.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	data, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// What MinIO does with mistakes of configuration and with a restart, told so that somebody can act on it.
func TestMistakesOnMinIO(t *testing.T) {
	if testing.Short() {
		t.Log("not run with -short: needs MinIO's server")
		return
	}
	b := newBench(t, false)
	wrong := filepath.Join(t.TempDir(), "wrong")
	if err := os.WriteFile(wrong, []byte("not-the-secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		change func(c *s3.Config)
		kind   driver.Kind
		says   string
	}{
		"bucket":     {func(c *s3.Config) { c.Bucket = "absent-bucket" }, driver.Unavailable, "make it"},
		"secret":     {func(c *s3.Config) { c.SecretKeyFile = wrong }, driver.Unauthenticated, "credentials"},
		"access key": {func(c *s3.Config) { c.AccessKeyFile = wrong }, driver.Unauthenticated, "credentials"},
	} {
		config := b.config
		c.change(&config)
		_, err := s3.Open(t.Context(), config.For(s3.FlavourMinIO), nil)
		if err == nil || driver.KindOf(err) != c.kind || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, want %v that says %q", name, err, c.kind, c.says)
		}
	}
	d := b.open(t, "restarted")
	data := make([]byte, 3<<20)
	_, _ = rand.Read(data)
	put(t, d, "k", data)
	if err := b.server.Kill(); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Head(t.Context(), "k"); !driver.Is(err, driver.Unavailable) {
		t.Errorf("Head while MinIO is down: %v", err)
	}
	if _, err := d.Put(t.Context(), "k", strings.NewReader("x"), 1, &driver.PutOptions{}); !driver.Is(err, driver.Unavailable) {
		t.Errorf("Put while MinIO is down: %v", err)
	}
	if err := b.server.Resume(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := get(t, d, "k"); !bytes.Equal(got, data) {
		t.Errorf("after the restart %d bytes, want %d", len(got), len(data))
	}
}

// A type s3 that finds MinIO at the other end treats it as such.
func TestMinIOUnderTypeS3(t *testing.T) {
	if testing.Short() {
		t.Log("not run with -short: needs MinIO's server")
		return
	}
	b := newBench(t, false)
	d, err := s3.Open(t.Context(), &b.config, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	put(t, d, "a", nil)
	for _, key := range []string{"a/b", "/x", "x//y", "x/../y"} {
		if _, err := d.Put(t.Context(), key, strings.NewReader(""), 0, &driver.PutOptions{}); !driver.Is(err, driver.InvalidKey) {
			t.Errorf("Put of %q: %v", key, err)
		}
	}
}

// Small pages behind a name that others begin like show everything, which MinIO's own do not.
func TestPagesBehindNamesThatBeginAlike(t *testing.T) {
	if testing.Short() {
		t.Log("not run with -short: needs MinIO's server")
		return
	}
	b := newBench(t, false)
	d := b.open(t, "pages")
	var keys []string
	for n := 1; n <= 30; n++ {
		keys = append(keys, strings.Repeat("-", n))
	}
	keys = append(keys, "y", "z")
	for _, key := range keys {
		put(t, d, key, nil)
	}
	var got []string
	for after := ""; ; {
		page, err := d.List(t.Context(), &driver.ListOptions{After: after, Limit: 1})
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range page.Entries {
			got, after = append(got, e.Key), e.Key
		}
		if !page.More {
			break
		}
	}
	if !slices.Equal(got, keys) {
		t.Errorf("pages of one show %d of %d keys", len(got), len(keys))
	}
	core := minio.Core{Client: b.client}
	own, err := core.ListObjectsV2(bucketName, "pages/", "pages/"+keys[29], "", "", 1)
	if err != nil || len(own.Contents) > 0 || own.IsTruncated {
		t.Errorf("this MinIO does not lose them any more: %d, %v, %v; list.go need not ask for more", len(own.Contents), own.IsTruncated, err)
	}
}

// While the body of a conditional Put is on its way for long, everybody else can read and write the key.
func TestASlowConditionalPutLocksNobodyOut(t *testing.T) {
	if testing.Short() {
		t.Log("not run with -short: needs MinIO's server")
		return
	}
	b := newBench(t, false)
	d := b.open(t, "slow")
	for _, size := range []int{1000, 2 << 20} {
		reading, release := make(chan struct{}), make(chan struct{})
		slow := io.MultiReader(bytes.NewReader(make([]byte, size-1)), &gate{reading: reading, release: release}, strings.NewReader("x"))
		result := make(chan error, 1)
		go func() {
			_, err := d.Put(t.Context(), "k", slow, int64(size), &driver.PutOptions{IfNoneMatch: true})
			result <- err
		}()
		<-reading
		began := time.Now()
		put(t, d, "k", []byte("meanwhile"))
		if got := get(t, d, "k"); string(got) != "meanwhile" {
			t.Errorf("read %q", got)
		}
		t.Logf("%d bytes: others were served within %s", size, time.Since(began))
		close(release)
		if err := <-result; !driver.Is(err, driver.PreconditionFailed) {
			t.Errorf("%d bytes: the slow one: %v", size, err)
		}
		if err := d.Delete(t.Context(), "k", &driver.DeleteOptions{}); err != nil {
			t.Fatal(err)
		}
	}
}

// gate tells that it is read and then waits.
type gate struct{ reading, release chan struct{} }

func (g *gate) Read([]byte) (int, error) {
	close(g.reading)
	<-g.release
	return 0, io.EOF
}
