package integration

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"sallyport/integration/internal/toolchain"
)

const (
	overloadMemory  = 160 << 20               // limits.memory of the gateway under test
	overloadBound   = overloadMemory / 9 * 10 // what operations.md says of resident memory
	slowClients     = 1000
	largeStreams    = 64
	slowSize        = 900 << 10 // of an upload by a slow client: the largest body that is held whole
	slowRest        = 100 << 10 // of it that comes a KiB a second
	largeSize       = 16 << 20
	largePace       = 2 << 20 // bytes a second of each large stream
	overloadSecret  = "secret-of-the-overload-test"
	overloadFiles   = 4096 // descriptors that the test and the gateway each need
	healthyRequests = 150  // pairs of PUT and GET before and after the large streams
)

// overloadKeys are three clients who share nothing but the gateway.
type overloadKeys struct{ slow, bulk, healthy *gateway }

// overloadStorages configure the storages that TestOverload runs over.
func overloadStorages() map[string]func(t *testing.T) (provider string) {
	return map[string]func(*testing.T) string{
		"folder": func(t *testing.T) string {
			t.Helper()
			return fmt.Sprintf("{type: local, path: %q, durability: off}", t.TempDir())
		},
		"minio": func(t *testing.T) string {
			t.Helper()
			return newStorage(t).provider("")
		},
	}
}

// newOverloadServer serves one vault to three access keys, within overloadMemory.
func newOverloadServer(t *testing.T, provider string) (*server, overloadKeys) {
	t.Helper()
	dir := t.TempDir()
	s := &server{config: filepath.Join(dir, "config.yaml"), keyFile: filepath.Join(dir, "vault.key")}
	s.Dir = dir
	cli := &program{path: sallyport(t, true), env: toolchain.Environ(), dir: dir}
	writeFile(t, s.keyFile, []byte(cli.run(t, "key", "new")))
	text := fmt.Appendf(nil, `
state_dir: %q
listen: {address: "127.0.0.1:0"}
admin: {address: "127.0.0.1:0"}
providers: {storage: %s}
vaults: [{name: main, provider: storage, buckets: ["*"], unlock: {key_file: %q}}]
limits: {memory: %dMiB, drain_delay: 0s}
log: {level: warn, format: json}
credentials:
`, filepath.Join(dir, "state"), provider, s.keyFile, overloadMemory>>20)
	for _, name := range []string{"slow", "bulk", "healthy"} {
		text = fmt.Appendf(text, "  - {access_key: %s-client, secret_key: %s, allow: [{buckets: [\"*\"], ops: [read, write, list, delete, create-bucket]}]}\n", name, overloadSecret)
	}
	writeFile(t, s.config, text)
	cli.run(t, "vault", "create", "--config", s.config, "--key-file", s.keyFile)
	g := serveBuild(t, sallyport(t, true), s.config)
	s.process, s.Endpoint = g.process, g.Endpoint
	who := func(name string) *gateway {
		c := *g
		c.AccessKey, c.SecretKey = name+"-client", overloadSecret
		return &c
	}
	return s, overloadKeys{who("slow"), who("bulk"), who("healthy")}
}

// unsignedBody makes a request whose signature says nothing of its body.
func unsignedBody(ctx context.Context, g *gateway, method, path string, body io.Reader, size int64) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, method, g.Endpoint+path, body)
	if err != nil {
		return nil, err
	}
	const payload = "UNSIGNED-PAYLOAD"
	req.Header.Set("X-Amz-Content-Sha256", payload)
	req.ContentLength = size
	credentials := aws.Credentials{AccessKeyID: g.AccessKey, SecretAccessKey: g.SecretKey}
	return req, v4.NewSigner().SignHTTP(ctx, credentials, req, payload, "s3", "us-east-1", time.Now(), func(o *v4.SignerOptions) { o.DisableURIPathEscaping = true })
}

// text is content without an end, in which no two places within a mile of each other look alike.
type text struct {
	block []byte
	at    int
}

