package objects

import (
	"bytes"
	"fmt"
	"io"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	"sallyport/crypto/vault"
)

const racers = 32

// TestRaceToCreate lets one of many If-None-Match writers win, whoever it is.
func TestRaceToCreate(t *testing.T) {
	w := newWorld(t, worldOptions{})
	w.put("source", []byte("copied"))
	for round := range 10 {
		key := fmt.Sprint("k", round)
		var won, lost atomic.Int64
		var winner atomic.Value
		var all sync.WaitGroup
		for i := range racers {
			all.Go(func() {
				plain := bytes.Repeat([]byte{byte(i)}, 1000*i)
				var err error
				if i == 7 {
					plain = []byte("copied")
					_, err = w.Copy(t.Context(), &CopyInput{
						Source: CopySource{Bucket: bucketName, Key: "source"}, Bucket: bucketName, Key: key, Conditions: WriteConditions{IfNoneMatch: true},
					})
				} else {
					_, err = w.Put(t.Context(), &PutInput{
						Bucket: bucketName, Key: key, Size: int64(len(plain)), Body: bodyOf(plain), Conditions: WriteConditions{IfNoneMatch: true},
					})
				}
				switch kindOf(err) {
				case -1:
					won.Add(1)
					winner.Store(plain)
				case PreconditionFailed, Conflict:
					lost.Add(1)
				default:
					t.Error(err)
				}
			})
		}
		all.Wait()
		if won.Load() != 1 || lost.Load() != racers-1 {
			t.Fatalf("%d winners, %d losers", won.Load(), lost.Load())
		}
		if want, ok := winner.Load().([]byte); !ok || !bytes.Equal(w.mustGet(key), want) {
			t.Error("the object is not the winner's")
		}
	}
}

// TestRaceToCount increments a number by compare and swap: no increment is lost. A loser's answer must say that nothing was done.
func TestRaceToCount(t *testing.T) {
	for _, policy := range []vault.ETagPolicy{vault.ETagMD5, vault.ETagOpaque} {
		w := newWorld(t, worldOptions{etag: policy})
		w.put("n", []byte("0"))
		const each = 5
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				for done := 0; done < each; {
					got, out, err := w.get(&GetInput{Key: "n"})
					if kindOf(err) == Unavailable {
						continue // replaced faster than it can be read
					}
					if err != nil {
						t.Error(err)
						return
					}
					n, err := strconv.Atoi(string(got))
					if err != nil {
						t.Error(err)
						return
					}
					next := []byte(strconv.Itoa(n + 1))
					_, err = w.Put(t.Context(), &PutInput{
						Bucket: bucketName, Key: "n", Size: int64(len(next)), Body: bodyOf(next), Conditions: WriteConditions{IfMatch: out.ETag},
					})
					switch kindOf(err) {
					case -1:
						done++
					case PreconditionFailed, Conflict:
					default:
						t.Error(err)
						return
					}
				}
			})
		}
		all.Wait()
		if got := w.mustGet("n"); string(got) != strconv.Itoa(8*each) {
			t.Errorf("%s: counted to %s", policy, got)
		}
	}
}

// TestReadersBesideWriters reads while others replace, delete and list: always one whole revision.
func TestReadersBesideWriters(t *testing.T) {
	w := newWorld(t, worldOptions{})
	fill := func(i int) []byte { return bytes.Repeat([]byte{byte(i)}, 50_000+i*10_000) }
	w.put("k", fill(0))
	stop := make(chan struct{})
	var writers, readers sync.WaitGroup
	for i := range 2 {
		writers.Go(func() {
			for n := i; ; n += 2 {
				select {
				case <-stop:
					return
				default:
					w.put("k", fill(n%10))
				}
			}
		})
	}
	for range 4 {
		readers.Go(func() {
			for range 50 {
				out, err := w.Get(t.Context(), &GetInput{Bucket: bucketName, Key: "k"})
				if kindOf(err) == Unavailable {
					continue
				}
				if err != nil {
					t.Error(err)
					return
				}
				got, err := io.ReadAll(out.Body)
				_ = out.Body.Close()
				if err != nil || len(got) == 0 || !bytes.Equal(got, fill(int(got[0]))) || md5Hex(got) != out.ETag {
					t.Errorf("%d bytes, %v", len(got), err)
				}
				l := w.list(ListInput{}).Objects
				if len(l) != 1 || len(l[0].ETag) != 32 {
					t.Errorf("listed %+v", l)
				} else if i := int(l[0].Size-50_000) / 10_000; md5Hex(fill(i)) != l[0].ETag {
					t.Errorf("listed the size of one revision and the ETag of another: %+v", l[0])
				}
			}
		})
	}
	readers.Wait()
	close(stop)
	writers.Wait()
}
