package objects

import (
	"bytes"
	"context"
	"errors"
	"io"
	"sync"
	"testing"

	"sallyport/integration/history"
	"sallyport/providers/driver"
)

// within bounds how many histories a mutant may survive.
const within = 300

// TestMutantsAreCaught breaks the gateways or their backend in ways that keep every object intact and well sealed, so that only the order of
// events tells. A check that misses one of them is worth nothing.
func TestMutantsAreCaught(t *testing.T) {
	for name, opts := range map[string]*fleetOptions{
		"stale cache": {backend: func(gateway int, d driver.Driver, dice *dice) driver.Driver {
			return &staleCache{Driver: d, dice: dice, remembered: map[string]remembered{}}
		}},
		"ignored condition": {backend: func(_ int, d driver.Driver, _ *dice) driver.Driver { return ignoredCondition{d} }},
		"lost update": {backend: func(_ int, d driver.Driver, dice *dice) driver.Driver {
			return lostUpdate{d, &network{Driver: d, dice: dice}}
		}},
		"ghost after delete": {backend: func(_ int, d driver.Driver, dice *dice) driver.Driver {
			return &ghost{Driver: d, dice: dice, buried: map[string][]byte{}}
		}},
		"double complete": {service: func(_ int, s surface, root driver.Driver) surface {
			return &doubleComplete{surface: s, root: root, made: map[string][]byte{}}
		}},
		"notes mixed up": {service: func(_ int, s surface, _ driver.Driver) surface {
			return &mixedUploads{surface: s, one: make(chan struct{}, 1), latest: map[string]*PutPartInput{}, etags: map[string]string{}}
		}},
		"notes mixed up at the backend": {backend: func(_ int, d driver.Driver, _ *dice) driver.Driver {
			return &mixedNotes{Driver: d, latest: map[string]string{}}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			n, violation := caught(t, opts, within)
			if n == 0 {
				t.Fatalf("not caught in %d histories", within)
			}
			t.Logf("caught by history %d: %s", n, violation.Reason)
			if violation.Page == "" && violation.Reason == orderViolation {
				t.Error("without a picture")
			}
		})
	}
}

const orderViolation = "no order of these operations gives these answers"

// staleCache is a gateway that answers some reads from the revision it saw before.
type staleCache struct {
	driver.Driver
	dice *dice

	mu         sync.Mutex
	remembered map[string]remembered
}

type remembered struct {
	data []byte
	info driver.Info
}

func (s *staleCache) Get(ctx context.Context, key string, opts *driver.GetOptions) (io.ReadCloser, *driver.Info, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	old, ok := s.remembered[key]
	if ok && opts.Offset == 0 && opts.Length == 0 && s.dice.chance(0.2) {
		data := old.data
		if opts.Suffix > 0 {
			data = data[len(data)-min(len(data), int(opts.Suffix)):]
		}
		return io.NopCloser(bytes.NewReader(data)), &old.info, nil
	}
	if data, info, err := whole(ctx, s.Driver, key); err == nil {
		s.remembered[key] = remembered{data, *info}
	}
	return s.Driver.Get(ctx, key, opts)
}

func whole(ctx context.Context, d driver.Driver, key string) ([]byte, *driver.Info, error) {
	r, info, err := d.Get(ctx, key, &driver.GetOptions{})
	if err != nil {
		return nil, nil, err
	}
	data, err := io.ReadAll(r)
	return data, info, errors.Join(err, r.Close())
}

// ignoredCondition is a backend that writes whatever is there.
type ignoredCondition struct{ driver.Driver }

func (i ignoredCondition) Put(ctx context.Context, key string, body io.Reader, size int64, opts *driver.PutOptions) (*driver.Info, error) {
	return i.Driver.Put(ctx, key, body, size, &driver.PutOptions{IfMatch: opts.IfMatch})
}

// lostUpdate is a backend that looks and then writes, with a moment in between.
type lostUpdate struct {
	driver.Driver
	slow *network
}

func (l lostUpdate) Put(ctx context.Context, key string, body io.Reader, size int64, opts *driver.PutOptions) (*driver.Info, error) {
	if opts.IfMatch == "" {
		return l.Driver.Put(ctx, key, body, size, opts)
	}
	switch info, err := l.Head(ctx, key); {
	case err != nil:
		return nil, err
	case info.ETag != opts.IfMatch:
		return nil, &driver.Error{Kind: driver.PreconditionFailed, Op: "Put", Key: key}
	}
	l.slow.delay(ctx, oneWay)
	return l.Driver.Put(ctx, key, body, size, &driver.PutOptions{})
}

// ghost is a backend where some deleted objects are back after a while.
type ghost struct {
	driver.Driver
	dice *dice

	mu     sync.Mutex
	buried map[string][]byte
}

