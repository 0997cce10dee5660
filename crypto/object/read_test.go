package object

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/iotest"

	"sallyport/crypto/chunked"
)

// checkRange reads a range from exactly the bytes that the layout names.
func checkRange(t *testing.T, s *sealed, l *Layout, off, length int64, wrap func(io.Reader) io.Reader) {
	t.Helper()
	fileOff, fileLength := l.Range(off, length)
	src := bytes.NewReader(s.file[fileOff : fileOff+fileLength])
	got, err := io.ReadAll(wrap(NewRangeReader(l, s.secret, off, length, src)))
	if err != nil || !bytes.Equal(got, s.plain[off:off+length]) {
		t.Fatalf("%d bytes from %d on: %v", length, off, err)
	}
	if src.Len() != 0 {
		t.Fatalf("%d bytes from %d on: %d bytes of ciphertext were not needed", length, off, src.Len())
	}
}

func direct(r io.Reader) io.Reader { return r }

func TestRangesOfOnePut(t *testing.T) {
	for _, n := range objectEdges {
		s := sealPut(t, ModeVault, n)
		l := s.open(t, s.file).Layout
		edges := []int64{0, 1, chunked.ChunkSize - 1, chunked.ChunkSize, chunked.ChunkSize + 1, 2 * chunked.ChunkSize, int64(n) - 1, int64(n)}
		for _, from := range edges {
			for _, to := range edges {
				if from < 0 || from > to || to > int64(n) {
					continue
				}
				checkRange(t, s, l, from, to-from, direct)
				checkRange(t, s, l, from, to-from, iotest.HalfReader)
			}
		}
	}
}

func TestRangesAcrossFrames(t *testing.T) {
	for _, sizes := range [][]int{{MinPartSize, 1}, {MinPartSize, 0}, {MinPartSize + 5, MinPartSize, 40000}, {MinPartSize + 16383, MinPartSize + 1, 0}} {
		s := sealParts(t, ModeVault, sizes...)
		f := s.open(t, s.file)
		l := f.Layout
		if len(l.Frames()) != len(sizes) || l.Plain() != int64(len(s.plain)) {
			t.Fatalf("layout of %d frames, %d bytes", len(l.Frames()), l.Plain())
		}
		var edges []int64
		for _, frame := range l.Frames() {
			for _, d := range []int64{-chunked.ChunkSize, -1, 0, 1, chunked.ChunkSize} {
				if e := frame.PlainOffset + d; e >= 0 && e <= l.Plain() {
					edges = append(edges, e)
				}
			}
		}
		edges = append(edges, l.Plain()-1, l.Plain())
		for _, from := range edges {
			for _, to := range edges {
				if long := to-from > 100000; from <= to && (!long || to >= l.Plain()-1 && from%2 == 1) {
					checkRange(t, s, l, from, to-from, direct)
				}
			}
		}
		random := rand.New(rand.NewPCG(1, uint64(len(sizes))))
		for range 30 {
			from := random.Int64N(l.Plain())
			checkRange(t, s, l, from, 1+random.Int64N(min(100000, l.Plain()-from)), direct)
		}
		got, err := io.ReadAll(f.Reader())
		if err != nil || !bytes.Equal(got, s.plain) {
			t.Fatal(err)
		}
		for i, frame := range l.Frames() {
			found, ok := l.Part(2*i + 1)
			if !ok || found != frame {
				t.Fatalf("part %d was not found", 2*i+1)
			}
		}
		for _, number := range []int{0, 2, 2*len(sizes) + 1} {
			if _, ok := l.Part(number); ok {
				t.Fatalf("part %d does not exist", number)
			}
		}
	}
}

func TestPartOfASinglePutIsOne(t *testing.T) {
	s := sealPut(t, ModeVault, 10)
	l := s.open(t, s.file).Layout
	if _, ok := l.Part(1); !ok {
		t.Error("part 1 was not found")
	}
	if _, ok := l.Part(0); ok {
		t.Error("part 0 was found")
	}
	m := sealParts(t, ModeVault, 10)
	s = &sealed{secret: m.secret, file: m.file}
	if _, ok := s.open(t, s.file).Layout.Part(1); !ok {
		t.Error("the only part was not found under its number")
	}
}

