package drivertest

import (
	"bytes"
	"fmt"
	"io"
	"testing"

	"sallyport/providers/driver"
)

func testObjects(t *testing.T, h *Harness) {
	t.Run("Sizes", func(t *testing.T) {
		d := h.NewDriver(t)
		for _, n := range []int{0, 1, 2, 4095, 4096, 4097, 65535, 65536, 65537, 1 << 20, 1<<20 + 1} {
			key := fmt.Sprintf("sizes/%d", n)
			data := pattern(uint64(n), n)
			info := put(t, d, key, data)
			h.wantSameInfo(t, "Get after Put", wantObject(t, d, key, data), info)
			head, err := d.Head(t.Context(), key)
			wantNil(t, "Head", err)
			h.wantSameInfo(t, "Head after Put", head, info)
		}
	})
	t.Run("Absent", func(t *testing.T) {
		d := h.NewDriver(t)
		wantAbsent(t, d, "nothing")
		wantAbsent(t, d, "nothing/below")
		put(t, d, "here/now", []byte("x"))
		wantAbsent(t, d, "her")
		wantAbsent(t, d, "here/no")
		wantAbsent(t, d, "here/now2")
		if h.possible("here") {
			wantAbsent(t, d, "here")
		}
		if h.possible("here/now/below") {
			wantAbsent(t, d, "here/now/below")
		}
		wantNil(t, "Delete of an absent key", d.Delete(t.Context(), "nothing", &driver.DeleteOptions{}))
		wantNil(t, "Delete below nothing", d.Delete(t.Context(), "nothing/below/this", &driver.DeleteOptions{}))
		wantNames(t, "after deletes of absent keys", names(t, d, driver.ListOptions{}), []string{"here/now"})
	})
	t.Run("Replace", func(t *testing.T) {
		d := h.NewDriver(t)
		seen := map[string]bool{}
		bodies := [][]byte{pattern(1, 100), pattern(2, 100), pattern(3, 70000), nil, pattern(4, 1)}
		if !h.HashETags {
			bodies = append(bodies, bodies[4], bodies[4], nil)
		}
		for i, data := range bodies {
			info := put(t, d, "k", data)
			h.wantSameInfo(t, "replaced", wantObject(t, d, "k", data), info)
			if seen[info.ETag] && (i > 4 || !h.HashETags) {
				t.Fatalf("write %d has the ETag %q of an earlier one", i, info.ETag)
			}
			seen[info.ETag] = true
		}
		wantNames(t, "one key", names(t, d, driver.ListOptions{}), []string{"k"})
	})
	t.Run("Delete", func(t *testing.T) {
		d := h.NewDriver(t)
		first := put(t, d, "a/b/c", []byte("1"))
		put(t, d, "a/b/d", []byte("2"))
		wantNil(t, "Delete", d.Delete(t.Context(), "a/b/c", &driver.DeleteOptions{}))
		wantAbsent(t, d, "a/b/c")
		wantObject(t, d, "a/b/d", []byte("2"))
		wantNil(t, "Delete again", d.Delete(t.Context(), "a/b/c", &driver.DeleteOptions{}))
		again := put(t, d, "a/b/c", []byte("1"))
		if again.ETag == first.ETag && !h.HashETags {
			t.Fatalf("an object that was deleted and made again has the ETag %q it had", first.ETag)
		}
		wantNil(t, "Delete", d.Delete(t.Context(), "a/b/c", &driver.DeleteOptions{}))
		wantNil(t, "Delete", d.Delete(t.Context(), "a/b/d", &driver.DeleteOptions{}))
		wantNames(t, "nothing is left", names(t, d, driver.ListOptions{}), nil)
		wantNames(t, "no empty folder is left", names(t, d, driver.ListOptions{Delimiter: "/"}), nil)
	})
	t.Run("Capabilities", func(t *testing.T) {
		d := h.NewDriver(t)
		caps := d.Capabilities()
		if caps.MaxKey < 1 || caps.MaxObject < 1 || caps.MaxPart < 1 || caps.MinPart < 0 || caps.MinPart > caps.MaxPart || caps.SplitAbove < 0 {
			t.Fatalf("Capabilities %+v", caps)
		}
		put(t, d, "k", nil)
		if d.Capabilities() != caps {
			t.Fatal("Capabilities changed")
		}
	})
	t.Run("TooLarge", func(t *testing.T) {
		d := h.NewDriver(t)
		caps := d.Capabilities()
		if caps.MaxObject == 1<<63-1 {
			return // there is nothing above
		}
		put(t, d, "k", []byte("old"))
		body := &watchedBody{r: bytes.NewReader(nil)}
		_, err := d.Put(t.Context(), "k", body, caps.MaxObject+1, &driver.PutOptions{})
		wantKind(t, "Put above MaxObject", err, driver.TooLarge)
		if body.reads > 0 {
			t.Fatal("Put above MaxObject read its body")
		}
		wantObject(t, d, "k", []byte("old"))
	})
}

