package vaults_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"sallyport/gateway/vaults"
	"sallyport/gateway/vaults/vaultstest"
	"sallyport/providers"
	"sallyport/providers/driver"
)

func TestBuckets(t *testing.T) {
	r := newRoot(t)
	v := r.create("")
	if err := v.Open(t.Context(), withKey(t)); err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	set := vaults.NewSet(func() time.Time { return now }, v)
	if _, err := set.Bucket(t.Context(), "photos"); !errors.Is(err, vaults.ErrNoSuchBucket) {
		t.Errorf("absent bucket: %v", err)
	}
	if err := set.CreateBucket(t.Context(), "photos"); err != nil {
		t.Fatal(err)
	}
	if err := set.CreateBucket(t.Context(), "photos"); !errors.Is(err, vaults.ErrBucketExists) {
		t.Errorf("created again: %v", err)
	}
	b, err := set.Bucket(t.Context(), "photos")
	if err != nil || b.Vault != v || b.Created.UnixMilli() != now.UnixMilli() {
		t.Fatalf("bucket %+v, %v", b, err)
	}
	// A prefix without a record is no bucket, and another gateway's delete is seen after ten seconds.
	r.plant("stray/key", []byte("x"))
	if _, err := set.Bucket(t.Context(), "stray"); !errors.Is(err, vaults.ErrNoSuchBucket) {
		t.Errorf("a prefix without a record: %v", err)
	}
	r.remove(".sallyport/buckets/photos")
	if _, err := set.Bucket(t.Context(), "photos"); err != nil {
		t.Errorf("within ten seconds: %v", err)
	}
	now = now.Add(11 * time.Second)
	if _, err := set.Bucket(t.Context(), "photos"); !errors.Is(err, vaults.ErrNoSuchBucket) {
		t.Errorf("after ten seconds: %v", err)
	}
}

