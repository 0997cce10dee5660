package awschunked_test

import (
	"io"
	"strings"
	"testing"

	"sallyport/gateway/awschunked"
)

func benchmarkDecode(b *testing.B, mode awschunked.Mode, chunk int) {
	const size = 8 << 20
	encoded := encode(mode, pattern(size), chunk)
	wire := encoded.wire()
	opts := encoded.options()
	opts.Verifier = trusting{} // the cost of HMAC is BenchmarkVerifyChunk's in package sigv4
	buffer := make([]byte, 64<<10)
	b.SetBytes(size)
	b.ReportAllocs()
	for b.Loop() {
		r, err := awschunked.NewReader(strings.NewReader(wire), opts)
		if err != nil {
			b.Fatal(err)
		}
		for err == nil {
			_, err = r.Read(buffer)
		}
		if err != io.EOF { //nolint:errorlint // the contract.
			b.Fatal(err)
		}
	}
}

func BenchmarkDecodeSigned64K(b *testing.B) { benchmarkDecode(b, awschunked.Signed, 64<<10) }

func BenchmarkDecodeSigned8K(b *testing.B) { benchmarkDecode(b, awschunked.Signed, 8<<10) }

func BenchmarkDecodeUnsigned64K(b *testing.B) {
	benchmarkDecode(b, awschunked.UnsignedTrailer, 64<<10)
}

func TestNoAllocationPerChunk(t *testing.T) {
	count := func(chunks int) float64 {
		b := encode(awschunked.Signed, pattern(chunks*100), 100)
		wire := b.wire()
		opts := b.options()
		opts.Verifier = trusting{}
		buffer := make([]byte, 4096)
		return testing.AllocsPerRun(20, func() {
			r, err := awschunked.NewReader(strings.NewReader(wire), opts)
			for err == nil {
				_, err = r.Read(buffer)
			}
			if err != io.EOF { //nolint:errorlint // the contract.
				t.Fatal(err)
			}
		})
	}
	if few, many := count(2), count(2000); many > few {
		t.Errorf("%v allocations for 2 chunks, %v for 2000", few, many)
	}
}
