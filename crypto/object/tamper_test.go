package object

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"testing"

	"sallyport/crypto/chunked"
)

// tampered opens an altered file in every way and reports a test failure when it is accepted or releases bytes that were not sealed at
// that place.
func tampered(t *testing.T, s *sealed, file []byte, what string, at int) {
	t.Helper()
	f, err := OpenFile(bytes.NewReader(file), int64(len(file)), s.keyring())
	if err != nil {
		return
	}
	got, err := readInto(make([]byte, len(s.plain)+1), f.Reader())
	if err == nil {
		t.Fatalf("%s at %d: the file was accepted", what, at)
	}
	if !bytes.HasPrefix(s.plain, got) {
		t.Fatalf("%s at %d: released bytes that were not sealed", what, at)
	}
	if len(s.plain) == 0 || len(got) == len(s.plain) {
		if len(s.plain) > 0 {
			t.Fatalf("%s at %d: released everything", what, at)
		}
		return
	}
	off := at % len(s.plain)
	length := 1 + at/7%(len(s.plain)-off)
	got, err = readInto(make([]byte, length+1), f.RangeReader(int64(off), int64(length)))
	if want := s.plain[off : off+length]; !bytes.HasPrefix(want, got) || err == nil && len(got) != length {
		t.Fatalf("%s at %d: a range of %d bytes from %d on gave %d bytes that were not sealed there", what, at, length, off, len(got))
	}
}

// readInto is io.ReadAll for 200,000 calls: the buffer has room for one byte more than is expected.
func readInto(buf []byte, r io.Reader) ([]byte, error) {
	n, err := io.ReadFull(r, buf)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return buf[:n], nil // a damaged file gives ErrDamaged; the sources here are never short.
	}
	return buf[:n], err
}

// TestTamperedFilesAreRefused alters small objects in more than 200,000 ways: every bit, every cut, random bytes, moved and foreign blocks.
func TestTamperedFilesAreRefused(t *testing.T) {
	var count atomic.Int64
	t.Run("all", func(t *testing.T) {
		for name, s := range map[string]*sealed{
			"empty": sealPut(t, ModeVault, 0), "vault": sealPut(t, ModeVault, 100), "customer": sealPut(t, ModeCustomer, 1),
			"two chunks": sealPut(t, ModeVault, chunked.ChunkSize+1),
		} {
			other := sealPut(t, s.id.Mode, len(s.plain))
			again := sameObjectAgain(t, s)
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				tamperWith(t, s, &count, other.file, again)
			})
		}
	})
	if n := count.Load(); n < 200000 {
		t.Fatalf("only %d tampered files were tried", n)
	}
	t.Logf("%d tampered files were tried", count.Load())
}

// sameObjectAgain seals the same plaintext under the same identity a second time, as a second attempt would.
func sameObjectAgain(t *testing.T, s *sealed) []byte {
	t.Helper()
	r, err := NewObjectReader(s.id, s.secret, int64(len(s.plain)), bytes.NewReader(s.plain), func() (*Metadata, error) { return testMetadata(), nil })
	if err != nil {
		t.Fatal(err)
	}
	file, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return file
}

func tamperWith(t *testing.T, s *sealed, count *atomic.Int64, others ...[]byte) {
	t.Helper()
	try := func(file []byte, what string, at int) {
		t.Helper()
		if !bytes.Equal(file, s.file) && !slices.ContainsFunc(others, func(o []byte) bool { return bytes.Equal(o, file) }) {
			count.Add(1)
			tampered(t, s, file, what, at)
		}
	}
	file := bytes.Clone(s.file)
	for bit := range len(file) * 8 {
		if inChunks := bit/8 - FrameHeaderSize; inChunks > 600 && inChunks < len(s.plain)-600 && bit%8 != bit/8%8 {
			continue // one bit of each byte in the middle of a long chunk.
		}
		file[bit/8] ^= 1 << (bit % 8)
		count.Add(1)
		tampered(t, s, file, "bit", bit)
		file[bit/8] ^= 1 << (bit % 8)
	}
	for n := range file {
		if n < 300 || n > len(file)-300 || n%37 == 0 {
			try(file[:n], "cut", n)
		}
	}
	random := rand.New(rand.NewPCG(5, uint64(len(file))))
	for i := range 20000 {
		altered := bytes.Clone(s.file)
		at, length := random.IntN(len(file)), 1+random.IntN(64)
		end := min(len(file), at+length)
		what := "random bytes"
		switch i % 6 {
		case 0:
			for j := at; j < end; j++ {
				altered[j] = byte(random.Uint32())
			}
		case 1:
			what = "moved block"
			copy(altered[at:end], s.file[random.IntN(len(file)):])
		case 2:
			what = "removed block"
			altered = slices.Delete(altered, at, end)
		case 3:
			what = "inserted block"
			altered = slices.Insert(altered, at, s.file[at:end]...)
		case 4:
			what = "spliced files"
			from := others[random.IntN(len(others))]
			copy(altered[at:], from[at:])
		default:
			what = "block of another file"
			from := others[random.IntN(len(others))]
			copy(altered[at:end], from[at:end])
		}
		try(altered, what, at)
	}
	for _, from := range others { // whole parts of other files.
		for _, cut := range []int{FramePrefixSize, FrameHeaderSize, len(file) - TailSize, len(file) - TailSize + 64, len(file) - TailSize + 120} {
			try(slices.Concat(s.file[:cut], from[cut:]), "spliced files", cut)
			try(slices.Concat(from[:cut], s.file[cut:]), "spliced files", cut)
		}
	}
}