func (g *ghost) Delete(ctx context.Context, key string, opts *driver.DeleteOptions) error {
	data, _, readErr := whole(ctx, g.Driver, key)
	if err := g.Driver.Delete(ctx, key, opts); err != nil {
		return err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if readErr == nil && g.dice.chance(0.3) {
		g.buried[key] = data
	}
	return nil
}

func (g *ghost) Head(ctx context.Context, key string) (*driver.Info, error) {
	g.rise(ctx, key)
	return g.Driver.Head(ctx, key)
}

func (g *ghost) Get(ctx context.Context, key string, opts *driver.GetOptions) (io.ReadCloser, *driver.Info, error) {
	g.rise(ctx, key)
	return g.Driver.Get(ctx, key, opts)
}

func (g *ghost) rise(ctx context.Context, key string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if data, ok := g.buried[key]; ok {
		_, _ = g.Driver.Put(ctx, key, bytes.NewReader(data), int64(len(data)), &driver.PutOptions{IfNoneMatch: true})
		delete(g.buried, key)
	}
}

// doubleComplete is a gateway that carries a repeated completion out again.
type doubleComplete struct {
	surface
	root driver.Driver

	mu   sync.Mutex
	made map[string][]byte // by upload
}

func (d *doubleComplete) CompleteUpload(ctx context.Context, in *CompleteInput) (*PutOutput, error) {
	d.mu.Lock()
	made, again := d.made[in.UploadID]
	d.mu.Unlock()
	at := bucketName + "/" + in.Key
	if again {
		if _, err := d.root.Put(ctx, at, bytes.NewReader(made), int64(len(made)), &driver.PutOptions{}); err != nil {
			return nil, err
		}
	}
	out, err := d.surface.CompleteUpload(ctx, in)
	if err != nil || again {
		return out, err
	}
	if data, _, err := whole(ctx, d.root, at); err == nil {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.made[in.UploadID] = data
	}
	return out, nil
}

// mixedUploads is a gateway that goes on with the latest upload of a key, whichever is meant.
type mixedUploads struct {
	surface
	one chan struct{} // completes at a time: which upload waits for which, as in fleet.complete, is not to be told here

	mu     sync.Mutex
	latest map[string]*PutPartInput // by key
	etags  map[string]string        // by upload
}

func (m *mixedUploads) PutPart(ctx context.Context, in *PutPartInput) (*PartInfo, error) {
	part, err := m.surface.PutPart(ctx, in)
	if err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.latest[in.Key], m.etags[in.UploadID] = in, part.ETag
	return part, nil
}

func (m *mixedUploads) CompleteUpload(ctx context.Context, in *CompleteInput) (*PutOutput, error) {
	m.one <- struct{}{}
	defer func() { <-m.one }()
	m.mu.Lock()
	latest := m.latest[in.Key]
	mixed := *in
	if latest != nil {
		mixed.UploadID = latest.UploadID
		mixed.Parts = []CompletedPart{{Number: 1, ETag: m.etags[latest.UploadID]}}
	}
	m.mu.Unlock()
	out, err := m.surface.CompleteUpload(ctx, &mixed)
	if err != nil || mixed.UploadID == in.UploadID {
		return out, err
	}
	lie := *out // so that it is the content that tells, not the ETag
	lie.ETag = etagOfOnePart(in.Parts[0].ETag)
	return &lie, nil
}

// mixedNotes is a backend that returns the notes of the latest upload of a key, whichever is asked for. Their sealing tells.
type mixedNotes struct {
	driver.Driver

	mu     sync.Mutex
	latest map[string]string // upload by key
}

func (m *mixedNotes) Uploads() driver.Uploads { return mixedNotesUploads{m.Driver.Uploads(), m} }

type mixedNotesUploads struct {
	driver.Uploads
	m *mixedNotes
}

func (u mixedNotesUploads) Create(ctx context.Context, key string, note func(string) ([]byte, error)) (string, error) {
	id, err := u.Uploads.Create(ctx, key, note)
	u.m.mu.Lock()
	defer u.m.mu.Unlock()
	if err == nil {
		u.m.latest[key] = id
	}
	return id, err
}

func (u mixedNotesUploads) Read(ctx context.Context, up driver.Upload) ([]driver.Part, []driver.Note, error) {
	parts, notes, err := u.Uploads.Read(ctx, up)
	if err != nil {
		return nil, nil, err
	}
	u.m.mu.Lock()
	latest := u.m.latest[up.Key]
	u.m.mu.Unlock()
	if latest != "" && latest != up.ID {
		_, notes, err = u.Uploads.Read(ctx, driver.Upload{ID: latest, Key: up.Key})
	}
	return parts, notes, err
}

// TestHonestFleetPasses runs the plans of the mutants without them: what they were caught by is theirs.
func TestHonestFleetPasses(t *testing.T) {
	first := firstSeed(t)
	for i := range uint64(20) {
		h := runHistory(t, newRoot(t, &fleetOptions{}), first+i, &fleetOptions{})
		if err := h.Check(t.ArtifactDir()); err != nil {
			t.Fatal(err)
		}
		for _, op := range h.Ops {
			if op.Result.Outcome == history.Unknown {
				t.Errorf("without faults no outcome is unknown: %s", op)
			}
		}
	}
}
