package objects

import (
	"bytes"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"hash"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/minio/crc64nvme"

	"sallyport/crypto/vault"
	"sallyport/gateway/cache"
	"sallyport/gateway/checksum"
	"sallyport/gateway/vaults"
	"sallyport/providers/driver"
	"sallyport/providers/local"
	"sallyport/providers/mem"
)

// spellings adds every digest that S3 knows of a plaintext, as bytes and as text. Digests of four bytes are sought as text only: as bytes they would turn up
// by chance.
func spellings(found map[string]string, what string, plain []byte) {
	for name, h := range map[string]hash.Hash{
		"MD5": md5.New(), "SHA-1": sha1.New(), "SHA-256": sha256.New(), "CRC-64/NVME": crc64nvme.New(), "CRC-32": crc32.NewIEEE(),
		"CRC-32C": crc32.New(crc32.MakeTable(crc32.Castagnoli)),
	} {
		h.Write(plain)
		sum := h.Sum(nil)
		of := name + " of " + what
		if len(sum) >= 8 {
			found[string(sum)] = of
			found[strings.TrimRight(base64.StdEncoding.EncodeToString(sum), "=")] = of + " in base64"
		} else {
			found[base64.StdEncoding.EncodeToString(sum)] = of + " in base64"
		}
		found[hex.EncodeToString(sum)] = of + " in hex"
		found[strings.ToUpper(hex.EncodeToString(sum))] = of + " in HEX"
	}
}

// searchFor returns a search for all texts in one pass. Each has three bytes at least.
func searchFor(known map[string]string) func(b []byte) (found []string) {
	begins, groups := make([]bool, 1<<24), map[string][]string{}
	for text := range known {
		begins[int(text[0])<<16|int(text[1])<<8|int(text[2])] = true
		groups[text[:3]] = append(groups[text[:3]], text)
	}
	return func(b []byte) (found []string) {
		window := 0
		for i, c := range b {
			if window = (window<<8 | int(c)) & (1<<24 - 1); i < 2 || !begins[window] {
				continue
			}
			for _, text := range groups[string(b[i-2:i+1])] {
				if bytes.HasPrefix(b[i-2:], []byte(text)) {
					found = append(found, known[text])
				}
			}
		}
		return found
	}
}

// TestNoDigestOfPlaintextIsStored is regression E6: whoever reads backend and state folder can not confirm a guess of what an object holds. Everything is
// written that can be: both policies, all checksums, customer keys, copies, uploads that are open and completed.
func TestNoDigestOfPlaintextIsStored(t *testing.T) {
	for _, policy := range []vault.ETagPolicy{vault.ETagMD5, vault.ETagOpaque} {
		root, state := t.TempDir(), t.TempDir()
		folder, err := local.Open(t.Context(), &local.Config{Path: root, Durability: local.DurabilityOff}, nil)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = folder.Close() })
		w := newWorld(t, worldOptions{backend: folder, etag: policy})
		etags := cache.New(&cache.Options{Dir: state})
		w.Service = New(&Options{Vaults: vaults.NewSet(nil, w.vault), Cache: etags})
		digests := map[string]string{}
		known := func(what string, plain []byte) []byte {
			spellings(digests, what, plain)
			return plain
		}
		algorithms := []checksum.Algorithm{checksum.None, checksum.CRC32, checksum.CRC32C, checksum.CRC64NVME, checksum.SHA1, checksum.SHA256}
		for i, algorithm := range algorithms {
			for _, customer := range []*CustomerKey{nil, customerKey(t, 9)} {
				key := fmt.Sprintf("%d-%v", i, customer != nil)
				plain := known(key, fmt.Appendf(nil, "yes, a guessable answer, %s", key))
				w.put(key, plain, withKey(customer), func(in *PutInput) { in.Algorithm = algorithm })
				if _, err := w.Copy(t.Context(), &CopyInput{
					Source: CopySource{Bucket: bucketName, Key: key, CustomerKey: customer}, Bucket: bucketName, Key: "copy-" + key, CustomerKey: customer,
				}); err != nil {
					t.Fatal(err)
				}
			}
			for _, complete := range []bool{true, false} {
				key := fmt.Sprintf("upload-%d-%v", i, complete)
				composite := algorithm == checksum.SHA1 || algorithm == checksum.SHA256
				id := w.begin(key, func(in *CreateUploadInput) { in.Algorithm, in.Composite = algorithm, composite })
				plains := [][]byte{known("the part of "+key, []byte("no, and guessable too: "+key))}
				if algorithm == checksum.None {
					plains = slices.Insert(plains, 0, known("the large part of "+key, content(100, minPart)))
				}
				parts := make([]CompletedPart, len(plains))
				for n, plain := range plains {
					p, err := w.PutPart(t.Context(), &PutPartInput{UploadRef: ref(key, id), Number: n + 1, Size: int64(len(plain)), Body: bodyOf(plain), Algorithm: algorithm})
					if err != nil {
						t.Fatal(err)
					}
					parts[n] = CompletedPart{Number: n + 1, ETag: p.ETag}
				}
				if complete {
					known("the whole of "+key, bytes.Join(plains, nil))
					out := w.complete(key, id, parts...)
					if hexSum, _, ok := strings.Cut(out.ETag, "-"); ok && policy == vault.ETagMD5 {
						digests[hexSum] = "the ETag of " + key
						if raw, err := hex.DecodeString(hexSum); err == nil {
							digests[string(raw)] = "the ETag of " + key + " as bytes"
						}
					}
				}
			}
		}
		w.list(ListInput{}) // fills the cache of ETags
		if err := etags.Flush(); err != nil {
			t.Fatal(err)
		}
		search := searchFor(digests)
		if found := search([]byte("x" + md5Hex([]byte("yes, a guessable answer, 0-false")) + "y")); len(found) != 1 {
			t.Fatalf("the search finds %q in a text with one digest", found)
		}
		looked := 0
		for _, dir := range []string{root, state} {
			err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
				if err != nil || !d.Type().IsRegular() {
					return err
				}
				b, err := os.ReadFile(path)
				looked += len(b)
				for _, what := range search(append(b, path...)) {
					t.Errorf("policy %s: the %s is in %s", policy, what, strings.TrimPrefix(path, dir))
				}
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		if entries, err := os.ReadDir(state); err != nil || len(entries) == 0 || looked < 2*minPart {
			t.Errorf("%d bytes were looked at, %d files of the cache, %v: this test wrote too little", looked, len(entries), err)
		}
	}
}

