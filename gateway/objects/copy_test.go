package objects

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sallyport/crypto/vault"
	"sallyport/gateway/cache"
	"sallyport/gateway/checksum"
	"sallyport/gateway/vaults"
	"sallyport/gateway/vaults/vaultstest"
	"sallyport/providers"
	"sallyport/providers/driver"
	"sallyport/providers/mem"
)

func (w *world) copyTo(key string, with func(*CopyInput)) (*PutOutput, error) {
	in := &CopyInput{Source: CopySource{Bucket: bucketName, Key: "source"}, Bucket: bucketName, Key: key}
	if with != nil {
		with(in)
	}
	return w.Copy(w.t.Context(), in)
}

func TestCopyBetweenKeys(t *testing.T) {
	w := newWorld(t, worldOptions{})
	kinds := map[string]*CustomerKey{"vault": nil, "customer": customerKey(t, 1), "another customer": customerKey(t, 2)}
	c := Content{Headers: map[string]string{"content-type": "text/x"}, Metadata: map[string]string{"a": "b"}}
	for fromName, from := range kinds {
		for toName, to := range kinds {
			for _, n := range []int{0, 1, 16384, 200_000} {
				for _, key := range []string{"destination", "source"} {
					what := fmt.Sprintf("%d bytes from %s to %s at %s", n, fromName, toName, key)
					plain := content(uint64(n), n)
					put := w.put("source", plain, withKey(from), func(in *PutInput) { in.Content, in.Algorithm = c, checksum.SHA1 })
					before := w.stored("source")
					out, err := w.copyTo(key, func(in *CopyInput) { in.Source.CustomerKey, in.CustomerKey = from, to })
					if fromName == toName && key == "source" {
						wantKind(t, what, err, InvalidRequest)
						if !bytes.Equal(before, w.stored("source")) {
							t.Errorf("%s: the object changed", what)
						}
						continue
					}
					if err != nil {
						t.Errorf("%s: %v", what, err)
						continue
					}
					got, info, err := w.get(&GetInput{Key: key, CustomerKey: to})
					if err != nil || !bytes.Equal(got, plain) || info.ETag != out.ETag || to == nil && out.ETag != md5Hex(plain) {
						t.Errorf("%s: %d bytes, %+v, %v", what, len(got), info, err)
						continue
					}
					if diff := cmp.Diff(c, info.Content); diff != "" {
						t.Errorf("%s: content %s", what, diff)
					}
					if diff := cmp.Diff(put.Checksum, info.Checksum); diff != "" {
						t.Errorf("%s: checksum %s", what, diff)
					}
					if n > 0 && bytes.Contains(w.stored(key), before[112:112+16]) {
						t.Errorf("%s: the copy is the source's ciphertext", what)
					}
				}
			}
		}
	}
}

func TestCopyOptions(t *testing.T) {
	w := newWorld(t, worldOptions{})
	src := w.put("source", []byte("plain"), func(in *PutInput) { in.Metadata = map[string]string{"a": "b"} })
	replaced := Content{Headers: map[string]string{"content-type": "x/y"}}
	for _, key := range []string{"destination", "source"} {
		out, err := w.copyTo(key, func(in *CopyInput) { in.Replace, in.Content, in.Algorithm = true, replaced, checksum.CRC32C })
		if err != nil || out.ETag != src.ETag || out.Checksum.Algorithm != checksum.CRC32C {
			t.Errorf("%s: %+v, %v", key, out, err)
		}
		info, err := w.Head(t.Context(), &GetInput{Bucket: bucketName, Key: key})
		if err != nil || info.Headers["content-type"] != "x/y" || len(info.Metadata) != 0 {
			t.Errorf("%s: %+v, %v", key, info, err)
		}
	}
	src = w.put("source", []byte("plain"))
	dst := w.put("destination", []byte("old"))
	for what, tc := range map[string]struct {
		with func(*CopyInput)
		want Kind
	}{
		"if-match fails":            {func(in *CopyInput) { in.Source.Conditions.IfMatch = []string{"x"} }, PreconditionFailed},
		"if-none-match fails":       {func(in *CopyInput) { in.Source.Conditions.IfNoneMatch = []string{src.ETag} }, PreconditionFailed},
		"if-modified-since fails":   {func(in *CopyInput) { in.Source.Conditions.IfModifiedSince = src.ModTime }, PreconditionFailed},
		"destination If-None-Match": {func(in *CopyInput) { in.Conditions.IfNoneMatch = true }, PreconditionFailed},
		"destination If-Match":      {func(in *CopyInput) { in.Conditions.IfMatch = src.ETag }, PreconditionFailed},
		"metadata too large": {func(in *CopyInput) {
			in.Replace, in.Metadata = true, map[string]string{"a": string(make([]byte, 3200))}
		}, MetadataTooLarge},
		"destination key": {func(in *CopyInput) { in.Key = "" }, InvalidKey},
	} {
		_, err := w.copyTo("destination", tc.with)
		wantKind(t, what, err, tc.want)
		if got := w.mustGet("destination"); string(got) != "old" {
			t.Fatalf("%s: destination is %q", what, got)
		}
	}
	if _, err := w.copyTo("destination", func(in *CopyInput) {
		in.Conditions.IfMatch, in.Source.Conditions.IfMatch = dst.ETag, []string{src.ETag}
	}); err != nil {
		t.Error(err)
	}
}

