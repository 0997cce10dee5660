package integration

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

const (
	killCycles   = 200
	killBucket   = "under-fire"
	keysOfWriter = 12
)

// content is what an object may hold: absent, or noise of a seed and size.
type content struct {
	seed uint64
	size int // -1 = absent
}

func (c content) bytes() []byte { return noise(c.seed, c.size) }

// ledger is what one writer knows of one key: all that it may hold now. One entry once an answer came; more while none did.
type ledger struct {
	key string
	may []content
}

func (l *ledger) begin(c content)  { l.may = append(l.may, c) }
func (l *ledger) settle(c content) { l.may = []content{c} }

// mayHold reports which of the possible contents b is.
func (l *ledger) mayHold(b []byte) (content, bool) {
	sum := sha256.Sum256(b)
	for _, c := range l.may {
		if c.size == len(b) && sha256.Sum256(c.bytes()) == sum {
			return c, true
		}
	}
	return content{}, false
}

// soldier is one writer with keys of its own, so that it always knows what they may hold.
type soldier struct {
	rnd     *rand.Rand
	keys    []*ledger
	upload  string // a multipart upload that goes on from cycle to cycle
	target  *ledger
	pending content
	parts   []types.CompletedPart
	acked   int // changes acknowledged
}

func newSoldier(seed uint64, n int) *soldier {
	s := &soldier{rnd: rand.New(rand.NewPCG(seed, uint64(n)))}
	for i := range keysOfWriter {
		s.keys = append(s.keys, &ledger{key: fmt.Sprintf("writer-%d/key-%d", n, i), may: []content{{size: -1}}})
	}
	s.target = &ledger{key: fmt.Sprintf("writer-%d/parts", n), may: []content{{size: -1}}}
	return s
}

// fight changes objects until the gateway is gone. It returns an error only for an answer that must not be.
func (s *soldier) fight(ctx context.Context, client *s3.Client) error {
	for ctx.Err() == nil {
		var err error
		if s.rnd.IntN(8) == 0 {
			err = s.goOn(ctx, client)
		} else {
			err = s.change(ctx, client)
		}
		if answered := new(types.NoSuchKey); err != nil && errors.As(err, &answered) {
			return err
		}
		var response interface{ HTTPStatusCode() int }
		if errors.As(err, &response) && response.HTTPStatusCode() >= http.StatusBadRequest {
			return fmt.Errorf("the gateway refused: %w", err)
		}
		if err != nil {
			return nil // the connection broke: the outcome is unknown, and the ledger says so
		}
	}
	return nil
}

func (s *soldier) change(ctx context.Context, client *s3.Client) error {
	l := s.keys[s.rnd.IntN(len(s.keys))]
	if s.rnd.IntN(5) == 0 {
		gone := content{size: -1}
		l.begin(gone)
		if _, err := client.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: aws.String(killBucket), Key: &l.key}); err != nil {
			return err
		}
		l.settle(gone)
		s.acked++
		return nil
	}
	next := content{seed: s.rnd.Uint64(), size: []int{0, 1, 100, 4096, 16384, 70_000, 300_000}[s.rnd.IntN(7)]}
	l.begin(next)
	if _, err := client.PutObject(ctx, &s3.PutObjectInput{Bucket: aws.String(killBucket), Key: &l.key, Body: bytes.NewReader(next.bytes())}); err != nil {
		return err
	}
	l.settle(next)
	s.acked++
	return nil
}

const firstPart = 5 << 20

// goOn takes the next step of a multipart upload. A step without an answer is taken again after the restart, and must then work.
func (s *soldier) goOn(ctx context.Context, client *s3.Client) error {
	switch {
	case s.upload == "":
		up, err := client.CreateMultipartUpload(ctx, &s3.CreateMultipartUploadInput{Bucket: aws.String(killBucket), Key: &s.target.key})
		if err != nil {
			return err
		}
		s.upload, s.parts = *up.UploadId, nil
		s.pending = content{seed: s.rnd.Uint64(), size: firstPart + s.rnd.IntN(100_000)}
	case len(s.parts) < 2:
		n := int32(len(s.parts) + 1)
		body := s.pending.bytes()
		body = [][]byte{body[:firstPart], body[firstPart:]}[n-1]
		part, err := client.UploadPart(ctx, &s3.UploadPartInput{Bucket: aws.String(killBucket), Key: &s.target.key, UploadId: &s.upload, PartNumber: &n, Body: bytes.NewReader(body)})
		if err != nil {
			return err
		}
		s.parts = append(s.parts, types.CompletedPart{PartNumber: &n, ETag: part.ETag, ChecksumCRC32: part.ChecksumCRC32})
	default:
		s.target.begin(s.pending)
		_, err := client.CompleteMultipartUpload(ctx, &s3.CompleteMultipartUploadInput{
			Bucket: aws.String(killBucket), Key: &s.target.key, UploadId: &s.upload, MultipartUpload: &types.CompletedMultipartUpload{Parts: s.parts},
		})
		if err != nil {
			return err
		}
		s.target.settle(s.pending)
		s.upload = ""
	}
	s.acked++
	return nil
}

