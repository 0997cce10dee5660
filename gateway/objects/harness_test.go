package objects

import (
	"bytes"
	"crypto/md5"
	"encoding/hex"
	"errors"
	"io"
	"math/rand/v2"
	"testing"

	"sallyport/crypto/keys"
	"sallyport/crypto/object"
	"sallyport/crypto/vault"
	"sallyport/gateway/cache"
	"sallyport/gateway/checksum"
	"sallyport/gateway/vaults"
	"sallyport/gateway/vaults/vaultstest"
	"sallyport/providers"
	"sallyport/providers/driver"
	"sallyport/providers/mem"
)

const bucketName = "test-bucket"

// world is a service over a driver that the test can reach behind its back.
type world struct {
	*Service
	t       testing.TB
	backend driver.Driver // what the store uses, without store and service
	vault   *vaults.Vault
}

type worldOptions struct {
	backend driver.Driver // nil = memory
	wrap    func(driver.Driver) driver.Driver
	etag    vault.ETagPolicy
}

func newWorld(t testing.TB, opts worldOptions) *world {
	t.Helper()
	if opts.backend == nil {
		opts.backend = mem.New(&mem.Options{MaxKey: 2048})
	}
	used := opts.backend
	if opts.wrap != nil {
		used = opts.wrap(opts.backend)
	}
	store := providers.Open("memory", used, &providers.StoreOptions{})
	v := vaultstest.NewVault(t, vaultstest.Options{Store: store, ETag: opts.etag})
	w := &world{t: t, backend: opts.backend, vault: v}
	w.Service = New(&Options{Vaults: vaults.NewSet(nil, v), Cache: cache.New(&cache.Options{})})
	if err := w.CreateBucket(t.Context(), bucketName); err != nil {
		if k := kindOf(err); k != BucketExists {
			t.Fatal(err)
		}
	}
	return w
}

// again returns another gateway on the same backend, with an empty cache.
func (w *world) again() *world {
	n := *w
	n.Service = New(&Options{Vaults: vaults.NewSet(nil, w.vault), Cache: cache.New(&cache.Options{})})
	return &n
}

func kindOf(err error) Kind {
	e, ok := errors.AsType[*Error](err)
	if !ok {
		return -1
	}
	return e.Kind
}

func wantKind(t testing.TB, what string, err error, want Kind) {
	t.Helper()
	if err == nil {
		t.Errorf("%s: no error, want kind %d", what, want)
	} else if got := kindOf(err); got != want {
		t.Errorf("%s: kind %d (%v), want %d", what, got, err, want)
	}
}

func bodyOf(b []byte) *checksum.Reader {
	return checksum.NewReader(bytes.NewReader(b), &checksum.Options{Size: int64(len(b))})
}

// content returns n bytes that a seed decides.
func content(seed uint64, n int) []byte {
	b := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8), byte(seed >> 16)}).Read(b)
	return b
}

func md5Hex(b []byte) string {
	sum := md5.Sum(b)
	return hex.EncodeToString(sum[:])
}

func customerKey(t testing.TB, seed byte) *CustomerKey {
	t.Helper()
	k, err := keys.ParseCustomerKey(bytes.Repeat([]byte{seed}, 32))
	if err != nil {
		t.Fatal(err)
	}
	return &k
}

func (w *world) put(key string, b []byte, with ...func(*PutInput)) *PutOutput {
	w.t.Helper()
	in := &PutInput{Bucket: bucketName, Key: key, Size: int64(len(b)), Body: bodyOf(b)}
	for _, f := range with {
		f(in)
	}
	out, err := w.Put(w.t.Context(), in)
	if err != nil {
		w.t.Fatalf("put %q: %v", key, err)
	}
	return out
}

func withKey(k *CustomerKey) func(*PutInput) { return func(in *PutInput) { in.CustomerKey = k } }

// get returns the plaintext that a GET yields, and fails where Get or Body does.
func (w *world) get(in *GetInput) ([]byte, *GetOutput, error) {
	in.Bucket = bucketName
	out, err := w.Get(w.t.Context(), in)
	if err != nil {
		return nil, nil, err
	}
	b, err := io.ReadAll(out.Body)
	if closeErr := out.Body.Close(); err == nil {
		err = closeErr
	}
	return b, out, err
}

