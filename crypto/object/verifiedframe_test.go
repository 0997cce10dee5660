package object

import (
	"bytes"
	"errors"
	"io"
	"testing"
	"testing/iotest"

	"sallyport/crypto/chunked"
	"sallyport/crypto/keys"
)

func storedFrame(t *testing.T, id Identity, secret keys.ObjectSecret, part, n int) ([]byte, Frame) {
	t.Helper()
	r, err := NewFrameReader(id, secret, part, int64(n), bytes.NewReader(testBytes(n)))
	if err != nil {
		t.Fatal(err)
	}
	stored, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return stored, Frame{Part: part, Plain: int64(n), Salt: r.Salt(), Commitment: r.Commitment()}
}

// verify returns what comes out of a frame before its error.
func verify(t *testing.T, id Identity, secret keys.ObjectSecret, f Frame, src io.Reader) ([]byte, error) {
	t.Helper()
	r, err := NewVerifiedFrame(id, secret, f, src)
	if err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(r)
	if n, again := r.Read(make([]byte, 1)); n > 0 || err != nil && !errors.Is(again, err) {
		t.Errorf("the error %v does not latch: %d, %v", err, n, again)
	}
	return got, err
}

func TestVerifiedFrameIsTheFrame(t *testing.T) {
	for _, mode := range []Mode{ModeVault, ModeCustomer} {
		id, secret := newIdentity(mode)
		for _, n := range []int{0, 1, chunked.ChunkSize - 1, chunked.ChunkSize, chunked.ChunkSize + 1, 3 * chunked.ChunkSize, 100_000} {
			stored, f := storedFrame(t, id, secret, 7, n)
			for name, src := range map[string]io.Reader{"whole": bytes.NewReader(stored), "one byte": iotest.OneByteReader(bytes.NewReader(stored)), "end with data": iotest.DataErrReader(bytes.NewReader(stored))} {
				if got, err := verify(t, id, secret, f, src); err != nil || !bytes.Equal(got, stored) {
					t.Errorf("%d bytes, %s: %d of %d, %v", n, name, len(got), len(stored), err)
				}
			}
		}
	}
}

// TestVerifiedFrameLetsNothingAlteredOut: what came out before the error is the beginning of the frame, and never the whole.
func TestVerifiedFrameLetsNothingAlteredOut(t *testing.T) {
	id, secret := newIdentity(ModeVault)
	const n = 2*chunked.ChunkSize + 100
	stored, f := storedFrame(t, id, secret, 7, n)
	check := func(what string, got []byte, err, want error) {
		t.Helper()
		if !errors.Is(err, want) || !bytes.HasPrefix(stored, got) {
			t.Errorf("%s: %d bytes, %v, want %v", what, len(got), err, want)
		}
	}
	for at := 0; at < len(stored); at += 97 {
		altered := bytes.Clone(stored)
		altered[at] ^= 1 << (at % 8)
		got, err := verify(t, id, secret, f, bytes.NewReader(altered))
		check("altered", got, err, ErrDamaged)
		if len(got) > at {
			t.Errorf("a bit was changed at %d, and %d bytes came out", at, len(got))
		}
	}
	for _, cut := range []int{0, 1, FrameHeaderSize - 1, FrameHeaderSize, len(stored) - chunked.TagSize, len(stored) - 1} {
		got, err := verify(t, id, secret, f, bytes.NewReader(stored[:cut]))
		check("cut", got, err, io.ErrUnexpectedEOF)
	}
	got, err := verify(t, id, secret, f, io.MultiReader(bytes.NewReader(stored), bytes.NewReader([]byte{0})))
	check("longer", got, err, ErrDamaged)
	strange := errors.New("strange")
	for _, after := range []int{0, 50, FrameHeaderSize, len(stored) - 1, len(stored)} {
		got, err = verify(t, id, secret, f, io.MultiReader(bytes.NewReader(stored[:after]), iotest.ErrReader(strange)))
		check("failing", got, err, strange)
	}
	// Another frame that is as sound as this one.
	for what, other := range map[string]Frame{"part": {Part: 8, Plain: n, Salt: f.Salt, Commitment: f.Commitment}, "size": {Part: 7, Plain: n - 1, Salt: f.Salt, Commitment: f.Commitment}} {
		got, err := verify(t, id, secret, other, bytes.NewReader(stored))
		check("another "+what, got, err, ErrDamaged)
	}
	again, _ := storedFrame(t, id, secret, 7, n)
	got, err = verify(t, id, secret, f, bytes.NewReader(again))
	check("another attempt", got, err, ErrDamaged)
	_, otherSecret := newIdentity(ModeVault)
	got, err = verify(t, id, otherSecret, f, bytes.NewReader(stored))
	check("another key", got, err, ErrDamaged)
	if _, err := NewVerifiedFrame(id, secret, Frame{Part: MaxParts + 1}, nil); err == nil {
		t.Error("a part out of range was taken")
	}
}

// FuzzVerifiedFrame patches, cuts and extends a frame.
func FuzzVerifiedFrame(f *testing.F) {
	id, secret := fixedIdentity()
	const n = chunked.ChunkSize + 100
	r, err := NewFrameReader(id, secret, 7, n, bytes.NewReader(testBytes(n)))
	if err != nil {
		f.Fatal(err)
	}
	stored, err := io.ReadAll(r)
	if err != nil {
		f.Fatal(err)
	}
	frame := Frame{Part: 7, Plain: n, Salt: r.Salt(), Commitment: r.Commitment()}
	f.Add(uint32(0), []byte{}, uint32(0), []byte{})
	f.Add(uint32(FrameHeaderSize+5), []byte{1}, uint32(0), []byte{0})
	f.Add(uint32(20), []byte{9}, uint32(16), []byte{})
	f.Fuzz(func(t *testing.T, at uint32, patch []byte, cut uint32, more []byte) {
		altered := bytes.Clone(stored)
		copy(altered[int(at)%len(altered):], patch)
		altered = append(altered[:len(altered)-int(cut)%len(altered)], more...)
		got, err := verify(t, id, secret, frame, bytes.NewReader(altered))
		if !bytes.HasPrefix(stored, got) || (err == nil) != bytes.Equal(altered, stored) {
			t.Fatalf("%d bytes came out, %v", len(got), err)
		}
	})
}
