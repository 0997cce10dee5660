package chunked

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/iotest"
)

var edgeLengths = []int{
	0, 1, 1000, ChunkSize - 1, ChunkSize, ChunkSize + 1, ChunkSize + 100, 2 * ChunkSize, 2*ChunkSize + 500,
	batchChunks*ChunkSize - 1, batchChunks * ChunkSize, batchChunks*ChunkSize + 1, (batchChunks+1)*ChunkSize + 7, 3 * batchChunks * ChunkSize,
}

func testKey() *[KeySize]byte {
	key := [KeySize]byte{1, 2, 3}
	return &key
}

func testPlain(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{byte(n), byte(n >> 8), byte(n >> 16)}).Read(b)
	return b
}

// sources are the kinds of source that a ChunkReader tells apart; bytes.Buffer is a [Memory].
var sources = map[string]func([]byte) source{
	"reader": func(b []byte) source { return bytes.NewReader(b) },
	"memory": func(b []byte) source { return bytes.NewBuffer(b) },
}

type source interface {
	io.Reader
	Len() int
}

// readSteps reads everything with buffers of the given size.
func readSteps(r io.Reader, step int) ([]byte, error) {
	var out []byte
	buf := make([]byte, step)
	for {
		n, err := r.Read(buf)
		out = append(out, buf[:n]...)
		if err != nil {
			if errors.Is(err, io.EOF) {
				err = nil
			}
			return out, err
		}
	}
}

func TestRoundTripEdges(t *testing.T) {
	context := []byte("context")
	for _, n := range edgeLengths {
		plain := testPlain(n)
		for _, step := range []int{1, 100, ChunkSize - 1, ChunkSize, ChunkSize + 1, SealedChunk, 32 << 10, 1 << 20} {
			if step == 1 && n > ChunkSize+100 {
				continue
			}
			sealed, err := readSteps(NewSizedEncryptReader(testKey(), context, int64(n), bytes.NewReader(plain)), step)
			if err != nil {
				t.Fatalf("%d bytes in steps of %d: %v", n, step, err)
			}
			if int64(len(sealed)) != SealedSize(int64(n)) {
				t.Fatalf("%d bytes became %d, want %d", n, len(sealed), SealedSize(int64(n)))
			}
			if got, err := Open(testKey(), context, sealed); err != nil || !bytes.Equal(got, plain) {
				t.Fatalf("%d bytes in steps of %d: opened to something else, %v", n, step, err)
			}
			r, err := NewDecryptReader(testKey(), context, bytes.NewReader(sealed))
			if err != nil {
				t.Fatal(err)
			}
			if got, err := readSteps(r, step); err != nil || !bytes.Equal(got, plain) {
				t.Fatalf("%d bytes in steps of %d: streamed to something else, %v", n, step, err)
			}
		}
		whole, err := Seal(testKey(), context, plain)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := Open(testKey(), context, whole); err != nil || !bytes.Equal(got, plain) {
			t.Fatalf("%d bytes: %v", n, err)
		}
		if _, err := Open(testKey(), nil, whole); !errors.Is(err, ErrCommitment) {
			t.Fatalf("another context: %v", err)
		}
	}
}

func TestReadersKeepTheReaderContract(t *testing.T) {
	for _, n := range []int{0, 1, ChunkSize, ChunkSize + 1, 100000} {
		plain := testPlain(n)
		salt := freshSalt()
		sealed, err := io.ReadAll(newEncryptReader(testKey(), nil, int64(n), bytes.NewReader(plain), salt))
		if err != nil {
			t.Fatal(err)
		}
		if err := iotest.TestReader(newEncryptReader(testKey(), nil, int64(n), iotest.OneByteReader(bytes.NewReader(plain)), salt), sealed); err != nil {
			t.Fatal(err)
		}
		r, err := NewDecryptReader(testKey(), nil, iotest.OneByteReader(bytes.NewReader(sealed)))
		if err != nil {
			t.Fatal(err)
		}
		if err := iotest.TestReader(r, plain); err != nil {
			t.Fatal(err)
		}
	}
}