// inspect reads every key, also those whose content is certain, because the next cycle writes over what this kill may have lost. It settles what it finds.
func (s *soldier) inspect(ctx context.Context, client *s3.Client) error {
	for _, l := range append([]*ledger{s.target}, s.keys...) {
		got, err := client.GetObject(ctx, &s3.GetObjectInput{Bucket: aws.String(killBucket), Key: &l.key})
		if missing := new(types.NoSuchKey); errors.As(err, &missing) {
			absent := false
			for _, c := range l.may {
				absent = absent || c.size == -1
			}
			if !absent {
				return fmt.Errorf("LOST: %s is gone; it may hold %v", l.key, l.may)
			}
			l.settle(content{size: -1})
			continue
		}
		if err != nil {
			return fmt.Errorf("read %s: %w", l.key, err)
		}
		b, err := io.ReadAll(got.Body)
		_ = got.Body.Close()
		if err != nil {
			return fmt.Errorf("read %s: %w", l.key, err)
		}
		found, ok := l.mayHold(b)
		if !ok {
			return fmt.Errorf("TORN: %s holds %d bytes that nobody wrote; it may hold %v", l.key, len(b), l.may)
		}
		l.settle(found)
	}
	return nil
}

func withoutRetries(o *s3.Options) { o.Retryer = aws.NopRetryer{} }

// TestKillUnderLoad kills the gateway at random moments of random work. What was acknowledged must be there afterwards, whole; what was under
// way must be old or new, whole.
func TestKillUnderLoad(t *testing.T) {
	needsPrograms(t)
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 0))
	q := quickstart{dir: filepath.Join(t.TempDir(), "d"), plain: true}
	g := q.start(t)
	makeBucket(t, g, killBucket)
	key := g.keyFile(t)
	g.kill()
	q.args = []string{"--key-file", key}

	var soldiers []*soldier
	for n := range 4 {
		soldiers = append(soldiers, newSoldier(seed, n+1))
	}
	each := func(what func(s *soldier) error) {
		t.Helper()
		failed := make([]error, len(soldiers))
		var work sync.WaitGroup
		for i, s := range soldiers {
			work.Go(func() { failed[i] = what(s) })
		}
		work.Wait()
		if err := errors.Join(failed...); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
	}
	began := time.Now()
	for range killCycles {
		g := q.start(t)
		client := sdk(t, g, withoutRetries)
		each(func(s *soldier) error { return s.inspect(t.Context(), client) })
		ctx, stop := context.WithCancel(t.Context())
		killer := time.AfterFunc(time.Duration(20+rnd.IntN(400))*time.Millisecond, func() { _ = g.cmd.Process.Kill() })
		each(func(s *soldier) error { return s.fight(ctx, client) })
		killer.Stop()
		stop()
		g.kill()
	}
	took := time.Since(began)
	g = q.start(t)
	client := sdk(t, g)
	each(func(s *soldier) error { return s.inspect(t.Context(), client) })
	acked := 0
	for _, s := range soldiers {
		acked += s.acked
	}
	t.Logf("%d kills in %s, %d changes acknowledged, none lost", killCycles, took.Round(time.Second), acked)
	if acked < killCycles {
		t.Errorf("only %d changes were acknowledged in %d cycles: there was no load", acked, killCycles)
	}
	if g.stop() != 0 {
		t.Error("the last stop was not clean")
	}
	// And the folder alone gives the same back.
	to := filepath.Join(t.TempDir(), "out")
	command(t).run(t, "recover", "--from", g.data(), "--to", to, "--key-file", key)
	for _, s := range soldiers {
		for _, l := range append(s.keys, s.target) {
			if c := l.may[0]; c.size >= 0 {
				sameBytes(t, "recovered "+l.key, c.bytes(), readFile(t, filepath.Join(to, killBucket, l.key)))
			}
		}
	}
}