func newText() *text { return &text{block: noise(5, 1<<20+13)} }

// Read fills p.
func (r *text) Read(p []byte) (n int, err error) {
	for n < len(p) {
		m := copy(p[n:], r.block[r.at:])
		n, r.at = n+m, (r.at+m)%len(r.block)
	}
	return n, nil
}

// paced lets so many bytes a second through.
type paced struct {
	io.Reader
	ctx   context.Context
	began time.Time
	moved int64
}

// Read implements io.Reader.
func (p *paced) Read(b []byte) (int, error) {
	if err := until(p.ctx, p.began.Add(time.Duration(float64(p.moved)/largePace*float64(time.Second)))); err != nil {
		return 0, err
	}
	n, err := p.Reader.Read(b[:min(len(b), 64<<10)])
	p.moved += int64(n)
	return n, err
}

// until waits for a moment: pace is what these clients are about.
func until(ctx context.Context, moment time.Time) error {
	wait := time.NewTimer(time.Until(moment))
	defer wait.Stop()
	select {
	case <-wait.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// tally counts what became of requests.
type tally struct {
	admitted, shed, cut, begun atomic.Int64
	mu                         sync.Mutex
	wrong                      []string // answers that are neither
}

// answered counts an answer; the kind of refusal that is right is SlowDown with Retry-After.
func (c *tally) answered(resp *http.Response) (shed bool) {
	if resp.StatusCode < 300 {
		c.admitted.Add(1)
		return false
	}
	body, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<10))
	if resp.StatusCode == http.StatusServiceUnavailable && resp.Header.Get("Retry-After") != "" && bytes.Contains(body, []byte("<Code>SlowDown</Code>")) {
		c.shed.Add(1)
		return true
	}
	c.fault("%s: %s", resp.Status, body)
	return false
}

func (c *tally) fault(format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.wrong = append(c.wrong, fmt.Sprintf(format, args...))
}

// slowClient is one of many that move a KiB a second. It comes again when it is refused.
func slowClient(ctx context.Context, g *gateway, number int, count *tally) {
	first := true
	for wait := time.Second; ctx.Err() == nil; wait = min(2*wait, 8*time.Second) { // as clients do, from what Retry-After says
		if err := slowRequest(ctx, g, number, count, &first); err != nil && ctx.Err() == nil {
			count.fault("slow client %d: %v", number, err)
			return
		}
		_ = until(ctx, time.Now().Add(wait))
	}
}

func slowRequest(ctx context.Context, g *gateway, number int, count *tally, first *bool) error {
	// A small window, set before the connection is made, so that the kernel does not take the whole answer for a slow reader.
	dialer := net.Dialer{Control: func(_, _ string, raw syscall.RawConn) error {
		var err error
		return errors.Join(raw.Control(func(fd uintptr) { err = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, 4<<10) }), err)
	}}
	conn, err := dialer.DialContext(ctx, "tcp", g.host())
	if err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	defer func() { _ = conn.Close() }()
	uploads := number%8 != 0
	method, path, size := http.MethodGet, "/overload/large", int64(0)
	if uploads {
		method, path, size = http.MethodPut, fmt.Sprintf("/overload/slow-%d", number), slowSize
	}
	req, err := unsignedBody(ctx, g, method, path, http.NoBody, size)
	if err != nil {
		return err
	}
	var head bytes.Buffer
	fmt.Fprintf(&head, "%s %s HTTP/1.1\r\nHost: %s\r\nContent-Length: %d\r\n", method, path, g.host(), size)
	if err := req.Header.Write(&head); err != nil {
		return err
	}
	if uploads {
		head.WriteString("Expect: 100-continue\r\n")
	}
	head.WriteString("\r\n")
	if _, err := conn.Write(head.Bytes()); err != nil {
		return err
	}
	if *first {
		*first = false
		count.begun.Add(1)
	}
	answer := bufio.NewReaderSize(conn, 512)
	resp, err := http.ReadResponse(answer, req)
	switch {
	case err != nil:
		return err
	case resp.StatusCode == http.StatusContinue && uploads:
		count.admitted.Add(1)
		return trickleUp(ctx, conn)
	case count.answered(resp):
		return nil
	}
	for ctx.Err() == nil {
		if _, err := io.CopyN(io.Discard, answer, 1<<10); err != nil {
			return err
		}
		_ = until(ctx, time.Now().Add(time.Second))
	}
	return nil
}

