package local_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"

	"sallyport/providers/driver"
	"sallyport/providers/local"
)

// uploader is a worker some of whose changes are uploads.
type uploader struct {
	worker
	uploads map[string]driver.Upload // by what their object holds
}

func (u *uploader) change(t *testing.T, m *modelFS, d *local.Folder, random *lockedRand) {
	if random.below(2) == 0 {
		u.worker.change(t, m, d, random)
		return
	}
	want := fmt.Sprintf("%s, %d, in parts", u.key, len(u.history))
	id, err := d.Uploads().Create(t.Context(), u.key, func(string) ([]byte, error) { return []byte("first"), nil })
	if err != nil {
		return
	}
	up := driver.Upload{ID: id, Key: u.key}
	part, err := d.Uploads().PutPart(t.Context(), up, 1, strings.NewReader(want), int64(len(want)))
	if err != nil {
		return
	}
	a := attempt{want: want, begun: m.steps()}
	_, a.err = d.Uploads().Complete(t.Context(), up, []driver.Part{*part}, &driver.PutOptions{})
	if a.err != nil && driver.Is(a.err, driver.UnknownOutcome) && random.below(2) == 0 {
		// What a client does. That the upload is gone is success if its object is there.
		_, again := d.Uploads().Complete(t.Context(), up, []driver.Part{*part}, &driver.PutOptions{})
		if again == nil || driver.Is(again, driver.NoSuchUpload) && m.holds(u.key, want) {
			a.err = nil
		}
	}
	a.ended = m.steps()
	u.history = append(u.history, a)
	u.uploads[want] = up
}

// holds reports what is seen of an object at present, without a failure.
func (m *modelFS) holds(key, want string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	dir, name, _ := strings.Cut(key, "/")
	n, err := m.find(dir + ",/" + name)
	return err == nil && string(n.data) == want
}

// failAtRandom fails one call in so many, some of them although they took effect. Syncs of directories are left alone unless they are meant too: after
// one nothing is changed any more.
func failAtRandom(random *rand.Rand, oneIn int, syncs bool) func(call, path string) (error, bool) {
	return func(call, _ string) (error, bool) {
		if random.IntN(oneIn) > 0 || call == "syncdir" && !syncs {
			return nil, false
		}
		return []syscall.Errno{syscall.EIO, syscall.EMFILE, syscall.ENOSPC}[random.IntN(3)], random.IntN(3) == 0
	}
}

// TestCrashAmongFailures lets calls overlap, uploads among them, while any call of the file system may fail, and then crashes at random moments with a
// random choice of what was not synced. What was acknowledged is there, and no upload that made its object can be completed once more.
func TestCrashAmongFailures(t *testing.T) {
	states := 0
	for seed := range uint64(200) {
		m := newModelFS()
		_ = openModel(t, m).Close()
		all := []*uploader{{worker: worker{key: "d/a"}}, {worker: worker{key: "d/b"}}, {worker: worker{key: "e/a"}}}
		for _, u := range all {
			u.uploads = map[string]driver.Upload{}
		}
		random := rand.New(rand.NewPCG(seed, 1))
		synctest.Test(t, func(t *testing.T) {
			delays := &lockedRand{r: rand.New(rand.NewPCG(seed, 2))}
			d, err := local.Open(t.Context(), &local.Config{Path: "model"}, &local.Options{FileSystem: &latentFS{m, delays}})
			if err != nil {
				t.Fatal(err)
			}
			m.fault = failAtRandom(random, 40, seed%2 == 0)
			var wg sync.WaitGroup
			for _, u := range all {
				wg.Go(func() {
					for range 8 {
						u.change(t, m, d, delays)
					}
				})
			}
			wg.Wait()
			m.fault = nil
		})
		for range 8 {
			states++
			if problem := crashAmong(t, m, all, random); problem != "" {
				t.Fatalf("seed %d: %s", seed, problem)
			}
		}
	}
	t.Logf("%d crash states", states)
}

func crashAmong(t *testing.T, m *modelFS, all []*uploader, random *rand.Rand) string {
	t.Helper()
	k := random.IntN(len(m.log) + 1)
	kept, pending := durable(m.log, k)
	chosen := map[int]bool{}
	for _, i := range kept {
		chosen[i] = true
	}
	luck := random.IntN(5)
	for _, i := range pending {
		chosen[i] = random.IntN(4) < luck
	}
	crashed := after(m.log[:k], chosen, nil)
	d := openModel(t, crashed)
	seen, err := observe(t.Context(), d, crashed)
	if err != nil {
		return err.Error()
	}
	for _, u := range all {
		holds := seen.objects[u.key]
		if may := mayBe(u.history, k); !slices.Contains(may, holds) {
			return fmt.Sprintf("crash at %d of %d: %s holds %q, may hold %q", k, len(m.log), u.key, holds, may)
		}
		for _, a := range u.history {
			up, ok := u.uploads[a.want]
			if !ok || a.begun > k || d.Health() != nil { // in doubt nothing is completed at all
				continue
			}
			parts, _, err := d.Uploads().Read(t.Context(), up)
			open := err == nil && len(parts) > 0
			if open && (holds == a.want || a.err == nil && a.ended <= k) {
				return fmt.Sprintf("crash at %d of %d: the upload that made %q can be completed again; %s holds %q", k, len(m.log), a.want, u.key, holds)
			}
		}
	}
	return ""
}