func TestWrongLengthNeverCompletesAMessage(t *testing.T) {
	for _, announced := range edgeLengths {
		for _, actual := range []int{announced - 1, announced + 1, announced + ChunkSize, 0} {
			if actual < 0 || actual == announced {
				continue
			}
			want := io.ErrUnexpectedEOF
			if actual > announced {
				want = ErrTooLong
			}
			for name, wrap := range map[string]func(io.Reader) io.Reader{"plain": func(r io.Reader) io.Reader { return r }, "early error": iotest.DataErrReader} {
				r := NewSizedEncryptReader(testKey(), nil, int64(announced), wrap(bytes.NewReader(testPlain(actual))))
				got, err := readSteps(r, 32<<10)
				if !errors.Is(err, want) {
					t.Fatalf("%s, announced %d, got %d: %v, want %v", name, announced, actual, err, want)
				}
				if int64(len(got)) >= SealedSize(int64(announced)) {
					t.Fatalf("announced %d, got %d: %d bytes were released", announced, actual, len(got))
				}
				if _, err := Open(testKey(), nil, got); err == nil {
					t.Fatalf("announced %d, got %d: what was released opens", announced, actual)
				}
				if _, again := r.Read(make([]byte, 10)); !errors.Is(again, want) {
					t.Fatalf("error did not latch: %v", again)
				}
			}
		}
	}
}

var errSource = errors.New("source failed")

// failAfter yields n bytes and then fails.
func failAfter(n int) io.Reader {
	return io.MultiReader(bytes.NewReader(testPlain(n)), iotest.ErrReader(errSource))
}

func TestSourceErrorNeverCompletesAMessage(t *testing.T) {
	for _, n := range edgeLengths {
		for _, announced := range []int64{-1, int64(n), int64(n) + 1} {
			r := newEncryptReader(testKey(), nil, announced, failAfter(n), freshSalt())
			got, err := readSteps(r, 50000)
			if !errors.Is(err, errSource) {
				t.Fatalf("%d bytes, announced %d: %v", n, announced, err)
			}
			if _, err := Open(testKey(), nil, got); err == nil {
				t.Fatalf("%d bytes, announced %d: what was released opens", n, announced)
			}
			if _, again := r.Read(make([]byte, 10)); !errors.Is(again, errSource) {
				t.Fatalf("error did not latch: %v", again)
			}
		}
	}
}

// idle returns nothing and no error for ever.
type idle struct{}

func (idle) Read([]byte) (int, error) { return 0, nil }

func TestIdleSourceIsGivenUp(t *testing.T) {
	for _, announced := range []int64{-1, 0, 5} {
		if _, err := readSteps(newEncryptReader(testKey(), nil, announced, idle{}, freshSalt()), 100); !errors.Is(err, io.ErrNoProgress) {
			t.Fatalf("announced %d: %v", announced, err)
		}
	}
	message, err := Seal(testKey(), nil, []byte("x"))
	if err != nil {
		t.Fatal(err)
	}
	r, err := NewDecryptReader(testKey(), nil, io.MultiReader(bytes.NewReader(message), idle{}))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := readSteps(r, 100); !errors.Is(err, io.ErrNoProgress) {
		t.Fatal(err)
	}
}