// trickleUp sends most of a body at once, and then takes its time.
func trickleUp(ctx context.Context, conn net.Conn) error {
	if _, err := conn.Write(make([]byte, slowSize-slowRest)); err != nil {
		return err
	}
	for range slowRest >> 10 {
		if _, err := conn.Write(make([]byte, 1<<10)); err != nil {
			return err
		}
		if err := until(ctx, time.Now().Add(time.Second)); err != nil {
			return err
		}
	}
	return nil
}

// largeStream moves one large object up or down until it is through.
func largeStream(ctx context.Context, g *gateway, client *http.Client, number int, count *tally) {
	for {
		count.begun.Add(1)
		again, err := largeRequest(ctx, g, client, number, count)
		switch {
		case errors.Is(err, syscall.EPIPE), errors.Is(err, syscall.ECONNRESET):
			// A body that is refused is not read to its end, and a client that only sends may find the connection closed instead of the answer.
			count.cut.Add(1)
			again = true
		case err != nil:
			count.fault("large stream %d: %v", number, err)
		}
		if !again || until(ctx, time.Now().Add(time.Second)) != nil {
			return
		}
	}
}

func largeRequest(ctx context.Context, g *gateway, client *http.Client, number int, count *tally) (again bool, err error) {
	pace := &paced{ctx: ctx, began: time.Now(), Reader: newText()}
	method, path, body, size := http.MethodGet, "/overload/large", io.Reader(nil), int64(0)
	if number%2 == 0 {
		method, path, body, size = http.MethodPut, fmt.Sprintf("/overload/large-%d", number), pace, largeSize
	}
	req, err := unsignedBody(ctx, g, method, path, body, size)
	if err != nil {
		return false, err
	}
	resp, err := client.Do(req)
	if err != nil {
		return false, err
	}
	defer func() { _ = resp.Body.Close() }()
	if count.answered(resp) || method == http.MethodPut {
		return resp.StatusCode >= 300, nil
	}
	pace.Reader = resp.Body
	return false, sameContent(pace, largeSize)
}

// sameContent reads size bytes of text.
func sameContent(r io.Reader, size int64) error {
	want := newText()
	own, got := make([]byte, 64<<10), make([]byte, 64<<10)
	for rest := size; rest > 0; {
		n, err := r.Read(got[:min(rest, int64(len(got)))])
		_, _ = want.Read(own[:n])
		if !bytes.Equal(own[:n], got[:n]) {
			return fmt.Errorf("other bytes within %d of the end", rest)
		}
		if rest -= int64(n); err != nil && rest > 0 {
			return err
		}
	}
	return nil
}

// latencies are what a client that does one small thing after the other has to wait.
type latencies struct{ put, get []time.Duration }

func (l *latencies) String() string {
	show := func(all []time.Duration) string {
		slices.Sort(all)
		at := func(part float64) time.Duration {
			return all[int(part*float64(len(all)-1))].Round(10 * time.Microsecond)
		}
		return fmt.Sprintf("median %v, p90 %v, p99 %v of %d", at(.5), at(.9), at(.99), len(all))
	}
	return "PUT 4 KiB " + show(l.put) + "; GET 4 KiB " + show(l.get)
}

