// Package drivertest is the one conformance suite of the driver contract. Every driver runs it on its own root, every decorator runs
// it over mem. What the contract promises has a test here; an edge that the suite leaves open is a fault of the suite.
//
// It does not test durability across a crash, which needs the backend's own tools, and it proves atomicity only as far as races of one
// process show it.
package drivertest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"sallyport/providers/driver"
)

// Harness makes drivers for the suite.
type Harness struct {
	// NewDriver returns a driver on a fresh, empty root of its own. It registers its clean-up, Close included, with t.
	NewDriver func(t *testing.T) driver.Driver

	// Reopen closes d and returns a new driver on the same root, as a restarted gateway would have it.
	Reopen func(t *testing.T, d driver.Driver) driver.Driver

	// Impossible reports whether this backend cannot hold key, which is valid, exactly. The suite then expects InvalidKey. nil = it holds
	// every valid key.
	Impossible func(key string) bool

	// HashETags says that the backend's ETags are a function of the bytes, as those of plain S3 are, so that a write of equal bytes cannot
	// be told from no write. It is a weakness to be named in the driver's documentation.
	HashETags bool

	// ModTimeSlack is how far the times that different calls tell of one revision may lie apart: S3 tells whole seconds here, milliseconds
	// there and, of a write, none. 0 = not at all. ETags and sizes always agree.
	ModTimeSlack time.Duration

	// DoubtfulRaces says that a part which is sent while its upload completes may be answered with UnknownOutcome: the backend noticed in the middle
	// that the upload was gone. Store asks again and hears NoSuchUpload.
	DoubtfulRaces bool
}

func (h *Harness) possible(key string) bool { return h.Impossible == nil || !h.Impossible(key) }

// Run runs the whole suite.
func Run(t *testing.T, h Harness) {
	groups := []struct {
		name string
		run  func(*testing.T, *Harness)
	}{
		{"Objects", testObjects},
		{"Ranges", testRanges},
		{"Keys", testKeys},
		{"Bodies", testBodies},
		{"Conditions", testConditions},
		{"Races", testRaces},
		{"Revisions", testRevisions},
		{"List", testList},
		{"Uploads", testUploads},
		{"UploadRaces", testUploadRaces},
		{"UploadConditions", testUploadConditions},
		{"CopyPart", testCopyPart},
		{"Notes", testNotes},
		{"UploadList", testUploadList},
		{"Reopen", testReopen},
		{"Ends", testEnds},
	}
	for _, g := range groups {
		t.Run(g.name, func(t *testing.T) { g.run(t, &h) })
	}
}

// wantKind demands that err is a *driver.Error of one of kinds.
func wantKind(t *testing.T, what string, err error, kinds ...driver.Kind) {
	t.Helper()
	if err == nil {
		t.Fatalf("%s: succeeded, want %v", what, kinds)
	}
	e, ok := errors.AsType[*driver.Error](err)
	if !ok {
		t.Fatalf("%s: %v is no *driver.Error", what, err)
	}
	if !slices.Contains(kinds, e.Kind) {
		t.Fatalf("%s: %v, want %v", what, err, kinds)
	}
}

func wantNil(t *testing.T, what string, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
}

// pattern returns n bytes that differ between seeds at every length worth comparing.
func pattern(seed uint64, n int) []byte {
	data := make([]byte, n)
	chacha := rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8), byte(seed >> 16), byte(seed >> 24), 1})
	_, _ = chacha.Read(data)
	return data
}

func put(t *testing.T, d driver.Driver, key string, data []byte) *driver.Info {
	t.Helper()
	info, err := d.Put(t.Context(), key, unseekable{bytes.NewReader(data)}, int64(len(data)), &driver.PutOptions{})
	wantNil(t, fmt.Sprintf("Put %q", key), err)
	wantInfo(t, info, key, len(data))
	return info
}

