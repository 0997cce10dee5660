package providers

import (
	"bytes"
	"sync"
	"testing"
)

const fivePages = 5 << 20

func TestPartBuffersAreLentToOneAtATime(t *testing.T) {
	for _, size := range []int64{1000, fivePages} {
		p := newPartBuffers(size)
		var all sync.WaitGroup
		for i := range 16 {
			all.Go(func() {
				mark := bytes.Repeat([]byte{byte(i)}, int(size))
				for range 10 {
					b := p.get(size - 1)
					copy(b.bytes, mark)
					if !bytes.Equal(b.bytes, mark) {
						t.Error("somebody else wrote into a lent buffer")
					}
					p.put(b)
				}
			})
		}
		all.Wait()
		if n := p.notGivenBack(); n != 0 {
			t.Errorf("%d buffers of %d bytes are counted as lent", n, size)
		}
	}
}

func TestPartBuffersKeepFew(t *testing.T) {
	p := newPartBuffers(fivePages)
	var held []*partBuffer
	for range keptBuffers + 3 {
		held = append(held, p.get(fivePages))
	}
	long := p.get(fivePages + 1)
	if len(long.bytes) <= fivePages || p.notGivenBack() != keptBuffers+4 {
		t.Fatalf("%d bytes, %d lent", len(long.bytes), p.notGivenBack())
	}
	p.put(long)
	last := held[len(held)-1]
	clear(last.bytes)
	last.bytes[0] = 1
	for _, b := range held {
		p.put(b)
	}
	if len(p.kept) != keptBuffers {
		t.Errorf("%d buffers are kept", len(p.kept))
	}
	if last.mapped && (len(p.bare) != 3 || last.bytes[0] != 0) {
		t.Errorf("%d buffers are bare; the memory of the last is not given back: %d", len(p.bare), last.bytes[0])
	}
	p.drop()
	if len(p.kept) != 0 || last.mapped && len(p.bare) != keptBuffers+3 {
		t.Errorf("after drop %d are kept, %d bare", len(p.kept), len(p.bare))
	}
	if b := p.get(1); len(b.bytes) != fivePages {
		t.Errorf("a buffer of %d bytes", len(b.bytes))
	} else {
		b.bytes[fivePages-1] = 1
	}
}