// healthyClient writes and reads until done says so. Whatever is not 200 fails the test.
func healthyClient(t *testing.T, g *gateway, done func(n int) bool) *latencies {
	t.Helper()
	l := &latencies{}
	client := g.httpClient(t)
	content := noise(77, 4<<10)
	for n := 0; !done(n); n++ {
		path := fmt.Sprintf("/overload/small-%d", n%50)
		for _, method := range []string{http.MethodPut, http.MethodGet} {
			body := content
			if method == http.MethodGet {
				body = nil
			}
			req := signed(t, g, time.Now(), method, path, body)
			began := time.Now()
			resp, err := client.Do(req)
			if err != nil {
				t.Fatalf("the healthy client: %v", err)
			}
			got, err := io.ReadAll(resp.Body)
			took := time.Since(began)
			_ = resp.Body.Close()
			if err != nil || resp.StatusCode != http.StatusOK || method == http.MethodGet && !bytes.Equal(got, content) {
				t.Fatalf("the healthy client got %s, %v:\n%.300s", resp.Status, err, got)
			}
			if method == http.MethodPut {
				l.put = append(l.put, took)
			} else {
				l.get = append(l.get, took)
			}
		}
	}
	return l
}

// residentMemory reads a line of what the system says of a process, in bytes.
func residentMemory(t *testing.T, pid int, name string) int64 {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Error(err)
		return 0
	}
	_, after, _ := strings.Cut(string(status), "\n"+name+":")
	number, _, _ := strings.Cut(strings.TrimSpace(after), " kB")
	kib, err := strconv.ParseInt(number, 10, 64)
	if err != nil {
		t.Error(err)
	}
	return kib << 10
}

// TestOverload is the promise of docs/operations.md: a thousand clients that move a KiB a second and 64 large streams stay inside of the memory that
// is configured, those for whom there is no room are told so at once, and a client of another key is served all the while. How long it waits is measured and
// logged; docs/performance.md has figures.
func TestOverload(t *testing.T) {
	needsPrograms(t)
	var files syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &files); err != nil || files.Max < overloadFiles {
		notRun(t, fmt.Sprintf("%d descriptors may be open, and it takes %d", files.Max, overloadFiles))
	}
	for name, provider := range overloadStorages() {
		t.Run(name, func(t *testing.T) { overload(t, provider(t)) })
	}
}

