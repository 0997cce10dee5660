package awschunked_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"sallyport/gateway/awschunked"
)

func TestRoundTrip(t *testing.T) {
	eachMode(t, func(t *testing.T, mode awschunked.Mode) {
		for _, size := range []int{0, 1, 4095, 4096, 4097, 8191, 8192, 8193, 65535, 65536, 65537, 200000} {
			for _, chunk := range []int{1000, 8192, 65536, 1 << 20} {
				b := encode(mode, pattern(size), chunk)
				for name, src := range slowly(b.wire()) {
					data, r, err := b.decode(src)
					if err != nil {
						t.Fatalf("%d/%d %s: %v", size, chunk, name, err)
					}
					wantData(t, data, b.data)
					value, ok := r.Trailer(crcTrailer)
					if wanted := mode != awschunked.Signed; ok != wanted || ok && value != crcValue || len(r.Trailers()) != len(b.trailers) {
						t.Errorf("trailers %v", r.Trailers())
					}
				}
			}
		}
	})
}

func TestReaderContract(t *testing.T) {
	eachMode(t, func(t *testing.T, mode awschunked.Mode) {
		b := encode(mode, pattern(3000), 700)
		r, err := awschunked.NewReader(strings.NewReader(b.wire()), b.options())
		if err != nil {
			t.Fatal(err)
		}
		if err := iotest.TestReader(r, b.data); err != nil {
			t.Error(err)
		}
	})
}

func TestA9CutAtEveryOffset(t *testing.T) {
	eachMode(t, func(t *testing.T, mode awschunked.Mode) {
		for _, size := range []int{0, 1, 100, 700, 1500} {
			b := encode(mode, pattern(size), 700)
			wire := b.wire()
			for cut := range len(wire) {
				for name, src := range slowly(wire[:cut]) {
					data, r, err := b.decode(src)
					if reasonOf(t, err) != awschunked.Incomplete {
						t.Fatalf("cut at %d of %d (%s): %v", cut, len(wire), name, err)
					}
					if !bytes.HasPrefix(b.data, data) || r.Trailers() != nil {
						t.Fatalf("cut at %d: other data or trailers", cut)
					}
				}
			}
		}
	})
}

func TestA9SourceErrorsPassThrough(t *testing.T) {
	broken := errors.New("connection reset")
	eachMode(t, func(t *testing.T, mode awschunked.Mode) {
		b := encode(mode, pattern(20000), 9000)
		wire := b.wire()
		for cut := 0; cut < len(wire); cut += 97 {
			for _, failure := range []error{broken, io.ErrUnexpectedEOF} {
				src := io.MultiReader(strings.NewReader(wire[:cut]), iotest.ErrReader(failure))
				for name, src := range map[string]io.Reader{"after": src, "beside": &dataAndError{data: wire[:cut], err: failure}} {
					_, _, err := b.decode(src)
					if short := errors.Is(failure, io.ErrUnexpectedEOF); !short && !errors.Is(err, broken) || short && reasonOf(t, err) != awschunked.Incomplete {
						t.Fatalf("%v at %d, %s: %v", failure, cut, name, err)
					}
				}
			}
		}
	})
}

// A source's error beside data is the verdict even if the source then claims an end, also when reads go past the decoder's buffer.
func TestA9ErrorBesideDataIsKept(t *testing.T) {
	broken := errors.New("connection reset")
	eachMode(t, func(t *testing.T, mode awschunked.Mode) {
		b := encode(mode, pattern(100000), 60000)
		r, err := awschunked.NewReader(&dataAndError{data: b.wire()[:50000], err: broken}, b.options())
		if err != nil {
			t.Fatal(err)
		}
		buffer := make([]byte, 1<<20)
		for err == nil {
			_, err = r.Read(buffer)
		}
		if !errors.Is(err, broken) {
			t.Errorf("got %v", err)
		}
	})
}

// dataAndError returns its last bytes together with an error, once, and then claims a clean end.
type dataAndError struct {
	data string
	err  error
}

func (d *dataAndError) Read(p []byte) (int, error) {
	n := copy(p, d.data)
	d.data = d.data[n:]
	if d.data != "" {
		return n, nil
	}
	err := d.err
	d.err = io.EOF
	return n, err
}

