package object

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"testing"
	"time"

	"sallyport/crypto/chunked"
	"sallyport/crypto/keys"
)

// sealed is an object file made for a test, with all that is known about it.
type sealed struct {
	id      Identity
	secret  keys.ObjectSecret
	plain   []byte
	file    []byte
	frames  [][]byte
	entries []Entry
}

func (s *sealed) keyring() Keyring {
	return KeyringFunc(func(Identity) (keys.ObjectSecret, error) { return s.secret, nil })
}

func (s *sealed) open(t testing.TB, file []byte) *File {
	t.Helper()
	f, err := OpenFile(bytes.NewReader(file), int64(len(file)), s.keyring())
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func testBytes(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{byte(n), byte(n >> 8), byte(n >> 16)}).Read(b)
	return b
}

func testMetadata() *Metadata {
	return &Metadata{
		Bucket: "bucket", Key: "key", ETag: "0123456789abcdef0123456789abcdef", Time: time.UnixMilli(1790000000000).UTC(),
		Headers: map[string]string{"content-type": "text/plain"}, UserMetadata: map[string]string{"a": "b"},
	}
}

func newIdentity(mode Mode) (Identity, keys.ObjectSecret) {
	id := Identity{Mode: mode, Epoch: 7, VaultID: VaultID{1, 2, 3}, Salt: NewSalt()}
	if mode == ModeVault {
		return id, keys.VaultObjectSecret(keys.NewVRK(), id.VaultID, id.Epoch, id.Salt)
	}
	id.Epoch = 0
	key, err := keys.ParseCustomerKey(testBytes(32))
	if err != nil {
		panic(err)
	}
	return id, keys.CustomerObjectSecret(key, id.Salt)
}

// fixedIdentity is the same in every process, as fuzzing needs it: inputs travel between processes.
func fixedIdentity() (Identity, keys.ObjectSecret) {
	vrk, err := keys.ParseVRK(testBytes(32))
	if err != nil {
		panic(err)
	}
	id := Identity{Mode: ModeVault, Epoch: 7, VaultID: VaultID{1}, Salt: Salt{2}}
	return id, keys.VaultObjectSecret(vrk, id.VaultID, id.Epoch, id.Salt)
}

// sealPut makes an object of one PUT.
func sealPut(t testing.TB, mode Mode, n int) *sealed {
	t.Helper()
	id, secret := newIdentity(mode)
	return sealAs(t, id, secret, n)
}

func sealFixed(t testing.TB, n int) *sealed {
	t.Helper()
	id, secret := fixedIdentity()
	return sealAs(t, id, secret, n)
}

func sealAs(t testing.TB, id Identity, secret keys.ObjectSecret, n int) *sealed {
	t.Helper()
	s := &sealed{plain: testBytes(n), id: id, secret: secret}
	r, err := NewObjectReader(s.id, s.secret, int64(n), bytes.NewReader(s.plain), func() (*Metadata, error) { return testMetadata(), nil })
	if err != nil {
		t.Fatal(err)
	}
	if s.file, err = io.ReadAll(r); err != nil {
		t.Fatal(err)
	}
	if int64(len(s.file)) != CanonicalSize(int64(n)) || r.Size() != int64(len(s.file)) {
		t.Fatalf("%d bytes became %d, want %d", n, len(s.file), CanonicalSize(int64(n)))
	}
	return s
}

// sealParts makes an object of several parts, numbered 1, 3, 5 and so on.
func sealParts(t testing.TB, mode Mode, sizes ...int) *sealed {
	t.Helper()
	s := new(sealed)
	s.id, s.secret = newIdentity(mode)
	for i, n := range sizes {
		plain := testBytes(n)
		s.addFrame(t, 2*i+1, plain)
		s.plain = append(s.plain, plain...)
	}
	s.finish(t)
	return s
}

func (s *sealed) addFrame(t testing.TB, number int, plain []byte) {
	t.Helper()
	f, err := NewFrameReader(s.id, s.secret, number, int64(len(plain)), bytes.NewReader(plain))
	if err != nil {
		t.Fatal(err)
	}
	frame, err := io.ReadAll(f)
	if err != nil || int64(len(frame)) != f.Size() {
		t.Fatalf("frame of %d bytes, error %v", len(frame), err)
	}
	s.frames = append(s.frames, frame)
	s.entries = append(s.entries, Entry{Part: number, Plain: int64(len(plain)), FrameSalt: f.Salt(), Commitment: f.Commitment()})
}

func (s *sealed) finish(t testing.TB) {
	t.Helper()
	r, length, err := Trailer(s.id, s.secret.TableKey(), s.secret.TailKey(), s.entries, testMetadata())
	if err != nil {
		t.Fatal(err)
	}
	trailer, err := io.ReadAll(r)
	if err != nil || int64(len(trailer)) != length {
		t.Fatalf("trailer of %d bytes, announced %d, error %v", len(trailer), length, err)
	}
	s.file = append(bytes.Join(s.frames, nil), trailer...)
	if int64(len(s.file)) != CanonicalSize(int64(len(s.plain))) {
		t.Fatalf("file of %d bytes, want %d", len(s.file), CanonicalSize(int64(len(s.plain))))
	}
}

var objectEdges = []int{0, 1, 1000, chunked.ChunkSize - 1, chunked.ChunkSize, chunked.ChunkSize + 1, 2 * chunked.ChunkSize, 70000}

var errTest = errors.New("injected")
