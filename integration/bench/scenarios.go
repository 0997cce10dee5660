package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/xml"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"time"
)

const (
	largeSize  = 256 * mib
	middleSize = 64 * mib
	parallel   = 16
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

func noiseHash(size int64) string {
	h := sha256.New()
	_, _ = io.CopyN(h, newNoise(), size)
	return hex.EncodeToString(h.Sum(nil))
}

func put(path string, size int64, hash string) request {
	return request{method: http.MethodPut, path: path, body: io.LimitReader(newNoise(), size), size: size, hash: hash}
}

// signing is every way to sign a payload that this bench sends. The hash is computed before anything is timed.
func (b *bench) signing(size int64) map[string]string {
	if b.minio == nil {
		return map[string]string{"": ""}
	}
	return map[string]string{"": "", ", signed": noiseHash(size)}
}

func largePuts(ctx context.Context, b *bench) error {
	for name, hash := range b.signing(largeSize) {
		err := b.measure(ctx, transfer("PUT 256 MiB"+name, largeSize, func(ctx context.Context, s *server) error {
			_, err := b.do(ctx, s, put("/"+bucket+"/large", largeSize, hash))
			return err
		}))
		if err != nil {
			return err
		}
	}
	for name, hash := range b.signing(middleSize) {
		err := b.measure(ctx, transfer("8 × PUT 64 MiB at once"+name, 8*middleSize, func(ctx context.Context, s *server) error {
			return inParallel(8, 8, func(i int) error {
				_, err := b.do(ctx, s, put(fmt.Sprintf("/%s/middle-%d", bucket, i), middleSize, hash))
				return err
			})
		}))
		if err != nil {
			return err
		}
	}
	return nil
}

func (b *bench) get(ctx context.Context, s *server, path string, size int64) error {
	n, err := b.do(ctx, s, request{method: http.MethodGet, path: path})
	if err == nil && n != size {
		err = fmt.Errorf("GET answered %d bytes", n)
	}
	return err
}

func largeGets(ctx context.Context, b *bench) error {
	for _, s := range b.servers {
		if _, err := b.do(ctx, s, put("/"+bucket+"/large", largeSize, "")); err != nil {
			return err
		}
		for i := range 8 {
			if _, err := b.do(ctx, s, put(fmt.Sprintf("/%s/middle-%d", bucket, i), middleSize, "")); err != nil {
				return err
			}
		}
	}
	err := b.measure(ctx, transfer("GET 256 MiB", largeSize, func(ctx context.Context, s *server) error {
		return b.get(ctx, s, "/"+bucket+"/large", largeSize)
	}))
	if err != nil {
		return err
	}
	return b.measure(ctx, transfer("8 × GET 64 MiB at once", 8*middleSize, func(ctx context.Context, s *server) error {
		return inParallel(8, 8, func(i int) error { return b.get(ctx, s, fmt.Sprintf("/%s/middle-%d", bucket, i), middleSize) })
	}))
}

// inParallel does n things, so many at a time.
func inParallel(n, atOnce int, do func(i int) error) error {
	var next atomic.Int64
	var failed atomic.Pointer[error]
	var wg sync.WaitGroup
	for range atOnce {
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

func smallObjects(ctx context.Context, b *bench) error {
	for _, size := range []int64{4 << 10, 64 << 10} {
		const count = 1000
		body := make([]byte, size)
		_, _ = newNoise().Read(body)
		path := func(i int) string { return fmt.Sprintf("/%s/small-%d-%d", bucket, size, i) }
		send := func(ctx context.Context, s *server, r request) error {
			return inParallel(count, parallel, func(i int) error {
				r := r
				r.path = path(i)
				if r.method == http.MethodPut {
					r.body, r.size = bytes.NewReader(body), size
				}
				_, err := b.do(ctx, s, r)
				return err
			})
		}
		methods := []string{http.MethodPut, http.MethodGet, http.MethodHead}
		for _, method := range methods {
			err := b.measure(ctx, requests(fmt.Sprintf("%s %d KiB, 16 at once", method, size>>10), count, func(ctx context.Context, s *server) error {
				return send(ctx, s, request{method: method})
			}))
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// peakMemory counts from after the unlock, whose Argon2id takes 256 MiB by design.
func peakMemory(ctx context.Context, b *bench) error {
	for _, size := range []int64{middleSize, largeSize} {
		peaks := make([]float64, len(b.servers))
		for k, s := range b.servers {
			if !s.gateway {
				continue
			}
			if err := resetPeak(s.pid); err != nil {
				return err
			}
			err := inParallel(parallel, parallel, func(i int) error {
				_, err := b.do(ctx, s, put(fmt.Sprintf("/%s/memory-%d", bucket, i), size, ""))
				return err
			})
			if err != nil {
				return err
			}
			peak, err := peakRSS(s.pid)
			if err != nil {
				return err
			}
			peaks[k] = float64(peak) / mib
		}
		b.record(fmt.Sprintf("peak memory, 16 PUTs of %d MiB at once", size/mib), "MiB", peaks)
	}
	return nil
}

type listPage struct {
	Contents []struct {
		Key  string
		Size int64
	}
	IsTruncated           bool
	NextContinuationToken string
}

// longList lists a bucket page by page, for the first time and again.
func longList(ctx context.Context, b *bench) error {
	first, again := make([]float64, len(b.servers)), make([]float64, len(b.servers))
	for k, s := range b.servers {
		if s.accessKey == "" || s.name == "MinIO" { // the proxy has put the same objects there
			continue
		}
		err := inParallel(b.objects, parallel, func(i int) error {
			_, err := b.do(ctx, s, put(fmt.Sprintf("/%s/list/%02d/%06d", bucket, i%50, i), 1, ""))
			return err
		})
		if err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		if first[k], err = b.timedList(ctx, s); err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
	}
	if b.profiles != "" {
		return b.profileWork(ctx, requests("LIST", b.objects/1000, func(ctx context.Context, s *server) error {
			_, err := b.timedList(ctx, s)
			return err
		}))
	}
	all := make([][]float64, len(b.servers))
	for range b.rounds {
		for k, s := range b.servers {
			if s.accessKey == "" {
				continue
			}
			took, err := b.timedList(ctx, s)
			if err != nil {
				return fmt.Errorf("%s: %w", s.name, err)
			}
			all[k] = append(all[k], took)
		}
	}
	copy(again, medians(all))
	b.record(fmt.Sprintf("LIST of %d, first", b.objects), "ms", first)
	b.record(fmt.Sprintf("LIST of %d, again", b.objects), "ms", again)
	return nil
}

func (b *bench) timedList(ctx context.Context, s *server) (milliseconds float64, err error) {
	began := time.Now()
	token, count := "", 0
	for {
		q := url.Values{"list-type": {"2"}, "prefix": {"list/"}}
		if token != "" {
			q.Set("continuation-token", token)
		}
		var text bytes.Buffer
		if _, err := b.do(ctx, s, request{method: http.MethodGet, path: "/" + bucket + "?" + q.Encode(), answer: &text}); err != nil {
			return 0, err
		}
		var page listPage
		if err := xml.Unmarshal(text.Bytes(), &page); err != nil {
			return 0, err
		}
		for _, o := range page.Contents {
			if o.Size != 1 {
				return 0, fmt.Errorf("%s is listed with %d bytes", o.Key, o.Size)
			}
		}
		count += len(page.Contents)
		if !page.IsTruncated {
			break
		}
		token = page.NextContinuationToken
	}
	if count != b.objects {
		return 0, fmt.Errorf("%d objects are listed", count)
	}
	return float64(time.Since(began).Microseconds()) / 1000, nil
}
