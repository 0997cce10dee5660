package object

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"testing"
	"testing/iotest"

	"sallyport/crypto/chunked"
	"sallyport/crypto/keys"
)

type found struct {
	part  int
	plain []byte
}

// salvage collects what a walk over file finds.
func salvage(t *testing.T, s *sealed, file []byte) []found {
	t.Helper()
	var all []found
	for frame, err := range Salvage(bytes.NewReader(file), int64(len(file)), s.id.VaultID, s.keyring()) {
		if err != nil {
			t.Fatal(err)
		}
		plain, err := io.ReadAll(frame.Reader())
		if err != nil && !errors.Is(err, ErrDamaged) && !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Fatal(err)
		}
		all = append(all, found{frame.Part, plain})
	}
	return all
}

func (s *sealed) wantParts(t *testing.T, got []found, want ...int) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("found %d frames, want %d", len(got), len(want))
	}
	f := s.open(t, s.file)
	for i, index := range want {
		frame := f.Layout.Frames()[index]
		plain := s.plain[frame.PlainOffset : frame.PlainOffset+frame.Plain]
		if got[i].part != frame.Part || !bytes.Equal(got[i].plain, plain) {
			t.Fatalf("frame %d came back as part %d with %d bytes", index, got[i].part, len(got[i].plain))
		}
	}
}

func TestSalvageFindsFramesWithoutTailAndTable(t *testing.T) {
	for _, mode := range []Mode{ModeVault, ModeCustomer} {
		s := sealParts(t, mode, MinPartSize, MinPartSize+1, 100)
		first, second := int(FrameSize(MinPartSize)), int(FrameSize(MinPartSize+1))
		s.wantParts(t, salvage(t, s, s.file), 0, 1, 2)
		s.wantParts(t, salvage(t, s, s.file[:len(s.file)-TailSize-600]), 0, 1, 2)
		s.wantParts(t, salvage(t, s, slices.Concat([]byte("rubbish ahead"), s.file)), 0, 1, 2)
		for name, at := range map[string]int{"magic": 0, "length": 20, "salt": 30, "commitment": 100} {
			file := bytes.Clone(s.file)
			file[first+at] ^= 1
			t.Log(name)
			s.wantParts(t, salvage(t, s, file), 0, 2)
		}
		missing := slices.Delete(bytes.Clone(s.file), first+1000, first+1700)
		got := salvage(t, s, missing)
		if len(got) != 3 || got[1].part != 3 || !bytes.Equal(got[2].plain, s.plain[len(s.plain)-100:]) {
			t.Fatalf("bytes are missing in the second frame: found %d frames", len(got))
		}
		got = salvage(t, s, s.file[:first+second-50])
		if len(got) != 2 || len(got[1].plain) != MinPartSize-chunked.ChunkSize {
			t.Fatal("the whole chunks of a cut frame were not found")
		}
	}
}

func TestSalvageReadsOnBehindADamagedChunk(t *testing.T) {
	s := sealPut(t, ModeVault, 60000)
	file := bytes.Clone(s.file)
	file[FrameHeaderSize+chunked.SealedChunk] ^= 1
	for frame, err := range Salvage(bytes.NewReader(file), int64(len(file)), s.id.VaultID, s.keyring()) {
		if err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(frame.Reader()); !errors.Is(err, ErrDamaged) || !bytes.Equal(got, s.plain[:chunked.ChunkSize]) {
			t.Fatalf("%v after %d bytes", err, len(got))
		}
		if got, err := io.ReadAll(frame.ReaderFrom(2)); err != nil || !bytes.Equal(got, s.plain[2*chunked.ChunkSize:]) {
			t.Fatalf("behind the damage: %v after %d bytes", err, len(got))
		}
		if frame.Chunks() != 4 {
			t.Fatalf("%d chunks", frame.Chunks())
		}
	}
}

func TestSalvageReportsMissingKeysAndFailingSources(t *testing.T) {
	s := sealPut(t, ModeVault, 10)
	refuse := KeyringFunc(func(Identity) (keys.ObjectSecret, error) { return keys.ObjectSecret{}, errTest })
	count := 0
	for frame, err := range Salvage(bytes.NewReader(s.file), int64(len(s.file)), s.id.VaultID, refuse) {
		if count++; !errors.Is(err, errTest) || frame.Epoch != s.id.Epoch {
			t.Fatalf("frame %+v, error %v", frame, err)
		}
	}
	if count != 1 {
		t.Fatalf("%d frames were named, want 1", count)
	}
	other := sealPut(t, ModeVault, 10)
	for range Salvage(bytes.NewReader(s.file), int64(len(s.file)), s.id.VaultID, other.keyring()) {
		t.Fatal("a frame of another key was found")
	}
	failing := failingAt{}
	for frame, err := range Salvage(failing, 1000, s.id.VaultID, s.keyring()) {
		if frame != nil || !errors.Is(err, errTest) {
			t.Fatalf("frame %+v, error %v", frame, err)
		}
	}
	if _, err := io.ReadAll(iotest.ErrReader(errTest)); err == nil {
		t.Fatal("the fault is not injected")
	}
}

type failingAt struct{}

func (failingAt) ReadAt([]byte, int64) (int, error) { return 0, errTest }

func FuzzSalvage(f *testing.F) {
	s := sealFixed(f, 20)
	f.Add(s.file)
	f.Add(s.file[:200])
	f.Add([]byte(frameMagic))
	f.Fuzz(func(t *testing.T, data []byte) {
		for frame, err := range Salvage(bytes.NewReader(data), int64(len(data)), s.id.VaultID, s.keyring()) {
			if err != nil {
				t.Fatal(err)
			}
			if got, _ := io.ReadAll(frame.Reader()); !bytes.HasPrefix(s.plain, got) {
				t.Fatal("released bytes that were never sealed")
			}
		}
	})
}
