package drivertest

import (
	"bytes"
	"fmt"
	"testing"

	"sallyport/providers/driver"
)

func testUploadRaces(t *testing.T, h *Harness) {
	t.Run("Parts", func(t *testing.T) {
		d := h.NewDriver(t)
		size := partSize(d)
		up := create(t, d, "k")
		parts := make([]*driver.Part, racers)
		race(t, func(i int) error {
			data := pattern(uint64(i), size)
			part, err := d.Uploads().PutPart(t.Context(), up, i+1, bytes.NewReader(data), int64(size))
			parts[i] = part
			return err
		})
		wantParts(t, d, up, parts...)
		_, err := complete(t, d, up, driver.PutOptions{}, parts...)
		wantNil(t, "Complete", err)
		var whole []byte
		for i := range racers {
			whole = append(whole, pattern(uint64(i), size)...)
		}
		wantObject(t, d, "k", whole)
	})
	t.Run("SamePart", func(t *testing.T) {
		d := h.NewDriver(t)
		for range raceRounds {
			up := create(t, d, "k")
			parts := make([]*driver.Part, racers)
			race(t, func(i int) error {
				part, err := d.Uploads().PutPart(t.Context(), up, 1, bytes.NewReader(pattern(uint64(i), 2000+i)), int64(2000+i))
				parts[i] = part
				return err
			})
			present, _, err := d.Uploads().Read(t.Context(), up)
			wantNil(t, "Read", err)
			if len(present) != 1 {
				t.Fatalf("%d parts with one number", len(present))
			}
			var winner int
			for i, part := range parts {
				if part.ETag == present[0].ETag {
					winner = i
					continue
				}
				_, err := complete(t, d, up, driver.PutOptions{}, part)
				wantKind(t, "Complete with a part that lost", err, driver.InvalidPart)
			}
			_, err = complete(t, d, up, driver.PutOptions{}, parts[winner])
			wantNil(t, "Complete with the part that is there", err)
			wantObject(t, d, "k", pattern(uint64(winner), 2000+winner))
		}
	})
	t.Run("Complete", func(t *testing.T) {
		d := h.NewDriver(t)
		for range raceRounds {
			up := create(t, d, "k")
			part := putPart(t, d, up, 1, []byte("x"))
			wantOneWinner(t, "Complete", race(t, func(int) error {
				_, err := complete(t, d, up, driver.PutOptions{}, part)
				return err
			}, driver.NoSuchUpload))
			wantObject(t, d, "k", []byte("x"))
		}
	})
	t.Run("CompleteAndAbort", func(t *testing.T) {
		d := h.NewDriver(t)
		for round := range raceRounds {
			key := fmt.Sprintf("k%d", round)
			up := create(t, d, key)
			part := putPart(t, d, up, 1, []byte("x"))
			completed := make([]bool, racers)
			race(t, func(i int) error {
				if i%2 == 0 {
					return d.Uploads().Abort(t.Context(), up)
				}
				_, err := complete(t, d, up, driver.PutOptions{}, part)
				completed[i] = err == nil
				return err
			}, driver.NoSuchUpload)
			count := 0
			for _, ok := range completed {
				if ok {
					count++
				}
			}
			switch count {
			case 0:
				wantAbsent(t, d, key)
			case 1:
				wantObject(t, d, key, []byte("x"))
			default:
				t.Fatalf("%d racers completed one upload", count)
			}
		}
	})
	t.Run("CompleteAndPart", func(t *testing.T) {
		// A part that is sent while the upload completes replaces the old one before or comes too late; the object is one of the two, whole.
		d := h.NewDriver(t)
		late := []driver.Kind{driver.NoSuchUpload, driver.InvalidPart}
		if h.DoubtfulRaces {
			late = append(late, driver.UnknownOutcome)
		}
		for range raceRounds {
			up := create(t, d, "k")
			part := putPart(t, d, up, 1, pattern(100, 3000))
			won := race(t, func(i int) error {
				if i%2 == 0 {
					_, err := d.Uploads().PutPart(t.Context(), up, 1, bytes.NewReader(pattern(uint64(i), 3000)), 3000)
					return err
				}
				_, err := complete(t, d, up, driver.PutOptions{}, part)
				return err
			}, late...)
			completions := 0
			for _, i := range won {
				completions += i % 2
			}
			if completions > 1 {
				t.Fatalf("%d racers completed one upload", completions)
			}
			if completions == 1 {
				wantObject(t, d, "k", pattern(100, 3000))
				wantNil(t, "Delete", d.Delete(t.Context(), "k", &driver.DeleteOptions{}))
			} else {
				wantAbsent(t, d, "k")
			}
		}
	})
	t.Run("CompleteAndPut", func(t *testing.T) {
		d := h.NewDriver(t)
		for range raceRounds {
			ups := make([]driver.Upload, racers)
			parts := make([]*driver.Part, racers)
			for i := range racers {
				ups[i] = create(t, d, "k")
				parts[i] = putPart(t, d, ups[i], 1, pattern(uint64(i), 4000+i))
			}
			race(t, func(i int) error {
				if i%2 == 0 {
					_, err := d.Put(t.Context(), "k", bytes.NewReader(pattern(uint64(i), 4000+i)), int64(4000+i), &driver.PutOptions{})
					return err
				}
				_, err := complete(t, d, ups[i], driver.PutOptions{}, parts[i])
				return err
			})
			now, err := d.Head(t.Context(), "k")
			wantNil(t, "Head", err)
			last := int(now.Size) - 4000
			wantObject(t, d, "k", pattern(uint64(last), 4000+last))
		}
	})
}

