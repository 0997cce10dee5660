package checksum_test

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/md5"
	"io"
	"testing"

	"sallyport/gateway/checksum"
)

const benchSize = 16 << 20

// seal does what the product does with a body: AES-256-GCM over 64 KiB at a time.
func seal(b *testing.B, r io.Reader) {
	b.Helper()
	key, err := aes.NewCipher(make([]byte, 32))
	if err != nil {
		b.Fatal(err)
	}
	gcm, err := cipher.NewGCM(key)
	if err != nil {
		b.Fatal(err)
	}
	nonce := make([]byte, gcm.NonceSize())
	plain, sealed := make([]byte, 64<<10), make([]byte, 0, 64<<10+16)
	for {
		n, err := io.ReadFull(r, plain)
		if n > 0 {
			sealed = gcm.Seal(sealed[:0], nonce, plain[:n], nil)
		}
		if err != nil {
			break
		}
	}
}

func benchmarkSeal(b *testing.B, body func(src io.Reader) io.Reader) {
	data := pattern(benchSize)
	b.SetBytes(benchSize)
	b.ReportAllocs()
	for b.Loop() {
		seal(b, body(bytes.NewReader(data)))
	}
}

// The four to compare: AES alone, MD5 alone, one after the other, side by side.
func BenchmarkAESAlone(b *testing.B) {
	benchmarkSeal(b, func(src io.Reader) io.Reader { return src })
}

func BenchmarkMD5Alone(b *testing.B) {
	data := pattern(benchSize)
	b.SetBytes(benchSize)
	for b.Loop() {
		md5.Sum(data)
	}
}

func BenchmarkMD5ThenAES(b *testing.B) {
	benchmarkSeal(b, func(src io.Reader) io.Reader { return io.TeeReader(src, md5.New()) })
}

func BenchmarkMD5BesideAES(b *testing.B) {
	var buffers checksum.Buffers
	benchmarkSeal(b, func(src io.Reader) io.Reader {
		return checksum.NewReader(src, &checksum.Options{Size: benchSize, MD5: true, Buffers: &buffers})
	})
}

func BenchmarkMD5AndCRC64BesideAES(b *testing.B) {
	var buffers checksum.Buffers
	benchmarkSeal(b, func(src io.Reader) io.Reader {
		return checksum.NewReader(src, &checksum.Options{Size: benchSize, MD5: true, Algorithms: []checksum.Algorithm{checksum.CRC64NVME}, Buffers: &buffers})
	})
}

func BenchmarkMD5AndSHA256BesideAES(b *testing.B) {
	var buffers checksum.Buffers
	benchmarkSeal(b, func(src io.Reader) io.Reader {
		return checksum.NewReader(src, &checksum.Options{Size: benchSize, MD5: true, Algorithms: []checksum.Algorithm{checksum.SHA256}, Buffers: &buffers})
	})
}

func BenchmarkSmallBody(b *testing.B) {
	data := pattern(4096)
	buffer := make([]byte, 8192)
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		r := checksum.NewReader(bytes.NewReader(data), &checksum.Options{Size: int64(len(data)), MD5: true, Algorithms: []checksum.Algorithm{checksum.CRC64NVME}})
		for _, err := r.Read(buffer); err == nil; _, err = r.Read(buffer) {
		}
	}
}

func BenchmarkCombine10000(b *testing.B) {
	parts := make([]checksum.Part, 10000)
	for i := range parts {
		parts[i] = checksum.Part{Value: value(b, checksum.CRC64NVME, []byte{byte(i)}), Size: 5 << 20}
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := checksum.Combine(checksum.CRC64NVME, parts); err != nil {
			b.Fatal(err)
		}
	}
}

func TestNoAllocationPerBlock(t *testing.T) {
	var buffers checksum.Buffers
	count := func(blocks int) float64 {
		data := pattern(blocks * block)
		buffer := make([]byte, 32<<10)
		return testing.AllocsPerRun(20, func() {
			r := checksum.NewReader(bytes.NewReader(data), &checksum.Options{Size: int64(len(data)), MD5: true, Algorithms: []checksum.Algorithm{checksum.CRC64NVME}, Buffers: &buffers})
			var err error
			for err == nil {
				_, err = r.Read(buffer)
			}
			if err != io.EOF { //nolint:errorlint // the contract.
				t.Fatal(err)
			}
		})
	}
	// A pool may lose its blocks to the collector at any time, so the comparison has room for one set of them, far less than one per block.
	if few, many := count(4), count(200); many > few+10 {
		t.Errorf("%v allocations for 4 blocks, %v for 200", few, many)
	}
}
