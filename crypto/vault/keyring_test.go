package vault

import (
	"bytes"
	"testing"

	"sallyport/crypto/keys"
)

// FuzzKeyring reads what stands behind all seals of the vault file: it is a holder's, and may be a later version's. What is taken is whole, and
// is the same when it is written again.
func FuzzKeyring(f *testing.F) {
	ring := &keyring{names: keys.NewVNK(), epochs: []epochKey{{epoch: 1, key: keys.NewVRK()}, {epoch: 7, key: keys.NewVRK()}}}
	f.Add(ring.encode())
	ring.credentials = []credential{{number: 9, id: [16]byte{1}, commitment: make([]byte, commitmentSize)}}
	good := ring.encode()
	f.Add(good)
	f.Add(bytes.Replace(good, []byte(`{"vrk"`), []byte(`{"later":{"A":[]},"vrk"`), 1))
	f.Add(bytes.Replace(good, []byte(`"e":7`), []byte(`"e":1`), 1))
	f.Fuzz(func(t *testing.T, plain []byte) {
		parsed, err := parseKeyring(plain)
		if err != nil {
			return
		}
		last := uint32(0)
		for _, entry := range parsed.epochs {
			if entry.epoch <= last || entry.key.IsZero() {
				t.Fatalf("epoch %d behind %d", entry.epoch, last)
			}
			last = entry.epoch
		}
		if last == 0 || parsed.names.IsZero() {
			t.Fatal("a keyring without keys was taken")
		}
		again, err := parseKeyring(parsed.encode())
		if err != nil || !bytes.Equal(again.encode(), parsed.encode()) {
			t.Fatalf("written again it is something else: %v", err)
		}
	})
}
