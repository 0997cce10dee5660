package integration

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// drainsSlowly gives the gateway a time in which load balancers can notice that it stops.
func (s *server) drainsSlowly(t testing.TB, delay time.Duration) {
	t.Helper()
	config := string(readFile(t, s.config))
	writeFile(t, s.config, []byte(strings.Replace(config, "drain_delay: 0s", "drain_delay: "+delay.String(), 1)))
}

func readyz(t testing.TB, admin string) (status int) {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: patience}
	resp, err := client.Get(admin + "/readyz") //nolint:noctx // bounded by its timeout
	if err != nil {
		return 0
	}
	_ = resp.Body.Close()
	return resp.StatusCode
}

// TestStopIsSeenBeforeItHappens: SIGTERM turns /readyz, requests are answered for a while after it, and a second SIGTERM ends that at once.
func TestStopIsSeenBeforeItHappens(t *testing.T) {
	needsPrograms(t)
	t.Parallel()
	s := newServer(t)
	s.stop()
	s.drainsSlowly(t, 59*time.Minute)
	s.serve(t)
	makeBucket(t, &s.gateway, "seen")
	admin := s.adminAddress(t)
	if status := readyz(t, admin); status != http.StatusOK {
		t.Fatalf("/readyz says %d before the stop", status)
	}
	s.signal(syscall.SIGTERM)
	eventually(t, patience, "/readyz turns", func() bool { return readyz(t, admin) == http.StatusServiceUnavailable })
	body := noise(1, 100_000)
	putObject(t, &s.gateway, "seen", "object", body)
	sameBytes(t, "an object after the signal", body, getObject(t, &s.gateway, "seen", "object"))
	if s.ended() {
		t.Fatal("it stopped")
	}
	s.signal(syscall.SIGTERM)
	if code := s.wait(patience); code != 143 {
		t.Errorf("exit %d after the second signal", code)
	}
}

// balancer sends each request to the next gateway whose /readyz says yes, as load balancers do.
type balancer struct {
	next atomic.Int64

	mu      sync.Mutex
	members []member
}

type member struct {
	admin  string
	client *s3.Client
	up     bool
}

func (b *balancer) set(t testing.TB, i int, s *server) {
	t.Helper()
	m := member{admin: s.adminAddress(t), client: sdk(t, &s.gateway, withoutRetries)}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.members[i] = m
}

func (b *balancer) get(i int) member {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.members[i]
}

// look asks all members once.
func (b *balancer) look(t testing.TB) {
	t.Helper()
	for i := range b.members {
		m := b.get(i)
		up := readyz(t, m.admin) == http.StatusOK
		b.mu.Lock()
		if b.members[i].admin == m.admin {
			b.members[i].up = up
		}
		b.mu.Unlock()
	}
}

// client returns nil when nobody is up.
func (b *balancer) client() *s3.Client {
	for range b.members {
		if m := b.get(int(b.next.Add(1)) % len(b.members)); m.up {
			return m.client
		}
	}
	return nil
}

// TestRollingRestart stops and starts three gateways of a vault one after the other, behind a load balancer and under load. Clients that never ask
// twice notice nothing.
func TestRollingRestart(t *testing.T) {
	needsPrograms(t)
	t.Parallel()
	m := newOnMinIO(t)
	b := &balancer{members: make([]member, 3)}
	var gateways []*server
	for i := range b.members {
		s := m.gateway(t, fmt.Sprint("rolling-", i), m.provider(""))
		s.stop()
		s.drainsSlowly(t, 2*time.Second)
		s.serve(t)
		gateways = append(gateways, s)
		b.set(t, i, s)
	}
	makeBucket(t, &gateways[0].gateway, "rolling")
	b.look(t)

	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var work sync.WaitGroup
	var done atomic.Int64
	work.Go(func() {
		tick := time.NewTicker(pollEvery)
		defer tick.Stop()
		for ctx.Err() == nil {
			b.look(t)
			<-tick.C
		}
	})
	for n := range 4 {
		work.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				if err := putAndGet(b, fmt.Sprintf("%d/%d", n, i%10), noise(uint64(n*1000+i), 200_000)); err != nil {
					t.Error(err)
					return
				}
				done.Add(1)
			}
		})
	}
	for i, s := range gateways {
		before := done.Load()
		s.signal(syscall.SIGTERM)
		if code := s.wait(patience); code != 0 {
			t.Errorf("gateway %d: exit %d", i, code)
		}
		s.serve(t)
		b.set(t, i, s)
		eventually(t, patience, "the gateway is back", func() bool { return b.get(i).up || t.Failed() })
		eventually(t, patience, "requests meanwhile", func() bool { return done.Load() > before+20 || t.Failed() })
	}
	cancel()
	work.Wait()
	t.Logf("%d objects written and read", done.Load())
}

// putAndGet writes by one gateway and reads by the next, once each.
func putAndGet(b *balancer, key string, body []byte) error {
	bucket := aws.String("rolling")
	client := b.client()
	if client == nil {
		return fmt.Errorf("put %s: no gateway is ready", key)
	}
	if _, err := client.PutObject(context.Background(), &s3.PutObjectInput{Bucket: bucket, Key: &key, Body: bytes.NewReader(body)}); err != nil {
		return fmt.Errorf("put %s: %w", key, err)
	}
	if client = b.client(); client == nil {
		return fmt.Errorf("get %s: no gateway is ready", key)
	}
	out, err := client.GetObject(context.Background(), &s3.GetObjectInput{Bucket: bucket, Key: &key})
	if err != nil {
		return fmt.Errorf("get %s: %w", key, err)
	}
	got, err := io.ReadAll(out.Body)
	_ = out.Body.Close()
	if err != nil || !bytes.Equal(got, body) {
		return fmt.Errorf("get %s: %d bytes, %w", key, len(got), err)
	}
	return nil
}
