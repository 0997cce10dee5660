package objects

import (
	"bytes"
	"context"
	"errors"
	"io"
	"runtime"
	"strings"
	"sync"
	"testing"

	"sallyport/crypto/object"
	"sallyport/gateway/checksum"
	"sallyport/providers/driver"
	"sallyport/providers/local"
	"sallyport/providers/mem"
)

// unread is a body that must not be read.
type unread struct{ t *testing.T }

// Read fails the test.
func (u unread) Read([]byte) (int, error) {
	u.t.Error("a body was read before there was room for it")
	return 0, io.ErrUnexpectedEOF
}

var errNoRoom = errors.New("no room in this test")

func noRoom(context.Context, int64) error { return errNoRoom }

// TestNoRoom: whatever takes memory by its input asks first; a refusal comes out as it is, before the body is read, and nothing was changed.
func TestNoRoom(t *testing.T) {
	w := newWorld(t, worldOptions{})
	w.put("k", []byte("old"))
	w.plantParts("parts", nil, part{1, content(1, minPart)}, part{2, content(2, 100)})
	id := w.begin("k")
	w.part("k", id, 1, content(3, 100))
	crowded := ref("k", id)
	crowded.Room = noRoom
	body := func(size int64) *checksum.Reader { return bodyFrom(unread{t}, size) }
	for name, call := range map[string]func(ctx context.Context) error{
		"Put": func(ctx context.Context) error {
			_, err := w.Put(ctx, &PutInput{Bucket: bucketName, Key: "k", Size: 1 << 20, Body: body(1 << 20), Room: noRoom})
			return err
		},
		"Copy": func(ctx context.Context) error {
			_, err := w.Copy(ctx, &CopyInput{Source: CopySource{Bucket: bucketName, Key: "parts"}, Bucket: bucketName, Key: "k", Room: noRoom})
			return err
		},
		"Copy, what is written": func(ctx context.Context) error {
			_, err := w.Copy(ctx, &CopyInput{Source: CopySource{Bucket: bucketName, Key: "k"}, Bucket: bucketName, Key: "k2", Room: noRoom})
			return err
		},
		"Get": func(ctx context.Context) error {
			_, err := w.Get(ctx, &GetInput{Bucket: bucketName, Key: "parts", Room: noRoom})
			return err
		},
		"Head of a part": func(ctx context.Context) error {
			_, err := w.Head(ctx, &GetInput{Bucket: bucketName, Key: "parts", PartNumber: 1, Room: noRoom})
			return err
		},
		"Parts": func(ctx context.Context) error {
			_, err := w.Parts(ctx, &PartsInput{GetInput: GetInput{Bucket: bucketName, Key: "parts", Room: noRoom}, Limit: 10})
			return err
		},
		"PutPart": func(ctx context.Context) error {
			_, err := w.PutPart(ctx, &PutPartInput{UploadRef: crowded, Number: 2, Size: 9 << 20, Body: body(9 << 20)})
			return err
		},
		"CopyPart": func(ctx context.Context) error {
			_, err := w.CopyPart(ctx, &CopyPartInput{UploadRef: crowded, Number: 2, Source: CopySource{Bucket: bucketName, Key: "k"}})
			return err
		},
		"ListParts": func(ctx context.Context) error {
			_, err := w.ListParts(ctx, &ListPartsInput{UploadRef: crowded, Limit: 10})
			return err
		},
		"CompleteUpload": func(ctx context.Context) error {
			_, err := w.CompleteUpload(ctx, &CompleteInput{UploadRef: crowded, Parts: []CompletedPart{{Number: 1, ETag: md5Hex(content(3, 100))}}, Size: -1})
			return err
		},
		"AbortUpload": func(ctx context.Context) error { return w.AbortUpload(ctx, &AbortInput{UploadRef: crowded}) },
	} {
		if err := call(t.Context()); !errors.Is(err, errNoRoom) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if got := w.mustGet("k"); string(got) != "old" {
		t.Errorf("the old object is %q now", got)
	}
	if _, _, err := w.get(&GetInput{Key: "k2"}); kindOf(err) != NoSuchKey {
		t.Errorf("a refused copy: %v", err)
	}
	if parts := w.parts("k", id); len(parts) != 1 {
		t.Errorf("the upload has %d parts, want the one of before", len(parts))
	}
	w.complete("k", id, CompletedPart{Number: 1, ETag: md5Hex(content(3, 100))})
}

// stalled is a body that stops after some bytes until it is let go, and then fails.
type stalled struct {
	rest    io.Reader
	arrived *sync.WaitGroup
	letGo   chan struct{}
	once    sync.Once
}

// Read implements io.Reader.
func (s *stalled) Read(p []byte) (int, error) {
	n, err := s.rest.Read(p)
	if err != io.EOF {
		return n, err
	}
	s.once.Do(s.arrived.Done)
	<-s.letGo
	return 0, io.ErrUnexpectedEOF
}

// repeated yields the same text for ever.
type repeated struct{}

// Read fills p.
func (repeated) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'x'
	}
	return len(p), nil
}

