package object

import (
	"bytes"
	"errors"
	"io"
	"testing"
	"testing/iotest"
)

func TestObjectsOfOnePut(t *testing.T) {
	for _, mode := range []Mode{ModeVault, ModeCustomer} {
		for _, n := range append(objectEdges, MinPartSize-1, MinPartSize, MinPartSize+1) {
			s := sealPut(t, mode, n)
			f := s.open(t, s.file)
			got, err := io.ReadAll(f.Reader())
			if err != nil || !bytes.Equal(got, s.plain) {
				t.Fatalf("mode %v, %d bytes: %v", mode, n, err)
			}
			m := f.Metadata
			if m.Plain != int64(n) || m.Frames != 1 || *m.PartNumber != 0 || m.Key != "key" || m.Headers["content-type"] != "text/plain" {
				t.Fatalf("mode %v, %d bytes: metadata %+v", mode, n, m)
			}
		}
	}
}

func TestObjectReaderKeepsTheReaderContract(t *testing.T) {
	for _, n := range []int{0, 1, 16384, 16385} {
		s := new(sealed)
		s.id, s.secret = newIdentity(ModeVault)
		plain := testBytes(n)
		calls := 0
		r, err := NewObjectReader(s.id, s.secret, int64(n), iotest.OneByteReader(bytes.NewReader(plain)), func() (*Metadata, error) {
			calls++
			return testMetadata(), nil
		})
		if err != nil {
			t.Fatal(err)
		}
		file, err := io.ReadAll(iotest.OneByteReader(r))
		if err != nil || calls != 1 {
			t.Fatalf("%v after %d calls for the tail", err, calls)
		}
		got, err := io.ReadAll(iotest.OneByteReader(s.open(t, file).Reader()))
		if err != nil || !bytes.Equal(got, plain) {
			t.Fatal(err)
		}
		if _, err := r.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
			t.Fatalf("after the end: %v", err)
		}
	}
}

// TestNothingWrongBecomesAWholeObject injects what can go wrong while an object is sealed; the file must stay short.
func TestNothingWrongBecomesAWholeObject(t *testing.T) {
	id, secret := newIdentity(ModeVault)
	good := func() (*Metadata, error) { return testMetadata(), nil }
	for _, n := range objectEdges {
		plain := testBytes(n)
		for name, c := range map[string]struct {
			src  io.Reader
			tail func() (*Metadata, error)
			want error
		}{
			"longer source":  {io.MultiReader(bytes.NewReader(plain), bytes.NewReader([]byte{1})), good, ErrTooLong},
			"failing source": {io.MultiReader(bytes.NewReader(plain), iotest.ErrReader(errTest)), good, errTest},
			"failing tail":   {bytes.NewReader(plain), func() (*Metadata, error) { return nil, errTest }, errTest},
			"large metadata": {bytes.NewReader(plain), func() (*Metadata, error) {
				m := testMetadata()
				m.UserMetadata["big"] = string(make([]byte, MetadataBudget))
				return m, nil
			}, ErrMetadataTooLarge},
		} {
			r, err := NewObjectReader(id, secret, int64(n), c.src, c.tail)
			if err != nil {
				t.Fatal(err)
			}
			got, err := io.ReadAll(r)
			if !errors.Is(err, c.want) {
				t.Fatalf("%s of %d bytes: %v, want %v", name, n, err, c.want)
			}
			if int64(len(got)) > CanonicalSize(int64(n))-TailSize {
				t.Fatalf("%s of %d bytes: %d bytes came out", name, n, len(got))
			}
			if _, again := r.Read(make([]byte, 1)); !errors.Is(again, c.want) {
				t.Fatalf("%s of %d bytes: error did not latch: %v", name, n, again)
			}
		}
		if n == 0 {
			continue
		}
		r, err := NewFrameReader(id, secret, 1, int64(n), bytes.NewReader(plain[:n-1]))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(r); !errors.Is(err, io.ErrUnexpectedEOF) || int64(len(got)) >= FrameSize(int64(n)) {
			t.Fatalf("shorter source of %d bytes: %v after %d bytes", n, err, len(got))
		}
	}
}

