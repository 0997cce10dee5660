package s3driver_test

import (
	"testing"

	"github.com/minio/minio-go/v7"
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
