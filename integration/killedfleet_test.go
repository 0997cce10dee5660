package integration

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"
)

// tcpBalancer hands each connection to the next gateway that takes it, and knows nothing of what is said on it.
type tcpBalancer struct {
	net.Listener
	turn atomic.Int64

	mu      sync.RWMutex
	targets []string
}

func newTCPBalancer(t *testing.T, targets []string) *tcpBalancer {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	b := &tcpBalancer{Listener: listener, targets: targets}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go b.carry(conn)
		}
	}()
	return b
}

func (b *tcpBalancer) carry(client net.Conn) {
	defer func() { _ = client.Close() }()
	for range 2 * len(b.targets) {
		b.mu.RLock()
		target := b.targets[int(b.turn.Add(1))%len(b.targets)]
		b.mu.RUnlock()
		gateway, err := net.DialTimeout("tcp", target, time.Second)
		if err != nil {
			continue
		}
		go func() {
			_, _ = io.Copy(gateway, client)
			_ = gateway.Close()
		}()
		_, _ = io.Copy(client, gateway)
		_ = gateway.Close()
		return
	}
}

func (b *tcpBalancer) replace(i int, target string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.targets[i] = target
}

// killedClient writes, reads, lists and uploads in parts through the balancer, with the SDK's own retries and nothing more.
type killedClient struct {
	client *s3.Client
	number int
	kept   map[string][]byte
	again  int // uploads that had to be begun anew
}

func (c *killedClient) round(ctx context.Context, n int) error {
	bucket := aws.String("killed")
	small, large := fmt.Sprintf("%d/small-%d", c.number, n%20), fmt.Sprintf("%d/large-%d", c.number, n%3)
	body := noise(uint64(c.number*100_000+n), 50_000+n)
	if _, err := c.client.PutObject(ctx, &s3.PutObjectInput{Bucket: bucket, Key: &small, Body: bytes.NewReader(body)}); err != nil {
		return fmt.Errorf("put %s: %w", small, err)
	}
	c.kept[small] = body
	if err := c.read(ctx, small); err != nil {
		return err
	}
	if n%4 != 0 {
		return nil
	}
	parts := [][]byte{noise(uint64(n), 5<<20), noise(uint64(n+1), 5<<20+1), noise(uint64(n+2), 1000)}
	for {
		err := c.upload(ctx, large, parts)
		api, answered := errors.AsType[smithy.APIError](err)
		if answered && (api.ErrorCode() == "NoSuchUpload" || api.ErrorCode() == "InvalidPart") {
			c.again++ // MinIO can lose an upload, or parts of it, whose completion is cut off (decision 15)
			continue
		}
		if err != nil {
			return err
		}
		break
	}
	c.kept[large] = bytes.Join(parts, nil)
	if err := c.read(ctx, large); err != nil {
		return err
	}
	return c.list(ctx)
}

func (c *killedClient) upload(ctx context.Context, key string, parts [][]byte) error {
	bucket := aws.String("killed")
	up, err := c.client.CreateMultipartUpload(ctx, &s3.CreateMultipartUploadInput{Bucket: bucket, Key: &key})
	if err != nil {
		return fmt.Errorf("begin %s: %w", key, err)
	}
	var done []types.CompletedPart
	for i, part := range parts {
		number := aws.Int32(int32(i + 1))
		out, err := c.client.UploadPart(ctx, &s3.UploadPartInput{Bucket: bucket, Key: &key, UploadId: up.UploadId, PartNumber: number, Body: bytes.NewReader(part)})
		if err != nil {
			return fmt.Errorf("part %d of %s: %w", i+1, key, err)
		}
		done = append(done, types.CompletedPart{PartNumber: number, ETag: out.ETag})
	}
	_, err = c.client.CompleteMultipartUpload(ctx, &s3.CompleteMultipartUploadInput{
		Bucket: bucket, Key: &key, UploadId: up.UploadId, MultipartUpload: &types.CompletedMultipartUpload{Parts: done},
	})
	if err != nil {
		return fmt.Errorf("complete %s: %w", key, err)
	}
	return nil
}