func TestEveryMessageHasItsOwnSalt(t *testing.T) {
	seen := make(map[[HeaderSize]byte]bool)
	for range 2000 {
		whole, err := Seal(testKey(), nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		r := NewEncryptReader(testKey(), nil, bytes.NewReader(nil))
		salt, commitment := r.Salt(), r.Commitment()
		streamed := [HeaderSize]byte(append(salt[:], commitment[:]...))
		for _, h := range [][HeaderSize]byte{[HeaderSize]byte(whole), streamed} {
			if seen[h] {
				t.Fatal("a salt came twice")
			}
			seen[h] = true
		}
	}
}

func TestStreamsAllocateNothingPerChunk(t *testing.T) {
	const small, large = 10 * ChunkSize, 200 * ChunkSize
	plain := testPlain(large)
	message, err := Seal(testKey(), nil, plain)
	if err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 64<<10)
	count := func(open func(n int64) io.Reader, n int64) float64 {
		return testing.AllocsPerRun(5, func() {
			r := open(n)
			for {
				if _, err := r.Read(buf); err != nil {
					if !errors.Is(err, io.EOF) {
						panic(err)
					}
					return
				}
			}
		})
	}
	for name, open := range map[string]func(n int64) io.Reader{
		"seal": func(n int64) io.Reader {
			return NewSizedEncryptReader(testKey(), nil, n, bytes.NewReader(plain[:n]))
		},
		"open": func(n int64) io.Reader {
			opener, err := NewOpener(testKey(), nil, message[:HeaderSize])
			if err != nil {
				panic(err)
			}
			return NewChunkReader(opener, bytes.NewReader(message[HeaderSize:]), large, 0, n/ChunkSize)
		},
	} {
		if a, b := count(open, small), count(open, large); a != b {
			t.Errorf("%s: %v allocations for 10 chunks, %v for 200", name, a, b)
		}
	}
}

func TestChunkRangesReadExactlyTheirBytes(t *testing.T) {
	for kind, open := range sources {
		for _, n := range []int{0, 1, ChunkSize, ChunkSize + 1, 3 * ChunkSize, 5*ChunkSize + 77} {
			plain := testPlain(n)
			message, err := Seal(testKey(), nil, plain)
			if err != nil {
				t.Fatal(err)
			}
			before := bytes.Clone(message)
			count := int64(n/ChunkSize + 1)
			for first := range count {
				for end := first; end <= count; end++ {
					off, length := ChunkRange(int64(n), first, end)
					opener, err := NewOpener(testKey(), nil, message[:HeaderSize])
					if err != nil {
						t.Fatal(err)
					}
					src := open(message[HeaderSize+off:])
					had := src.Len()
					want := plain[first*ChunkSize : min(int64(n), end*ChunkSize)]
					skip := min(len(want), 5)
					r := NewChunkReader(opener, src, int64(n), first, end)
					r.Skip(skip)
					got, err := readSteps(r, 20000)
					if err != nil || !bytes.Equal(got, want[skip:]) {
						t.Fatalf("%s, %d bytes, chunks %d to %d: %v", kind, n, first, end, err)
					}
					if read := int64(had - src.Len()); read != length {
						t.Fatalf("%s, %d bytes, chunks %d to %d: read %d, want %d", kind, n, first, end, read, length)
					}
				}
			}
			if !bytes.Equal(message, before) {
				t.Fatalf("%s: the ciphertext was written to", kind)
			}
		}
	}
}

// TestMemoryIsOpenedInOneRead: nothing is waited for, so all that there is room for comes at once.
func TestMemoryIsOpenedInOneRead(t *testing.T) {
	plain := testPlain(9*ChunkSize + 5)
	message, err := Seal(testKey(), nil, plain)
	if err != nil {
		t.Fatal(err)
	}
	opener, err := NewOpener(testKey(), nil, message[:HeaderSize])
	if err != nil {
		t.Fatal(err)
	}
	got := make([]byte, 9*ChunkSize+1)
	n, err := NewChunkReader(opener, bytes.NewBuffer(message[HeaderSize:]), int64(len(plain)), 0, 10).Read(got)
	if n != 9*ChunkSize || err != nil || !bytes.Equal(got[:n], plain[:n]) {
		t.Fatalf("%d bytes, %v", n, err)
	}
}

