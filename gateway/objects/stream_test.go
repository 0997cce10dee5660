package objects

import (
	"bytes"
	"context"
	"crypto/md5"
	"encoding/hex"
	"io"
	"runtime"
	"testing"

	"sallyport/crypto/object"
	"sallyport/crypto/vault"
	"sallyport/gateway/cache"
	"sallyport/gateway/vaults"
	"sallyport/gateway/vaults/vaultstest"
	"sallyport/providers"
	"sallyport/providers/driver"
	"sallyport/providers/mem"
)

// sink is a backend that keeps only the end of a large object and makes up nothing: it serves one that was generated, of any size, so
// that what is measured is the gateway's memory.
type sink struct {
	driver.Driver
	caps  driver.Capabilities
	total int64
}

func (s *sink) Capabilities() driver.Capabilities { return s.caps }

func (s *sink) Put(ctx context.Context, key string, body io.Reader, size int64, opts *driver.PutOptions) (*driver.Info, error) {
	if size < 1<<20 {
		return s.Driver.Put(ctx, key, body, size, opts)
	}
	n, err := io.Copy(io.Discard, driver.ExactBody(body, size))
	s.total += n
	return &driver.Info{Key: key, Size: size, ETag: "1"}, err
}

// pattern yields size bytes without holding them.
type pattern struct{ left int64 }

func (p *pattern) Read(b []byte) (int, error) {
	if p.left == 0 {
		return 0, io.EOF
	}
	b = b[:min(int64(len(b)), p.left)]
	for i := range b {
		b[i] = byte(i)
	}
	p.left -= int64(len(b))
	return len(b), nil
}

// TestPutMemoryIsConstant puts 64 MiB several times and counts what was allocated in all, freed or not.
func TestPutMemoryIsConstant(t *testing.T) {
	s := &sink{}
	w := newWorld(t, worldOptions{wrap: func(d driver.Driver) driver.Driver { s.Driver, s.caps = d, d.Capabilities(); return s }})
	const size = 64 << 20
	put := func() {
		if _, err := w.Put(t.Context(), &PutInput{Bucket: bucketName, Key: "k", Size: size, Body: bodyFrom(&pattern{size}, size)}); err != nil {
			t.Fatal(err)
		}
	}
	put()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	const times = 4
	for range times {
		put()
	}
	runtime.ReadMemStats(&after)
	if each := (after.TotalAlloc - before.TotalAlloc) / times; each > 4<<20 {
		t.Errorf("a PUT of %d bytes allocates %d", size, each)
	}
	if want := object.CanonicalSize(size) * (times + 1); s.total != want {
		t.Errorf("stored %d bytes, want %d", s.total, want)
	}
}

// TestGetMemoryIsConstant reads a large object and counts what was allocated in all.
func TestGetMemoryIsConstant(t *testing.T) {
	w := newWorld(t, worldOptions{})
	const size = 64 << 20
	if _, err := w.Put(t.Context(), &PutInput{Bucket: bucketName, Key: "k", Size: size, Body: bodyFrom(&pattern{size}, size)}); err != nil {
		t.Fatal(err)
	}
	get := func() {
		out, err := w.Get(t.Context(), &GetInput{Bucket: bucketName, Key: "k"})
		if err != nil {
			t.Fatal(err)
		}
		if n, err := io.Copy(io.Discard, out.Body); err != nil || n != size {
			t.Fatal(n, err)
		}
		if err := out.Body.Close(); err != nil {
			t.Fatal(err)
		}
	}
	get()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	get()
	runtime.ReadMemStats(&after)
	if n := after.TotalAlloc - before.TotalAlloc; n > 1<<20 {
		t.Errorf("a GET of %d bytes allocates %d", size, n)
	}
}

// TestSplitBodies lets the store send bodies in parts: what is stored is the same one frame.
func TestSplitBodies(t *testing.T) {
	for _, customer := range []*CustomerKey{nil, customerKey(t, 1)} {
		w := newWorld(t, worldOptions{backend: mem.New(&mem.Options{MaxKey: 2048, SplitAbove: 5 << 20, MinPart: 5 << 20})})
		for _, n := range []int{5 << 20, 11<<20 + 3} {
			plain := content(1, n)
			put := w.put("k", plain, withKey(customer))
			got, out, err := w.get(&GetInput{Key: "k", CustomerKey: customer})
			if err != nil || !bytes.Equal(got, plain) || out.ETag != put.ETag || out.Parts != 0 {
				t.Errorf("%d bytes: %d, %+v, %v", n, len(got), out, err)
			}
		}
	}
}