func TestCopyOfAMultipartObject(t *testing.T) {
	w := newWorld(t, worldOptions{})
	a, b := content(1, 5<<20), content(2, 10)
	w.plantParts("source", nil, part{1, a}, part{2, b})
	out, err := w.copyTo("destination", nil)
	whole := append(a, b...)
	if err != nil || out.ETag != md5Hex(whole) || out.Checksum.Composite || out.Checksum.Algorithm != checksum.CRC32 {
		t.Fatalf("%+v, %v", out, err)
	}
	if got := w.mustGet("destination"); !bytes.Equal(got, whole) {
		t.Errorf("%d bytes", len(got))
	}
}

func TestCopyBetweenVaults(t *testing.T) {
	first, second := vaultFor(t, "first-*", vault.ETagMD5), vaultFor(t, "second-*", vault.ETagOpaque)
	s := New(&Options{Vaults: vaults.NewSet(nil, first, second), Cache: cache.New(&cache.Options{})})
	for _, b := range []string{"first-bucket", "second-bucket"} {
		if err := s.CreateBucket(t.Context(), b); err != nil {
			t.Fatal(err)
		}
	}
	w := &world{Service: s, t: t}
	plain := content(1, 100_000)
	if _, err := s.Put(t.Context(), &PutInput{Bucket: "first-bucket", Key: "k", Size: 100_000, Body: bodyOf(plain)}); err != nil {
		t.Fatal(err)
	}
	hop := func(from, to string) *PutOutput {
		t.Helper()
		out, err := s.Copy(t.Context(), &CopyInput{Source: CopySource{Bucket: from, Key: "k"}, Bucket: to, Key: "k"})
		if err != nil {
			w.t.Fatal(err)
		}
		return out
	}
	if out := hop("first-bucket", "second-bucket"); out.ETag == md5Hex(plain) {
		t.Error("the opaque vault shows an MD5")
	}
	if out := hop("second-bucket", "first-bucket"); out.ETag != md5Hex(plain) {
		t.Errorf("back: %+v", out)
	}
	second.Lock()
	_, err := s.Copy(t.Context(), &CopyInput{Source: CopySource{Bucket: "second-bucket", Key: "k"}, Bucket: "first-bucket", Key: "k"})
	wantKind(t, "copy from a locked vault", err, Locked)
}

func vaultFor(t *testing.T, pattern string, etag vault.ETagPolicy) *vaults.Vault {
	t.Helper()
	store := providers.Open("memory", mem.New(&mem.Options{}), &providers.StoreOptions{})
	v := vaults.New(&vaults.Options{Name: pattern, Store: store, Patterns: []string{pattern}, Hasher: vaultstest.Hasher(t)})
	if err := v.Create(t.Context(), &vaults.CreateOptions{Key: vaultstest.Key(t), ETag: etag}); err != nil {
		t.Fatal(err)
	}
	if err := v.Open(t.Context(), vaults.Unlock{Key: vaultstest.Key(t)}); err != nil {
		t.Fatal(err)
	}
	return v
}

// TestCopyOntoItselfOvertaken must not bring an older content back over a newer one.
func TestCopyOntoItselfOvertaken(t *testing.T) {
	b := &between{}
	w := newWorld(t, worldOptions{wrap: func(d driver.Driver) driver.Driver { b.Driver = d; return b }})
	w.put("source", []byte("old"))
	b.then = func() { w.put("source", []byte("newer")) }
	out, err := w.copyTo("source", func(in *CopyInput) { in.Replace = true })
	if err != nil || out.ETag != md5Hex([]byte("newer")) {
		t.Errorf("%+v, %v", out, err)
	}
	if got := w.mustGet("source"); string(got) != "newer" {
		t.Errorf("object is %q", got)
	}
	times := 0
	var again func()
	again = func() { times++; w.put("source", []byte{byte(times)}); b.then = again }
	b.then = again
	_, err = w.copyTo("source", func(in *CopyInput) { in.Replace = true })
	wantKind(t, "overtaken for ever", err, Conflict)
	if times != maxRestarts+1 {
		t.Errorf("%d attempts", times)
	}
}