func heapNow() int64 {
	runtime.GC()
	runtime.GC() // twice, for what pools keep over one
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// TestMemoryIsWhatWasAsked holds what uploads in flight really have on the heap against the room they asked for, at the worst point of each: when
// nearly all was read, or the second of two parts is being filled.
func TestMemoryIsWhatWasAsked(t *testing.T) {
	folder, err := local.Open(t.Context(), &local.Config{Path: t.TempDir()}, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = folder.Close() })
	const splitAbove, pieceSize = 64 << 20, 5 << 20
	for _, c := range []struct {
		name    string
		backend driver.Driver
		size    int64
		stop    int64 // bytes before it stalls
		streams int
		part    bool
	}{
		{"4 KiB", folder, 4 << 10, 4<<10 - 1, 64, false},
		{"100 KiB", folder, 100 << 10, 100<<10 - 1, 64, false},
		{"900 KiB", folder, 900 << 10, 900<<10 - 1, 32, false},
		{"2 MiB", folder, 2 << 20, 2<<20 - 1, 32, false},
		{"60 MiB", folder, 60 << 20, 3 << 20, 32, false},
		{"80 MiB, split", &discardingParts{mem.New(&mem.Options{MaxKey: 2048, SplitAbove: splitAbove})}, 80 << 20, 14 << 20, 8, false},
		{"part of 4 MiB, held", folder, 4 << 20, 3 << 20, 32, true},
		{"part of 16 MiB", folder, 16 << 20, 3 << 20, 32, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, worldOptions{backend: c.backend})
			id := w.begin("up")
			w.part("up", id, 10, []byte("remembered")) // so that what is kept of the upload is not read each time
			w.put("first", content(1, 1000))
			before := heapNow()
			var mu sync.Mutex
			var asked int64
			room := func(_ context.Context, bytes int64) error {
				mu.Lock()
				defer mu.Unlock()
				asked += bytes
				return nil
			}
			letGo := make(chan struct{})
			var arrived, ended sync.WaitGroup
			for i := range c.streams {
				arrived.Add(1)
				ended.Go(func() {
					body := bodyFrom(&stalled{rest: io.LimitReader(repeated{}, c.stop), arrived: &arrived, letGo: letGo}, c.size)
					var err error
					if c.part {
						r := ref("up", id)
						r.Room = room
						_, err = w.PutPart(t.Context(), &PutPartInput{UploadRef: r, Number: 1 + i%9, Size: c.size, Body: body})
					} else {
						_, err = w.Put(t.Context(), &PutInput{Bucket: bucketName, Key: strings.Repeat("k", 1+i), Size: c.size, Body: body, Room: room})
					}
					if err == nil {
						t.Error("a body that was cut is stored")
					}
				})
			}
			arrived.Wait()
			held := heapNow() - before
			if pieces := w.vault.Store().BuffersLent() * pieceSize; c.size > splitAbove && held < pieces {
				held += pieces // they lie outside of the heap where the system has such memory
			}
			close(letGo)
			ended.Wait()
			each, askedEach := held/int64(c.streams), asked/int64(c.streams)
			t.Logf("holds %d KiB, asked for %d KiB", each>>10, askedEach>>10)
			if each > askedEach+16<<10 { // the goroutines of this test, and what every request has in requestMemory
				t.Errorf("each of %d holds %d bytes and asked for %d", c.streams, each, askedEach)
			}
			if askedEach > 3*each+64<<10 {
				t.Errorf("each of %d holds only %d bytes and asked for %d", c.streams, each, askedEach)
			}
		})
	}
}

