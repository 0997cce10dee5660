package drivertest

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"

	"sallyport/providers/driver"
)

func putIf(ctx context.Context, d driver.Driver, key string, data []byte, opts driver.PutOptions) (*driver.Info, error) {
	var info *driver.Info
	err := untilDecided(func() error {
		var err error
		info, err = d.Put(ctx, key, unseekable{bytes.NewReader(data)}, int64(len(data)), &opts)
		return err
	})
	return info, err
}

func deleteIf(ctx context.Context, d driver.Driver, key, etag string) error {
	return untilDecided(func() error { return d.Delete(ctx, key, &driver.DeleteOptions{IfMatch: etag}) })
}

func testConditions(t *testing.T, h *Harness) {
	t.Run("IfNoneMatch", func(t *testing.T) {
		d := h.NewDriver(t)
		opts := driver.PutOptions{IfNoneMatch: true}
		if !d.Capabilities().PutIfNoneMatch {
			h.wantUnsupportedPut(t, d, opts)
			return
		}
		info, err := putIf(t.Context(), d, "k", []byte("1"), opts)
		wantNil(t, "Put of a new key", err)
		wantInfo(t, info, "k", 1)
		_, err = putIf(t.Context(), d, "k", []byte("2"), opts)
		wantKind(t, "Put of a key that is there", err, driver.PreconditionFailed)
		h.wantSameInfo(t, "refused", wantObject(t, d, "k", []byte("1")), info)
		_, err = putIf(t.Context(), d, "k", nil, opts)
		wantKind(t, "empty Put of a key that is there", err, driver.PreconditionFailed)
		// A refusal that comes while the body is still being sent must be seen, and must end the reading.
		body := &watchedBody{r: bytes.NewReader(pattern(4, 8<<20))}
		_, err = d.Put(t.Context(), "k", body, 8<<20, &opts)
		wantKind(t, "long Put of a key that is there", err, driver.PreconditionFailed, driver.Conflict)
		body.reads++
		wantNil(t, "Delete", d.Delete(t.Context(), "k", &driver.DeleteOptions{}))
		_, err = putIf(t.Context(), d, "k", nil, opts)
		wantNil(t, "Put after Delete", err)
		wantObject(t, d, "k", nil)
		_, err = putIf(t.Context(), d, "k", []byte("3"), opts)
		wantKind(t, "Put over an empty object", err, driver.PreconditionFailed)
		if h.possible("k/below") {
			_, err = putIf(t.Context(), d, "k/below", []byte("4"), opts)
			wantNil(t, "Put below a key that is there", err)
		}
	})
	t.Run("IfMatch", func(t *testing.T) {
		d := h.NewDriver(t)
		if !d.Capabilities().PutIfMatch {
			h.wantUnsupportedPut(t, d, driver.PutOptions{IfMatch: "x"})
			return
		}
		_, err := putIf(t.Context(), d, "k", []byte("1"), driver.PutOptions{IfMatch: "x"})
		wantKind(t, "Put with IfMatch of an absent key", err, driver.NotFound)
		wantAbsent(t, d, "k")
		first := put(t, d, "k", []byte("1"))
		_, err = putIf(t.Context(), d, "k", []byte("2"), driver.PutOptions{IfMatch: first.ETag + "x"})
		wantKind(t, "Put with another ETag", err, driver.PreconditionFailed)
		h.wantSameInfo(t, "refused", wantObject(t, d, "k", []byte("1")), first)
		second, err := putIf(t.Context(), d, "k", []byte("2"), driver.PutOptions{IfMatch: first.ETag})
		wantNil(t, "Put with the present ETag", err)
		h.wantSameInfo(t, "replaced", wantObject(t, d, "k", []byte("2")), second)
		_, err = putIf(t.Context(), d, "k", []byte("3"), driver.PutOptions{IfMatch: first.ETag})
		wantKind(t, "Put with an earlier ETag", err, driver.PreconditionFailed)
		wantNil(t, "Delete", d.Delete(t.Context(), "k", &driver.DeleteOptions{}))
		_, err = putIf(t.Context(), d, "k", []byte("3"), driver.PutOptions{IfMatch: second.ETag})
		wantKind(t, "Put with the ETag of a deleted object", err, driver.NotFound)
		if !h.HashETags {
			put(t, d, "k", []byte("2"))
			_, err = putIf(t.Context(), d, "k", []byte("3"), driver.PutOptions{IfMatch: second.ETag})
			wantKind(t, "Put with the ETag of equal bytes before", err, driver.PreconditionFailed)
		}
	})
	t.Run("Delete", func(t *testing.T) {
		d := h.NewDriver(t)
		first := put(t, d, "k", []byte("1"))
		if !d.Capabilities().ConditionalDelete {
			wantKind(t, "Delete with IfMatch", deleteIf(t.Context(), d, "k", first.ETag), driver.Unsupported)
			h.wantSameInfo(t, "refused", wantObject(t, d, "k", []byte("1")), first)
			return
		}
		wantKind(t, "Delete of an absent key with IfMatch", deleteIf(t.Context(), d, "absent", first.ETag), driver.NotFound)
		wantKind(t, "Delete with another ETag", deleteIf(t.Context(), d, "k", first.ETag+"x"), driver.PreconditionFailed)
		second := put(t, d, "k", []byte("2"))
		wantKind(t, "Delete with an earlier ETag", deleteIf(t.Context(), d, "k", first.ETag), driver.PreconditionFailed)
		h.wantSameInfo(t, "refused", wantObject(t, d, "k", []byte("2")), second)
		wantNil(t, "Delete with the present ETag", deleteIf(t.Context(), d, "k", second.ETag))
		wantAbsent(t, d, "k")
		wantKind(t, "Delete again", deleteIf(t.Context(), d, "k", second.ETag), driver.NotFound)
	})
	t.Run("BadBody", func(t *testing.T) {
		d := h.NewDriver(t)
		old := put(t, d, "k", []byte("old"))
		for _, opts := range possibleConditions(d.Capabilities(), old.ETag) {
			key := "k"
			if opts.IfNoneMatch {
				key = "new"
			}
			for _, bad := range badBodies(3000) {
				_, err := d.Put(t.Context(), key, bad.body(), 3000, &opts)
				wantKind(t, fmt.Sprintf("Put %+v, body %s", opts, bad.name), err, driver.BadBody)
			}
		}
		h.wantSameInfo(t, "the old object", wantObject(t, d, "k", []byte("old")), old)
		wantNames(t, "nothing else", names(t, d, driver.ListOptions{}), []string{"k"})
	})
}