func TestForgedBucketRecord(t *testing.T) {
	r := newRoot(t)
	v := r.create("")
	if err := v.Open(t.Context(), withKey(t)); err != nil {
		t.Fatal(err)
	}
	set := vaults.NewSet(nil, v)
	if err := set.CreateBucket(t.Context(), "photos"); err != nil {
		t.Fatal(err)
	}
	record := r.read(".sallyport/buckets/photos")
	r.plant(".sallyport/buckets/planted", record)
	r.plant(".sallyport/buckets/cut", record[:len(record)-1])
	r.plant(".sallyport/buckets/empty", nil)
	r.plant(".sallyport/buckets/long", make([]byte, 5000))
	for _, foreign := range []string{".DS_Store", "photos (copy)", "Thumbs.db", "sub/photos"} {
		r.plant(".sallyport/buckets/"+foreign, []byte("x"))
	}
	damaged := []string{"cut", "empty", "long", "planted"}
	for _, name := range damaged {
		if _, err := set.Bucket(t.Context(), name); !errors.Is(err, vaults.ErrBucketRecord) || errors.Is(err, vaults.ErrNoSuchBucket) {
			t.Errorf("%s: a record that does not verify: %v", name, err)
		}
		before := r.read(".sallyport/buckets/" + name)
		if err := set.CreateBucket(t.Context(), name); !errors.Is(err, vaults.ErrBucketRecord) || errors.Is(err, vaults.ErrBucketExists) {
			t.Errorf("%s: made again over a record that does not verify: %v", name, err)
		}
		if !bytes.Equal(before, r.read(".sallyport/buckets/"+name)) {
			t.Errorf("%s: the record was replaced", name)
		}
	}
	all, err := set.Buckets(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, b := range all {
		names = append(names, b.Name)
		if b.Damaged != slices.Contains(damaged, b.Name) || b.Vault != v || b.Created.IsZero() {
			t.Errorf("listed as %+v", b)
		}
	}
	if want := []string{"cut", "empty", "long", "photos", "planted"}; !slices.Equal(names, want) {
		t.Errorf("listed: %q, want %q", names, want)
	}
	// Without its record the bucket can be made again.
	if err := r.backend.Delete(t.Context(), ".sallyport/buckets/cut", &driver.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := set.CreateBucket(t.Context(), "cut"); err != nil {
		t.Error(err)
	}
}

func TestRouting(t *testing.T) {
	first, second := newRoot(t), newRoot(t)
	v1 := vaults.New(&vaults.Options{Name: "first", Store: first.store, Patterns: []string{"a-*", "b"}, Hasher: vaultstest.Hasher(t)})
	v2 := vaults.New(&vaults.Options{Name: "second", Store: second.store, Patterns: []string{"*-x"}, Hasher: vaultstest.Hasher(t)})
	set := vaults.NewSet(nil, v1, v2)
	for bucket, want := range map[string]*vaults.Vault{"a-1": v1, "b": v1, "a-x": v1, "c-x": v2} {
		if v, err := set.Owner(bucket); err != nil || v != want {
			t.Errorf("%s: %v, %v", bucket, v, err)
		}
	}
	if _, err := set.Owner("c"); !errors.Is(err, vaults.ErrNoVault) {
		t.Errorf("a bucket of no vault: %v", err)
	}
	if _, err := set.Bucket(t.Context(), "c"); !errors.Is(err, vaults.ErrNoSuchBucket) {
		t.Errorf("a bucket of no vault: %v", err)
	}
}

func TestBackendKey(t *testing.T) {
	r := newRoot(t)
	b := &vaults.Bucket{Name: "photos", Vault: r.vault("")}
	for _, key := range []string{"a", "/", "//", "..", "a/../b", "x/", strings.Repeat("k", vaults.MaxKeyLength), "ü\n"} {
		backend, err := b.BackendKey(key)
		if err != nil {
			t.Errorf("%q: %v", key, err)
			continue
		}
		if plain, ok := b.PlainKey(backend); !ok || plain != key {
			t.Errorf("%q comes back as %q", key, plain)
		}
	}
	for key, want := range map[string]error{
		"": vaults.ErrInvalidKey, "a\x00b": vaults.ErrInvalidKey, "\xff": vaults.ErrInvalidKey, strings.Repeat("k", vaults.MaxKeyLength+1): vaults.ErrKeyTooLong,
	} {
		if _, err := b.BackendKey(key); !errors.Is(err, want) {
			t.Errorf("%.10q: %v, want %v", key, err, want)
		}
	}
	if _, ok := b.PlainKey("photos2/x"); ok {
		t.Error("a key of another bucket was taken for ours")
	}
}

// slowAnswers runs meanwhile once, between a Get at the backend and its answer.
type slowAnswers struct {
	driver.Driver
	meanwhile func()
}

func (s *slowAnswers) Get(ctx context.Context, key string, opts *driver.GetOptions) (io.ReadCloser, *driver.Info, error) {
	body, info, err := s.Driver.Get(ctx, key, opts)
	if meanwhile := s.meanwhile; meanwhile != nil {
		s.meanwhile = nil
		meanwhile()
	}
	return body, info, err
}

// TestDeletedBucketIsNotRemembered: a record that was read before the bucket was deleted must not let anybody write into it afterwards.
func TestDeletedBucketIsNotRemembered(t *testing.T) {
	r := newRoot(t)
	slow := &slowAnswers{Driver: r.backend}
	r.store = providers.Open("memory", slow, nil)
	v := r.create("")
	if err := v.Open(t.Context(), withKey(t)); err != nil {
		t.Fatal(err)
	}
	set := vaults.NewSet(nil, v)
	if err := set.CreateBucket(t.Context(), "photos"); err != nil {
		t.Fatal(err)
	}
	slow.meanwhile = func() {
		if err := set.DeleteBucketRecord(t.Context(), "photos"); err != nil {
			t.Error(err)
		}
	}
	if _, err := set.Bucket(t.Context(), "photos"); err != nil {
		t.Fatalf("as it was read: %v", err)
	}
	if _, err := set.Bucket(t.Context(), "photos"); !errors.Is(err, vaults.ErrNoSuchBucket) {
		t.Errorf("after it was deleted: %v", err)
	}
}
