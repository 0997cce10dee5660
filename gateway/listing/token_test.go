package listing

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"sallyport/crypto/keys"
)

func cacheKey() keys.CacheKey { return keys.NewVRK().CacheKey() }

func TestToken(t *testing.T) {
	key := cacheKey()
	q := &Query{Prefix: "p/", Delimiter: "/", Limit: 7}
	for _, after := range []string{"p/a", "", "p/\x00\xff", strings.Repeat("é", 512)} {
		token := SealToken(key, "bucket", q, after)
		if got, err := OpenToken(key, "bucket", &Query{Prefix: "p/", Delimiter: "/", Limit: 1000}, token); err != nil || got != after {
			t.Errorf("OpenToken gives %q, %v; want %q", got, err, after)
		}
		if after != "" && strings.Contains(token, after) || token == SealToken(key, "bucket", q, after) {
			t.Errorf("token %q shows what it says", token)
		}
	}
	token := SealToken(key, "bucket", q, "p/after")
	for what, try := range map[string]func() (string, error){
		"another bucket":    func() (string, error) { return OpenToken(key, "bucket2", q, token) },
		"another prefix":    func() (string, error) { return OpenToken(key, "bucket", &Query{Prefix: "p", Delimiter: "/"}, token) },
		"another delimiter": func() (string, error) { return OpenToken(key, "bucket", &Query{Prefix: "p/"}, token) },
		"fields shifted":    func() (string, error) { return OpenToken(key, "bucketp", &Query{Prefix: "/", Delimiter: "/"}, token) },
		"another vault":     func() (string, error) { return OpenToken(cacheKey(), "bucket", q, token) },
		"nothing":           func() (string, error) { return OpenToken(key, "bucket", q, "") },
		"a marker":          func() (string, error) { return OpenToken(key, "bucket", q, "p/after") },
		"padding":           func() (string, error) { return OpenToken(key, "bucket", q, token+"=") },
		"line break":        func() (string, error) { return OpenToken(key, "bucket", q, token+"\n") },
		"huge":              func() (string, error) { return OpenToken(key, "bucket", q, strings.Repeat("A", 1<<20)) },
	} {
		if got, err := try(); !errors.Is(err, ErrToken) || got != "" {
			t.Errorf("%s: %q, %v", what, got, err)
		}
	}
	for i := range token {
		altered := []byte(token)
		altered[i] ^= 1
		if bytes.ContainsRune([]byte("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"), rune(altered[i])) {
			if got, err := OpenToken(key, "bucket", q, string(altered)); err == nil {
				t.Fatalf("altered at %d: %q", i, got)
			}
		}
	}
}

func FuzzOpenToken(f *testing.F) {
	vrk, err := keys.ParseVRK(bytes.Repeat([]byte{3}, keys.Size))
	if err != nil {
		f.Fatal(err)
	}
	key, q := vrk.CacheKey(), &Query{Prefix: "p", Delimiter: "/"}
	sound := SealToken(key, "b", q, "p/after")
	f.Add(sound)
	f.Add(sound[:len(sound)-1])
	f.Add("")
	f.Fuzz(func(t *testing.T, token string) {
		after, err := OpenToken(key, "b", q, token)
		if err == nil && after != "p/after" {
			t.Errorf("OpenToken(%q) = %q", token, after)
		}
	})
}
