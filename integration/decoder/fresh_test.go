package decoder

import (
	"bytes"
	"crypto/md5" // S3 defines ETags by it
	"encoding/hex"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/encrypt"
)

const (
	freshBucket = "second-reader"
	chunk       = 16384
	leastPart   = 5 << 20
)

// written is an object that a client has put, and what a reader must find in its file.
type written struct {
	parts    []tablePart // in order; one of number 0 after a single PUT
	content  []byte
	customer bool // SSE-C
	etag     string
	headers  map[string]string
	userData map[string]string
	checksum string // algorithm; whatever it is if empty
}

// writer puts objects and remembers them by their keys.
type writer struct {
	core     *minio.Core
	customer encrypt.ServerSide
	plain    []byte
	objects  map[string]written
}

func (w *writer) options(customer bool) (minio.PutObjectOptions, written) {
	options := minio.PutObjectOptions{ContentType: "text/x-fresh", UserMetadata: map[string]string{"Colour": "blue and \"green\"\\"}}
	want := written{
		headers: map[string]string{"content-type": "text/x-fresh"}, userData: map[string]string{"colour": "blue and \"green\"\\"}, customer: customer,
	}
	if customer {
		options.ServerSideEncryption = w.customer
	}
	return options, want
}

func (w *writer) put(t *testing.T, key string, size int, customer bool, change ...func(*minio.PutObjectOptions)) {
	t.Helper()
	options, want := w.options(customer)
	for _, c := range change {
		c(&options)
	}
	want.content = w.plain[:size]
	sum := md5.Sum(want.content)
	want.parts, want.etag = []tablePart{{Plain: int64(size)}}, hex.EncodeToString(sum[:])
	if options.Checksum.IsSet() {
		want.checksum = options.Checksum.String()
	}
	options.DisableMultipart = true
	if _, err := w.core.Client.PutObject(t.Context(), freshBucket, key, bytes.NewReader(want.content), int64(size), options); err != nil {
		t.Fatalf("put %s: %v", key, err)
	}
	w.objects[key] = want
}

// multipart uploads parts whose numbers and sizes are given in pairs. Each part is sent twice, first with other content.
func (w *writer) multipart(t *testing.T, key string, customer bool, numbersAndSizes ...int) {
	t.Helper()
	options, want := w.options(customer)
	upload, err := w.core.NewMultipartUpload(t.Context(), freshBucket, key, options)
	if err != nil {
		t.Fatalf("begin %s: %v", key, err)
	}
	var completed []minio.CompletePart
	var sums []byte
	for pair := range slices.Chunk(numbersAndSizes, 2) {
		number, size := pair[0], pair[1]
		first := len(want.content) % 1000 // so that parts of one size differ
		content := w.plain[first : first+size]
		var sent minio.ObjectPart
		for _, body := range [][]byte{w.plain[first+7 : first+7+size], content} {
			sent, err = w.core.PutObjectPart(t.Context(), freshBucket, key, upload, number, bytes.NewReader(body), int64(size),
				minio.PutObjectPartOptions{SSE: options.ServerSideEncryption})
			if err != nil {
				t.Fatalf("part %d of %s: %v", number, key, err)
			}
		}
		sum := md5.Sum(content)
		sums = append(sums, sum[:]...)
		want.parts = append(want.parts, tablePart{Part: number, Plain: int64(size), MD5: hex.EncodeToString(sum[:])})
		want.content = append(want.content, content...)
		completed = append(completed, minio.CompletePart{PartNumber: number, ETag: sent.ETag})
	}
	if _, err := w.core.CompleteMultipartUpload(t.Context(), freshBucket, key, upload, completed, minio.PutObjectOptions{}); err != nil {
		t.Fatalf("complete %s: %v", key, err)
	}
	sum := md5.Sum(sums)
	want.etag = fmt.Sprintf("%x-%d", sum, len(want.parts))
	w.objects[key] = want
}