func TestCutRangeIsUnexpectedEOF(t *testing.T) {
	plain := testPlain(2*ChunkSize + 10)
	message, err := Seal(testKey(), nil, plain)
	if err != nil {
		t.Fatal(err)
	}
	for kind, open := range sources {
		for _, cut := range []int{0, 1, SealedChunk - 1, SealedChunk, SealedChunk + 1, 2*SealedChunk + 25} {
			opener, err := NewOpener(testKey(), nil, message[:HeaderSize])
			if err != nil {
				t.Fatal(err)
			}
			got, err := readSteps(NewChunkReader(opener, open(message[HeaderSize:HeaderSize+cut]), int64(len(plain)), 0, 3), 1<<20)
			if !errors.Is(err, io.ErrUnexpectedEOF) || !bytes.HasPrefix(plain, got) {
				t.Fatalf("%s cut at %d: %v", kind, cut, err)
			}
		}
	}
}

func TestEmptyLastChunkIsVerifiedBeforeTheLastBytesGoOut(t *testing.T) {
	plain := testPlain(2 * ChunkSize)
	message, err := Seal(testKey(), nil, plain)
	if err != nil {
		t.Fatal(err)
	}
	message[len(message)-1] ^= 1
	for kind, open := range sources {
		for _, step := range []int{100, ChunkSize, 1 << 20} {
			opener, err := NewOpener(testKey(), nil, message[:HeaderSize])
			if err != nil {
				t.Fatal(err)
			}
			got, err := readSteps(NewChunkReader(opener, open(message[HeaderSize:]), int64(len(plain)), 0, 3), step)
			if !errors.Is(err, ErrAuthentication) || !bytes.Equal(got, plain[:ChunkSize]) {
				t.Fatalf("%s, steps of %d: %v after %d bytes", kind, step, err, len(got))
			}
		}
	}
}

func TestReaderAtRanges(t *testing.T) {
	for _, n := range edgeLengths {
		plain := testPlain(n)
		message, err := Seal(testKey(), nil, plain)
		if err != nil {
			t.Fatal(err)
		}
		r, err := NewReaderAt(testKey(), nil, bytes.NewReader(message), int64(len(message)))
		if err != nil {
			t.Fatal(err)
		}
		for _, off := range []int{0, 1, ChunkSize - 1, ChunkSize, n - 1} {
			for _, length := range []int{1, ChunkSize - 1, ChunkSize, ChunkSize + 1, n - off} {
				if off < 0 || length <= 0 || off+length > n {
					continue
				}
				got := make([]byte, length)
				if _, err := r.ReadAt(got, int64(off)); err != nil || !bytes.Equal(got, plain[off:off+length]) {
					t.Fatalf("%d bytes, %d from %d on: %v", n, length, off, err)
				}
			}
		}
		if _, err := r.ReadAt(make([]byte, 1), -1); err == nil {
			t.Fatal("a negative offset was taken")
		}
		if got, err := r.ReadAt(make([]byte, 1), int64(n)); got != 0 || !errors.Is(err, io.EOF) {
			t.Fatalf("behind the end: %d, %v", got, err)
		}
	}
}

func TestReaderAtMayBeUsedByManyAtOnce(t *testing.T) {
	plain := testPlain(5 * ChunkSize)
	message, err := Seal(testKey(), nil, plain)
	if err != nil {
		t.Fatal(err)
	}
	r, err := NewReaderAt(testKey(), nil, bytes.NewReader(message), int64(len(message)))
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for worker := range 8 {
		all.Go(func() {
			got := make([]byte, 20000)
			for i := range 20 {
				off := (worker*7919 + i*3571) % 60000
				if _, err := r.ReadAt(got, int64(off)); err != nil || !bytes.Equal(got, plain[off:off+len(got)]) {
					t.Errorf("from %d on: %v", off, err)
				}
			}
		})
	}
	all.Wait()
}