func overload(t *testing.T, provider string) {
	t.Helper()
	started := time.Now()
	lap := func(what string) { t.Logf("after %v: %s", time.Since(started).Round(10*time.Millisecond), what) }
	s, keys := newOverloadServer(t, provider)
	lap("serving")
	makeBucket(t, keys.healthy, "overload")
	large, err := unsignedBody(t.Context(), keys.bulk, http.MethodPut, "/overload/large", io.LimitReader(newText(), largeSize), largeSize)
	if err != nil {
		t.Fatal(err)
	}
	if status, body := answer(t, keys.bulk, large); status != http.StatusOK {
		t.Fatal(body)
	}
	before := healthyClient(t, keys.healthy, func(n int) bool { return n == healthyRequests })
	idle := residentMemory(t, s.cmd.Process.Pid, "VmRSS")

	var sampling, streams, slow sync.WaitGroup
	loadEnded := make(chan struct{})
	var highest int64
	samples := 0
	sampling.Go(func() {
		look := time.NewTicker(10 * time.Millisecond)
		defer look.Stop()
		for {
			rss := residentMemory(t, s.cmd.Process.Pid, "VmRSS")
			samples++
			if highest = max(highest, rss); rss > overloadBound {
				t.Errorf("resident memory is %d MiB, the bound %d MiB", rss>>20, overloadBound>>20)
				return
			}
			select {
			case <-look.C:
			case <-loadEnded:
				return
			}
		}
	})
	bulkCount, slowCount := &tally{}, &tally{}
	bulkClient := keys.bulk.httpClient(t)
	for i := range largeStreams {
		streams.Go(func() { largeStream(t.Context(), keys.bulk, bulkClient, i, bulkCount) })
	}
	eventually(t, patience, "all large streams under way", func() bool {
		return strings.Contains(s.metrics(t), fmt.Sprintf("sallyport_admission_held{lane=\"streams\",of=\"places\"} %d\n", largeStreams)) || len(bulkCount.wrong) > 0
	})
	lap("large streams under way")
	ctx, stopSlow := context.WithCancel(t.Context())
	defer stopSlow()
	for i := range slowClients {
		slow.Go(func() { slowClient(ctx, keys.slow, i, slowCount) })
	}
	eventually(t, patience, "all slow clients there", func() bool { return slowCount.begun.Load() == slowClients || len(slowCount.wrong) > 0 })
	lap("slow clients there")
	streamed := make(chan struct{})
	go func() {
		streams.Wait()
		close(streamed)
	}()
	health := 0
	loaded := healthyClient(t, keys.healthy, func(int) bool {
		if text := s.metrics(t); !strings.Contains(text, `sallyport_admission_held{lane="streams",of="bytes"}`) {
			t.Error("the second listener shows no reservations")
		}
		health++
		select {
		case <-streamed:
			return true
		default:
			return false
		}
	})
	heldAtEnd := residentMemory(t, s.cmd.Process.Pid, "VmRSS")
	shedMetrics := metricLines(s.metrics(t), "sallyport_requests_shed_total", "sallyport_admission_")
	lap("large streams through")
	onlySlow := healthyClient(t, keys.healthy, func(n int) bool { return n == healthyRequests })
	close(loadEnded)
	sampling.Wait()
	stopSlow()
	slow.Wait()

	for name, c := range map[string]*tally{"slow": slowCount, "large": bulkCount} {
		if len(c.wrong) > 0 {
			t.Errorf("%s: %d answers are wrong, the first: %s", name, len(c.wrong), c.wrong[0])
		}
		t.Logf("%s: %d let in, %d told to come later, %d cut while they sent", name, c.admitted.Load(), c.shed.Load(), c.cut.Load())
	}
	if slowCount.admitted.Load() == 0 || slowCount.shed.Load() == 0 || bulkCount.admitted.Load() != largeStreams {
		t.Errorf("slow clients: %d let in and %d shed; %d of %d large streams ended well", slowCount.admitted.Load(), slowCount.shed.Load(), bulkCount.admitted.Load(), largeStreams)
	}
	t.Logf("resident memory: %d MiB before, at most %d MiB in %d samples (%d by the system), %d MiB when the streams were through; bound %d MiB",
		idle>>20, highest>>20, samples, residentMemory(t, s.cmd.Process.Pid, "VmHWM")>>20, heldAtEnd>>20, overloadBound>>20)
	t.Logf("before the load: %v", before)
	t.Logf("under load:      %v", loaded)
	t.Logf("slow ones only:  %v", onlySlow)
	t.Logf("metrics under load:\n%s", shedMetrics)

	eventually(t, patience, "nothing is held when all have gone", func() bool {
		return strings.Contains(s.metrics(t), `sallyport_admission_held{lane="streams",of="bytes"} 0`) && strings.Contains(s.metrics(t), `sallyport_admission_held{lane="requests",of="bytes"} 0`)
	})
	lap("load gone")
	healthyClient(t, keys.slow, func(n int) bool { return n == 1 }) // its share is its own again
	for i := 0; i < largeStreams; i += 2 {
		req, err := unsignedBody(t.Context(), keys.bulk, http.MethodGet, fmt.Sprintf("/overload/large-%d", i), nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := bulkClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		if err := sameContent(resp.Body, largeSize); err != nil {
			t.Errorf("what large stream %d stored: %v", i, err)
		}
		_ = resp.Body.Close()
	}
}

// metricLines are those that begin with one of the names.
func metricLines(all string, names ...string) string {
	var found strings.Builder
	for line := range strings.Lines(all) {
		if slices.ContainsFunc(names, func(name string) bool { return strings.HasPrefix(line, name) }) {
			found.WriteString(line)
		}
	}
	return found.String()
}
