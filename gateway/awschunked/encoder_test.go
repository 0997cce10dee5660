package awschunked_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"sallyport/gateway/awschunked"
)

// chain is the tests' own signer and verifier of a chain of signatures.
type chain struct {
	key      []byte
	previous string
}

func newChain() *chain { return &chain{key: []byte("signing key"), previous: strings.Repeat("5", 64)} }

func (c *chain) sign(kind string, sum []byte) string {
	m := hmac.New(sha256.New, c.key)
	m.Write(fmt.Appendf(nil, "%s\n%s\n%x", kind, c.previous, sum))
	c.previous = hex.EncodeToString(m.Sum(nil))
	return c.previous
}

func (c *chain) VerifyChunk(sum *[sha256.Size]byte, signature []byte) bool {
	return hmac.Equal([]byte(c.sign("chunk", sum[:])), signature)
}

func (c *chain) VerifyTrailer(sum *[sha256.Size]byte, signature []byte) bool {
	return hmac.Equal([]byte(c.sign("trailer", sum[:])), signature)
}

// body is an encoded body in pieces, so that tests can take it apart.
type body struct {
	mode     awschunked.Mode
	chunks   []string // header, data and line end; the final one without its line end
	ending   string
	data     []byte
	trailers []string
}

const (
	crcTrailer = "x-amz-checksum-crc32"
	crcValue   = "AAAAAA=="
)

// encode cuts data into chunks as an AWS SDK does.
func encode(mode awschunked.Mode, data []byte, chunkSize int) *body {
	b := &body{mode: mode, data: data}
	c := newChain()
	for rest := data; ; {
		piece := rest[:min(chunkSize, len(rest))]
		rest = rest[len(piece):]
		header := fmt.Sprintf("%x", len(piece))
		if mode != awschunked.UnsignedTrailer {
			sum := sha256.Sum256(piece)
			header += ";chunk-signature=" + c.sign("chunk", sum[:])
		}
		if len(piece) == 0 {
			b.chunks = append(b.chunks, header+"\r\n")
			break
		}
		b.chunks = append(b.chunks, header+"\r\n"+string(piece)+"\r\n")
	}
	switch mode {
	case awschunked.Signed:
		b.ending = "\r\n"
	case awschunked.SignedTrailer:
		b.trailers = []string{crcTrailer}
		sum := sha256.Sum256([]byte(crcTrailer + ":" + crcValue + "\n"))
		b.ending = crcTrailer + ":" + crcValue + "\r\nx-amz-trailer-signature:" + c.sign("trailer", sum[:]) + "\r\n\r\n"
	case awschunked.UnsignedTrailer:
		b.trailers = []string{crcTrailer}
		b.ending = crcTrailer + ":" + crcValue + "\r\n\r\n"
	}
	return b
}

func (b *body) wire() string { return strings.Join(b.chunks, "") + b.ending }

func (b *body) options() *awschunked.Options {
	return &awschunked.Options{Mode: b.mode, Verifier: newChain(), DecodedLength: int64(len(b.data)), TrailerNames: b.trailers}
}

func (b *body) decode(src io.Reader) ([]byte, *awschunked.Reader, error) {
	r, err := awschunked.NewReader(src, b.options())
	if err != nil {
		return nil, nil, err
	}
	data, err := io.ReadAll(r)
	return data, r, err
}

func modes() []awschunked.Mode {
	return []awschunked.Mode{awschunked.Signed, awschunked.SignedTrailer, awschunked.UnsignedTrailer}
}

func eachMode(t *testing.T, test func(t *testing.T, mode awschunked.Mode)) {
	t.Helper()
	for i, name := range []string{"signed", "signed trailer", "unsigned trailer"} {
		t.Run(name, func(t *testing.T) { test(t, modes()[i]) })
	}
}

func pattern(n int) []byte {
	data := make([]byte, n)
	for i := range data {
		data[i] = byte(i*7 + i>>8)
	}
	return data
}

func reasonOf(t testing.TB, err error) awschunked.Reason {
	t.Helper()
	if err == nil {
		return 0
	}
	var e *awschunked.Error
	if !errors.As(err, &e) {
		t.Fatalf("error is a %T: %v", err, err)
	}
	return e.Reason
}

// slowly are the ways a source may hand out its bytes.
func slowly(text string) map[string]io.Reader {
	return map[string]io.Reader{
		"whole":    strings.NewReader(text),
		"one byte": iotest.OneByteReader(strings.NewReader(text)),
		"half":     iotest.HalfReader(strings.NewReader(text)),
		"data+EOF": iotest.DataErrReader(strings.NewReader(text)),
	}
}

func wantData(t *testing.T, got, want []byte) {
	t.Helper()
	if !bytes.Equal(got, want) {
		t.Errorf("got %d bytes, want %d, or others", len(got), len(want))
	}
}