func TestDecoderReadsWhatARunningGatewayWrites(t *testing.T) {
	needsPython(t)
	g := startGateway(t)
	customerKey := bytes.Repeat([]byte("c2"), 16)
	customer, err := encrypt.NewSSEC(customerKey)
	if err != nil {
		t.Fatal(err)
	}
	w := &writer{core: g.client(t), customer: customer, plain: vectorPlaintext(2*leastPart + 1<<20), objects: map[string]written{}}
	began := time.Now().UnixMilli()
	if err := w.core.MakeBucket(t.Context(), freshBucket, minio.MakeBucketOptions{}); err != nil {
		t.Fatal(err)
	}
	w.writeAll(t)

	vault := g.openVault(t)
	g.checkBucketRecord(t, vault)
	files := g.objectFiles(t)
	if len(files) != len(w.objects) {
		t.Errorf("%d files for %d objects: %q", len(files), len(w.objects), files)
	}
	jobs := make([]job, 0, len(files))
	for _, file := range files {
		jobs = append(jobs, job{
			File: file, Vault: hex.EncodeToString(vault.id), Epoch: uint32(vault.epoch), RootKey: hex.EncodeToString(vault.roots[vault.epoch]),
			CustomerKey: hex.EncodeToString(customerKey),
		})
	}
	fileOf, seen := map[string]job{}, map[string]bool{}
	for i, got := range decode(t, jobs) {
		if got.Result != "ok" {
			t.Errorf("%s: %s: %s", files[i], got.Result, got.Why)
			continue
		}
		key := got.Metadata.Key
		fileOf[key], seen[key] = jobs[i], true
		if m := got.Metadata; m.Millis < began || m.Millis > time.Now().UnixMilli() {
			t.Errorf("%s was written at %d, the test began at %d", key, m.Millis, began)
		}
		w.compare(t, got)
	}
	for key := range w.objects {
		if !seen[key] {
			t.Errorf("no file holds %s", key)
		}
	}
	w.checkOtherKeys(t, fileOf)
	checkAltered(t, fileOf["multipart/gaps"], fileOf["put/16385"])
}

// writeAll makes objects of every shape and of the sizes at which something changes.
func (w *writer) writeAll(t *testing.T) {
	t.Helper()
	for _, size := range []int{0, 1, chunk - 1, chunk, chunk + 1, leastPart - 1, leastPart, leastPart + 1} {
		w.put(t, fmt.Sprintf("put/%d", size), size, false)
	}
	for _, size := range []int{0, 1, chunk, leastPart + 1} {
		w.put(t, fmt.Sprintf("customer/put/%d", size), size, true)
	}
	for i, algorithm := range []minio.ChecksumType{minio.ChecksumSHA256, minio.ChecksumSHA1, minio.ChecksumCRC32, minio.ChecksumCRC32C, minio.ChecksumCRC64NVME} {
		w.put(t, "checksum/"+algorithm.String(), 1000+i, false, func(o *minio.PutObjectOptions) { o.Checksum = algorithm })
	}
	w.put(t, "names/Zürich \"quoted\" & <tagged> 日本/\U0001f600 a+b%20c", 5, false)
	w.put(t, "put/overwritten", 77, false)
	w.put(t, "put/overwritten", 99, false)

	w.multipart(t, "multipart/one-empty", false, 1, 0)
	w.multipart(t, "multipart/one", false, 7, chunk)
	w.multipart(t, "multipart/one-large", false, 1, leastPart+1)
	w.multipart(t, "multipart/two", false, 1, leastPart, 2, 1)
	w.multipart(t, "multipart/gaps", false, 2, leastPart, 5, leastPart+1, 10000, chunk)
	w.multipart(t, "multipart/last-empty", false, 3, leastPart, 4, 0)
	w.multipart(t, "customer/multipart/one", true, 3, 100)
	w.multipart(t, "customer/multipart/three", true, 1, leastPart, 3, leastPart, 9999, chunk-1)

	// A copy is sealed afresh as one frame, as S3 gives it the ETag of one PUT.
	w.multipart(t, "copy", false, 1, leastPart, 2, 1)
	source := minio.CopySrcOptions{Bucket: freshBucket, Object: "copy"}
	target := minio.CopyDestOptions{
		Bucket: freshBucket, Object: "copy", ReplaceMetadata: true, ContentType: "text/replaced", UserMetadata: map[string]string{"Shape": "round"},
	}
	if _, err := w.core.Client.CopyObject(t.Context(), target, source); err != nil {
		t.Fatalf("copy: %v", err)
	}
	copied := w.objects["copy"]
	sum := md5.Sum(copied.content)
	copied.parts, copied.etag = []tablePart{{Plain: int64(len(copied.content))}}, hex.EncodeToString(sum[:])
	copied.headers, copied.userData = map[string]string{"content-type": "text/replaced"}, map[string]string{"shape": "round"}
	w.objects["copy"] = copied
}

