package driver_test

import (
	"bytes"
	"errors"
	"io"
	"testing"
	"testing/iotest"

	"sallyport/providers/driver"
)

func TestExactBodyYieldsExactBodies(t *testing.T) {
	for _, size := range []int{0, 1, 2, 511, 512, 513, 70000} {
		data := bytes.Repeat([]byte("x"), size)
		for name, shape := range map[string]func(io.Reader) io.Reader{
			"plain": func(r io.Reader) io.Reader { return r }, "one byte": iotest.OneByteReader, "half": iotest.HalfReader, "data and error": iotest.DataErrReader,
		} {
			body := driver.ExactBody(shape(bytes.NewReader(data)), int64(size))
			if err := iotest.TestReader(body, data); err != nil {
				t.Errorf("%s, %d bytes: %v", name, size, err)
			}
			if body.Err() != nil || body.Consumed() != int64(size) {
				t.Errorf("%s, %d bytes: Err %v, Consumed %d", name, size, body.Err(), body.Consumed())
			}
		}
	}
}

var errCause = errors.New("cause")

// A reader that stops after size bytes, as an HTTP client does, must never have them all of a body that is not exactly so long.
func TestExactBodyHoldsBackTheLastBytes(t *testing.T) {
	data := []byte("0123456789")
	for name, c := range map[string]struct {
		r    io.Reader
		want error
	}{
		"long":                {bytes.NewReader(append(data, 'x')), driver.ErrBodyLong},
		"long, one byte each": {iotest.OneByteReader(bytes.NewReader(append(data, 'x'))), driver.ErrBodyLong},
		"short":               {bytes.NewReader(data[:9]), io.ErrUnexpectedEOF},
		"empty":               {bytes.NewReader(nil), io.ErrUnexpectedEOF},
		"fails behind":        {io.MultiReader(bytes.NewReader(data), iotest.ErrReader(errCause)), errCause},
		"fails with the last": {iotest.DataErrReader(io.MultiReader(bytes.NewReader(data), iotest.ErrReader(errCause))), errCause},
		"fails before":        {io.MultiReader(bytes.NewReader(data[:5]), iotest.ErrReader(errCause)), errCause},
		"stuck":               {io.MultiReader(bytes.NewReader(data[:5]), stuck{}), io.ErrNoProgress},
		"stuck at the end":    {io.MultiReader(bytes.NewReader(data), stuck{}), io.ErrNoProgress},
	} {
		body := driver.ExactBody(c.r, 10)
		got := make([]byte, 10)
		n, err := io.ReadFull(body, got)
		if n == 10 || !errors.Is(err, c.want) {
			t.Errorf("%s: %d bytes, %v; want fewer than 10 and %v", name, n, err, c.want)
		}
		be, ok := errors.AsType[*driver.BodyError](body.Err())
		if !ok || !errors.Is(be, c.want) {
			t.Errorf("%s: Err %v, want a BodyError of %v", name, body.Err(), c.want)
		}
		if _, again := body.Read(got); !errors.Is(again, c.want) {
			t.Errorf("%s: read again: %v", name, again)
		}
	}
	if _, err := driver.ExactBody(bytes.NewReader(data), 0).Read(nil); !errors.Is(err, driver.ErrBodyLong) {
		t.Errorf("an empty body that is not: %v", err)
	}
}

type stuck struct{}

func (stuck) Read([]byte) (int, error) { return 0, nil }

func FuzzExactBody(f *testing.F) {
	f.Add([]byte("0123456789"), int64(10), uint8(3))
	f.Add([]byte("0123456789"), int64(9), uint8(1))
	f.Add([]byte(""), int64(0), uint8(0))
	f.Add([]byte(""), int64(1), uint8(9))
	f.Fuzz(func(t *testing.T, data []byte, size int64, step uint8) {
		if size < 0 {
			return
		}
		body := driver.ExactBody(bytes.NewReader(data), size)
		var got []byte
		buf := make([]byte, int(step)+1)
		for {
			n, err := body.Read(buf)
			got = append(got, buf[:n]...)
			if err == io.EOF { //nolint:errorlint // Body returns the bare value.
				break
			}
			if err != nil {
				if int64(len(data)) == size || int64(len(got)) >= size && size > 0 {
					t.Fatalf("%d bytes as %d: %v after %d", len(data), size, err, len(got))
				}
				return
			}
		}
		if int64(len(data)) != size || !bytes.Equal(got, data) {
			t.Fatalf("%d bytes as %d passed", len(data), size)
		}
	})
}
