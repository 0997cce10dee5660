package objects

import (
	"bytes"
	"fmt"
	"io"
	"sync"
	"testing"
)

// TestBuffersHoldOneObjectAtATime: many clients read objects that are held in memory whole, each its own.
func TestBuffersHoldOneObjectAtATime(t *testing.T) {
	w := newWorld(t, worldOptions{})
	sizes := []int{16 << 10, 16<<10 + 1, 20_000, 40_000, 64 << 10, 70_000}
	for i, n := range sizes {
		w.put(fmt.Sprint(i), content(uint64(i), n))
	}
	var clients sync.WaitGroup
	for range 4 {
		clients.Go(func() {
			for round := range 100 {
				i := round % len(sizes)
				want := content(uint64(i), sizes[i])
				whole, err := w.Get(t.Context(), &GetInput{Bucket: bucketName, Key: fmt.Sprint(i)})
				if err != nil {
					t.Error(err)
					return
				}
				part, err := w.Get(t.Context(), &GetInput{Bucket: bucketName, Key: fmt.Sprint(i), Range: &RangeSpec{First: 5, Last: -1}})
				if err != nil {
					t.Error(err)
					return
				}
				got, err := io.ReadAll(whole.Body)
				rest, restErr := io.ReadAll(part.Body)
				if err != nil || restErr != nil || !bytes.Equal(got, want) || !bytes.Equal(rest, want[5:]) {
					t.Errorf("object %d: %d and %d bytes, %v, %v", i, len(got), len(rest), err, restErr)
				}
				_, _ = whole.Body.Close(), part.Body.Close()
			}
		})
	}
	clients.Wait()
}

// TestClosedBodyLeavesNothing: buffers go back wiped and once, and a reader that is used on gives nothing.
func TestClosedBodyLeavesNothing(t *testing.T) {
	w := newWorld(t, worldOptions{})
	w.put("k", content(1, 60_000))
	out, err := w.Get(t.Context(), &GetInput{Bucket: bucketName, Key: "k"})
	if err != nil {
		t.Fatal(err)
	}
	b, ok := out.Body.(*body)
	if !ok || len(b.lent) != 2 {
		t.Fatalf("%T does not hold two buffers", out.Body)
	}
	lent := b.lent
	for range 2 {
		if err := out.Body.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if len(b.lent) != 0 {
		t.Error("the body holds buffers that it gave back")
	}
	for _, buffer := range lent {
		if n := len(bytes.Trim(buffer.bytes[:], "\x00")); n > 0 {
			t.Errorf("%d bytes are left", n)
		}
	}
	if n, err := out.Body.Read(make([]byte, 100)); n > 0 || err == nil {
		t.Errorf("%d bytes after the end, %v", n, err)
	}
}
