package object

import (
	"bytes"
	"errors"
	"io"
	"testing"
)

func benchDrain(b *testing.B, r io.Reader, buf []byte) {
	b.Helper()
	for {
		_, err := r.Read(buf)
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			b.Fatal(err)
		}
	}
}

// The benchmarks seal and open whole objects in memory; BenchmarkRawGCM of package chunked is the measure for the large one.
var benchSizes = map[string]int{"4KiB": 4 << 10, "64KiB": 64 << 10, "16MiB": 16 << 20}

func BenchmarkSealObject(b *testing.B) {
	id, secret := newIdentity(ModeVault)
	for name, n := range benchSizes {
		b.Run(name, func(b *testing.B) {
			plain, buf := testBytes(n), make([]byte, 32<<10)
			b.SetBytes(int64(n))
			b.ReportAllocs()
			for b.Loop() {
				r, err := NewObjectReader(id, secret, int64(n), bytes.NewReader(plain), func() (*Metadata, error) { return testMetadata(), nil })
				if err != nil {
					b.Fatal(err)
				}
				benchDrain(b, r, buf)
			}
		})
	}
}

func BenchmarkOpenObject(b *testing.B) {
	for name, n := range benchSizes {
		b.Run(name, func(b *testing.B) {
			s, buf := sealPut(b, ModeVault, n), make([]byte, 32<<10)
			b.SetBytes(int64(n))
			b.ReportAllocs()
			for b.Loop() {
				f, err := OpenFile(bytes.NewReader(s.file), int64(len(s.file)), s.keyring())
				if err != nil {
					b.Fatal(err)
				}
				benchDrain(b, f.Reader(), buf)
			}
		})
	}
}

func BenchmarkOpenTail(b *testing.B) {
	s := sealPut(b, ModeVault, 1)
	tail := s.file[len(s.file)-TailSize:]
	b.ReportAllocs()
	for b.Loop() {
		if _, err := OpenTail(tail, s.secret.TailKey()); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkPlainSize(b *testing.B) {
	total := CanonicalSize(5 << 30)
	for b.Loop() {
		if _, ok := PlainSize(total); !ok {
			b.Fatal("no size")
		}
	}
}
