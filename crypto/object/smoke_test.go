package object

import (
	"bytes"
	"io"
	"math/rand/v2"
	"testing"
	"testing/iotest"
	"time"

	"sallyport/crypto/keys"
)

func TestSmoke(t *testing.T) {
	id := Identity{Mode: ModeVault, Epoch: 3, VaultID: VaultID{1, 2}, Salt: NewSalt()}
	secret := keys.VaultObjectSecret(keys.NewVRK(), id.VaultID, id.Epoch, id.Salt)
	for _, n := range []int{0, 1, 16383, 16384, 16385, 32768, 70000, 65536} {
		plain := make([]byte, n)
		rand.NewChaCha8([32]byte{}).Read(plain)
		r, err := NewObjectReader(id, secret, int64(n), bytes.NewReader(plain), func() (*Metadata, error) { return &Metadata{Bucket: "b", Key: "k", Time: time.Now()}, nil })
		if err != nil {
			t.Fatal(err)
		}
		file, err := io.ReadAll(iotest.OneByteReader(r))
		if err != nil {
			t.Fatal(err)
		}
		if int64(len(file)) != CanonicalSize(int64(n)) {
			t.Fatal("size")
		}
		f, err := OpenFile(bytes.NewReader(file), int64(len(file)), KeyringFunc(func(Identity) (keys.ObjectSecret, error) { return secret, nil }))
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(f.Reader())
		if err != nil || !bytes.Equal(got, plain) {
			t.Fatal(n, err)
		}
		for range 100 {
			if n == 0 {
				break
			}
			off := rand.IntN(n)
			l := 1 + rand.IntN(n-off)
			got, err := io.ReadAll(iotest.HalfReader(f.RangeReader(int64(off), int64(l))))
			if err != nil || !bytes.Equal(got, plain[off:off+l]) {
				t.Fatal(n, off, l, err)
			}
		}
	}
}
