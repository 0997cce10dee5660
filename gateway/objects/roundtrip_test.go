package objects

import (
	"bytes"
	"fmt"
	"io"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"

	"sallyport/crypto/object"
	"sallyport/crypto/vault"
	"sallyport/gateway/checksum"
)

// edgeSizes are the sizes around which chunks, frames and the first read end.
func edgeSizes() []int {
	const chunk = 16384
	inFirstRead := smallFile - object.TailSize - object.FrameHeaderSize - 4*16 - 64
	return []int{
		0, 1, 100, chunk - 1, chunk, chunk + 1, 2 * chunk, inFirstRead - 1, inFirstRead, inFirstRead + 1, smallFile, 5 * chunk, 300_001,
		5<<20 - 1, 5 << 20, 5<<20 + 1,
	}
}

func TestRoundTrip(t *testing.T) {
	for _, policy := range []vault.ETagPolicy{vault.ETagMD5, vault.ETagOpaque} {
		for _, customer := range []*CustomerKey{nil, customerKey(t, 7)} {
			t.Run(fmt.Sprint(policy, "/customer=", customer != nil), func(t *testing.T) {
				w := newWorld(t, worldOptions{etag: policy})
				for i, n := range edgeSizes() {
					checkRoundTrip(t, w, fmt.Sprint("key/", n), content(uint64(i), n), customer, policy)
				}
			})
		}
	}
}

func checkRoundTrip(t *testing.T, w *world, key string, plain []byte, customer *CustomerKey, policy vault.ETagPolicy) {
	t.Helper()
	put := w.put(key, plain, withKey(customer))
	if own := policy == vault.ETagMD5 && customer == nil; own != (put.ETag == md5Hex(plain)) || len(put.ETag) == 32 != own {
		t.Errorf("%s: ETag %q", key, put.ETag)
	}
	if n := len(w.stored(key)); int64(n) != object.CanonicalSize(int64(len(plain))) {
		t.Errorf("%s: stored %d bytes", key, n)
	}
	if len(plain) >= 100 && bytes.Contains(w.stored(key), plain[:100]) {
		t.Errorf("%s: stored in clear", key)
	}
	got, out, err := w.get(&GetInput{Key: key, CustomerKey: customer})
	if err != nil || !bytes.Equal(got, plain) {
		t.Fatalf("%s: got %d bytes, %v", key, len(got), err)
	}
	head, err := w.Head(t.Context(), &GetInput{Bucket: bucketName, Key: key, CustomerKey: customer})
	if err != nil {
		t.Fatalf("%s: head: %v", key, err)
	}
	if head.Body != nil || head.Length != int64(len(plain)) || head.Offset != 0 || head.Partial || head.Parts != 0 {
		t.Errorf("%s: head %+v", key, head)
	}
	if diff := cmp.Diff(head.ObjectInfo, out.ObjectInfo); diff != "" {
		t.Errorf("%s: HEAD and GET differ: %s", key, diff)
	}
	if out.ETag != put.ETag || out.Size != int64(len(plain)) || out.Customer != (customer != nil) || !out.ModTime.Equal(put.ModTime) {
		t.Errorf("%s: GET says %+v, PUT said %+v", key, out.ObjectInfo, put)
	}
	if diff := cmp.Diff(put.Checksum, out.Checksum); diff != "" || out.Checksum.Algorithm != checksum.CRC64NVME {
		t.Errorf("%s: checksum %+v %s", key, out.Checksum, diff)
	}
	for _, g := range []*world{w, w.again()} { // with a warm and with a cold cache
		l := g.list(ListInput{Prefix: key}).Objects
		if len(l) == 0 || l[0].Key != key || l[0].ETag != put.ETag || l[0].Size != int64(len(plain)) || !l[0].ModTime.Equal(put.ModTime) {
			t.Errorf("%s: LIST says %+v, PUT said %+v", key, l, put)
		}
	}
}

func TestOneByteReaders(t *testing.T) {
	w := newWorld(t, worldOptions{})
	for _, n := range []int{0, 1, 16384, 70_000} {
		plain := content(9, n)
		for what, slow := range map[string]func(io.Reader) io.Reader{"one byte": iotest.OneByteReader, "half": iotest.HalfReader, "data with EOF": iotest.DataErrReader} {
			w.put("slow", nil, func(in *PutInput) {
				in.Size = int64(n)
				in.Body = checksum.NewReader(slow(bytes.NewReader(plain)), &checksum.Options{Size: int64(n)})
			})
			out, err := w.Get(t.Context(), &GetInput{Bucket: bucketName, Key: "slow"})
			if err != nil {
				t.Fatal(err)
			}
			if err := iotest.TestReader(out.Body, plain); err != nil {
				t.Errorf("%s, %d bytes: %v", what, n, err)
			}
			if err := out.Body.Close(); err != nil {
				t.Error(err)
			}
			if n, err := out.Body.Read(make([]byte, 1)); n != 0 || err == nil {
				t.Errorf("read after close: %d, %v", n, err)
			}
		}
	}
}

func TestContentIsKept(t *testing.T) {
	w := newWorld(t, worldOptions{})
	c := Content{
		Headers:  map[string]string{"content-type": "text/plain; charset=utf-8", "cache-control": "no-cache", "content-disposition": `attachment; filename="a<&>b"`},
		Metadata: map[string]string{"a": "", "latin": "caf\xe9", "utf": "café", "quote": "\"\\\x01", "mtime": "1790000000.5"},
	}
	put := w.put("k", []byte("x"), func(in *PutInput) { in.Content, in.Algorithm = c, checksum.SHA256 })
	if put.Checksum.Algorithm != checksum.SHA256 || put.Checksum.Value != "LXEWQrcmsEQBYnyp+6wy9chTD7GQPMTbAiWHF5IaSIE=" || put.Checksum.Composite {
		t.Errorf("checksum %+v", put.Checksum)
	}
	head, err := w.Head(t.Context(), &GetInput{Bucket: bucketName, Key: "k"})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(c, head.Content); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(put.Checksum, head.Checksum); diff != "" {
		t.Error(diff)
	}
	if bytes.Contains(w.stored("k"), []byte("attachment")) {
		t.Error("headers stand in clear in the file")
	}
	if head.ModTime.Nanosecond() != 0 || head.ModTime.Location() != time.UTC {
		t.Errorf("ModTime %v", head.ModTime)
	}
}
