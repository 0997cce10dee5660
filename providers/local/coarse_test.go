package local_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"sallyport/providers/driver"
	"sallyport/providers/local"
)

// coarseFS keeps times to two seconds and promises nothing about inode numbers, as FAT does and some network file systems.
type coarseFS struct{ local.FileSystem }

const coarseStep = 2 * time.Second

func (c coarseFS) Create(path string) (local.File, error) {
	f, err := c.FileSystem.Create(path)
	return coarseFile{f}, err
}

func (c coarseFS) Volume() (local.Volume, error) {
	v, err := c.FileSystem.Volume()
	v.UnstableInodes, v.NoJournal = true, true
	return v, err
}

type coarseFile struct{ local.File }

func (f coarseFile) SetModTime(t time.Time) error { return f.File.SetModTime(t.Truncate(coarseStep)) }

// TestNoJournalIsSaid: syncs do not make a file system durable that can lose names of what was synced.
func TestNoJournalIsSaid(t *testing.T) {
	f, err := local.Open(t.Context(), &local.Config{Path: "model"}, &local.Options{FileSystem: coarseFS{newModelFS()}})
	if err != nil {
		t.Fatal(err)
	}
	p := f.Probe()
	if warned := slices.ContainsFunc(p.Warnings, func(w string) bool { return strings.Contains(w, "has no journal") }); p.Class != local.ClassFile || !warned {
		t.Errorf("class %q, warnings %q", p.Class, p.Warnings)
	}
}

// TestPartsSentAgainOnACoarseClock: two attempts at one part, of equal length and within one tick, must not pass for each other: Complete would
// put one's bytes under the other's seal.
func TestPartsSentAgainOnACoarseClock(t *testing.T) {
	now := time.Unix(1_790_000_000, 0)
	f, err := local.Open(t.Context(), &local.Config{Path: "model"}, &local.Options{
		FileSystem: coarseFS{newModelFS()}, Now: func() time.Time { return now },
	})
	if err != nil {
		t.Fatal(err)
	}
	id, err := f.Uploads().Create(t.Context(), "k", nil)
	if err != nil {
		t.Fatal(err)
	}
	up := driver.Upload{ID: id, Key: "k"}
	send := func(body string) *driver.Part {
		p, err := f.Uploads().PutPart(t.Context(), up, 1, strings.NewReader(body), int64(len(body)))
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	first, second := send("aaaa"), send("bbbb")
	if first.ETag == second.ETag {
		t.Errorf("both attempts have the ETag %s", first.ETag)
	}
	if _, err := f.Uploads().Complete(t.Context(), up, []driver.Part{*first}, &driver.PutOptions{}); !driver.Is(err, driver.InvalidPart) {
		t.Errorf("complete with the replaced attempt: %v", err)
	}
	if _, err := f.Uploads().Complete(t.Context(), up, []driver.Part{*second}, &driver.PutOptions{}); err != nil {
		t.Fatal(err)
	}
	if got := get(t, f, "k"); got != "bbbb" {
		t.Errorf("got %q", got)
	}
}
