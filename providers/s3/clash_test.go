package s3_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"sallyport/providers/driver"
	"sallyport/providers/s3"
	"sallyport/providers/s3/internal/awslike"
)

// openMinIO opens the driver as for MinIO, which the service is not in all else.
func (s *service) openMinIO(t testing.TB, opts *s3.Options) *s3.Bucket {
	t.Helper()
	s.Lacks = append(s.Lacks, "part-checksum")
	if opts == nil {
		opts = &s3.Options{Probe: &perfect}
	}
	d, err := s3.Open(t.Context(), s.config.For(s3.FlavourMinIO), opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	return d
}

func tryPut(ctx context.Context, d driver.Driver, key string, body io.Reader, size int) error {
	_, err := d.Put(ctx, key, stream{body}, int64(size), &driver.PutOptions{})
	return err
}

func TestFoldersAndObjectsDoNotClash(t *testing.T) {
	for _, size := range []int{0, 1, 3 << 20} {
		s := newService(t, false)
		d := s.openMinIO(t, nil)
		data := make([]byte, size)
		put(t, d, "a/b/c", data)
		put(t, d, "x", data)
		for _, key := range []string{"a", "a/b", "a/b/c/d", "a/b/c/d/e", "x/y", "x/y/z", ".sallyport"} {
			what := fmt.Sprintf("Put of %q with %d bytes", key, size)
			wantKind(t, what, tryPut(t.Context(), d, key, bytes.NewReader(data), size), driver.InvalidKey)
			if _, ok := s.Object(key); ok {
				t.Errorf("%s was stored", what)
			}
			_, err := d.Uploads().Create(t.Context(), key, nil)
			wantKind(t, "Create for "+key, err, driver.InvalidKey)
		}
		for _, key := range []string{"a/b/d", "a/bb", "aa", "a/b/c", "x", "xy", "a/", "x/", ".sallyport/a", ".sallyport/a/b", "a.b/c"} {
			if err := tryPut(t.Context(), d, key, bytes.NewReader(data), size); err != nil {
				t.Errorf("Put of %q: %v", key, err)
			}
		}
		if n := s.Uploads(); n != 0 {
			t.Errorf("%d uploads are left", n)
		}
	}
}

func TestClashesOfUploadsAreFoundAtTheEnd(t *testing.T) {
	s := newService(t, false)
	d := s.openMinIO(t, nil)
	id, err := d.Uploads().Create(t.Context(), "a", nil)
	if err != nil {
		t.Fatal(err)
	}
	up := driver.Upload{ID: id, Key: "a"}
	part, err := d.Uploads().PutPart(t.Context(), up, 1, strings.NewReader("x"), 1)
	if err != nil {
		t.Fatal(err)
	}
	put(t, d, "a/b", nil)
	_, err = d.Uploads().Complete(t.Context(), up, []driver.Part{*part}, &driver.PutOptions{})
	wantKind(t, "Complete of an object over a folder", err, driver.InvalidKey)
	if _, ok := s.Object("a"); ok {
		t.Error("it was completed")
	}
	if err := d.Delete(t.Context(), "a/b", &driver.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err = d.Uploads().Complete(t.Context(), up, []driver.Part{*part}, &driver.PutOptions{}); err != nil {
		t.Error(err)
	}
}

// While the answer to the question for clashes is out, the last byte of a long body stays here; a failure of the question fails the write.
func TestTheLastByteWaitsForTheLook(t *testing.T) {
	s := newService(t, false)
	d := s.openMinIO(t, nil)
	put(t, d, "k", []byte("old"))
	s.fails(func(r *http.Request) awslike.Fault {
		if r.URL.Query().Has("list-type") {
			return awslike.Fault{Status: 503, Code: "SlowDown"}
		}
		return awslike.Fault{}
	})
	for _, size := range []int{0, 10, 5 << 20} {
		wantKind(t, "Put without an answer", tryPut(t.Context(), d, "k", bytes.NewReader(make([]byte, size)), size), driver.Throttled)
	}
	if got, _ := s.Object("k"); string(got) != "old" {
		t.Errorf("the object is %d bytes", len(got))
	}
	release := make(chan struct{})
	s.fails(func(r *http.Request) awslike.Fault {
		if r.URL.Query().Has("list-type") {
			return awslike.Fault{Stall: release}
		}
		return awslike.Fault{}
	})
	ctx, cancel := context.WithTimeoutCause(t.Context(), 300*time.Millisecond, errors.New("enough"))
	defer cancel()
	wantKind(t, "Put while nobody answers", tryPut(ctx, d, "k", bytes.NewReader(make([]byte, 5<<20)), 5<<20), driver.Canceled)
	if got, _ := s.Object("k"); string(got) != "old" {
		t.Errorf("the object is %d bytes", len(got))
	}
	close(release)
}

// Writes into a known folder do not ask for it again, until somebody may have changed it.
func TestKnownFoldersAreNotAskedAgain(t *testing.T) {
	s := newService(t, false)
	now := time.Now()
	d := s.openMinIO(t, &s3.Options{Probe: &perfect, Now: func() time.Time { return now }})
	heads := func() (n int) {
		s.mu.Lock()
		defer s.mu.Unlock()
		for _, r := range s.requests {
			if strings.HasPrefix(r, "HEAD") {
				n++
			}
		}
		return n
	}
	s.fails(nil)
	put(t, d, "a/b/c1", nil)
	if heads() != 2 {
		t.Errorf("the first write into a folder asked %d times", heads())
	}
	s.fails(nil)
	put(t, d, "a/b/c2", nil)
	if heads() != 0 {
		t.Errorf("the second asked %d times", heads())
	}
	now = now.Add(time.Minute)
	s.fails(nil)
	put(t, d, "a/b/c3", nil)
	if heads() != 2 {
		t.Errorf("a minute later %d times", heads())
	}
	for _, key := range []string{"a/b/c1", "a/b/c2", "a/b/c3"} {
		if err := d.Delete(t.Context(), key, &driver.DeleteOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	put(t, d, "a/b", nil)
	wantKind(t, "Put below an object of our own", tryPut(t.Context(), d, "a/b/c", strings.NewReader(""), 0), driver.InvalidKey)
}

// With conditions MinIO gets no body that somebody must be waited for.
func TestConditionalBodiesGoAsUploads(t *testing.T) {
	s := newService(t, false)
	d := s.openMinIO(t, nil)
	for _, size := range []int{10, 1 << 20, 1<<20 + 1, 6 << 20} {
		key, data := fmt.Sprintf("k%d", size), bytes.Repeat([]byte("x"), size)
		s.fails(nil)
		info, err := d.Put(t.Context(), key, stream{bytes.NewReader(data)}, int64(size), &driver.PutOptions{IfNoneMatch: true})
		if err != nil {
			t.Fatal(err)
		}
		asUpload := false
		for _, r := range s.requests {
			asUpload = asUpload || strings.Contains(r, "uploadId")
		}
		if asUpload != (size > 1<<20) {
			t.Errorf("%d bytes went as %q", size, s.requests)
		}
		if got, _ := s.Object(key); !bytes.Equal(got, data) {
			t.Errorf("%d bytes are stored, want %d", len(got), size)
		}
		_, err = d.Put(t.Context(), key, stream{bytes.NewReader(data)}, int64(size), &driver.PutOptions{IfNoneMatch: true})
		wantKind(t, "Put over it", err, driver.PreconditionFailed)
		_, err = d.Put(t.Context(), key, stream{bytes.NewReader(data)}, int64(size), &driver.PutOptions{IfMatch: info.ETag + "x"})
		wantKind(t, "Put over another revision", err, driver.PreconditionFailed)
		if _, err = d.Put(t.Context(), key, stream{bytes.NewReader(data)}, int64(size), &driver.PutOptions{IfMatch: info.ETag}); err != nil {
			t.Error(err)
		}
		_, err = d.Put(t.Context(), "absent", stream{bytes.NewReader(data)}, int64(size), &driver.PutOptions{IfMatch: info.ETag})
		wantKind(t, "Put over nothing", err, driver.NotFound)
		s.fails(on(http.MethodPut, "partNumber", awslike.Fault{After: true, Drop: true}))
		if _, err = d.Put(t.Context(), "lost", stream{bytes.NewReader(data)}, int64(size), &driver.PutOptions{IfNoneMatch: true}); size > 1<<20 {
			wantKind(t, "Put whose part was lost", err, driver.Unavailable)
		}
		s.fails(nil)
		_ = d.Delete(t.Context(), "lost", &driver.DeleteOptions{})
		s.fails(on(http.MethodPost, "uploadId", awslike.Fault{After: true, Status: 404, Code: "NoSuchUpload"}))
		if _, err = d.Put(t.Context(), "twice", stream{bytes.NewReader(data)}, int64(size), &driver.PutOptions{IfNoneMatch: true}); size > 1<<20 {
			wantKind(t, "Put whose Complete arrived twice", err, driver.UnknownOutcome)
		}
		s.fails(nil)
		_ = d.Delete(t.Context(), "twice", &driver.DeleteOptions{})
	}
	if s.Uploads() != 0 {
		t.Errorf("%d uploads are left", s.Uploads())
	}
	for _, name := range s.Names() {
		if strings.HasPrefix(name, ".sallyport/") {
			t.Errorf("%q is left", name)
		}
	}
}