func TestWhatCannotBeSealedIsRefused(t *testing.T) {
	id, secret := newIdentity(ModeVault)
	for _, c := range []struct {
		part  int
		plain int64
	}{{-1, 0}, {MaxParts + 1, 0}, {0, -1}, {0, MaxPlainSize + 1}} {
		if _, err := NewFrameReader(id, secret, c.part, c.plain, nil); err == nil {
			t.Errorf("part %d of %d bytes was taken", c.part, c.plain)
		}
	}
	for _, bad := range []Identity{{}, {Mode: 'P'}, {Mode: ModeCustomer, Epoch: 1}} {
		if _, err := NewFrameReader(bad, secret, 0, 0, nil); !errors.Is(err, ErrUnsupported) {
			t.Errorf("%+v: %v", bad, err)
		}
		if _, err := SealTail(bad, secret.TailKey(), testMetadata()); !errors.Is(err, ErrUnsupported) {
			t.Errorf("%+v: %v", bad, err)
		}
	}
	full := Entry{Part: 1, Plain: MinPartSize}
	for name, entries := range map[string][]Entry{
		"none":          {},
		"one":           {full},
		"not ascending": {full, {Part: 1}},
		"number zero":   {{Part: 0, Plain: MinPartSize}, {Part: 1}},
		"small":         {{Part: 1, Plain: MinPartSize - 1}, {Part: 2}},
		"checksum":      {full, {Part: 2, Checksum: make([]byte, 65)}},
		"number":        {full, {Part: MaxParts + 1}},
	} {
		if _, err := SealTable(id, secret.TableKey(), entries); err == nil {
			t.Errorf("table with %s was sealed", name)
		}
	}
	if _, _, err := Trailer(id, secret.TableKey(), secret.TailKey(), nil, testMetadata()); err == nil {
		t.Error("an object without frames was sealed")
	}
	entries := []Entry{full, {Part: 2, Checksum: []byte{1}}}
	if _, _, err := Trailer(id, secret.TableKey(), secret.TailKey(), entries, testMetadata()); !errors.Is(err, ErrInvalidMetadata) {
		t.Errorf("checksums of no algorithm: %v", err)
	}
}

// TestNoTwoSealingsShareANonce seals the same things over and over: no two messages under one key may have the same salt.
func TestNoTwoSealingsShareANonce(t *testing.T) {
	id, secret := newIdentity(ModeVault)
	seen := make(map[[24]byte]bool)
	note := func(salt [24]byte) {
		if seen[salt] {
			t.Fatal("a Cobblestone salt came twice")
		}
		seen[salt] = true
	}
	salts := make(map[Salt]bool)
	entries := []Entry{{Part: 1, Plain: MinPartSize}, {Part: 2}}
	for range 3000 {
		f, err := NewFrameReader(id, secret, 1, 0, bytes.NewReader(nil))
		if err != nil {
			t.Fatal(err)
		}
		note(f.Salt())
		m := testMetadata()
		m.Frames, m.PartNumber = 1, new(int)
		tail, err := SealTail(id, secret.TailKey(), m)
		if err != nil {
			t.Fatal(err)
		}
		note([24]byte(tail[64:]))
		table, err := SealTable(id, secret.TableKey(), entries)
		if err != nil {
			t.Fatal(err)
		}
		note([24]byte(table))
		salt := NewSalt()
		if salts[salt] {
			t.Fatal("an object salt came twice")
		}
		salts[salt] = true
	}
}

func TestHugePaddingIsNotHeldInMemory(t *testing.T) {
	id, secret := newIdentity(ModeVault)
	entries := make([]Entry, MaxParts)
	for i := range entries {
		entries[i] = Entry{Part: i + 1, Plain: 500 << 20}
	}
	r, length, err := Trailer(id, secret.TableKey(), secret.TailKey(), entries, testMetadata())
	if err != nil {
		t.Fatal(err)
	}
	n, err := io.Copy(io.Discard, r)
	if err != nil || n != length || n < 400<<20 {
		t.Fatalf("%d bytes of %d, error %v", n, length, err)
	}
}