func testRanges(t *testing.T, h *Harness) {
	d := h.NewDriver(t)
	const size = 70000
	data := pattern(7, size)
	info := put(t, d, "k", data)
	put(t, d, "empty", nil)

	good := []struct {
		opts     driver.GetOptions
		from, to int
	}{
		{driver.GetOptions{}, 0, size},
		{driver.GetOptions{Length: 1}, 0, 1},
		{driver.GetOptions{Length: size}, 0, size},
		{driver.GetOptions{Length: size + 1}, 0, size},
		{driver.GetOptions{Length: 1<<63 - 1}, 0, size},
		{driver.GetOptions{Offset: 1}, 1, size},
		{driver.GetOptions{Offset: 1, Length: 1}, 1, 2},
		{driver.GetOptions{Offset: 1, Length: 1<<63 - 1}, 1, size},
		{driver.GetOptions{Offset: 65535, Length: 2}, 65535, 65537},
		{driver.GetOptions{Offset: size - 1}, size - 1, size},
		{driver.GetOptions{Offset: size - 1, Length: 1}, size - 1, size},
		{driver.GetOptions{Offset: size - 1, Length: 9}, size - 1, size},
		{driver.GetOptions{Suffix: 1}, size - 1, size},
		{driver.GetOptions{Suffix: 4096}, size - 4096, size},
		{driver.GetOptions{Suffix: size - 1}, 1, size},
		{driver.GetOptions{Suffix: size}, 0, size},
		{driver.GetOptions{Suffix: size + 1}, 0, size},
		{driver.GetOptions{Suffix: 1<<63 - 1}, 0, size},
		{driver.GetOptions{Offset: 5, Length: 10, IfMatch: info.ETag}, 5, 15},
		{driver.GetOptions{Suffix: 10, IfMatch: info.ETag}, size - 10, size},
	}
	for _, c := range good {
		got, gotInfo, err := get(t.Context(), d, "k", c.opts)
		wantNil(t, fmt.Sprintf("Get %+v", c.opts), err)
		h.wantSameInfo(t, fmt.Sprintf("Get %+v", c.opts), gotInfo, info)
		if !bytes.Equal(got, data[c.from:c.to]) {
			t.Fatalf("Get %+v: %d bytes that are not [%d:%d]", c.opts, len(got), c.from, c.to)
		}
	}
	for _, opts := range []driver.GetOptions{{Offset: size}, {Offset: size, Length: 1}, {Offset: size + 1}, {Offset: 1<<63 - 1}, {Offset: 1<<63 - 1, Length: 1<<63 - 1}} {
		_, _, err := get(t.Context(), d, "k", opts)
		wantKind(t, fmt.Sprintf("Get %+v", opts), err, driver.InvalidRange)
	}
	for _, opts := range []driver.GetOptions{{}, {Suffix: 1}, {Suffix: 1<<63 - 1}} {
		got, gotInfo, err := get(t.Context(), d, "empty", opts)
		wantNil(t, fmt.Sprintf("Get of an empty object %+v", opts), err)
		wantInfo(t, gotInfo, "empty", 0)
		if len(got) != 0 {
			t.Fatalf("Get of an empty object gave %d bytes", len(got))
		}
	}
	for _, opts := range []driver.GetOptions{{Length: 1}, {Offset: 1}, {Offset: 1, Length: 1}} {
		_, _, err := get(t.Context(), d, "empty", opts)
		wantKind(t, fmt.Sprintf("Get of an empty object %+v", opts), err, driver.InvalidRange)
	}
	_, _, err := get(t.Context(), d, "k", driver.GetOptions{IfMatch: info.ETag + "x"})
	wantKind(t, "Get with another ETag", err, driver.PreconditionFailed)
	_, _, err = get(t.Context(), d, "k", driver.GetOptions{IfMatch: info.ETag + "x", Offset: size})
	wantKind(t, "Get with another ETag and a range that cannot be", err, driver.PreconditionFailed)
	_, _, err = get(t.Context(), d, "absent", driver.GetOptions{IfMatch: info.ETag})
	wantKind(t, "Get of an absent key with IfMatch", err, driver.NotFound)
	_, _, err = get(t.Context(), d, "absent", driver.GetOptions{Offset: 5})
	wantKind(t, "Get of an absent key with a range", err, driver.NotFound)

	t.Run("CloseEarly", func(t *testing.T) {
		for _, n := range []int{0, 1, 4096} {
			r, _, err := d.Get(t.Context(), "k", &driver.GetOptions{})
			wantNil(t, "Get", err)
			_, err = io.CopyN(io.Discard, r, int64(n))
			wantNil(t, "read a little", err)
			wantNil(t, "Close", r.Close())
			_ = r.Close()
			if n, err := r.Read(make([]byte, 10)); n != 0 || err == nil || err == io.EOF {
				t.Fatalf("Read after Close gave %d, %v", n, err)
			}
		}
		wantNil(t, "Put after readers were closed early", func() error {
			_, err := d.Put(t.Context(), "k", bytes.NewReader(data), size, &driver.PutOptions{})
			return err
		}())
	})
}