// TestTamperedPartsAreRefused alters an object of several parts where it hurts and reads only the ranges that are concerned.
func TestTamperedPartsAreRefused(t *testing.T) {
	s := sealParts(t, ModeVault, MinPartSize, MinPartSize, 1000)
	again := new(sealed)
	again.id, again.secret, again.plain = s.id, s.secret, s.plain
	for i, frame := range s.open(t, s.file).Layout.Frames() {
		again.addFrame(t, 2*i+1, s.plain[frame.PlainOffset:frame.PlainOffset+frame.Plain])
	}
	again.finish(t)
	size := int(FrameSize(MinPartSize))
	tableOff, tableLength := TableRange(int64(len(s.file)), 3)
	for bit := range (int(tableLength) + TailSize) * 8 {
		at := int(tableOff) + bit/8
		s.file[at] ^= 1 << (bit % 8)
		if _, err := OpenFile(bytes.NewReader(s.file), int64(len(s.file)), s.keyring()); err == nil {
			t.Fatalf("bit %d of table and tail: the file was opened", bit)
		}
		s.file[at] ^= 1 << (bit % 8)
	}
	f := s.open(t, s.file)
	for bit := range FrameHeaderSize * 8 {
		at := size + bit/8
		s.file[at] ^= 1 << (bit % 8)
		for _, from := range []int64{MinPartSize - 10, MinPartSize, MinPartSize + 20} {
			got, err := io.ReadAll(f.RangeReader(from, 30))
			if err == nil || !bytes.HasPrefix(s.plain[from:], got) {
				t.Fatalf("bit %d of the second frame's header: error %v after %d bytes", bit, err, len(got))
			}
		}
		s.file[at] ^= 1 << (bit % 8)
	}
	for name, alter := range map[string]func(file []byte){
		"swapped parts":                 func(file []byte) { copy(file, s.file[size:2*size]); copy(file[size:], s.file[:size]) },
		"replayed part":                 func(file []byte) { copy(file[size:], s.file[:size]) },
		"first part of another attempt": func(file []byte) { copy(file, again.file[:size]) },
		"last part of another attempt":  func(file []byte) { copy(file[2*size:], again.file[2*size:2*size+int(FrameSize(1000))]) },
		"chunks of another attempt": func(file []byte) {
			copy(file[size+FrameHeaderSize:2*size], again.file[size+FrameHeaderSize:2*size])
		},
	} {
		file := bytes.Clone(s.file)
		alter(file)
		tampered(t, s, file, name, MinPartSize)
	}
	for name, cut := range map[string]int64{"table and tail": tableOff, "tail": int64(len(s.file)) - TailSize} {
		spliced := slices.Concat(s.file[:cut], again.file[cut:])
		file, err := OpenFile(bytes.NewReader(spliced), int64(len(spliced)), s.keyring())
		if err != nil {
			continue
		}
		if got, err := io.ReadAll(file.Reader()); err == nil || len(got) > 0 {
			t.Fatalf("%s of another attempt: error %v after %d bytes", name, err, len(got))
		}
	}
}

// FuzzFile patches and cuts a file and reads it in every way.
func FuzzFile(f *testing.F) {
	s := sealFixed(f, 20000)
	f.Add(uint32(0), []byte{}, uint32(0), uint16(0))
	f.Add(uint32(FrameHeaderSize+5), []byte{1}, uint32(0), uint16(16000))
	f.Add(uint32(len(s.file)-1), []byte{0x80}, uint32(0), uint16(1))
	f.Add(uint32(len(s.file)-TailSize), []byte(tailMagic), uint32(1), uint16(1))
	f.Fuzz(func(t *testing.T, at uint32, patch []byte, cut uint32, off uint16) {
		data := bytes.Clone(s.file)
		copy(data[int(at)%len(data):], patch)
		data = data[:len(data)-int(cut)%len(data)]
		file, err := OpenFile(bytes.NewReader(data), int64(len(data)), s.keyring())
		if err != nil {
			return
		}
		got, err := io.ReadAll(file.Reader())
		if !bytes.HasPrefix(s.plain, got) || err == nil && !bytes.Equal(data, s.file) {
			t.Fatal("accepted or released bytes that were not sealed")
		}
		from := int64(off) % file.Layout.Plain()
		if got, _ := io.ReadAll(file.RangeReader(from, file.Layout.Plain()-from)); !bytes.HasPrefix(s.plain[from:], got) {
			t.Fatal("a range released bytes that were not sealed there")
		}
	})
}