func testUploadConditions(t *testing.T, h *Harness) {
	t.Run("IfNoneMatch", func(t *testing.T) {
		d := h.NewDriver(t)
		opts := driver.PutOptions{IfNoneMatch: true}
		old := put(t, d, "k", []byte("old"))
		up := create(t, d, "k")
		part := putPart(t, d, up, 1, []byte("new"))
		_, err := complete(t, d, up, opts, part)
		if !d.Capabilities().CompleteIfNoneMatch {
			wantKind(t, "Complete with IfNoneMatch", err, driver.Unsupported)
			h.wantSameInfo(t, "refused", wantObject(t, d, "k", []byte("old")), old)
			wantParts(t, d, up, part)
			return
		}
		wantKind(t, "Complete with IfNoneMatch of a key that is there", err, driver.PreconditionFailed)
		h.wantSameInfo(t, "refused", wantObject(t, d, "k", []byte("old")), old)
		wantParts(t, d, up, part)
		wantNil(t, "Delete", d.Delete(t.Context(), "k", &driver.DeleteOptions{}))
		_, err = complete(t, d, up, opts, part)
		wantNil(t, "Complete with IfNoneMatch of an absent key", err)
		wantObject(t, d, "k", []byte("new"))
	})
	t.Run("IfMatch", func(t *testing.T) {
		d := h.NewDriver(t)
		old := put(t, d, "k", []byte("old"))
		up := create(t, d, "k")
		part := putPart(t, d, up, 1, []byte("new"))
		if !d.Capabilities().CompleteIfMatch {
			_, err := complete(t, d, up, driver.PutOptions{IfMatch: old.ETag}, part)
			wantKind(t, "Complete with IfMatch", err, driver.Unsupported)
			h.wantSameInfo(t, "refused", wantObject(t, d, "k", []byte("old")), old)
			wantParts(t, d, up, part)
			return
		}
		_, err := complete(t, d, up, driver.PutOptions{IfMatch: old.ETag + "x"}, part)
		wantKind(t, "Complete with another ETag", err, driver.PreconditionFailed)
		h.wantSameInfo(t, "refused", wantObject(t, d, "k", []byte("old")), old)
		wantNil(t, "Delete", d.Delete(t.Context(), "k", &driver.DeleteOptions{}))
		_, err = complete(t, d, up, driver.PutOptions{IfMatch: old.ETag}, part)
		wantKind(t, "Complete with IfMatch of an absent key", err, driver.NotFound)
		wantAbsent(t, d, "k")
		wantParts(t, d, up, part)
		now := put(t, d, "k", []byte("now"))
		_, err = complete(t, d, up, driver.PutOptions{IfMatch: now.ETag}, part)
		wantNil(t, "Complete with the present ETag", err)
		wantObject(t, d, "k", []byte("new"))
	})
	t.Run("Races", func(t *testing.T) {
		d := h.NewDriver(t)
		caps := d.Capabilities()
		prepare := func(key string) ([]driver.Upload, []*driver.Part) {
			ups, parts := make([]driver.Upload, racers), make([]*driver.Part, racers)
			for i := range racers {
				ups[i] = create(t, d, key)
				parts[i] = putPart(t, d, ups[i], 1, pattern(uint64(i), 4000+i))
			}
			return ups, parts
		}
		for round := range raceRounds {
			if caps.CompleteIfNoneMatch {
				key := fmt.Sprintf("new/%d", round)
				ups, parts := prepare(key)
				winner := wantOneWinner(t, "Complete with IfNoneMatch", race(t, func(i int) error {
					if i%4 == 0 && caps.PutIfNoneMatch {
						_, err := putIf(t.Context(), d, key, pattern(uint64(i), 4000+i), driver.PutOptions{IfNoneMatch: true})
						return err
					}
					_, err := complete(t, d, ups[i], driver.PutOptions{IfNoneMatch: true}, parts[i])
					return err
				}, driver.PreconditionFailed))
				wantObject(t, d, key, pattern(uint64(winner), 4000+winner))
			}
			if caps.CompleteIfMatch {
				old := put(t, d, "k", fmt.Append(nil, "old", round))
				ups, parts := prepare("k")
				winner := wantOneWinner(t, "Complete with IfMatch", race(t, func(i int) error {
					if i%4 == 0 && caps.PutIfMatch {
						_, err := putIf(t.Context(), d, "k", pattern(uint64(i), 4000+i), driver.PutOptions{IfMatch: old.ETag})
						return err
					}
					_, err := complete(t, d, ups[i], driver.PutOptions{IfMatch: old.ETag}, parts[i])
					return err
				}, driver.PreconditionFailed))
				wantObject(t, d, "k", pattern(uint64(winner), 4000+winner))
			}
		}
	})
}