// TestOnlyCiphertextLeaves looks for what the client sent in everything the backend was given, for every write of this package.
func TestOnlyCiphertextLeaves(t *testing.T) {
	seen := &recorded{}
	for _, policy := range []vault.ETagPolicy{vault.ETagMD5, vault.ETagOpaque} {
		w := newWorld(t, worldOptions{etag: policy, wrap: func(d driver.Driver) driver.Driver { seen.Driver = d; return seen }})
		canary := []byte("CANARY-plaintext-0123456789")
		c := Content{Headers: map[string]string{"content-type": "CANARY-type"}, Metadata: map[string]string{"canary-name": "CANARY-value"}}
		for _, customer := range []*CustomerKey{nil, customerKey(t, 'K')} {
			w.put("k", bytes.Repeat(canary, 3000), withKey(customer), func(in *PutInput) { in.Content = c })
			w.put("small", canary, withKey(customer), func(in *PutInput) { in.Content = c })
			if _, err := w.Copy(t.Context(), &CopyInput{
				Source: CopySource{Bucket: bucketName, Key: "k", CustomerKey: customer}, Bucket: bucketName, Key: "copy", CustomerKey: customer,
			}); err != nil {
				t.Fatal(err)
			}
		}
		sum := md5.Sum(canary)
		for _, secret := range [][]byte{[]byte("CANARY"), []byte("canary-name"), sum[:], []byte(hex.EncodeToString(sum[:])), bytes.Repeat([]byte{'K'}, 32)} {
			if bytes.Contains(seen.given.Bytes(), secret) {
				t.Errorf("%q went to the backend", secret)
			}
		}
	}
	if seen.given.Len() < 100_000 {
		t.Errorf("only %d bytes were looked at", seen.given.Len())
	}
}

// recorded keeps what a backend is given.
type recorded struct {
	driver.Driver
	given bytes.Buffer
}

func (r *recorded) Put(ctx context.Context, key string, body io.Reader, size int64, opts *driver.PutOptions) (*driver.Info, error) {
	r.given.WriteString(key)
	return r.Driver.Put(ctx, key, io.TeeReader(body, &r.given), size, opts)
}

func benchmarkService(b *testing.B) *Service {
	store := providers.Open("memory", mem.New(&mem.Options{}), &providers.StoreOptions{})
	set := vaults.NewSet(nil, vaultstest.NewVault(b, vaultstest.Options{Store: store}))
	s := New(&Options{Vaults: set, Cache: cache.New(&cache.Options{})})
	if err := s.CreateBucket(b.Context(), bucketName); err != nil {
		b.Fatal(err)
	}
	return s
}

func BenchmarkPut(b *testing.B) {
	for name, size := range map[string]int64{"4KiB": 4 << 10, "16MiB": 16 << 20} {
		b.Run(name, func(b *testing.B) {
			s := benchmarkService(b)
			b.SetBytes(size)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := s.Put(b.Context(), &PutInput{Bucket: bucketName, Key: "k", Size: size, Body: bodyFrom(&pattern{size}, size)}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkGet(b *testing.B) {
	for name, size := range map[string]int64{"4KiB": 4 << 10, "64KiB": 64 << 10, "128KiB": 128 << 10, "16MiB": 16 << 20} {
		b.Run(name, func(b *testing.B) {
			s := benchmarkService(b)
			if _, err := s.Put(b.Context(), &PutInput{Bucket: bucketName, Key: "k", Size: size, Body: bodyFrom(&pattern{size}, size)}); err != nil {
				b.Fatal(err)
			}
			b.SetBytes(size)
			b.ReportAllocs()
			for b.Loop() {
				out, err := s.Get(b.Context(), &GetInput{Bucket: bucketName, Key: "k"})
				if err != nil {
					b.Fatal(err)
				}
				if _, err := io.Copy(io.Discard, out.Body); err != nil {
					b.Fatal(err)
				}
				_ = out.Body.Close()
			}
		})
	}
}
