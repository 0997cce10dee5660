package main

import (
	"bytes"
	"context"
	"encoding/xml"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
)

const (
	largeSize = 256 * mib
	parallel  = 16
)

// noise yields bytes that do not compress, cheaply: one random block again and again.
type noise struct {
	block []byte
	at    int
}

func newNoise() *noise {
	block := make([]byte, mib)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(block)
	return &noise{block: block}
}

// Read implements io.Reader.
func (n *noise) Read(p []byte) (int, error) {
	c := copy(p, n.block[n.at:])
	n.at = (n.at + c) % len(n.block)
	return c, nil
}

func largePuts(ctx context.Context, b *bench) ([]figure, error) {
	f, err := b.best(func(s *server) (float64, error) {
		took, err := timed(func() error {
			_, err := b.do(ctx, s, http.MethodPut, "/"+bucket+"/large", io.LimitReader(newNoise(), largeSize), largeSize, nil)
			return err
		})
		return rate(largeSize, took), err
	})
	f.name, f.unit = "PUT 256 MiB", "MiB/s"
	return []figure{f}, err
}

func largeGets(ctx context.Context, b *bench) ([]figure, error) {
	for _, s := range []*server{b.gateway, b.synced, b.bare} {
		if _, err := b.do(ctx, s, http.MethodPut, "/"+bucket+"/large", io.LimitReader(newNoise(), largeSize), largeSize, nil); err != nil {
			return nil, err
		}
	}
	f, err := b.best(func(s *server) (float64, error) {
		took, err := timed(func() error {
			n, err := b.do(ctx, s, http.MethodGet, "/"+bucket+"/large", nil, 0, nil)
			if err == nil && n != largeSize {
				err = fmt.Errorf("GET answered %d bytes", n)
			}
			return err
		})
		return rate(largeSize, took), err
	})
	f.name, f.unit = "GET 256 MiB", "MiB/s"
	return []figure{f}, err
}

// inParallel does n requests, parallel at a time.
func inParallel(n int, do func(i int) error) error {
	var next atomic.Int64
	var failed atomic.Pointer[error]
	var wg sync.WaitGroup
	for range parallel {
		wg.Go(func() {
			for failed.Load() == nil {
				i := int(next.Add(1)) - 1
				if i >= n {
					return
				}
				if err := do(i); err != nil {
					failed.Store(&err)
				}
			}
		})
	}
	wg.Wait()
	if err := failed.Load(); err != nil {
		return *err
	}
	return nil
}

func smallObjects(ctx context.Context, b *bench) ([]figure, error) {
	var all []figure
	for _, size := range []int{4 << 10, 64 << 10} {
		const count = 1000
		body := make([]byte, size)
		_, _ = newNoise().Read(body)
		path := func(i int) string { return fmt.Sprintf("/%s/small-%d-%d", bucket, size, i) }
		puts, err := b.best(func(s *server) (float64, error) {
			took, err := timed(func() error {
				return inParallel(count, func(i int) error {
					_, err := b.do(ctx, s, http.MethodPut, path(i), bytes.NewReader(body), int64(size), nil)
					return err
				})
			})
			return count / took.Seconds(), err
		})
		if err != nil {
			return nil, err
		}
		gets, err := b.best(func(s *server) (float64, error) {
			took, err := timed(func() error {
				return inParallel(count, func(i int) error {
					_, err := b.do(ctx, s, http.MethodGet, path(i), nil, 0, nil)
					return err
				})
			})
			return count / took.Seconds(), err
		})
		if err != nil {
			return nil, err
		}
		puts.name, gets.name = fmt.Sprintf("PUT %d KiB × 16", size>>10), fmt.Sprintf("GET %d KiB × 16", size>>10)
		puts.unit, gets.unit = "1/s", "1/s"
		all = append(all, puts, gets)
	}
	return all, nil
}

// peakMemory counts from after the unlock, whose Argon2id takes 256 MiB by design.
func peakMemory(ctx context.Context, b *bench) ([]figure, error) {
	const size = 64 * mib
	pid := b.gateway.cmd.Process.Pid
	if err := resetPeak(pid); err != nil {
		return nil, err
	}
	err := inParallel(parallel, func(i int) error {
		_, err := b.do(ctx, b.gateway, http.MethodPut, fmt.Sprintf("/%s/memory-%d", bucket, i), io.LimitReader(newNoise(), size), size, nil)
		return err
	})
	if err != nil {
		return nil, err
	}
	peak, err := peakRSS(pid)
	return []figure{{name: "peak memory, 16 PUTs of 64 MiB", unit: "MiB", gateway: float64(peak) / mib}}, err
}

type listPage struct {
	Contents []struct {
		Key  string
		Size int64
	}
	IsTruncated           bool
	NextContinuationToken string
}

// longList lists a bucket page by page; a bare file server has nothing to compare with.
func longList(ctx context.Context, b *bench) ([]figure, error) {
	body := []byte("x")
	err := inParallel(b.objects, func(i int) error {
		_, err := b.do(ctx, b.gateway, http.MethodPut, fmt.Sprintf("/%s/list/%02d/%06d", bucket, i%50, i), bytes.NewReader(body), 1, nil)
		return err
	})
	if err != nil {
		return nil, err
	}
	list := func() error {
		token, count := "", 0
		for {
			q := url.Values{"list-type": {"2"}, "prefix": {"list/"}}
			if token != "" {
				q.Set("continuation-token", token)
			}
			var text bytes.Buffer
			if _, err := b.do(ctx, b.gateway, http.MethodGet, "/"+bucket+"?"+q.Encode(), nil, 0, &text); err != nil {
				return err
			}
			var page listPage
			if err := xml.Unmarshal(text.Bytes(), &page); err != nil {
				return err
			}
			for _, o := range page.Contents {
				if o.Size != 1 {
					return fmt.Errorf("%s is listed with %d bytes", o.Key, o.Size)
				}
			}
			count += len(page.Contents)
			if !page.IsTruncated {
				break
			}
			token = page.NextContinuationToken
		}
		if count != b.objects {
			return fmt.Errorf("%d objects are listed", count)
		}
		return nil
	}
	var all []figure
	for _, name := range []string{"first", "again", "again"} {
		took, err := timed(list)
		if err != nil {
			return nil, err
		}
		all = append(all, figure{name: fmt.Sprintf("LIST of %d, %s", b.objects, name), unit: "ms", gateway: float64(took.Milliseconds())})
	}
	return all, nil
}