// TestALateFaultStopsAWholeReadBeforeItsLastByte alters what stands behind the last plaintext byte: the client must never have the whole
// body by then.
func TestALateFaultStopsAWholeReadBeforeItsLastByte(t *testing.T) {
	for _, s := range []*sealed{sealPut(t, ModeVault, 1), sealPut(t, ModeVault, 16384), sealPut(t, ModeVault, 40000), sealParts(t, ModeVault, MinPartSize, 0)} {
		l := s.open(t, s.file).Layout
		_, body := l.Body()
		last := l.Frames()[len(l.Frames())-1]
		for name, at := range map[string]int64{
			"last tag": last.FileOffset + FrameSize(last.Plain) - 1, "first padding": last.FileOffset + FrameSize(last.Plain), "last padding": body - 1,
		} {
			file := bytes.Clone(s.file)
			file[at] ^= 1
			for _, step := range []int{7, 16384, 1 << 23} {
				r := s.open(t, file).Reader()
				var got []byte
				buf := make([]byte, step)
				var err error
				for err == nil {
					var n int
					n, err = r.Read(buf)
					got = append(got, buf[:n]...)
				}
				if len(s.plain) > 16 && bytes.Contains(buf, s.plain[len(s.plain)-16:]) {
					t.Fatalf("%s of %d bytes: plaintext that was not released stands in the caller's buffer", name, len(s.plain))
				}
				if !errors.Is(err, ErrDamaged) || len(got) >= len(s.plain) || !bytes.HasPrefix(s.plain, got) {
					t.Fatalf("%s of %d bytes in steps of %d: %v after %d bytes", name, len(s.plain), step, err, len(got))
				}
				if _, again := r.Read(buf); !errors.Is(again, ErrDamaged) {
					t.Fatalf("error did not latch: %v", again)
				}
			}
		}
	}
}

func TestACutOrFailingSourceIsNotDamage(t *testing.T) {
	s := sealPut(t, ModeVault, 40000)
	f := s.open(t, s.file)
	for _, cut := range []int{0, 1, FrameHeaderSize - 1, FrameHeaderSize, FrameHeaderSize + 1, 20000, 40000, len(s.file) - TailSize - 1} {
		got, err := io.ReadAll(NewReader(f.Layout, s.secret, bytes.NewReader(s.file[:cut])))
		if !errors.Is(err, io.ErrUnexpectedEOF) || !bytes.HasPrefix(s.plain, got) || len(got) == len(s.plain) {
			t.Fatalf("cut at %d: %v after %d bytes", cut, err, len(got))
		}
		got, err = io.ReadAll(NewReader(f.Layout, s.secret, io.MultiReader(bytes.NewReader(s.file[:cut]), iotest.ErrReader(errTest))))
		if !errors.Is(err, errTest) || !bytes.HasPrefix(s.plain, got) || len(got) == len(s.plain) {
			t.Fatalf("failing at %d: %v after %d bytes", cut, err, len(got))
		}
	}
}

func TestReaderKeepsTheReaderContract(t *testing.T) {
	for _, n := range []int{0, 1, 16384, 50000} {
		s := sealPut(t, ModeVault, n)
		f := s.open(t, s.file)
		if err := iotest.TestReader(NewReader(f.Layout, s.secret, iotest.OneByteReader(bytes.NewReader(s.file))), s.plain); err != nil {
			t.Fatal(err)
		}
	}
}

func TestFilesOpenAndSayWhatTheyAre(t *testing.T) {
	s := sealPut(t, ModeVault, 100)
	for name, c := range map[string]struct {
		file []byte
		want error
	}{
		"empty":     {nil, ErrForeign},
		"short":     {s.file[:TailSize-1], ErrForeign},
		"tail only": {s.file[len(s.file)-TailSize:], ErrDamaged},
		"text":      {bytes.Repeat([]byte("text"), 2000), ErrForeign},
	} {
		if _, err := OpenFile(bytes.NewReader(c.file), int64(len(c.file)), s.keyring()); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
		if _, err := Inspect(bytes.NewReader(c.file), int64(len(c.file))); err != nil {
			t.Errorf("inspect %s: %v", name, err)
		}
	}
	if _, err := OpenFile(bytes.NewReader(s.file[:200]), int64(len(s.file)), s.keyring()); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("a source shorter than it was said to be: %v", err)
	}
	in, err := Inspect(bytes.NewReader(s.file), int64(len(s.file)))
	if err != nil || in.Tail == nil || in.Frame == nil || *in.Tail != s.id || in.Frame.Plain != 100 || !in.Canonical || in.Plain != 100 {
		t.Errorf("inspection %+v, %v", in, err)
	}
}

func TestAFileMayBeReadByManyAtOnce(t *testing.T) {
	s := sealPut(t, ModeVault, 70000)
	f := s.open(t, s.file)
	var all sync.WaitGroup
	for worker := range 8 {
		all.Go(func() {
			for i := range 20 {
				off := int64((worker*7919 + i*3571) % 60000)
				got, err := io.ReadAll(f.RangeReader(off, 10000))
				if err != nil || !bytes.Equal(got, s.plain[off:off+10000]) {
					t.Errorf("from %d on: %v", off, err)
				}
			}
		})
	}
	all.Wait()
}