func testCopyPart(t *testing.T, h *Harness) {
	d := h.NewDriver(t)
	size := partSize(d)
	data := pattern(1, size+500)
	src := put(t, d, "src", data)
	up := create(t, d, "k")
	copyPart := func(n int, from string, off, length int64, ifMatch string) (*driver.Part, error) {
		return d.Uploads().CopyPart(t.Context(), up, n, from, off, length, ifMatch)
	}
	if !d.Capabilities().CopyPart {
		_, err := copyPart(1, "src", 0, 1, src.ETag)
		wantKind(t, "CopyPart", err, driver.Unsupported)
		wantParts(t, d, up)
		return
	}
	first, err := copyPart(1, "src", 100, int64(size), src.ETag)
	wantNil(t, "CopyPart", err)
	last, err := copyPart(2, "src", 0, 500, "")
	wantNil(t, "CopyPart without IfMatch", err)
	for _, c := range []struct {
		src         string
		off, length int64
		ifMatch     string
		want        driver.Kind
	}{
		{"src", 0, 10, src.ETag + "x", driver.PreconditionFailed},
		{"absent", 0, 10, "", driver.NotFound},
		{"absent", 0, 10, "x", driver.NotFound},
		{"src", src.Size, 1, "", driver.InvalidRange},
		{"src", 0, src.Size + 1, "", driver.InvalidRange},
		{"src", 1, src.Size, src.ETag, driver.InvalidRange},
		{"a\x00b", 0, 1, "", driver.InvalidKey},
		{"src", 1<<63 - 1, 1<<63 - 1, "", driver.InvalidRange},
	} {
		_, err := copyPart(2, c.src, c.off, c.length, c.ifMatch)
		wantKind(t, fmt.Sprintf("CopyPart %+v", c), err, c.want)
	}
	wantParts(t, d, up, first, last)
	_, err = d.Uploads().CopyPart(t.Context(), driver.Upload{ID: "unknown", Key: "k"}, 1, "src", 0, 1, "")
	wantKind(t, "CopyPart to an unknown upload", err, driver.NoSuchUpload)
	put(t, d, "src", []byte("changed"))
	_, err = complete(t, d, up, driver.PutOptions{}, first, last)
	wantNil(t, "Complete", err)
	wantObject(t, d, "k", append(bytes.Clone(data[100:100+size]), data[:500]...))
}