func TestA6A7ChangedChunksAreRefused(t *testing.T) {
	for _, mode := range []awschunked.Mode{awschunked.Signed, awschunked.SignedTrailer} {
		data := pattern(3500)
		good := encode(mode, data, 700)
		last := len(good.chunks) - 1
		swap := func(i, j int) func(*body) {
			return func(b *body) { b.chunks[i], b.chunks[j] = b.chunks[j], b.chunks[i] }
		}
		for i := range last {
			changes := map[string]func(*body){
				"data": func(b *body) {
					c := []byte(b.chunks[i])
					c[len(c)-100] ^= 1
					b.chunks[i] = string(c)
				},
				"signature": func(b *body) {
					at := strings.Index(b.chunks[i], "=") + 5
					c := []byte(b.chunks[i])
					c[at] ^= 1
					b.chunks[i] = string(c)
				},
				"dropped, length adjusted": func(b *body) {
					b.chunks = slices.Delete(b.chunks, i, i+1)
					b.data = b.data[:len(b.data)-700]
				},
				"repeated, length adjusted": func(b *body) {
					b.chunks = slices.Insert(b.chunks, i, b.chunks[i])
					b.data = append(slices.Clone(b.data), b.data[:700]...)
				},
				"split": func(b *body) {
					header, rest, _ := strings.Cut(b.chunks[i], "\r\n")
					_, signature, _ := strings.Cut(header, ";")
					b.chunks[i] = fmt.Sprintf("%x;%s\r\n%s\r\n%x;%s\r\n%s", 300, signature, rest[:300], 400, signature, rest[300:])
				},
			}
			if i+1 < last {
				changes["reordered"] = swap(i, i+1)
			}
			for name, change := range changes {
				b := encode(mode, data, 700)
				change(b)
				got, _, err := b.decode(strings.NewReader(b.wire()))
				if reasonOf(t, err) != awschunked.ChunkSignature {
					t.Errorf("chunk %d %s: %v", i, name, err)
				}
				// The bytes before the first bad chunk may have gone out, the end of a bad chunk never.
				genuine := i
				if strings.HasPrefix(name, "repeated") {
					genuine++
				}
				if len(got) >= (genuine+1)*700 {
					t.Errorf("chunk %d %s: %d bytes went out", i, name, len(got))
				}
			}
		}
		// The final chunk closes the chain (versitygw 44967116).
		b := encode(mode, data, 700)
		b.chunks[last] = strings.Replace(b.chunks[last], "=", "=0", 1)
		b.chunks[last] = b.chunks[last][:len(b.chunks[last])-3] + "\r\n"
		_, _, err := b.decode(strings.NewReader(b.wire()))
		if reasonOf(t, err) != awschunked.ChunkSignature {
			t.Errorf("final chunk: %v", err)
		}
		// Ending early after a whole chunk, with the length adjusted: the final signature is another.
		b = encode(mode, data, 700)
		b.chunks = append(b.chunks[:2:2], b.chunks[last])
		b.data = b.data[:1400]
		_, _, err = b.decode(strings.NewReader(b.wire()))
		if reasonOf(t, err) != awschunked.ChunkSignature {
			t.Errorf("ended early: %v", err)
		}
	}
}

func TestEveryByteOfASignedBodyMatters(t *testing.T) {
	for _, mode := range []awschunked.Mode{awschunked.Signed, awschunked.SignedTrailer} {
		b := encode(mode, pattern(200), 90)
		wire := b.wire()
		for at := range len(wire) {
			for _, flip := range []byte{1, 0x20, 0x80} {
				changed := []byte(wire)
				changed[at] ^= flip
				data, r, err := b.decode(bytes.NewReader(changed))
				if err == nil && (!bytes.Equal(data, b.data) || mode == awschunked.SignedTrailer && r.Trailers()[0].Value != crcValue) {
					t.Errorf("byte %d ^ %#x is accepted and changes something", at, flip)
				}
			}
		}
	}
}

func TestDecodedLength(t *testing.T) {
	eachMode(t, func(t *testing.T, mode awschunked.Mode) {
		for delta, want := range map[int64]awschunked.Reason{-1: awschunked.TooLong, 1: awschunked.Incomplete, -1500: awschunked.TooLong, 1 << 40: awschunked.Incomplete} {
			b := encode(mode, pattern(1500), 700)
			opts := b.options()
			opts.DecodedLength += delta
			r, err := awschunked.NewReader(strings.NewReader(b.wire()), opts)
			if err != nil {
				t.Fatal(err)
			}
			_, err = io.Copy(io.Discard, r)
			if reasonOf(t, err) != want {
				t.Errorf("%+d: %v", delta, err)
			}
		}
		b := encode(mode, nil, 700)
		opts := b.options()
		opts.DecodedLength = -1
		if _, err := awschunked.NewReader(strings.NewReader(""), opts); reasonOf(t, err) != awschunked.InvalidDecodedLength {
			t.Errorf("got %v", err)
		}
	})
}

func TestTrailingData(t *testing.T) {
	eachMode(t, func(t *testing.T, mode awschunked.Mode) {
		b := encode(mode, pattern(100), 700)
		for _, extra := range []string{"x", "\r", " \r\n", "\r\n\r\n", "\n\n", "\r\nx", "0\r\n\r\n", b.wire(), strings.Repeat("x", 10000), strings.Repeat("\n", 10000)} {
			_, _, err := b.decode(strings.NewReader(b.wire() + extra))
			if reasonOf(t, err) != awschunked.TrailingData {
				t.Errorf("%.10q: %v", extra, err)
			}
		}
		for _, extra := range []string{"\r\n", "\n"} {
			if _, _, err := b.decode(strings.NewReader(b.wire() + extra)); err != nil {
				t.Errorf("%q: %v", extra, err)
			}
		}
	})
}