func wantInfo(t *testing.T, info *driver.Info, key string, size int) {
	t.Helper()
	if info == nil || info.Key != key || info.Size != int64(size) || info.ETag == "" || info.ModTime.IsZero() {
		t.Fatalf("Info %+v, want key %q, size %d, an ETag and a time", info, key, size)
	}
}

func get(ctx context.Context, d driver.Driver, key string, opts driver.GetOptions) ([]byte, *driver.Info, error) {
	r, info, err := d.Get(ctx, key, &opts)
	if err != nil {
		if r != nil || info != nil {
			panic("drivertest: Get returned a reader or Info beside an error")
		}
		return nil, nil, err
	}
	data, err := io.ReadAll(r)
	if cerr := r.Close(); err == nil && cerr != nil {
		err = cerr
	}
	return data, info, err
}

func wantObject(t *testing.T, d driver.Driver, key string, want []byte) *driver.Info {
	t.Helper()
	data, info, err := get(t.Context(), d, key, driver.GetOptions{})
	wantNil(t, fmt.Sprintf("Get %q", key), err)
	wantInfo(t, info, key, len(want))
	if !bytes.Equal(data, want) {
		t.Fatalf("Get %q: %d bytes that are not the %d written", key, len(data), len(want))
	}
	head, err := d.Head(t.Context(), key)
	wantNil(t, fmt.Sprintf("Head %q", key), err)
	if head.Key != info.Key || head.Size != info.Size || head.ETag != info.ETag {
		t.Fatalf("Head %+v, Get %+v", head, info)
	}
	return info
}

func (h *Harness) wantSameInfo(t *testing.T, what string, got, want *driver.Info) {
	t.Helper()
	if got.Key != want.Key || got.Size != want.Size || got.ETag != want.ETag || got.ModTime.Sub(want.ModTime).Abs() > h.ModTimeSlack {
		t.Fatalf("%s: Info %+v, want %+v", what, got, want)
	}
}

func wantAbsent(t *testing.T, d driver.Driver, key string) {
	t.Helper()
	_, err := d.Head(t.Context(), key)
	wantKind(t, fmt.Sprintf("Head of absent %q", key), err, driver.NotFound)
	_, _, err = d.Get(t.Context(), key, &driver.GetOptions{})
	wantKind(t, fmt.Sprintf("Get of absent %q", key), err, driver.NotFound)
}

// names lists everything under opts, page by page.
func names(t *testing.T, d driver.Driver, opts driver.ListOptions) []string {
	t.Helper()
	var all []string
	for {
		page, err := d.List(t.Context(), &opts)
		wantNil(t, fmt.Sprintf("List %+v", opts), err)
		limit := opts.Limit
		if limit == 0 {
			limit = 1000
		}
		if len(page.Entries) > limit || page.More && len(page.Entries) == 0 {
			t.Fatalf("List %+v: %d entries, more %v", opts, len(page.Entries), page.More)
		}
		for i := range page.Entries {
			e := &page.Entries[i]
			if e.Prefix == "" && (e.ETag == "" || e.ModTime.IsZero()) || e.Prefix != "" && e.Info != (driver.Info{}) {
				t.Fatalf("List %+v: entry %+v", opts, e)
			}
			if len(all) > 0 && e.Name() <= all[len(all)-1] {
				t.Fatalf("List %+v: %q after %q", opts, e.Name(), all[len(all)-1])
			}
			all = append(all, e.Name())
		}
		if !page.More {
			return all
		}
		opts.After = all[len(all)-1]
	}
}

func wantNames(t *testing.T, what string, got, want []string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Fatalf("%s:\n got %q\nwant %q", what, got, want)
	}
}

// untilDecided repeats f while it answers Conflict, which says that the same call may succeed.
func untilDecided(f func() error) error {
	var err error
	for range 1000 {
		if err = f(); err == nil || !driver.Is(err, driver.Conflict) {
			return err
		}
	}
	return fmt.Errorf("still in conflict after 1000 attempts: %w", err)
}
