package cache

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"strings"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"sallyport/crypto/keys"
)

// Rows on disk are found by ids: another id for the same revision would forget them all.
func TestIDsAreWhatTheyWere(t *testing.T) {
	key := [keys.Size]byte{7}
	n := &namers{key: key[:]}
	for range 3 {
		for _, c := range []struct{ key, etag, want string }{
			{"", "", "0ed0d3b758c857cbc1945c3cf6661f37"},
			{"b/k", "1", "3e70d083815a19c5e5ff98fd83159ea3"},
			{"b/", "k1", "f00a50de59d29dba8f93ca41b22331c7"},
			{"bucket/some/longer/key/name.txt", "0123456789abcdef0123456789abcdef-17", "608c394d182be2be0e044b0b9dfb8592"},
			{strings.Repeat("k", 1024), "e", "0120d62597b0f5914d75aab26d92ff5c"},
		} {
			if id := n.id(c.key, c.etag); hex.EncodeToString(id[:]) != c.want {
				t.Errorf("%q, %q: %x, want %s", c.key, c.etag, id, c.want)
			}
		}
	}
	view := New(&Options{}).newView(vaultA, keys.NewVRK().CacheKey())
	name := keys.Expand(view.seal[:], keys.Label("cache-name"), keys.Size)
	if view.names.id("k", "1") != plainID(name, "k", "1") {
		t.Error("a view names its rows by another key")
	}
}

// plainID is an id, made from nothing.
func plainID(key []byte, backendKey, backendETag string) rowID {
	mac := hmac.New(sha256.New, key)
	_ = binary.Write(mac, binary.BigEndian, uint64(len(backendKey)))
	mac.Write([]byte(backendKey + backendETag))
	return rowID(mac.Sum(nil))
}

func TestIDsOfManyAtOnce(t *testing.T) {
	key := [keys.Size]byte{7}
	n := &namers{key: key[:]}
	rapid.Check(t, func(t *rapid.T) {
		names := rapid.SliceOfN(rapid.String(), 1, 20).Draw(t, "names")
		ids := make([]rowID, len(names))
		var all sync.WaitGroup
		for i, name := range names {
			all.Go(func() { ids[i] = n.id(name, name) })
		}
		all.Wait()
		for i, name := range names {
			if ids[i] != plainID(key[:], name, name) {
				t.Fatalf("%q: %x", name, ids[i])
			}
		}
	})
}

// What is kept for the next row must not hold the last one's name.
func TestIdleNamersHoldNoNames(t *testing.T) {
	w := &namer{mac: hmac.New(sha256.New, make([]byte, keys.Size))}
	name := strings.Repeat("secret", 100)
	w.id(name, name)
	if text := w.text[:cap(w.text)]; bytes.Contains(text, []byte("sec")) {
		t.Errorf("%q", text)
	}
}
