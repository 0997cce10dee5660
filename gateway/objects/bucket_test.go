package objects

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"

	"sallyport/gateway/telemetry"
	"sallyport/providers/driver"
)

func TestBuckets(t *testing.T) {
	w := newWorld(t, worldOptions{})
	ctx := t.Context()
	for _, name := range []string{"zebra", "apple"} {
		if err := w.CreateBucket(ctx, name); err != nil {
			t.Fatal(err)
		}
	}
	wantKind(t, "create again", w.CreateBucket(ctx, "apple"), BucketExists)
	wantKind(t, "create invalid", w.CreateBucket(ctx, "Apple"), InvalidBucketName)
	all, err := w.ListBuckets(ctx, func(string) bool { return true })
	if err != nil || len(all) != 3 || all[0].Name != "apple" || all[1].Name != bucketName || all[2].Name != "zebra" || all[0].Created.IsZero() {
		t.Errorf("buckets %+v, %v", all, err)
	}
	some, err := w.ListBuckets(ctx, func(b string) bool { return b == "zebra" })
	if err != nil || len(some) != 1 || some[0].Name != "zebra" {
		t.Errorf("buckets %+v, %v", some, err)
	}
	if b, err := w.HeadBucket(ctx, "apple"); err != nil || !b.Created.Equal(all[0].Created) {
		t.Errorf("head %+v, %v", b, err)
	}
	w.put("k", nil)
	wantKind(t, "delete not empty", w.DeleteBucket(ctx, bucketName), BucketNotEmpty)
	if string(w.mustGet("k")) != "" {
		t.Error("the object is gone")
	}
	if err := w.Delete(ctx, &DeleteInput{Bucket: bucketName, Key: "k"}); err != nil {
		t.Fatal(err)
	}
	if err := w.DeleteBucket(ctx, bucketName); err != nil {
		t.Fatal(err)
	}
	wantKind(t, "head deleted", second(w.HeadBucket(ctx, bucketName)), NoSuchBucket)
	wantKind(t, "delete again", w.DeleteBucket(ctx, bucketName), NoSuchBucket)
	wantKind(t, "put", second(w.Put(ctx, &PutInput{Bucket: bucketName, Key: "k", Body: bodyOf(nil)})), NoSuchBucket)
}

