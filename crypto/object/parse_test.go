package object

import (
	"bytes"
	"errors"
	"testing"
)

func TestClearBytesAreStrict(t *testing.T) {
	s := sealPut(t, ModeVault, 1)
	tail := s.file[len(s.file)-TailSize:]
	if id, err := ParseTailHeader(tail); err != nil || id != s.id {
		t.Fatalf("%+v, %v", id, err)
	}
	for name, c := range map[string]struct {
		at   int
		to   byte
		want error
	}{
		"magic": {3, 'F', ErrForeign}, "version 0": {8, 0, ErrUnsupported}, "version 2": {8, 2, ErrUnsupported}, "suite": {9, 2, ErrUnsupported},
		"mode P": {10, 'P', ErrUnsupported}, "mode 0": {10, 0, ErrUnsupported}, "mode C with an epoch": {10, 'C', ErrUnsupported}, "flags": {11, 1, ErrUnsupported},
	} {
		altered := bytes.Clone(tail)
		altered[c.at] = c.to
		if _, err := ParseTailHeader(altered); !errors.Is(err, c.want) {
			t.Errorf("tail, %s: %v, want %v", name, err, c.want)
		}
		altered = bytes.Clone(s.file[:FramePrefixSize])
		if altered[c.at] = c.to; name == "magic" {
			altered[c.at] = 'T'
		}
		if _, err := ParseFramePrefix(altered); !errors.Is(err, c.want) {
			t.Errorf("frame, %s: %v, want %v", name, err, c.want)
		}
	}
	for _, n := range []int{0, 1, TailSize - 1, TailSize + 1} {
		if _, err := ParseTailHeader(make([]byte, n)); !errors.Is(err, ErrForeign) {
			t.Errorf("tail of %d bytes: %v", n, err)
		}
	}
	if _, err := ParseFramePrefix(nil); !errors.Is(err, ErrForeign) {
		t.Errorf("empty frame: %v", err)
	}
}

func TestTailTellsWrongKeyFromDamage(t *testing.T) {
	s, other := sealPut(t, ModeVault, 1), sealPut(t, ModeVault, 1)
	tail := bytes.Clone(s.file[len(s.file)-TailSize:])
	if _, err := OpenTail(tail, other.secret.TailKey()); !errors.Is(err, ErrWrongKey) {
		t.Fatalf("another key: %v", err)
	}
	tail[TailSize-1] ^= 1
	if _, err := OpenTail(tail, s.secret.TailKey()); !errors.Is(err, ErrDamaged) {
		t.Fatalf("altered: %v", err)
	}
}

func TestARenamedTailKeepsTheBody(t *testing.T) {
	s := sealParts(t, ModeVault, MinPartSize, 77)
	m := s.open(t, s.file).Metadata
	m.Key = "renamed"
	tail, err := SealTail(s.id, s.secret.TailKey(), m)
	if err != nil {
		t.Fatal(err)
	}
	f := s.open(t, append(s.file[:len(s.file)-TailSize:len(s.file)-TailSize], tail...))
	if f.Metadata.Key != "renamed" {
		t.Fatal("not renamed")
	}
	checkRange(t, s, f.Layout, MinPartSize-5, 10, direct)
}

func TestTableRulesOfAcceptance(t *testing.T) {
	id, secret := newIdentity(ModeVault)
	key := secret.TableKey()
	good := []Entry{
		{Part: 2, Plain: MinPartSize, FrameSalt: [24]byte{1}, Commitment: [32]byte{2}, HasMD5: true, MD5: [16]byte{3}, Checksum: bytes.Repeat([]byte{4}, 32)},
		{Part: 10000, Plain: 5},
	}
	m := &Metadata{Plain: MinPartSize + 5, Frames: 2, Checksum: &Checksum{Algorithm: "SHA256"}}
	seal := func() []byte {
		sealed, err := SealTable(id, key, good)
		if err != nil {
			t.Fatal(err)
		}
		m.FrameSalt, m.Commitment = [24]byte(sealed), [32]byte(sealed[24:])
		return sealed
	}
	sealed := seal()
	got, err := OpenTable(id, key, m, sealed)
	if err != nil || len(got) != 2 || !bytes.Equal(got[0].Checksum, good[0].Checksum) || got[0].MD5 != good[0].MD5 || got[1].HasMD5 || got[1].Checksum != nil {
		t.Fatalf("%+v, %v", got, err)
	}
	for name, alter := range map[string]func(m *Metadata){
		"salt":       func(m *Metadata) { m.FrameSalt[0] ^= 1 },
		"commitment": func(m *Metadata) { m.Commitment[0] ^= 1 },
		"size":       func(m *Metadata) { m.Plain++ },
		"count":      func(m *Metadata) { m.Frames = 3 },
		"one":        func(m *Metadata) { m.Frames = 1 },
		"checksum":   func(m *Metadata) { m.Checksum = &Checksum{Algorithm: "SHA1"} },
	} {
		other := *m
		alter(&other)
		if _, err := OpenTable(id, key, &other, sealed); !errors.Is(err, ErrDamaged) {
			t.Errorf("%s: %v", name, err)
		}
	}
	wrong := id
	wrong.Salt[0] ^= 1
	if _, err := OpenTable(wrong, key, m, sealed); !errors.Is(err, ErrDamaged) {
		t.Errorf("another object: %v", err)
	}
	var content []byte
	for _, e := range good {
		content = e.append(content)
	}
	for name, c := range map[string]struct {
		at int
		to byte
	}{
		"number zero":         {1, 0},
		"number repeated":     {152 + 1, 0},
		"flag":                {3, 7},
		"zeros":               {7, 1},
		"length":              {8, 1},
		"MD5 and no flag":     {3, 2},
		"checksum, no flag":   {3, 1},
		"behind the checksum": {88 + 32, 1},
	} {
		altered := bytes.Clone(content)
		if altered[c.at] = c.to; name == "number repeated" {
			altered[152], altered[153] = 0, 2
		}
		if name == "number zero" {
			altered[0] = 0
		}
		if _, err := parseTable(altered, m); !errors.Is(err, ErrDamaged) {
			t.Errorf("%s was taken: %v", name, err)
		}
	}
}