// possibleConditions returns the conditions of a Put that d knows: none, and those that hold when key has etag or, for IfNoneMatch, is absent.
func possibleConditions(caps driver.Capabilities, etag string) []driver.PutOptions {
	all := []driver.PutOptions{{}}
	if caps.PutIfMatch {
		all = append(all, driver.PutOptions{IfMatch: etag})
	}
	if caps.PutIfNoneMatch {
		all = append(all, driver.PutOptions{IfNoneMatch: true})
	}
	return all
}

func (h *Harness) wantUnsupportedPut(t *testing.T, d driver.Driver, opts driver.PutOptions) {
	t.Helper()
	old := put(t, d, "k", []byte("old"))
	for _, key := range []string{"k", "absent"} {
		body := &watchedBody{r: strings.NewReader("new")}
		_, err := d.Put(t.Context(), key, body, 3, &opts)
		wantKind(t, "Put with a condition the backend lacks", err, driver.Unsupported)
	}
	h.wantSameInfo(t, "refused", wantObject(t, d, "k", []byte("old")), old)
	wantAbsent(t, d, "absent")
}

const racers = 32

// race runs f at once for every racer and returns the numbers of those that succeeded. All others must fail with one of kinds.
func race(t *testing.T, f func(i int) error, kinds ...driver.Kind) []int {
	t.Helper()
	errs := make([]error, racers)
	var ready, done sync.WaitGroup
	start := make(chan struct{})
	for i := range racers {
		ready.Add(1)
		done.Go(func() {
			ready.Done()
			<-start
			errs[i] = f(i)
		})
	}
	ready.Wait()
	close(start)
	done.Wait()
	var winners []int
	for i, err := range errs {
		if err == nil {
			winners = append(winners, i)
			continue
		}
		wantKind(t, fmt.Sprintf("racer %d", i), err, kinds...)
	}
	return winners
}

func wantOneWinner(t *testing.T, what string, winners []int) int {
	t.Helper()
	if len(winners) != 1 {
		t.Fatalf("%s: winners %v, want exactly one", what, winners)
	}
	return winners[0]
}

const raceRounds = 5