func (w *world) mustGet(key string) []byte {
	w.t.Helper()
	b, _, err := w.get(&GetInput{Key: key})
	if err != nil {
		w.t.Fatalf("get %q: %v", key, err)
	}
	return b
}

// stored returns an object's file as the backend holds it.
func (w *world) stored(key string) []byte {
	w.t.Helper()
	r, _, err := w.backend.Get(w.t.Context(), bucketName+"/"+key, &driver.GetOptions{})
	if err != nil {
		w.t.Fatalf("stored %q: %v", key, err)
	}
	defer func() { _ = r.Close() }()
	b, err := io.ReadAll(r)
	if err != nil {
		w.t.Fatal(err)
	}
	return b
}

// plant writes a file behind the gateway's back.
func (w *world) plant(key string, file []byte) *driver.Info {
	w.t.Helper()
	info, err := w.backend.Put(w.t.Context(), bucketName+"/"+key, bytes.NewReader(file), int64(len(file)), &driver.PutOptions{})
	if err != nil {
		w.t.Fatalf("plant %q: %v", key, err)
	}
	return info
}

// part is one part of an object made as a multipart upload makes it.
type part struct {
	number int
	plain  []byte
}

// plantParts stores an object of several frames, as CompleteMultipartUpload leaves it.
func (w *world) plantParts(key string, customer *CustomerKey, parts ...part) *object.Metadata {
	w.t.Helper()
	id, secret, err := newSecret(w.vault, customer)
	if err != nil {
		w.t.Fatal(err)
	}
	var file bytes.Buffer
	var entries []object.Entry
	var sums []byte
	for _, p := range parts {
		f, err := object.NewFrameReader(id, secret, p.number, int64(len(p.plain)), bytes.NewReader(p.plain))
		if err != nil {
			w.t.Fatal(err)
		}
		sum := md5.Sum(p.plain)
		sums = append(sums, sum[:]...)
		crc := checksum.NewReader(bytes.NewReader(p.plain), &checksum.Options{Size: int64(len(p.plain)), Algorithms: []checksum.Algorithm{checksum.CRC32}})
		if _, err := io.Copy(io.Discard, crc); err != nil {
			w.t.Fatal(err)
		}
		value, _ := crc.Value(checksum.CRC32)
		entries = append(entries, object.Entry{
			Part: p.number, Plain: int64(len(p.plain)), FrameSalt: f.Salt(), Commitment: f.Commitment(), HasMD5: true, MD5: sum, Checksum: value.Sum(),
		})
		if _, err := file.ReadFrom(f); err != nil {
			w.t.Fatal(err)
		}
	}
	meta := &object.Metadata{
		Bucket: bucketName, Key: key, Checksum: &object.Checksum{Algorithm: "CRC32", Type: "COMPOSITE", Value: "AAAAAA==-2"}, Time: w.now(),
	}
	if customer == nil {
		meta.ETag = md5Hex(sums) + "-" + string(rune('0'+len(parts)))
	}
	if len(parts) == 1 {
		meta.Checksum.PartValue = "BBBBBA=="
	}
	trailer, _, err := object.Trailer(id, secret.TableKey(), secret.TailKey(), entries, meta)
	if err != nil {
		w.t.Fatal(err)
	}
	if _, err := file.ReadFrom(trailer); err != nil {
		w.t.Fatal(err)
	}
	w.plant(key, file.Bytes())
	return meta
}

func (w *world) list(in ListInput) *ListOutput {
	w.t.Helper()
	in.Bucket = bucketName
	if in.Limit == 0 {
		in.Limit = 1000
	}
	out, err := w.List(w.t.Context(), &in)
	if err != nil {
		w.t.Fatalf("list: %v", err)
	}
	return out
}

func bodyFrom(r io.Reader, size int64) *checksum.Reader {
	return checksum.NewReader(r, &checksum.Options{Size: size})
}