func (w *writer) compare(t *testing.T, got answer) {
	t.Helper()
	m := got.Metadata
	want, known := w.objects[m.Key]
	if !known || m.Bucket != freshBucket {
		t.Errorf("nobody put %s/%s", m.Bucket, m.Key)
		return
	}
	if got.Released != int64(len(want.content)) || got.ReleasedSHA256 != hexSHA256(want.content) {
		t.Errorf("%s: %d bytes with another hash, want %d", m.Key, got.Released, len(want.content))
	}
	etag := want.etag
	if want.customer {
		etag = "" // section 5: mode C keeps none
	}
	if m.ETag != etag || m.Frames != len(want.parts) || m.Plain != int64(len(want.content)) {
		t.Errorf("%s: ETag %q, %d frames; want %q, %d", m.Key, m.ETag, m.Frames, etag, len(want.parts))
	}
	if m.Part != nil && *m.Part != want.parts[0].Part {
		t.Errorf("%s: the part is %d, want %d", m.Key, *m.Part, want.parts[0].Part)
	}
	if len(got.Parts) > 0 && len(got.Parts) != len(want.parts) {
		t.Errorf("%s: a table of %d parts", m.Key, len(got.Parts))
		return
	}
	for i, part := range got.Parts {
		part.Checksum = ""
		if want.customer {
			part.MD5 = want.parts[i].MD5 // as with the ETag
		}
		if part != want.parts[i] {
			t.Errorf("%s: part %+v, want %+v", m.Key, part, want.parts)
		}
	}
	if want.checksum != "" && (m.Checksum == nil || m.Checksum.Algorithm != want.checksum) {
		t.Errorf("%s: checksum %+v, want %s", m.Key, m.Checksum, want.checksum)
	}
	if !maps.Equal(m.Headers, want.headers) || !maps.Equal(m.UserData, want.userData) || len(m.HeadersRaw)+len(m.UserDataRaw) > 0 {
		t.Errorf("%s: headers %v %v, user metadata %v %v", m.Key, m.Headers, m.HeadersRaw, m.UserData, m.UserDataRaw)
	}
}

// checkOtherKeys gives every file all keys but its own.
func (w *writer) checkOtherKeys(t *testing.T, fileOf map[string]job) {
	t.Helper()
	var jobs []job
	var why []string
	ask := func(reason string, j job) { jobs, why = append(jobs, j), append(why, reason) }
	for key, j := range fileOf {
		other := j
		if w.objects[key].customer {
			other.CustomerKey = ""
			ask(key+" without the client's key", other)
			other.CustomerKey = hex.EncodeToString(bytes.Repeat([]byte("c3"), 16))
			ask(key+" with another client's key", other)
			continue
		}
		other.RootKey = ""
		ask(key+" without the root key", other)
		other = j
		other.RootKey = strings.Repeat("5a", 32)
		ask(key+" with another root key", other)
		other = j
		other.Epoch++
		ask(key+" with the key of another epoch", other)
		other = j
		other.Vault = strings.Repeat("5a", 16)
		ask(key+" as another vault's", other)
	}
	for i, got := range decode(t, jobs) {
		if got.Result != "wrong key" || got.Released != 0 {
			t.Errorf("%s: %s, %d bytes released", why[i], got.Result, got.Released)
		}
	}
}

// checkAltered changes one bit at a time, everywhere that something else stands, and cuts.
func checkAltered(t *testing.T, originals ...job) {
	t.Helper()
	dir := t.TempDir()
	var jobs []job
	var changes []string
	for i, j := range originals {
		data, err := os.ReadFile(j.File)
		if err != nil {
			t.Fatal(err)
		}
		places := map[string]int{}
		for offset := range 24 {
			places[fmt.Sprintf("frame+%d", offset)] = offset
		}
		maps.Copy(places, map[string]int{
			"object salt": 24, "frame salt": 56, "frame commitment": 80, "first byte": 112, "first tag": 112 + chunk, "middle": len(data) / 2, "before the tail": len(data) - 3905,
			"tail magic": len(data) - 3904, "tail version": len(data) - 3896, "vault": len(data) - 3888, "tail object salt": len(data) - 3872,
			"tail salt": len(data) - 3840, "tail commitment": len(data) - 3816, "metadata": len(data) - 3784, "metadata's end": len(data) - 17, "last byte": len(data) - 1,
		})
		variants := map[string][]byte{"last byte gone": data[:len(data)-1], "one byte more": append(slices.Clone(data), 0), "first byte gone": data[1:]}
		for name, at := range places {
			altered := slices.Clone(data)
			altered[at] ^= 1
			variants[name] = altered
		}
		for name, altered := range variants {
			j.File = filepath.Join(dir, fmt.Sprint(i, len(jobs)))
			if err := os.WriteFile(j.File, altered, 0o600); err != nil {
				t.Fatal(err)
			}
			jobs, changes = append(jobs, j), append(changes, name)
		}
	}
	for i, got := range decode(t, jobs) {
		if got.Result == "ok" {
			t.Errorf("accepted with a change: %s", changes[i])
		}
	}
}

// objectFiles lists the files that are not the gateway's own.
func (g *gateway) objectFiles(t *testing.T) (files []string) {
	t.Helper()
	err := filepath.WalkDir(filepath.Join(g.Dir, "data"), func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && entry.Name() == ".sallyport":
			return fs.SkipDir
		case !entry.IsDir():
			files = append(files, path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}