// discardingParts throws the bytes of parts away, so that what is measured is not the backend's own memory.
type discardingParts struct{ driver.Driver }

// Uploads implements driver.Driver.
func (d *discardingParts) Uploads() driver.Uploads { return discardedUploads{d.Driver.Uploads()} }

type discardedUploads struct{ driver.Uploads }

// PutPart implements driver.Uploads.
func (d discardedUploads) PutPart(_ context.Context, _ driver.Upload, n int, body io.Reader, size int64) (*driver.Part, error) {
	_, err := io.Copy(io.Discard, driver.ExactBody(body, size))
	return &driver.Part{N: n, Size: size, ETag: "1"}, err
}

// TestTableMemoryIsWhatWasAsked does the same for the table of an object of many parts, of which a download keeps the layout for as long as it lasts; it
// counts all that opening allocates.
func TestTableMemoryIsWhatWasAsked(t *testing.T) {
	const parts = 1000
	w := newWorld(t, worldOptions{})
	id, secret, err := newSecret(w.vault, nil)
	if err != nil {
		t.Fatal(err)
	}
	var entries []object.Entry
	size := int64(0)
	for i := range parts {
		entries = append(entries, object.Entry{Part: i + 1, Plain: minPart, FrameSalt: [24]byte{1}, HasMD5: true, Checksum: make([]byte, 64)})
		size += object.FrameSize(minPart)
	}
	meta := &object.Metadata{Bucket: bucketName, Key: "k", Checksum: &object.Checksum{Algorithm: "SHA512", Type: checksum.TypeComposite, Value: "AAAA-1000"}, Time: w.now()}
	trailer, length, err := object.Trailer(id, secret.TableKey(), secret.TailKey(), entries, meta)
	if err != nil {
		t.Fatal(err)
	}
	end, err := io.ReadAll(trailer)
	if err != nil {
		t.Fatal(err)
	}
	if meta, err = object.OpenTail(end[len(end)-object.TailSize:], secret.TailKey()); err != nil {
		t.Fatal(err)
	}
	off, tableLength := object.TableRange(size+length, parts)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	sealed := bytes.Clone(end[off-size:][:tableLength])
	table, err := object.OpenTable(id, secret.TableKey(), meta, sealed)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := object.NewLayout(size+length, id, meta, table); err != nil {
		t.Fatal(err)
	}
	runtime.ReadMemStats(&after)
	allocated, asked := int64(after.TotalAlloc-before.TotalAlloc), int64(tableEntryMemory*parts)
	t.Logf("allocates %d bytes, asked for %d", allocated, asked)
	if allocated > asked || asked > 3*allocated {
		t.Errorf("the table of an object of %d parts allocates %d bytes and asked for %d", parts, allocated, asked)
	}
}

// TestUploadMemoryIsWhatWasAsked does the same for what is kept of an upload.
func TestUploadMemoryIsWhatWasAsked(t *testing.T) {
	const parts = 1000
	w := newWorld(t, worldOptions{})
	id := w.begin("k")
	for i := range parts {
		w.part("k", id, i+1, []byte("x"))
	}
	var asked int64
	r := ref("k", id)
	r.Room = func(_ context.Context, bytes int64) error {
		asked += bytes
		return nil
	}
	before := heapNow()
	u, stored, notes, err := w.readUpload(t.Context(), w.place("k"), &r)
	if err != nil {
		t.Fatal(err)
	}
	attempts, err := w.attempts(u, notes)
	if err != nil {
		t.Fatal(err)
	}
	held := heapNow() - before
	if held > asked || asked > 3*held {
		t.Errorf("an upload of %d parts holds %d bytes and asked for %d", parts, held, asked)
	}
	runtime.KeepAlive([]any{u, stored, notes, attempts})
}
