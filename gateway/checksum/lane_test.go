package checksum

import (
	"bytes"
	"hash"
	"hash/crc32"
	"io"
	"testing"
	"testing/synctest"
)

// gated is a digest that waits for the test before every write.
type gated struct {
	hash.Hash
	gate chan struct{}
	seen *[][]byte // what it was given, which is the blocks' own memory
}

func (g gated) Write(p []byte) (int, error) {
	*g.seen = append(*g.seen, p)
	<-g.gate
	return g.Hash.Write(p)
}

func gatedReader(size int) (*Reader, chan struct{}) {
	gate := make(chan struct{})
	r := NewReader(bytes.NewReader(make([]byte, size)), &Options{Size: int64(size), Algorithms: []Algorithm{CRC32}})
	r.digests[0].hash = gated{Hash: crc32.NewIEEE(), gate: gate, seen: new([][]byte)}
	return r, gate
}

// TestDigestsRunBesideTheConsumer: the consumer goes on while a digest has not even begun, and no further than the blocks there are.
func TestDigestsRunBesideTheConsumer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const size = 20 * blockSize
		r, gate := gatedReader(size)
		if _, err := io.ReadFull(r, make([]byte, 2*blockSize)); err != nil {
			t.Fatal(err)
		}
		var rest []byte
		var err error
		done := make(chan struct{})
		go func() {
			defer close(done)
			rest, err = io.ReadAll(r)
		}()
		synctest.Wait() // the consumer is stopped now, by the lane and nothing else
		if r.lane.made != blocksPerLane || r.BytesRead() > (blocksPerLane+1)*blockSize {
			t.Errorf("%d blocks made, %d bytes read", r.lane.made, r.BytesRead())
		}
		close(gate)
		<-done
		if err != nil || len(rest) != size-2*blockSize {
			t.Errorf("%d bytes, %v", len(rest), err)
		}
		if v, ok := r.Value(CRC32); !ok || v.crc() != uint64(crc32.ChecksumIEEE(make([]byte, size))) {
			t.Errorf("got %v", v)
		}
	})
}

// TestReleaseClearsAndReturnsEveryBlock: plaintext does not stay in the pool.
func TestReleaseClearsAndReturnsEveryBlock(t *testing.T) {
	for _, read := range []int{10, blockSize, 2*blockSize + 5, 3 * blockSize} {
		synctest.Test(t, func(t *testing.T) {
			r, gate := gatedReader(20 * blockSize)
			r.src = bytes.NewReader(bytes.Repeat([]byte("x"), 20*blockSize))
			if _, err := io.ReadFull(r, make([]byte, read)); err != nil {
				t.Fatal(err)
			}
			synctest.Wait() // the worker holds a block now, if there is a whole one
			l := r.lane
			held := append([]*block{l.filling}, l.queue[:]...)
			inHand := r.digests[0].hash.(gated).seen
			closed := make(chan struct{})
			go func() {
				defer close(closed)
				_ = r.Close()
			}()
			synctest.Wait()
			close(gate)
			<-closed
			if l.queued != 0 || l.frees != 0 || l.filling != nil || l.running {
				t.Errorf("%+v is left", l)
			}
			for _, b := range held {
				if b != nil && (b.n != 0 || bytes.Contains(b.data[:], []byte("x"))) {
					t.Errorf("a block with %d bytes is not cleared", b.n)
				}
			}
			for _, p := range *inHand {
				if bytes.Contains(p, []byte("x")) {
					t.Error("the worker's block is not cleared")
				}
			}
		})
	}
}
