package drivertest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"sync"
	"testing"
	"testing/iotest"

	"sallyport/providers/driver"
)

func testRevisions(t *testing.T, h *Harness) {
	t.Run("OpenReader", func(t *testing.T) {
		d := h.NewDriver(t)
		old := pattern(1, 3<<20)
		changes := map[string]func(){
			"longer":   func() { put(t, d, "k", pattern(2, 4<<20)) },
			"shorter":  func() { put(t, d, "k", pattern(3, 10)) },
			"empty":    func() { put(t, d, "k", nil) },
			"delete":   func() { wantNil(t, "Delete", d.Delete(t.Context(), "k", &driver.DeleteOptions{})) },
			"recreate": func() { _ = d.Delete(t.Context(), "k", &driver.DeleteOptions{}); put(t, d, "k", pattern(4, 3<<20)) },
		}
		for name, change := range changes {
			for _, opts := range []driver.GetOptions{{}, {Offset: 1 << 20, Length: 1 << 20}, {Suffix: 2 << 20}} {
				before := put(t, d, "k", old)
				r, info, err := d.Get(t.Context(), "k", &opts)
				wantNil(t, "Get", err)
				h.wantSameInfo(t, "opened", info, before)
				start := make([]byte, 10)
				_, err = io.ReadFull(r, start)
				wantNil(t, "read a little", err)
				change()
				rest, err := io.ReadAll(r)
				wantNil(t, "Close", r.Close())
				want := old
				switch {
				case opts.Suffix > 0:
					want = old[len(old)-int(opts.Suffix):]
				case opts.Length > 0:
					want = old[opts.Offset : opts.Offset+opts.Length]
				}
				wantOneRevision(t, fmt.Sprintf("%s during Get %+v", name, opts), append(start, rest...), err, want)
			}
		}
	})
	t.Run("Concurrent", func(t *testing.T) {
		d := h.NewDriver(t)
		const writes, readers = 150, 4
		data := func(i int) []byte { return pattern(uint64(i), 30000+i) }
		etags := sync.Map{} // ETag → number of the write
		write := func(i int) error {
			if i%10 == 9 {
				return d.Delete(t.Context(), "k", &driver.DeleteOptions{})
			}
			_, err := d.Put(t.Context(), "k", iotest.HalfReader(bytes.NewReader(data(i))), int64(30000+i), &driver.PutOptions{})
			return err
		}
		wantNil(t, "first Put", write(0))
		var readersDone sync.WaitGroup
		stop := make(chan struct{})
		for n := range readers {
			readersDone.Go(func() {
				for {
					select {
					case <-stop:
						return
					default:
					}
					opts := driver.GetOptions{}
					if n%2 == 1 {
						opts.Offset = 10000
					}
					got, info, err := get(t.Context(), d, "k", opts)
					if info == nil && driver.Is(err, driver.NotFound) {
						continue
					}
					if info == nil {
						t.Errorf("Get: %v", err)
						return
					}
					i := int(info.Size) - 30000
					if i < 0 || i >= writes {
						t.Errorf("Get gave an object of %d bytes, which nobody wrote", info.Size)
						return
					}
					if other, ok := etags.LoadOrStore(info.ETag, i); ok && other != i {
						t.Errorf("writes %d and %d have the ETag %q", i, other, info.ETag)
						return
					}
					if err := oneRevision(got, err, data(i)[opts.Offset:]); err != nil {
						t.Errorf("Get of write %d: %v", i, err)
						return
					}
				}
			})
		}
		for i := 1; i < writes; i++ {
			if err := write(i); err != nil {
				t.Errorf("write %d: %v", i, err)
				break
			}
		}
		close(stop)
		readersDone.Wait()
	})
}

func wantOneRevision(t *testing.T, what string, got []byte, err error, want []byte) {
	t.Helper()
	if err := oneRevision(got, err, want); err != nil {
		t.Fatalf("%s: %v", what, err)
	}
}

// oneRevision accepts all of want, or a part of it that ends with an error.
func oneRevision(got []byte, err error, want []byte) error {
	if !bytes.HasPrefix(want, got) {
		return errors.New("bytes of another revision")
	}
	if err == nil && len(got) < len(want) {
		return fmt.Errorf("clean end after %d of %d bytes", len(got), len(want))
	}
	if err != nil && !driver.Is(err, driver.Corrupt) && !driver.Is(err, driver.Unavailable) && !driver.Is(err, driver.Conflict) {
		return fmt.Errorf("ended with %w", err)
	}
	return nil
}
