package drivertest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"testing"
	"time"

	"sallyport/providers/driver"
)

func inAnHour() time.Time { return time.Now().Add(time.Hour) }

// partSize is a size that a part but the last may have.
func partSize(d driver.Driver) int { return int(max(d.Capabilities().MinPart, 1000)) }

// create begins an upload with a note of its own.
func create(t *testing.T, d driver.Driver, key string) driver.Upload {
	t.Helper()
	var told string
	id, err := d.Uploads().Create(t.Context(), key, func(id string) ([]byte, error) {
		told = id
		return []byte("note of " + id), nil
	})
	wantNil(t, fmt.Sprintf("Create for %q", key), err)
	if id == "" || id != told {
		t.Fatalf("Create returned the id %q and told %q to note", id, told)
	}
	return driver.Upload{ID: id, Key: key}
}

func putPart(t *testing.T, d driver.Driver, up driver.Upload, n int, data []byte) *driver.Part {
	t.Helper()
	part, err := d.Uploads().PutPart(t.Context(), up, n, unseekable{bytes.NewReader(data)}, int64(len(data)))
	wantNil(t, fmt.Sprintf("PutPart %d", n), err)
	if part.N != n || part.Size != int64(len(data)) || part.ETag == "" {
		t.Fatalf("PutPart %d of %d bytes gave %+v", n, len(data), part)
	}
	return part
}

func complete(t *testing.T, d driver.Driver, up driver.Upload, opts driver.PutOptions, parts ...*driver.Part) (*driver.Info, error) {
	t.Helper()
	list := make([]driver.Part, len(parts))
	for i, p := range parts {
		list[i] = *p
	}
	var info *driver.Info
	err := untilDecided(func() error {
		var err error
		info, err = d.Uploads().Complete(t.Context(), up, list, &opts)
		return err
	})
	return info, err
}

func wantParts(t *testing.T, d driver.Driver, up driver.Upload, want ...*driver.Part) {
	t.Helper()
	parts, _, err := d.Uploads().Read(t.Context(), up)
	wantNil(t, "Read", err)
	if len(parts) != len(want) {
		t.Fatalf("Read gave %d parts %+v, want %d", len(parts), parts, len(want))
	}
	for i, p := range parts {
		if p.N != want[i].N || p.Size != want[i].Size || p.ETag != want[i].ETag {
			t.Fatalf("Read gave part %+v, want %+v", p, want[i])
		}
	}
}

func wantClosed(t *testing.T, d driver.Driver, up driver.Upload, part *driver.Part) {
	t.Helper()
	_, err := d.Uploads().PutPart(t.Context(), up, 1, bytes.NewReader([]byte("late")), 4)
	wantKind(t, "PutPart of a closed upload", err, driver.NoSuchUpload)
	_, err = complete(t, d, up, driver.PutOptions{}, part)
	wantKind(t, "Complete of a closed upload", err, driver.NoSuchUpload)
}

