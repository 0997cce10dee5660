package s3driver_test

import (
	"testing"

	"github.com/minio/minio-go/v7"

	"sallyport/providers/driver"
)

// What MinIO of the pinned version can do, and that trying it out leaves nothing.
func TestProbe(t *testing.T) {
	if testing.Short() {
		t.Log("not run with -short: needs MinIO's server")
		return
	}
	b := newBench(t, false)
	d := b.open(t, "probed")
	found, err := d.RunProbe(t.Context(), 32, 5)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range found.Findings() {
		t.Logf("%-55s %-5v %s", f.Question, f.Yes, f.Follows)
	}
	if !found.Shared() || found.ConditionalDelete || !found.StrongList || !found.SuffixRange || !found.FolderClash || found.Versioned {
		t.Errorf("found %+v", found)
	}
	for object := range b.client.ListObjectsIter(t.Context(), bucketName, minio.ListObjectsOptions{Recursive: true}) {
		t.Errorf("the probe left %q %v", object.Key, object.Err)
	}
	for upload := range b.client.ListIncompleteUploads(t.Context(), bucketName, "", true) {
		t.Errorf("the probe left an upload of %q %v", upload.Key, upload.Err)
	}
}

// A bucket that keeps versions is known as one, works, and keeps nothing of the probe.
func TestVersionedBucket(t *testing.T) {
	if testing.Short() {
		t.Log("not run with -short: needs MinIO's server")
		return
	}
	b := newBench(t, false)
	if err := b.client.EnableVersioning(t.Context(), bucketName); err != nil {
		t.Fatal(err)
	}
	d := b.open(t, "versions")
	if found := d.Probe(); !found.Versioned || !found.Shared() {
		t.Errorf("found %+v", found)
	}
	for object := range b.client.ListObjectsIter(t.Context(), bucketName, minio.ListObjectsOptions{Recursive: true, WithVersions: true}) {
		t.Errorf("the probe left %q version %q, marker %v, %v", object.Key, object.VersionID, object.IsDeleteMarker, object.Err)
	}
	put(t, d, "k", []byte("first"))
	put(t, d, "k", []byte("second"))
	if got := get(t, d, "k"); string(got) != "second" {
		t.Errorf("read %q", got)
	}
	if info, err := d.Head(t.Context(), "k"); err != nil || info.VersionID == "" {
		t.Errorf("%+v, %v", info, err)
	}
	if err := d.Delete(t.Context(), "k", &driver.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Head(t.Context(), "k"); !driver.Is(err, driver.NotFound) {
		t.Errorf("Head of a deleted object: %v", err)
	}
	page, err := d.List(t.Context(), &driver.ListOptions{})
	if err != nil || len(page.Entries) != 0 {
		t.Errorf("%+v, %v", page, err)
	}
}
