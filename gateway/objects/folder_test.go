package objects

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"sallyport/providers/local"
)

// TestOverAFolder runs the operations once over the folder driver, whose locks and files memory does not have.
func TestOverAFolder(t *testing.T) {
	folder, err := local.Open(t.Context(), &local.Config{Path: t.TempDir()}, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = folder.Close() })
	w := newWorld(t, worldOptions{backend: folder})
	for i, n := range []int{0, 100, 300_000} {
		for _, customer := range []*CustomerKey{nil, customerKey(t, 1)} {
			checkRoundTrip(t, w, fmt.Sprint("key/", n), content(uint64(i), n), customer, "md5")
		}
	}
	plain := content(5, 2<<20)
	put := w.put("source", plain)
	if _, err := w.copyTo("source", func(in *CopyInput) { in.Replace, in.Metadata = true, map[string]string{"a": "b"} }); err != nil {
		t.Fatalf("copy onto itself: %v", err)
	}
	if _, err := w.copyTo("source/below", nil); err != nil {
		t.Fatal(err)
	}
	if got, out, err := w.get(&GetInput{Key: "source"}); err != nil || !bytes.Equal(got, plain) || out.Metadata["a"] != "b" || out.ETag != put.ETag {
		t.Errorf("%+v, %v", out, err)
	}
	_, err = w.Put(t.Context(), &PutInput{Bucket: bucketName, Key: "source", Body: bodyOf(nil), Conditions: WriteConditions{IfNoneMatch: true}})
	wantKind(t, "If-None-Match", err, PreconditionFailed)
	if got := names(w.again().list(ListInput{})); !slices.Equal(got, []string{"key/0", "key/100", "key/300000", "source", "source/below"}) {
		t.Errorf("%q", got)
	}
	if err := w.Delete(t.Context(), &DeleteInput{Bucket: bucketName, Key: "source", IfMatch: put.ETag}); err != nil {
		t.Error(err)
	}
	for _, o := range w.list(ListInput{}).Objects {
		if err := w.Delete(t.Context(), &DeleteInput{Bucket: bucketName, Key: o.Key}); err != nil {
			t.Error(err)
		}
	}
	if err := w.DeleteBucket(t.Context(), bucketName); err != nil {
		t.Error(err)
	}
}

// TestLongestNames: the longest key of S3 fits into the bucket with the longest name, whatever the key is made of.
func TestLongestNames(t *testing.T) {
	folder, err := local.Open(t.Context(), &local.Config{Path: t.TempDir()}, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = folder.Close() })
	w := newWorld(t, worldOptions{backend: folder})
	bucket := strings.Repeat("b", 63)
	if err := w.CreateBucket(t.Context(), bucket); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{
		strings.Repeat("k", 1024), strings.Repeat("K", 1024), strings.Repeat("k/", 512), strings.Repeat("é", 512), strings.Repeat("/", 1024),
	} {
		if _, err := w.Put(t.Context(), &PutInput{Bucket: bucket, Key: key, Size: 1, Body: bodyOf([]byte("x"))}); err != nil {
			t.Errorf("put %.5s…: %v", key, err)
			continue
		}
		upload, err := w.CreateUpload(t.Context(), &CreateUploadInput{Bucket: bucket, Key: key})
		if err != nil {
			t.Errorf("upload %.5s…: %v", key, err)
			continue
		}
		if err := w.AbortUpload(t.Context(), &AbortInput{UploadRef: UploadRef{Bucket: bucket, Key: key, UploadID: upload}}); err != nil {
			t.Errorf("abort %.5s…: %v", key, err)
		}
		if out, err := w.List(t.Context(), &ListInput{Bucket: bucket, Prefix: key, Limit: 10}); err != nil || len(out.Objects) != 1 || out.Objects[0].Key != key {
			t.Errorf("list %.5s…: %+v, %v", key, out, err)
		}
		if err := w.Delete(t.Context(), &DeleteInput{Bucket: bucket, Key: key}); err != nil {
			t.Errorf("delete %.5s…: %v", key, err)
		}
		_, err = w.Put(t.Context(), &PutInput{Bucket: bucket, Key: key + "x", Size: 1, Body: bodyOf([]byte("x"))})
		wantKind(t, "one byte more", err, KeyTooLong)
	}
}