func testUploads(t *testing.T, h *Harness) {
	t.Run("Order", func(t *testing.T) {
		d := h.NewDriver(t)
		size := partSize(d)
		for _, order := range [][]int{{1, 2, 3}, {3, 2, 1}, {2, 3, 1}} {
			up := create(t, d, "dir/whole")
			parts := map[int]*driver.Part{}
			for _, n := range order {
				length := size
				if n == 3 {
					length = 17
				}
				parts[n] = putPart(t, d, up, n, pattern(uint64(n), length))
			}
			wantParts(t, d, up, parts[1], parts[2], parts[3])
			info, err := complete(t, d, up, driver.PutOptions{}, parts[1], parts[2], parts[3])
			wantNil(t, "Complete", err)
			whole := bytes.Join([][]byte{pattern(1, size), pattern(2, size), pattern(3, 17)}, nil)
			h.wantSameInfo(t, "completed", wantObject(t, d, "dir/whole", whole), info)
			wantClosed(t, d, up, parts[1])
			h.wantSameInfo(t, "after a second Complete", wantObject(t, d, "dir/whole", whole), info)
		}
	})
	t.Run("Numbers", func(t *testing.T) {
		d := h.NewDriver(t)
		size := partSize(d)
		up := create(t, d, "k")
		last := putPart(t, d, up, 10000, []byte("end"))
		middle := putPart(t, d, up, 77, pattern(2, size))
		first := putPart(t, d, up, 1, pattern(1, size))
		for _, n := range []int{0, -1, 10001} {
			_, err := d.Uploads().PutPart(t.Context(), up, n, bytes.NewReader(nil), 0)
			wantKind(t, fmt.Sprintf("PutPart %d", n), err, driver.InvalidPart)
		}
		wantParts(t, d, up, first, middle, last)
		_, err := complete(t, d, up, driver.PutOptions{}, middle, last)
		wantNil(t, "Complete without part 1", err)
		wantObject(t, d, "k", append(pattern(2, size), "end"...))
	})
	t.Run("OnePart", func(t *testing.T) {
		d := h.NewDriver(t)
		for _, data := range [][]byte{[]byte("x"), nil} {
			up := create(t, d, "k")
			info, err := complete(t, d, up, driver.PutOptions{}, putPart(t, d, up, 5, data))
			wantNil(t, "Complete", err)
			h.wantSameInfo(t, "completed", wantObject(t, d, "k", data), info)
		}
	})
	t.Run("Subset", func(t *testing.T) {
		d := h.NewDriver(t)
		size := partSize(d)
		up := create(t, d, "k")
		var parts []*driver.Part
		for n := 1; n <= 5; n++ {
			parts = append(parts, putPart(t, d, up, n, pattern(uint64(n), size)))
		}
		_, err := complete(t, d, up, driver.PutOptions{}, parts[1], parts[3])
		wantNil(t, "Complete", err)
		wantObject(t, d, "k", append(pattern(2, size), pattern(4, size)...))
		wantParts(t, d, up)
	})
	t.Run("Resent", func(t *testing.T) {
		d := h.NewDriver(t)
		size := partSize(d)
		up := create(t, d, "k")
		first := putPart(t, d, up, 1, pattern(1, size))
		second := putPart(t, d, up, 2, pattern(2, size))
		again := putPart(t, d, up, 1, pattern(3, size))
		if again.ETag == first.ETag {
			t.Fatal("a part sent again with other bytes has the ETag it had")
		}
		wantParts(t, d, up, again, second)
		_, err := complete(t, d, up, driver.PutOptions{}, first, second)
		wantKind(t, "Complete with the ETag of a replaced part", err, driver.InvalidPart)
		wantAbsent(t, d, "k")
		wantParts(t, d, up, again, second)
		_, err = complete(t, d, up, driver.PutOptions{}, again, second)
		wantNil(t, "Complete", err)
		wantObject(t, d, "k", append(pattern(3, size), pattern(2, size)...))
	})
	t.Run("InvalidPart", func(t *testing.T) {
		d := h.NewDriver(t)
		size := partSize(d)
		old := put(t, d, "k", []byte("old"))
		up, other := create(t, d, "k"), create(t, d, "k")
		first, second := putPart(t, d, up, 1, pattern(1, size)), putPart(t, d, up, 2, pattern(2, size))
		foreign := putPart(t, d, other, 1, pattern(3, size))
		for name, parts := range map[string][]*driver.Part{
			"none": {}, "absent": {first, {N: 3, Size: 1, ETag: first.ETag}}, "other ETag": {first, {N: 2, Size: second.Size, ETag: second.ETag + "x"}},
			"no ETag": {{N: 1, Size: first.Size}}, "swapped ETags": {{N: 1, Size: first.Size, ETag: second.ETag}, {N: 2, Size: second.Size, ETag: first.ETag}},
			"descending": {second, first}, "twice": {first, first}, "of another upload": {foreign}, "number 0": {{N: 0, ETag: first.ETag}},
		} {
			_, err := complete(t, d, up, driver.PutOptions{}, parts...)
			wantKind(t, "Complete, "+name, err, driver.InvalidPart)
		}
		if minPart := int(d.Capabilities().MinPart); minPart > 1 {
			small := putPart(t, d, up, 1, pattern(1, minPart-1))
			_, err := complete(t, d, up, driver.PutOptions{}, small, second)
			wantKind(t, "Complete with a part below MinPart", err, driver.InvalidPart)
			first = putPart(t, d, up, 1, pattern(1, size))
		}
		if d.Capabilities().EqualParts {
			larger := putPart(t, d, up, 2, pattern(2, size+1))
			third := putPart(t, d, up, 3, pattern(2, 1))
			_, err := complete(t, d, up, driver.PutOptions{}, first, larger, third)
			wantKind(t, "Complete with unequal parts", err, driver.InvalidPart)
			second = putPart(t, d, up, 2, pattern(2, size))
		}
		h.wantSameInfo(t, "the old object", wantObject(t, d, "k", []byte("old")), old)
		_, err := complete(t, d, up, driver.PutOptions{}, first, second)
		wantNil(t, "Complete after refusals", err)
		wantObject(t, d, "k", append(pattern(1, size), pattern(2, size)...))
		wantParts(t, d, other, foreign)
	})
	t.Run("BadBodies", func(t *testing.T) {
		d := h.NewDriver(t)
		up := create(t, d, "k")
		old := putPart(t, d, up, 1, []byte("old"))
		for _, size := range []int{1, 5000} {
			for _, bad := range badBodies(size) {
				for _, n := range []int{1, 2} {
					body := &watchedBody{r: bad.body()}
					_, err := d.Uploads().PutPart(t.Context(), up, n, body, int64(size))
					wantKind(t, "PutPart, body "+bad.name, err, driver.BadBody)
					if !errors.Is(err, bad.want) {
						t.Fatalf("PutPart, body %s: %v does not hold %v", bad.name, err, bad.want)
					}
					body.reads++
				}
			}
		}
		wantParts(t, d, up, old)
		if caps := d.Capabilities(); caps.MaxPart < 1<<63-1 {
			body := &watchedBody{r: bytes.NewReader(nil)}
			_, err := d.Uploads().PutPart(t.Context(), up, 1, body, caps.MaxPart+1)
			wantKind(t, "PutPart above MaxPart", err, driver.TooLarge)
		}
		_, err := complete(t, d, up, driver.PutOptions{}, old)
		wantNil(t, "Complete", err)
		wantObject(t, d, "k", []byte("old"))
	})
	t.Run("Invisible", func(t *testing.T) {
		// Until Complete nobody sees the upload at its key; another object written there meanwhile stands until then.
		d := h.NewDriver(t)
		up := create(t, d, "k")
		part := putPart(t, d, up, 1, []byte("new"))
		wantAbsent(t, d, "k")
		wantNames(t, "parts are not listed", names(t, d, driver.ListOptions{}), nil)
		wantNames(t, "parts are not listed below the system prefix", names(t, d, driver.ListOptions{Prefix: ".sallyport/"}), nil)
		put(t, d, "k", []byte("meanwhile"))
		wantNil(t, "Delete", d.Delete(t.Context(), "k", &driver.DeleteOptions{}))
		put(t, d, "k", []byte("again"))
		r, _, err := d.Get(t.Context(), "k", &driver.GetOptions{})
		wantNil(t, "Get", err)
		_, err = complete(t, d, up, driver.PutOptions{}, part)
		wantNil(t, "Complete", err)
		got, err := io.ReadAll(r)
		wantNil(t, "Close", r.Close())
		wantOneRevision(t, "Get before Complete", got, err, []byte("again"))
		wantObject(t, d, "k", []byte("new"))
	})
	t.Run("Abort", func(t *testing.T) {
		d := h.NewDriver(t)
		put(t, d, "k", []byte("old"))
		up, other := create(t, d, "k"), create(t, d, "k")
		part, kept := putPart(t, d, up, 1, []byte("new")), putPart(t, d, other, 1, []byte("other"))
		wantNil(t, "Abort", d.Uploads().Abort(t.Context(), up))
		wantKind(t, "Abort again", d.Uploads().Abort(t.Context(), up), driver.NoSuchUpload)
		_, _, err := d.Uploads().Read(t.Context(), up)
		wantKind(t, "Read after Abort", err, driver.NoSuchUpload)
		wantClosed(t, d, up, part)
		wantObject(t, d, "k", []byte("old"))
		wantParts(t, d, other, kept)
		_, err = complete(t, d, other, driver.PutOptions{}, kept)
		wantNil(t, "Complete", err)
		wantNil(t, "Abort of a completed upload", d.Uploads().Abort(t.Context(), other))
		_, _, err = d.Uploads().Read(t.Context(), other)
		wantKind(t, "Read after Abort", err, driver.NoSuchUpload)
		wantKind(t, "second Abort of a completed upload", d.Uploads().Abort(t.Context(), other), driver.NoSuchUpload)
		wantObject(t, d, "k", []byte("other"))
	})
	t.Run("Unknown", func(t *testing.T) {
		d := h.NewDriver(t)
		up := create(t, d, "k")
		part := putPart(t, d, up, 1, []byte("x"))
		unknown := []driver.Upload{{ID: up.ID, Key: "other"}, {ID: up.ID + "x", Key: "k"}, {ID: "nonsense", Key: "k"}, {ID: "../../k", Key: "k"}, {ID: "", Key: "k"}}
		for _, bad := range unknown {
			wantClosed(t, d, bad, part)
			_, _, err := d.Uploads().Read(t.Context(), bad)
			wantKind(t, fmt.Sprintf("Read %+v", bad), err, driver.NoSuchUpload)
			wantKind(t, fmt.Sprintf("Abort %+v", bad), d.Uploads().Abort(t.Context(), bad), driver.NoSuchUpload)
		}
		wantParts(t, d, up, part)
		wantAbsent(t, d, "other")
	})
	t.Run("DeletedKey", func(t *testing.T) {
		// Uploads do not depend on the object at their key.
		d := h.NewDriver(t)
		put(t, d, "k", []byte("old"))
		up := create(t, d, "k")
		part := putPart(t, d, up, 1, []byte("new"))
		wantNil(t, "Delete", d.Delete(t.Context(), "k", &driver.DeleteOptions{}))
		_, err := complete(t, d, up, driver.PutOptions{}, part)
		wantNil(t, "Complete", err)
		wantObject(t, d, "k", []byte("new"))
	})
}