// TestAMirrorOfTheBytesDecrypts is regression E11: another backend that was given nothing but names and bytes, by any tool, in other order and at
// another time, serves every object whole, over the edges of its parts too.
func TestAMirrorOfTheBytesDecrypts(t *testing.T) {
	for _, policy := range []vault.ETagPolicy{vault.ETagMD5, vault.ETagOpaque} {
		w := newWorld(t, worldOptions{etag: policy})
		plains := map[string][][]byte{
			"empty": {nil}, "small": {[]byte("small")}, "put": {content(1, 200_000)}, "two parts": {content(2, minPart), content(3, 70_001)},
			"three odd parts": {content(4, minPart+1), content(5, minPart+16385), content(6, 1)}, "empty last": {content(7, minPart), nil},
		}
		customers := map[string]*CustomerKey{"put": customerKey(t, 5)}
		for key, parts := range plains {
			if len(parts) == 1 {
				w.put(key, parts[0], withKey(customers[key]))
				continue
			}
			id := w.begin(key)
			var done []CompletedPart
			for i, b := range parts {
				p, err := w.tryPart(key, id, i+1, b, nil)
				if err != nil {
					t.Fatal(err)
				}
				done = append(done, CompletedPart{Number: i + 1, ETag: p.ETag})
			}
			w.complete(key, id, done...)
		}
		mirror := mem.New(&mem.Options{MaxKey: 2048})
		copied := 0
		for _, prefix := range []string{bucketName + "/", ".sallyport/vault", ".sallyport/buckets/"} {
			keys := w.backendKeys(prefix)
			slices.Reverse(keys)
			for _, key := range keys {
				r, info, err := w.backend.Get(t.Context(), key, &driver.GetOptions{})
				if err != nil {
					t.Fatal(err)
				}
				b, err := io.ReadAll(r)
				_ = r.Close()
				if err != nil || int64(len(b)) != info.Size {
					t.Fatal(len(b), err)
				}
				if _, err := mirror.Put(t.Context(), key, bytes.NewReader(b), int64(len(b)), &driver.PutOptions{}); err != nil {
					t.Fatal(err)
				}
				copied++
			}
		}
		if copied < len(plains)+2 {
			t.Fatalf("only %d files were copied", copied)
		}
		there := newWorld(t, worldOptions{backend: mirror})
		for key, parts := range plains {
			whole := bytes.Join(parts, nil)
			got, out, err := there.get(&GetInput{Key: key, CustomerKey: customers[key]})
			if err != nil || !bytes.Equal(got, whole) || len(parts) > 1 && out.Parts != len(parts) {
				t.Errorf("%s: %d bytes of %d, %v", key, len(got), len(whole), err)
				continue
			}
			edge := int64(0)
			for i, p := range parts {
				if len(parts) > 1 {
					if got, _, err := there.get(&GetInput{Key: key, PartNumber: i + 1}); err != nil || !bytes.Equal(got, p) {
						t.Errorf("%s, part %d: %d bytes, %v", key, i+1, len(got), err)
					}
				}
				if edge += int64(len(p)); edge == 0 || edge >= int64(len(whole)) {
					continue
				}
				for _, r := range []RangeSpec{{First: edge - 1, Last: edge}, {First: max(0, edge-20_000), Last: edge + 3}, {First: edge, Last: edge}, {First: 0, Last: edge}} {
					last := min(r.Last, int64(len(whole))-1)
					if got, _, err := there.get(&GetInput{Key: key, Range: &r}); err != nil || !bytes.Equal(got, whole[r.First:last+1]) {
						t.Errorf("%s, range %+v: %d bytes, %v", key, r, len(got), err)
					}
				}
			}
		}
		if got := names(there.list(ListInput{})); len(got) != len(plains) {
			t.Errorf("listed %q", got)
		}
	}
}