func TestDeleteBucketAbortsUploads(t *testing.T) {
	w := newWorld(t, worldOptions{})
	uploads := w.vault.Store().Uploads()
	note := func(string) ([]byte, error) { return []byte("note"), nil }
	if err := w.CreateBucket(t.Context(), bucketName+"x"); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{bucketName + "/a", bucketName + "/b", bucketName + "x/a"} {
		if _, err := uploads.Create(t.Context(), key, note); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.DeleteBucket(t.Context(), bucketName); err != nil {
		t.Fatal(err)
	}
	page, err := uploads.List(t.Context(), &driver.ListUploadsOptions{})
	if err != nil || len(page.Uploads) != 1 || page.Uploads[0].Key != bucketName+"x/a" {
		t.Errorf("uploads left: %+v, %v", page, err)
	}
}

// stealthy stores an object between the two looks of DeleteBucket, as another gateway would.
type stealthy struct {
	driver.Driver
	then func()
}

func (s *stealthy) Delete(ctx context.Context, key string, opts *driver.DeleteOptions) error {
	if strings.HasPrefix(key, ".sallyport/buckets/") && s.then != nil {
		s.then()
	}
	return s.Driver.Delete(ctx, key, opts)
}

func TestDeleteBucketWhileAnotherGatewayWrites(t *testing.T) {
	s := &stealthy{}
	w := newWorld(t, worldOptions{wrap: func(d driver.Driver) driver.Driver { s.Driver = d; return s }})
	other := w.again()
	s.then = func() { other.put("k", []byte("acknowledged")) }
	wantKind(t, "delete", w.DeleteBucket(t.Context(), bucketName), BucketNotEmpty)
	if got := w.again().mustGet("k"); string(got) != "acknowledged" {
		t.Errorf("object is %q", got)
	}
}

// TestDeleteBucketWhileWriting holds a PUT in its body: the bucket stays.
func TestDeleteBucketWhileWriting(t *testing.T) {
	w := newWorld(t, worldOptions{})
	r, pipe := io.Pipe()
	done := make(chan error)
	go func() {
		_, err := w.Put(t.Context(), &PutInput{Bucket: bucketName, Key: "k", Size: 4, Body: bodyFrom(r, 4)})
		done <- err
	}()
	if _, err := pipe.Write([]byte("da")); err != nil { // returns when the PUT is reading
		t.Fatal(err)
	}
	wantKind(t, "delete", w.DeleteBucket(t.Context(), bucketName), Conflict)
	if _, err := pipe.Write([]byte("ta")); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(pipe.Close(), <-done); err != nil {
		t.Fatal(err)
	}
	if got := w.mustGet("k"); !bytes.Equal(got, []byte("data")) {
		t.Errorf("object is %q", got)
	}
	if err := w.Delete(t.Context(), &DeleteInput{Bucket: bucketName, Key: "k"}); err != nil {
		t.Fatal(err)
	}
	open, err := w.gate.shut(bucketName)
	if err != nil {
		t.Fatal(err)
	}
	wantKind(t, "put while it goes", second(w.Put(t.Context(), &PutInput{Bucket: bucketName, Key: "k", Body: bodyOf(nil)})), Conflict)
	wantKind(t, "delete while it goes", w.DeleteBucket(t.Context(), bucketName), Conflict)
	open()
	if err := w.DeleteBucket(t.Context(), bucketName); err != nil {
		t.Error(err)
	}
	if len(w.gate.writers)+len(w.gate.closing) != 0 {
		t.Error("the gate remembers buckets")
	}
}

// TestDamagedRecord: one record that does not verify is its bucket's trouble only, and everybody hears of it.
func TestDamagedRecord(t *testing.T) {
	w := newWorld(t, worldOptions{})
	w.put("k", []byte("x"))
	if _, err := w.backend.Put(t.Context(), ".sallyport/buckets/hurt", strings.NewReader("no record"), 9, &driver.PutOptions{}); err != nil {
		t.Fatal(err)
	}
	metrics := telemetry.NewMetrics("test")
	w.metrics = metrics
	all, err := w.ListBuckets(t.Context(), func(string) bool { return true })
	if err != nil || len(all) != 2 || all[0].Name != "hurt" || all[1].Name != bucketName {
		t.Errorf("listed %+v, %v", all, err)
	}
	_, err = w.HeadBucket(t.Context(), "hurt")
	wantKind(t, "HEAD", err, Damaged)
	wantKind(t, "create", w.CreateBucket(t.Context(), "hurt"), Damaged)
	wantKind(t, "delete", w.DeleteBucket(t.Context(), "hurt"), Damaged)
	_, err = w.Get(t.Context(), &GetInput{Bucket: "hurt", Key: "k"})
	wantKind(t, "GET", err, Damaged)
	if e, ok := errors.AsType[*Error](err); !ok || !strings.Contains(e.Message, "create the bucket again") {
		t.Errorf("says %v", err)
	}
	if got := w.mustGet("k"); string(got) != "x" {
		t.Errorf("the other bucket holds %q", got)
	}
	if got := alarms(t, metrics); got != 5 {
		t.Errorf("%v alarms", got)
	}
}

func alarms(t *testing.T, metrics *telemetry.Metrics) (n float64) {
	t.Helper()
	families, err := metrics.Gatherer().Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == "sallyport_integrity_failures_total" {
			for _, m := range f.GetMetric() {
				n += m.GetCounter().GetValue()
			}
		}
	}
	return n
}