func testRaces(t *testing.T, h *Harness) {
	t.Run("PutIfNoneMatch", func(t *testing.T) {
		d := h.NewDriver(t)
		if !d.Capabilities().PutIfNoneMatch {
			return
		}
		for round := range raceRounds {
			key := fmt.Sprintf("new/%d", round)
			winner := wantOneWinner(t, key, race(t, func(i int) error {
				_, err := putIf(t.Context(), d, key, pattern(uint64(i), 5000+i), driver.PutOptions{IfNoneMatch: true})
				return err
			}, driver.PreconditionFailed))
			wantObject(t, d, key, pattern(uint64(winner), 5000+winner))
		}
	})
	t.Run("PutIfMatch", func(t *testing.T) {
		d := h.NewDriver(t)
		if !d.Capabilities().PutIfMatch {
			return
		}
		old := put(t, d, "k", []byte("old"))
		for round := range raceRounds {
			// No two rounds share bytes: where ETags are hashes, a racer that writes what is there already leaves the ETag to a second winner.
			data := func(i int) []byte { return pattern(uint64(round*racers+i), 5000+i) }
			infos := make([]*driver.Info, racers)
			winner := wantOneWinner(t, "Put with IfMatch", race(t, func(i int) error {
				info, err := putIf(t.Context(), d, "k", data(i), driver.PutOptions{IfMatch: old.ETag})
				infos[i] = info
				return err
			}, driver.PreconditionFailed))
			old = wantObject(t, d, "k", data(winner))
			h.wantSameInfo(t, "the winner's Info", infos[winner], old)
		}
	})
	t.Run("Delete", func(t *testing.T) {
		d := h.NewDriver(t)
		if !d.Capabilities().ConditionalDelete {
			return
		}
		for round := range raceRounds {
			old := put(t, d, "k", fmt.Append(nil, round))
			wantOneWinner(t, "Delete with IfMatch", race(t, func(int) error {
				return deleteIf(t.Context(), d, "k", old.ETag)
			}, driver.NotFound, driver.PreconditionFailed))
			wantAbsent(t, d, "k")
		}
	})
	t.Run("PutAndDelete", func(t *testing.T) {
		d := h.NewDriver(t)
		caps := d.Capabilities()
		if !caps.ConditionalDelete || !caps.PutIfMatch {
			return
		}
		for round := range raceRounds {
			old := put(t, d, "k", fmt.Append(nil, round))
			winner := wantOneWinner(t, "Put or Delete with IfMatch", race(t, func(i int) error {
				if i%2 == 0 {
					return deleteIf(t.Context(), d, "k", old.ETag)
				}
				_, err := putIf(t.Context(), d, "k", pattern(uint64(i), 3000), driver.PutOptions{IfMatch: old.ETag})
				return err
			}, driver.NotFound, driver.PreconditionFailed))
			if winner%2 == 0 {
				wantAbsent(t, d, "k")
			} else {
				wantObject(t, d, "k", pattern(uint64(winner), 3000))
			}
		}
	})
	t.Run("Counter", func(t *testing.T) {
		// Every racer adds one by compare and swap; a lost update shows in the sum.
		d := h.NewDriver(t)
		if !d.Capabilities().PutIfMatch {
			return
		}
		put(t, d, "n", []byte{0})
		winners := race(t, func(int) error {
			for {
				data, info, err := get(t.Context(), d, "n", driver.GetOptions{})
				if err != nil {
					return err
				}
				_, err = putIf(t.Context(), d, "n", []byte{data[0] + 1}, driver.PutOptions{IfMatch: info.ETag})
				if err == nil || !driver.Is(err, driver.PreconditionFailed) {
					return err
				}
			}
		})
		if len(winners) != racers {
			t.Fatalf("winners %v, want all", winners)
		}
		wantObject(t, d, "n", []byte{racers})
	})
	t.Run("Unconditional", func(t *testing.T) {
		d := h.NewDriver(t)
		for range raceRounds {
			infos := make([]*driver.Info, racers)
			race(t, func(i int) error {
				info, err := d.Put(t.Context(), "k", bytes.NewReader(pattern(uint64(i), 9000+i)), int64(9000+i), &driver.PutOptions{})
				infos[i] = info
				return err
			})
			etags := map[string]bool{}
			for _, info := range infos {
				if etags[info.ETag] {
					t.Fatalf("two of the racing writes have the ETag %q", info.ETag)
				}
				etags[info.ETag] = true
			}
			now, err := d.Head(t.Context(), "k")
			wantNil(t, "Head", err)
			last := int(now.Size) - 9000
			h.wantSameInfo(t, "the last write", wantObject(t, d, "k", pattern(uint64(last), 9000+last)), infos[last])
		}
	})
}
