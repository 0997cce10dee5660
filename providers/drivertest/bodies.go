package drivertest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"testing"
	"testing/iotest"

	"sallyport/providers/driver"
)

var errBody = errors.New("this body fails")

// watchedBody counts its reads in a plain variable, so that the race detector sees a driver that reads it after its call returned.
type watchedBody struct {
	r     io.Reader
	reads int
}

func (b *watchedBody) Read(p []byte) (int, error) {
	b.reads++
	return b.r.Read(p)
}

// endlessBody yields bytes for ever and runs a function once so many have been read.
type endlessBody struct {
	after int
	then  func()
}

func (b *endlessBody) Read(p []byte) (int, error) {
	if b.after -= len(p); b.after < 0 && b.then != nil {
		b.then()
		b.then = nil
	}
	clear(p)
	return len(p), nil
}

// badBodies are bodies that must fail, with the error that must be found in the tree.
func badBodies(size int) []struct {
	name string
	body func() io.Reader
	want error
} {
	data := pattern(9, size)
	type bad = struct {
		name string
		body func() io.Reader
		want error
	}
	bodies := []bad{
		{"empty", func() io.Reader { return bytes.NewReader(nil) }, io.ErrUnexpectedEOF},
		{"fails at once", func() io.Reader { return iotest.ErrReader(errBody) }, errBody},
		{"fails at the end", func() io.Reader { return io.MultiReader(bytes.NewReader(data), iotest.ErrReader(errBody)) }, errBody},
		{"fails with the last byte", func() io.Reader { return &lastByteFails{data: data} }, errBody},
		{"one byte too long", func() io.Reader { return io.MultiReader(bytes.NewReader(data), bytes.NewReader([]byte{1})) }, driver.ErrBodyLong},
		{"far too long", func() io.Reader { return bytes.NewReader(append(bytes.Clone(data), data...)) }, driver.ErrBodyLong},
	}
	if size > 1 {
		bodies = append(bodies,
			bad{"one byte short", func() io.Reader { return bytes.NewReader(data[:size-1]) }, io.ErrUnexpectedEOF},
			bad{"short by halves", func() io.Reader { return iotest.HalfReader(bytes.NewReader(data[:size/2])) }, io.ErrUnexpectedEOF},
			bad{"ends with io.ErrUnexpectedEOF", func() io.Reader {
				return io.MultiReader(bytes.NewReader(data[:size/2]), iotest.ErrReader(io.ErrUnexpectedEOF))
			}, io.ErrUnexpectedEOF},
			bad{"fails half-way", func() io.Reader { return io.MultiReader(bytes.NewReader(data[:size/2]), iotest.ErrReader(errBody)) }, errBody},
			bad{"never gets anywhere", func() io.Reader { return io.MultiReader(bytes.NewReader(data), stuckReader{}) }, io.ErrNoProgress},
		)
	}
	if size < 10000 {
		bodies = append(bodies, bad{"one byte too long, byte by byte", func() io.Reader {
			return iotest.OneByteReader(io.MultiReader(bytes.NewReader(data), bytes.NewReader([]byte{1})))
		}, driver.ErrBodyLong})
	}
	return bodies
}

// lastByteFails returns its last bytes together with an error.
type lastByteFails struct{ data []byte }

func (r *lastByteFails) Read(p []byte) (int, error) {
	n := copy(p, r.data)
	r.data = r.data[n:]
	if len(r.data) == 0 {
		return n, errBody
	}
	return n, nil
}

type stuckReader struct{}

func (stuckReader) Read([]byte) (int, error) { return 0, nil }