func TestSizesAreInverses(t *testing.T) {
	for chunks := range int64(3 * SealedChunk) {
		plain, ok := PlainSize(chunks)
		if ok && ChunksSize(plain) != chunks {
			t.Fatalf("%d is said to hold %d bytes, which need %d", chunks, plain, ChunksSize(plain))
		}
	}
	for plain := range int64(3 * ChunkSize) {
		if got, ok := PlainSize(ChunksSize(plain)); !ok || got != plain {
			t.Fatalf("%d bytes came back as %d", plain, got)
		}
	}
}

func ExampleOpen() {
	var key [KeySize]byte // in earnest it would be random
	message, err := Seal(&key, []byte("greeting"), []byte("hello"))
	if err != nil {
		panic(err)
	}
	plain, err := Open(&key, []byte("greeting"), message)
	fmt.Println(string(plain), err)
	_, err = Open(&key, []byte("farewell"), message)
	fmt.Println(err)
	// Output:
	// hello <nil>
	// key or context does not match the message
}

// FuzzOpen feeds messages to all ways of opening one; they must agree, and release nothing that was not sealed.
func FuzzOpen(f *testing.F) {
	plain := testPlain(ChunkSize + 10)
	message, err := io.ReadAll(newEncryptReader(testKey(), []byte("ctx"), -1, bytes.NewReader(plain), [SaltSize]byte{}))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(message, uint16(0), byte(0))
	f.Add(message[:len(message)-1], uint16(100), byte(1))
	f.Add(message[:HeaderSize], uint16(3), byte(0x80))
	f.Add([]byte{}, uint16(0), byte(1))
	f.Fuzz(func(t *testing.T, data []byte, at uint16, flip byte) {
		data = bytes.Clone(data)
		if len(data) > 0 {
			data[int(at)%len(data)] ^= flip
		}
		whole, err := Open(testKey(), []byte("ctx"), data)
		var streamed []byte
		r, streamErr := NewDecryptReader(testKey(), []byte("ctx"), iotest.HalfReader(bytes.NewReader(data)))
		if streamErr == nil {
			streamed, streamErr = io.ReadAll(r)
		}
		if (err == nil) != (streamErr == nil) {
			t.Fatalf("whole says %v, stream says %v", err, streamErr)
		}
		if !bytes.HasPrefix(plain, streamed) {
			t.Fatal("released bytes that were never sealed")
		}
		if err == nil && (!bytes.Equal(whole, plain) || !bytes.Equal(data, message)) {
			t.Fatal("accepted a message that was never sealed")
		}
		if at, err := NewReaderAt(testKey(), []byte("ctx"), bytes.NewReader(data), int64(len(data))); err == nil {
			out := make([]byte, at.Size())
			n, _ := at.ReadAt(out, 0)
			if !bytes.HasPrefix(plain, out[:n]) {
				t.Fatal("random access released bytes that were never sealed")
			}
		}
	})
}

// TestAFailedReadLeavesNoPlaintextBehind looks into the caller's buffer after a refusal: the cipher works there.
func TestAFailedReadLeavesNoPlaintextBehind(t *testing.T) {
	plain := testPlain(ChunkSize + 5000)
	message, err := Seal(testKey(), nil, plain)
	if err != nil {
		t.Fatal(err)
	}
	for _, at := range []int{HeaderSize + 100, HeaderSize + ChunkSize, HeaderSize + SealedChunk + 4999} {
		altered := bytes.Clone(message)
		altered[at] ^= 1
		r, err := NewDecryptReader(testKey(), nil, bytes.NewReader(altered))
		if err != nil {
			t.Fatal(err)
		}
		buf := make([]byte, 1<<20)
		released := 0
		for err == nil {
			var n int
			n, err = r.Read(buf[released:])
			released += n
		}
		if !errors.Is(err, ErrAuthentication) {
			t.Fatal(err)
		}
		for i := 0; i+16 <= len(plain); i += 16 {
			if bytes.Contains(buf[released:], plain[i:i+16]) {
				t.Fatalf("altered at %d: plaintext from %d on stands behind the %d released bytes", at, i, released)
			}
		}
	}
}
