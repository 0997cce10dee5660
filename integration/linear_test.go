package integration

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"

	"sallyport/integration/history"
	"sallyport/integration/internal/minioserver"
)

var (
	linearSeed      = flag.Uint64("linear.seed", 0, "first seed of the histories; 0 = by the clock")
	linearHistories = flag.Int("linear.histories", 0, "how many histories of each row; 0 = as the row says")
)

// linearRow is a backend, and how many gateways serve it at once.
type linearRow struct {
	gateways  int
	histories int
	atOnce    int // histories
	provider  func(t *testing.T) string
	options   history.Options
}

// TestLinearizable runs random operations of up to eight clients at real gateways, one of which is killed or stopped every second or so, and
// holds what the clients saw to a model of one register for each key. Clients ask again as SDKs do, at any gateway; what had no answer may have
// happened at any time.
func TestLinearizable(t *testing.T) {
	needsPrograms(t)
	for name, row := range map[string]*linearRow{
		"folder": {gateways: 1, histories: 100, atOnce: 2, provider: linearFolder},
		"minio":  {gateways: 3, histories: 100, atOnce: 2, provider: linearMinIO, options: history.Options{NoConditionalDelete: true, FragileUploads: true}},
	} {
		t.Run(name, func(t *testing.T) { row.run(t) })
	}
}

func linearFolder(t *testing.T) string {
	t.Helper()
	root := filepath.Join(t.TempDir(), "root")
	if err := os.Mkdir(root, 0o700); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("{type: local, path: %q}", root)
}

func linearMinIO(t *testing.T) string {
	t.Helper()
	const settings = "{type: minio, endpoint: %q, bucket: vault, access_key_file: %q, secret_key_file: %q}"
	server := minioserver.Start(t, nil)
	client, err := server.Client()
	if err != nil {
		t.Fatal(err)
	}
	if err := client.MakeBucket(t.Context(), "vault", minio.MakeBucketOptions{}); err != nil {
		t.Fatal(err)
	}
	theSuite().storage(t, client, "vault")
	return fmt.Sprintf(settings, server.Endpoint, secretFile(t, server.AccessKey), secretFile(t, server.SecretKey))
}

func (r *linearRow) run(t *testing.T) {
	seed, total := *linearSeed, *linearHistories
	if seed == 0 {
		seed = uint64(time.Now().UnixNano()) % 1e9
	}
	if total == 0 {
		total = r.histories
	}
	t.Logf("first seed %d; pictures of violations stay with -artifacts", seed)
	fleet := newLinearFleet(t, r.provider(t), r.gateways)
	opts := r.options
	opts.Endpoints, opts.MD5, opts.Attempts = r.gateways, true, 5
	runner := &history.Runner{Target: &linearTarget{fleet: fleet}, Backoff: 300 * time.Millisecond}

	// Gateways are killed and started by the test's own goroutine, because only it may end the test.
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	over := make(chan struct{})
	count := &history.Count{}
	var mu sync.Mutex
	var work sync.WaitGroup
	began := time.Now()
	for first := range r.atOnce {
		work.Go(func() {
			for n := first; n < total && ctx.Err() == nil; n += r.atOnce {
				h := runner.Run(ctx, history.NewPlan(seed+uint64(n), &opts))
				if ctx.Err() != nil {
					return
				}
				if err := h.Check(t.ArtifactDir()); err != nil {
					cancel(err)
				}
				mu.Lock()
				count.Add(h)
				mu.Unlock()
			}
		})
	}
	go func() {
		work.Wait()
		close(over)
	}()
	kills, pauses := fleet.disturb(rand.New(rand.NewPCG(seed, 0)), 400*time.Millisecond, over)
	if err := context.Cause(ctx); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d kills and %d pauses in %s; %s", kills, pauses, time.Since(began).Round(time.Second), count)
	for _, k := range []history.Kind{history.Get, history.Head, history.List, history.Put, history.Delete, history.Copy, history.Complete} {
		if n := count.Of(k, history.Done); n < total/2 {
			t.Errorf("%s was done only %d times in %d histories", k, n, total)
		}
	}
	if kills == 0 {
		t.Error("nothing was killed")
	}
}