func testBodies(t *testing.T, h *Harness) {
	t.Run("Shapes", func(t *testing.T) {
		d := h.NewDriver(t)
		for name, shape := range map[string]func(io.Reader) io.Reader{
			"one byte": iotest.OneByteReader, "half": iotest.HalfReader, "data and error": iotest.DataErrReader,
			"one byte, data and error": func(r io.Reader) io.Reader { return iotest.DataErrReader(iotest.OneByteReader(r)) },
		} {
			for _, n := range []int{0, 1, 3, 5000} {
				data := pattern(uint64(n)+1, n)
				body := &watchedBody{r: shape(bytes.NewReader(data))}
				info, err := d.Put(t.Context(), "k", body, int64(n), &driver.PutOptions{})
				wantNil(t, "Put, "+name, err)
				body.reads++
				h.wantSameInfo(t, name, wantObject(t, d, "k", data), info)
			}
		}
	})
	t.Run("Bad", func(t *testing.T) {
		d := h.NewDriver(t)
		old := pattern(1, 3000)
		before := put(t, d, "k", old)
		for _, size := range []int{1, 5000, 1<<20 + 100} {
			for _, bad := range badBodies(size) {
				for _, key := range []string{"k", "new/key"} {
					body := &watchedBody{r: bad.body()}
					_, err := d.Put(t.Context(), key, body, int64(size), &driver.PutOptions{})
					what := fmt.Sprintf("Put of %d bytes, body %s", size, bad.name)
					wantKind(t, what, err, driver.BadBody)
					if !errors.Is(err, bad.want) {
						t.Fatalf("%s: %v does not hold %v", what, err, bad.want)
					}
					body.reads++
				}
			}
			_, err := d.Put(t.Context(), "k", unseekable{bytes.NewReader([]byte{1})}, 0, &driver.PutOptions{})
			wantKind(t, "Put of one byte as none", err, driver.BadBody)
		}
		h.wantSameInfo(t, "the old object", wantObject(t, d, "k", old), before)
		wantAbsent(t, d, "new/key")
		wantNames(t, "nothing was left", names(t, d, driver.ListOptions{}), []string{"k"})
		wantNames(t, "no folder was left", names(t, d, driver.ListOptions{Delimiter: "/"}), []string{"k"})
	})
	t.Run("BackendErrorInBody", func(t *testing.T) {
		// A copy's body is another root's Get: its error must not be mistaken for one of this root.
		d := h.NewDriver(t)
		cause := &driver.Error{Kind: driver.Throttled, Op: "Get"}
		_, err := d.Put(t.Context(), "k", iotest.ErrReader(cause), 5, &driver.PutOptions{})
		wantKind(t, "Put of a body that was throttled", err, driver.BadBody)
		if !errors.Is(err, cause) {
			t.Fatalf("%v does not hold the body's error", err)
		}
	})
	t.Run("Canceled", func(t *testing.T) {
		d := h.NewDriver(t)
		old := pattern(1, 3000)
		before := put(t, d, "k", old)
		for _, key := range []string{"k", "new/key"} {
			for _, after := range []int{1, 5000, 1 << 20} {
				ctx, cancel := context.WithCancel(t.Context())
				body := &watchedBody{r: &endlessBody{after: after, then: cancel}}
				_, err := d.Put(ctx, key, body, 8<<20, &driver.PutOptions{})
				wantKind(t, "Put that is cancelled while its body is read", err, driver.Canceled)
				body.reads++
				cancel()

				ctx, cancel = context.WithCancel(t.Context())
				failing := io.MultiReader(bytes.NewReader(pattern(3, after)), &failsWhen{then: cancel})
				_, err = d.Put(ctx, key, failing, 8<<20, &driver.PutOptions{})
				wantKind(t, "Put whose body fails because of its ctx", err, driver.Canceled)
				cancel()
			}
		}
		h.wantSameInfo(t, "the old object", wantObject(t, d, "k", old), before)
		wantAbsent(t, d, "new/key")
		wantNames(t, "nothing was left", names(t, d, driver.ListOptions{Delimiter: "/"}), []string{"k"})
	})
	t.Run("CanceledRead", func(t *testing.T) {
		d := h.NewDriver(t)
		data := pattern(5, 4<<20)
		put(t, d, "k", data)
		ctx, cancel := context.WithCancel(t.Context())
		r, _, err := d.Get(ctx, "k", &driver.GetOptions{})
		wantNil(t, "Get", err)
		got := make([]byte, 100)
		_, err = io.ReadFull(r, got)
		wantNil(t, "read a little", err)
		cancel()
		rest, err := io.ReadAll(r)
		wantKind(t, "Read after ctx ended", err, driver.Canceled)
		if !bytes.HasPrefix(data[100:], rest) {
			t.Fatal("what was read before is not the object")
		}
		wantNil(t, "Close", r.Close())
	})
}

type failsWhen struct{ then func() }

func (r *failsWhen) Read([]byte) (int, error) {
	r.then()
	return 0, errBody
}
