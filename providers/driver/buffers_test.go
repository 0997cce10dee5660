package driver_test

import (
	"sync"
	"testing"

	"sallyport/providers/driver"
)

// A buffer holds what it was asked for, whatever was given back before, and small bodies do not take large ones.
func TestBuffers(t *testing.T) {
	sizes := map[int64]int{
		0: 16 << 10, 1: 16 << 10, 16 << 10: 16 << 10, 16<<10 + 1: 128 << 10, 128 << 10: 128 << 10, 128<<10 + 1: driver.MaxBuffer, driver.MaxBuffer: driver.MaxBuffer,
	}
	var buffers driver.Buffers
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for n, want := range sizes {
				buf := buffers.Get(n)
				if len(*buf) != want {
					t.Errorf("%d bytes get %d", n, len(*buf))
				}
				clear(*buf) // the race detector sees one that is lent twice
				buffers.Put(buf)
			}
		})
	}
	all.Wait()
}