func TestMalformedChunks(t *testing.T) {
	signature := ";chunk-signature=" + strings.Repeat("0", 64)
	signed := map[string]awschunked.Reason{
		"":                                       awschunked.Incomplete,
		"\r\n":                                   awschunked.MalformedChunk,
		"a\r\n":                                  awschunked.MalformedChunk,
		"a;chunk-signature=00\r\n":               awschunked.MalformedChunk,
		"a" + signature + "0\r\n":                awschunked.MalformedChunk,
		signature + "\r\n":                       awschunked.MalformedChunk,
		"g" + signature + "\r\n":                 awschunked.MalformedChunk,
		"-1" + signature + "\r\n":                awschunked.MalformedChunk,
		"+1" + signature + "\r\n":                awschunked.MalformedChunk,
		"0x1" + signature + "\r\n":               awschunked.MalformedChunk,
		" 1" + signature + "\r\n":                awschunked.MalformedChunk,
		"1 " + signature + "\r\n":                awschunked.MalformedChunk,
		"00000000000000001" + signature + "\r\n": awschunked.MalformedChunk,
		"a" + signature + "\n":                   awschunked.MalformedChunk,
		"a" + signature + ";x=y\r\n":             awschunked.MalformedChunk,
		"ffffffffffffffff" + signature + "\r\n":  awschunked.TooLong,
		"8000000000000000" + signature + "\r\n":  awschunked.TooLong,
		"b" + signature + "\r\n":                 awschunked.TooLong,
		strings.Repeat("0", 5000):                awschunked.MalformedChunk,
		strings.Repeat("0", 300) + "\r\n":        awschunked.MalformedChunk,
		strings.Repeat("0", 300):                 awschunked.Incomplete,
	}
	unsigned := map[string]awschunked.Reason{
		"\r\n": awschunked.MalformedChunk, "a" + signature + "\r\n": awschunked.MalformedChunk, "a;x\r\n": awschunked.MalformedChunk, "a\n": awschunked.MalformedChunk,
		"b\r\n": awschunked.TooLong, "a\r\n0123456789x": awschunked.MalformedChunk, "a\r\n0123456789\n": awschunked.MalformedChunk, "a\r\n0123456789\rx": awschunked.MalformedChunk,
		"a\r\n0123456789\r\n\r\n": awschunked.MalformedChunk,
	}
	for mode, cases := range map[awschunked.Mode]map[string]awschunked.Reason{awschunked.Signed: signed, awschunked.UnsignedTrailer: unsigned} {
		for text, want := range cases {
			b := &body{mode: mode, data: pattern(10)}
			_, _, err := b.decode(strings.NewReader(text))
			if reasonOf(t, err) != want {
				t.Errorf("%.40q: %v", text, err)
			}
		}
	}
}

func TestAcceptedSpellings(t *testing.T) {
	b := &body{mode: awschunked.UnsignedTrailer, data: []byte("0123456789"), trailers: []string{crcTrailer}}
	for _, text := range []string{
		"A\r\n0123456789\r\n0\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n",
		"0a\r\n0123456789\r\n000\r\nX-Amz-Checksum-CRC32: AAAAAA== \n\r\n",
		"a\r\n0123456789\r\n0\r\nx-amz-checksum-crc32:\tAAAAAA==\n\r\n\r\n", // minio-go
		"a\r\n0123456789\r\n0\r\nx-amz-checksum-crc32:AAAAAA==\n\n",
		"4\r\n0123\r\n6\r\n456789\r\n0\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n",
	} {
		data, r, err := b.decode(strings.NewReader(text))
		if err != nil {
			t.Errorf("%q: %v", text, err)
			continue
		}
		wantData(t, data, b.data)
		if value, ok := r.Trailer(crcTrailer); !ok || value != crcValue {
			t.Errorf("%q: trailer %q", text, value)
		}
	}
}

func TestMisusePanics(t *testing.T) {
	for name, opts := range map[string]*awschunked.Options{
		"no verifier":          {Mode: awschunked.Signed},
		"no verifier, trailer": {Mode: awschunked.SignedTrailer},
		"no mode":              {},
		"other mode":           {Mode: 9},
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", name)
				}
			}()
			_, _ = awschunked.NewReader(strings.NewReader(""), opts)
		}()
	}
}

func TestErrorsStay(t *testing.T) {
	b := encode(awschunked.Signed, pattern(100), 50)
	r, err := awschunked.NewReader(strings.NewReader(b.wire()[:120]+"x"+b.wire()[121:]), b.options())
	if err != nil {
		t.Fatal(err)
	}
	_, first := io.ReadAll(r)
	n, second := r.Read(make([]byte, 10))
	if first == nil || n != 0 || !errors.Is(second, first) {
		t.Errorf("first %v, then %d, %v", first, n, second)
	}
}