func TestLayoutRefusesSizesThatDoNotFit(t *testing.T) {
	s := sealParts(t, ModeVault, MinPartSize, 5)
	f := s.open(t, s.file)
	total := int64(len(s.file))
	if _, err := NewLayout(total, s.id, f.Metadata, f.Table); err != nil {
		t.Fatal(err)
	}
	short := *f.Metadata
	short.Plain--
	single := *f.Metadata
	single.Frames = 1
	for name, try := range map[string]func() (*Layout, error){
		"total":            func() (*Layout, error) { return NewLayout(total+1, s.id, f.Metadata, f.Table) },
		"plain":            func() (*Layout, error) { return NewLayout(total, s.id, &short, f.Table) },
		"no table":         func() (*Layout, error) { return NewLayout(total, s.id, f.Metadata, nil) },
		"part of a table":  func() (*Layout, error) { return NewLayout(total, s.id, f.Metadata, f.Table[:1]) },
		"table of one":     func() (*Layout, error) { return NewLayout(total, s.id, &single, f.Table) },
		"table of another": func() (*Layout, error) { return NewLayout(total, s.id, f.Metadata, []Entry{f.Table[0], f.Table[0]}) },
	} {
		if _, err := try(); !errors.Is(err, ErrDamaged) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzTail(f *testing.F) {
	s := sealFixed(f, 1)
	f.Add(s.file[len(s.file)-TailSize:])
	f.Add(make([]byte, TailSize))
	f.Fuzz(func(t *testing.T, data []byte) {
		id, err := ParseTailHeader(data)
		if err == nil {
			if clearBytes := id.tailClear(); !bytes.Equal(clearBytes[:], data[:len(clearBytes)]) {
				t.Fatal("clear bytes are not what they were read from")
			}
		}
		if m, err := OpenTail(data, s.secret.TailKey()); err == nil && (m.Key != "key" || m.Plain != 1) {
			t.Fatal("a tail was opened that was never sealed")
		}
	})
}

func FuzzFramePrefix(f *testing.F) {
	s := sealFixed(f, 1)
	f.Add(s.file[:FramePrefixSize])
	f.Add([]byte(frameMagic))
	f.Fuzz(func(t *testing.T, data []byte) {
		prefix, err := ParseFramePrefix(data)
		if err != nil {
			return
		}
		if again := prefix.encode(); !bytes.Equal(again[:], data[:FramePrefixSize]) {
			t.Fatal("prefix is not what it was read from")
		}
	})
}

func FuzzTable(f *testing.F) {
	var content []byte
	for _, e := range []Entry{{Part: 1, Plain: MinPartSize, HasMD5: true, Checksum: make([]byte, 32)}, {Part: 2, Plain: 1}} {
		content = e.append(content)
	}
	f.Add(content, int64(MinPartSize+1), 2, "SHA256")
	f.Add(content[:EntrySize], int64(5), 1, "")
	f.Fuzz(func(t *testing.T, data []byte, plain int64, frames int, algorithm string) {
		m := &Metadata{Plain: plain, Frames: frames, Checksum: &Checksum{Algorithm: algorithm}}
		if frames < 0 || frames > MaxParts {
			return
		}
		entries, err := parseTable(data, m)
		if err != nil {
			return
		}
		var again []byte
		for _, e := range entries {
			again = e.append(again)
		}
		if !bytes.Equal(again, data) {
			t.Fatal("table is not what it was read from")
		}
	})
}