// read asks once more when a body breaks off, as whoever copies files does.
func (c *killedClient) read(ctx context.Context, key string) error {
	for tries := 0; ; tries++ {
		out, err := c.client.GetObject(ctx, &s3.GetObjectInput{Bucket: aws.String("killed"), Key: &key})
		if err != nil {
			return fmt.Errorf("get %s: %w", key, err)
		}
		got, err := io.ReadAll(out.Body)
		_ = out.Body.Close()
		switch {
		case err == nil && bytes.Equal(got, c.kept[key]):
			return nil
		case err == nil:
			return fmt.Errorf("get %s: %d bytes, and %d were acknowledged", key, len(got), len(c.kept[key]))
		case tries == 5:
			return fmt.Errorf("get %s: %w", key, err)
		}
	}
}

func (c *killedClient) list(ctx context.Context) error {
	out, err := c.client.ListObjectsV2(ctx, &s3.ListObjectsV2Input{Bucket: aws.String("killed"), Prefix: aws.String(fmt.Sprintf("%d/", c.number))})
	if err != nil {
		return fmt.Errorf("list: %w", err)
	}
	if len(out.Contents) != len(c.kept) {
		return fmt.Errorf("%d objects are listed, %d were acknowledged", len(out.Contents), len(c.kept))
	}
	for _, o := range out.Contents {
		if want, ok := c.kept[*o.Key]; !ok || int64(len(want)) != *o.Size {
			return fmt.Errorf("listed is %s of %d bytes, acknowledged %d", *o.Key, *o.Size, len(want))
		}
	}
	return nil
}

// TestGatewaysAreKilled is what several gateways are for: one after the other is killed behind a load balancer, every second or so, and clients with the
// retries of their SDK notice nothing: no request fails in the end, and nothing that was acknowledged is lost.
func TestGatewaysAreKilled(t *testing.T) {
	needsPrograms(t)
	t.Parallel()
	fleet := newLinearFleet(t, linearMinIO(t), 3)
	var targets []string
	for _, g := range fleet.gateways {
		targets = append(targets, g.host())
	}
	balancer := newTCPBalancer(t, targets)
	behind := *fleet.gateways[0]
	behind.Endpoint = "http://" + balancer.Addr().String()
	makeBucket(t, &behind, "killed")

	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	var over atomic.Bool
	var rounds atomic.Int64
	clients := make([]*killedClient, 4)
	var work sync.WaitGroup
	for i := range clients {
		c := &killedClient{number: i, kept: map[string][]byte{}, client: sdk(t, &behind, func(o *s3.Options) { o.RetryMaxAttempts = 8 })}
		clients[i] = c
		work.Go(func() {
			for n := 0; !over.Load(); n++ {
				if err := c.round(ctx, n); err != nil {
					cancel(fmt.Errorf("client %d: %w", c.number, err))
					return
				}
				rounds.Add(1)
			}
		})
	}
	const kills = 15
	rnd := rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), 0))
	for range kills {
		if !wait(rnd, time.Second, ctx.Done()) {
			break
		}
		i := rnd.IntN(len(fleet.gateways))
		fleet.gateways[i].kill()
		fleet.start(i)
		balancer.replace(i, fleet.gateways[i].host())
	}
	over.Store(true)
	work.Wait()
	if err := context.Cause(ctx); err != nil {
		t.Fatal(err)
	}
	again := 0
	for _, c := range clients {
		again += c.again
		for key := range c.kept {
			if err := c.read(t.Context(), key); err != nil {
				t.Errorf("after it all: %v", err)
			}
		}
		if err := c.list(t.Context()); err != nil {
			t.Errorf("after it all: %v", err)
		}
	}
	uploads, err := clients[0].client.ListMultipartUploads(t.Context(), &s3.ListMultipartUploadsInput{Bucket: aws.String("killed")})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d rounds in %d kills, %d uploads begun anew, %d left open", rounds.Load(), kills, again, len(uploads.Uploads))
	for _, g := range fleet.gateways {
		if strings.Contains(g.stderr.String(), "integrity alarm") {
			t.Error("an alarm was raised")
		}
	}
}
