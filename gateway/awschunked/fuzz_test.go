package awschunked_test

import (
	"bytes"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"sallyport/gateway/awschunked"
)

// trusting accepts every signature, so that the fuzzers get past them to the framing.
type trusting struct{}

func (trusting) VerifyChunk(*[32]byte, []byte) bool   { return true }
func (trusting) VerifyTrailer(*[32]byte, []byte) bool { return true }

func fuzzReader(f *testing.F, mode awschunked.Mode) {
	f.Helper()
	for _, size := range []int{0, 1, 100} {
		b := encode(mode, pattern(size), 60)
		f.Add([]byte(b.wire()), int64(size))
		f.Add([]byte(b.wire()+"\r\n"), int64(size))
		f.Add([]byte(b.wire()[:len(b.wire())/2]), int64(size))
		f.Add([]byte(strings.ReplaceAll(b.wire(), "\r\n", "\n")), int64(size))
	}
	f.Add([]byte("ffffffffffffffff\r\n"), int64(1)<<62)
	f.Add([]byte("7fffffffffffffff;chunk-signature="+strings.Repeat("0", 64)+"\r\n"), int64(1)<<62)
	f.Fuzz(func(t *testing.T, wire []byte, length int64) {
		opts := &awschunked.Options{Mode: mode, Verifier: trusting{}, DecodedLength: length}
		if mode != awschunked.Signed {
			opts.TrailerNames = []string{crcTrailer}
		}
		decode := func(src io.Reader) ([]byte, error) {
			r, err := awschunked.NewReader(src, opts)
			if err != nil {
				return nil, err
			}
			return io.ReadAll(r)
		}
		data, err := decode(bytes.NewReader(wire))
		slow, slowErr := decode(iotest.OneByteReader(bytes.NewReader(wire)))
		if reasonOf(t, err) != reasonOf(t, slowErr) || !bytes.Equal(data, slow) {
			t.Errorf("how the bytes arrive decides: %v with %d bytes, %v with %d", err, len(data), slowErr, len(slow))
		}
		if err != nil {
			return
		}
		if int64(len(data)) != length {
			t.Errorf("a clean end after %d of %d bytes", len(data), length)
		}
		// A cut in front of the last byte is not a clean end, unless that byte belongs to the one blank line that may follow the end.
		if _, err := decode(bytes.NewReader(wire[:len(wire)-1])); err == nil && !bytes.HasSuffix(wire, []byte("\n\n")) && !bytes.HasSuffix(wire, []byte("\n\r\n")) {
			t.Errorf("a clean end with the last byte cut off %q", wire)
		}
		// With a real chain and no key, the signed forms let nothing through.
		if mode != awschunked.UnsignedTrailer {
			real := *opts
			real.Verifier = &chain{key: []byte("another key"), previous: strings.Repeat("5", 64)}
			r, err := awschunked.NewReader(bytes.NewReader(wire), &real)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := io.ReadAll(r); err == nil {
				t.Error("accepted without the key")
			}
		}
	})
}

func FuzzSigned(f *testing.F) { fuzzReader(f, awschunked.Signed) }

func FuzzSignedTrailer(f *testing.F) { fuzzReader(f, awschunked.SignedTrailer) }

func FuzzUnsignedTrailer(f *testing.F) { fuzzReader(f, awschunked.UnsignedTrailer) }
