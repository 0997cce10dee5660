package chunked

import (
	"crypto/aes"
	"crypto/cipher"
	"errors"
	"io"
	"math/rand/v2"
	"testing"
)

// benchSize is a large object; benchBlock is the part of it that is really there, small enough to stay in a cache, so that the benchmarks
// measure this package and not how fast memory feeds it.
const (
	benchSize  = 16 << 20
	benchBlock = 16
)

var benchReads = map[string]int{"4KiB-reads": 4 << 10, "32KiB-reads": 32 << 10, "256KiB-reads": 256 << 10}

// repeat yields the same block over and over.
type repeat struct {
	block []byte
	at    int
	left  int64
}

func (r *repeat) Read(p []byte) (int, error) {
	if r.left == 0 {
		return 0, io.EOF
	}
	n := copy(p[:min(int64(len(p)), r.left)], r.block[r.at:])
	r.at = (r.at + n) % len(r.block)
	r.left -= int64(n)
	return n, nil
}

func benchData() []byte {
	plain := make([]byte, benchBlock*ChunkSize)
	_, _ = rand.NewChaCha8([32]byte{}).Read(plain)
	return plain
}

// BenchmarkRawGCM is what the others are compared with: the standard library sealing and opening 16 KiB pieces, nothing around it.
func BenchmarkRawGCM(b *testing.B) {
	block, err := aes.NewCipher(make([]byte, KeySize))
	if err != nil {
		b.Fatal(err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		b.Fatal(err)
	}
	nonce := make([]byte, nonceSize)
	plain := benchData()
	sealed := make([]byte, benchBlock*SealedChunk)
	b.Run("seal", func(b *testing.B) {
		b.SetBytes(benchSize)
		for b.Loop() {
			for i := range benchSize / ChunkSize {
				i %= benchBlock
				aead.Seal(sealed[:i*SealedChunk], nonce, plain[i*ChunkSize:(i+1)*ChunkSize], nil)
			}
		}
	})
	b.Run("open", func(b *testing.B) {
		b.SetBytes(benchSize)
		for b.Loop() {
			for i := range benchSize / ChunkSize {
				i %= benchBlock
				if _, err := aead.Open(plain[:i*ChunkSize], nonce, sealed[i*SealedChunk:(i+1)*SealedChunk], nil); err != nil {
					b.Fatal(err)
				}
			}
		}
	})
}

func BenchmarkSealWhole(b *testing.B) {
	var key [KeySize]byte
	plain := benchData()
	b.SetBytes(int64(len(plain)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Seal(&key, nil, plain); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkSealStream(b *testing.B) {
	var key [KeySize]byte
	plain := benchData()
	for name, size := range benchReads {
		b.Run(name, func(b *testing.B) {
			buf := make([]byte, size)
			b.SetBytes(benchSize)
			b.ReportAllocs()
			for b.Loop() {
				drain(b, NewSizedEncryptReader(&key, nil, benchSize, &repeat{block: plain, left: benchSize}), buf)
			}
		})
	}
}

// BenchmarkOpenStream opens the same benchBlock chunks over and over, told each time that they are the first ones, so that its source is as
// warm as that of BenchmarkRawGCM. BenchmarkOpenLarge has a message whose chunks all differ and which no cache near the processor holds.
func BenchmarkOpenStream(b *testing.B) {
	var key [KeySize]byte
	message, err := Seal(&key, nil, make([]byte, benchSize))
	if err != nil {
		b.Fatal(err)
	}
	for name, size := range benchReads {
		b.Run(name, func(b *testing.B) {
			buf := make([]byte, size)
			b.SetBytes(benchSize)
			b.ReportAllocs()
			for b.Loop() {
				opener, err := NewOpener(&key, nil, message[:HeaderSize])
				if err != nil {
					b.Fatal(err)
				}
				src := &again{repeat: repeat{block: message[HeaderSize:][:benchBlock*SealedChunk], left: benchSize / ChunkSize * SealedChunk}}
				src.reader = NewChunkReader(opener, src, 2*benchSize, 0, benchSize/ChunkSize)
				drain(b, src.reader, buf)
			}
		})
	}
}

// again sets its reader back to the first chunk whenever it begins its block anew.
type again struct {
	repeat
	reader *ChunkReader
}

func (a *again) Read(p []byte) (int, error) {
	if a.at == 0 && a.reader.index > 0 {
		a.reader.index -= benchBlock
		a.reader.end -= benchBlock
	}
	return a.repeat.Read(p)
}

func BenchmarkOpenLarge(b *testing.B) {
	var key [KeySize]byte
	message, err := Seal(&key, nil, make([]byte, benchSize))
	if err != nil {
		b.Fatal(err)
	}
	b.Run("stream", func(b *testing.B) {
		buf := make([]byte, 256<<10)
		b.SetBytes(benchSize)
		for b.Loop() {
			opener, err := NewOpener(&key, nil, message[:HeaderSize])
			if err != nil {
				b.Fatal(err)
			}
			src := &repeat{block: message[HeaderSize:], left: int64(len(message) - HeaderSize)}
			drain(b, NewChunkReader(opener, src, benchSize, 0, benchSize/ChunkSize+1), buf)
		}
	})
	block, err := aes.NewCipher(key[:])
	if err != nil {
		b.Fatal(err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		b.Fatal(err)
	}
	nonce := make([]byte, nonceSize)
	plain := make([]byte, ChunkSize)
	large := make([]byte, 0, benchSize/ChunkSize*SealedChunk)
	for range benchSize / ChunkSize {
		large = aead.Seal(large, nonce, plain, nil)
	}
	// What any opener pays that is given an io.Reader and not the bytes.
	b.Run("raw-read", func(b *testing.B) {
		sealed := make([]byte, SealedChunk)
		b.SetBytes(benchSize)
		for b.Loop() {
			src := &repeat{block: large, left: int64(len(large))}
			for range benchSize / ChunkSize {
				if _, err := io.ReadFull(src, sealed); err != nil {
					b.Fatal(err)
				}
				if _, err := aead.Open(plain[:0], nonce, sealed, nil); err != nil {
					b.Fatal(err)
				}
			}
		}
	})
}

func drain(b *testing.B, r io.Reader, buf []byte) {
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
