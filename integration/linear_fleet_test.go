package integration

import (
	"fmt"
	"math/rand/v2"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"

	"sallyport/integration/internal/toolchain"
)

// linearFleet is one vault and the gateways that serve it, some of which are down at times.
type linearFleet struct {
	t       *testing.T
	configs []string // of the gateways

	mu       sync.RWMutex
	gateways []*gateway
	clients  []*s3.Client
}

// newLinearFleet makes a vault on the provider that a line of YAML describes and serves it by so many gateways, each with a configuration and state of
// its own.
func newLinearFleet(t *testing.T, provider string, gateways int) *linearFleet {
	t.Helper()
	f := &linearFleet{t: t, gateways: make([]*gateway, gateways), clients: make([]*s3.Client, gateways)}
	dir := t.TempDir()
	cli := command(t)
	key := filepath.Join(dir, "vault.key")
	writeFile(t, key, []byte(cli.run(t, "key", "new")))
	for i := range gateways {
		config := filepath.Join(dir, fmt.Sprintf("gateway-%d.yaml", i))
		writeFile(t, config, fmt.Appendf(nil, `
state_dir: %q
listen: {address: "127.0.0.1:0"}
admin: {address: "127.0.0.1:0"}
limits: {drain_delay: 0s}
providers: {backend: %s}
vaults: [{name: main, provider: backend, buckets: ["*"], unlock: {key_file: %q}}]
credentials:
  - {access_key: %s, secret_key: %s, allow: [{buckets: ["*"], ops: [read, write, list, delete, create-bucket]}]}
log: {level: warn, format: json}
`, filepath.Join(dir, fmt.Sprintf("state-%d", i)), provider, key, serverAccessKey, serverSecretKey))
		f.configs = append(f.configs, config)
	}
	cli.run(t, "vault", "create", "--config", f.configs[0], "--key-file", key)
	for i := range gateways {
		f.start(i)
	}
	makeBucket(t, f.gateways[0], linearBucket)
	return f
}

// start serves with the build without race detector, because histories need the real pace.
func (f *linearFleet) start(i int) {
	f.t.Helper()
	cmd := exec.Command(sallyport(f.t, true), "serve", "--config", f.configs[i])
	cmd.Env = toolchain.Environ()
	g := &gateway{process: spawn(f.t, cmd), Region: "us-east-1", AccessKey: serverAccessKey, SecretKey: serverSecretKey}
	eventually(f.t, patience, "serving", func() bool { return strings.Contains(g.stdout.String(), "\n") || g.ended() })
	line, _, _ := strings.Cut(g.stdout.String(), "\n")
	var ok bool
	if g.Endpoint, ok = strings.CutPrefix(line, "serving "); !ok {
		f.t.Fatalf("serve says %q; standard error:\n%s", g.stdout.String(), g.stderr.String())
	}
	client := sdk(f.t, g, withoutRetries)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.gateways[i], f.clients[i] = g, client
}

// client returns a client of the gateway, as a load balancer would that has not noticed yet whether it is up.
func (f *linearFleet) client(i int) *s3.Client {
	f.mu.RLock()
	defer f.mu.RUnlock()
	return f.clients[i%len(f.clients)]
}

// disturb kills or stops one gateway after the other at random, each for a moment, until over is closed. It returns how often.
func (f *linearFleet) disturb(rnd *rand.Rand, every time.Duration, over <-chan struct{}) (kills, pauses int) {
	f.t.Helper()
	for wait(rnd, every, over) {
		i := rnd.IntN(len(f.gateways))
		g := f.gateways[i]
		if !canPause || rnd.IntN(3) > 0 {
			g.kill()
			kills++
			f.start(i)
			continue
		}
		g.pause()
		pauses++
		wait(rnd, 3*every, over)
		g.resume()
	}
	return kills, pauses
}

// wait lets a random time up to twice so long pass; false when over is closed first.
func wait(rnd *rand.Rand, about time.Duration, over <-chan struct{}) bool {
	timer := time.NewTimer(time.Duration(rnd.Int64N(int64(2 * about))))
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-over:
		return false
	}
}
