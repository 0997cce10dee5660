package s3

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/minio/minio-go/v7"

	"sallyport/providers/driver"
)

// Races of the probe at Open. Doctor runs longer ones.
const (
	openRacers = 8
	openRounds = 4
)

const (
	cleanTries = 3
	abandoned  = time.Hour // older objects of a probe are of one that was killed
)

// RunProbe tries out the service with objects below ".sallyport/probe/", which it removes, and returns what it found; the driver goes on by what it
// knew. Each race has so many racers and rounds. It fails when the service cannot be reached or refuses to write, read, list or delete at all.
func (b *Bucket) RunProbe(ctx context.Context, racers, rounds int) (*Probe, error) {
	const op = "Probe"
	if err := b.begin(ctx, op, ""); err != nil {
		return nil, err
	}
	if b.readOnly {
		return nil, fail(driver.ReadOnly, op, "", nil)
	}
	p := &prober{b: b, op: op, dir: probeDir + rand.Text() + "/", racers: racers, rounds: rounds, found: Probe{At: b.now().UTC()}}
	err := p.run(ctx)
	clean, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanUpWithin)
	defer cancel()
	cleanErr := p.clean(clean)
	for try := 1; cleanErr != nil && try < cleanTries; try++ {
		cleanErr = p.clean(clean)
	}
	if err == nil {
		err = cleanErr
	}
	if err != nil {
		return nil, err
	}
	return &p.found, nil
}

// prober is one probe under way.
type prober struct {
	b              *Bucket
	op, dir        string
	racers, rounds int
	found          Probe

	mu      sync.Mutex      // guards found.Versioned while racers run
	uploads []driver.Upload // that may still be open
}

func (p *prober) run(ctx context.Context) error {
	for _, step := range []func(context.Context) error{p.sweep, p.readAndList, p.suffix, p.putConditions, p.putRaces, p.completeConditions, p.deleteCondition, p.folders, p.likeNames} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

// sweep removes what probes left that were killed.
func (p *prober) sweep(ctx context.Context) error {
	var old []string
	err := p.b.eachName(ctx, p.op, probeDir, func(o *listedObject) (string, error) {
		if p.found.At.Sub(o.LastModified) > abandoned {
			old = append(old, o.Key)
		}
		return "", nil
	})
	for _, key := range old {
		if err == nil {
			err = p.b.remove(ctx, p.op, key, p.b.names.prefix+key, "")
		}
	}
	return err
}

func (p *prober) name(key string) string { return p.b.names.prefix + p.dir + key }

func (p *prober) put(ctx context.Context, key, text string, opts driver.PutOptions) (*driver.Info, error) {
	info, err := p.b.putObject(ctx, p.op, p.dir+key, p.name(key), bytes.NewReader([]byte(text)), int64(len(text)), &opts, nil)
	if err == nil && info.VersionID != "" {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.found.Versioned = true
	}
	return info, err
}

func (p *prober) get(ctx context.Context, key string, opts driver.GetOptions) (string, error) {
	body, _, err := p.b.get(ctx, p.op, p.dir+key, p.name(key), &opts)
	if err != nil {
		return "", err
	}
	defer body.Close()
	text, err := io.ReadAll(io.LimitReader(body, 1<<20)) // probe objects are short; a longer one is another
	return string(text), err
}

// refused tells apart a condition that was kept (refused, nil), one that the service did not know, and a failure that says nothing.
func refused(err error) (kept bool, failure error) {
	if err == nil {
		return false, nil
	}
	switch driver.KindOf(err) {
	case driver.PreconditionFailed, driver.Conflict, driver.NotFound:
		return true, nil
	case driver.Unsupported, driver.Internal:
		return false, nil
	default:
		return false, err
	}
}

// works is refused for a condition that holds.
func works(err error) (bool, error) {
	if err == nil {
		return true, nil
	}
	_, failure := refused(err)
	return false, failure
}

func (p *prober) readAndList(ctx context.Context) error {
	for _, text := range []string{"first", "second"} {
		if _, err := p.put(ctx, "read", text, driver.PutOptions{}); err != nil {
			return err
		}
		got, err := p.get(ctx, "read", driver.GetOptions{})
		if err != nil && !driver.Is(err, driver.NotFound) {
			return err
		}
		p.found.ReadAfterWrite = err == nil && got == text
		if !p.found.ReadAfterWrite {
			break
		}
	}
	if _, err := p.put(ctx, "list/a", "x", driver.PutOptions{}); err != nil {
		return err
	}
	if _, err := p.put(ctx, "list/b", "xx", driver.PutOptions{}); err != nil {
		return err
	}
	before, err := p.list(ctx, "list/")
	if err != nil {
		return err
	}
	if err := p.b.remove(ctx, p.op, p.dir+"list/a", p.name("list/a"), ""); err != nil {
		return err
	}
	after, err := p.list(ctx, "list/")
	if err != nil {
		return err
	}
	p.found.StrongList = len(before) == 2 && len(after) == 1 && after[0] == p.dir+"list/b"
	return nil
}

func (p *prober) list(ctx context.Context, folder string) ([]string, error) {
	var names []string
	err := p.b.eachName(ctx, p.op, p.dir+folder, func(o *listedObject) (string, error) {
		names = append(names, o.Key)
		return "", nil
	})
	return names, err
}

// suffix asks for the end of an object, and for more than it has, which must read it whole.
func (p *prober) suffix(ctx context.Context) error {
	whole, err := p.get(ctx, "read", driver.GetOptions{})
	if err != nil {
		return err
	}
	p.found.SuffixRange = true
	for _, last := range []int{3, len(whole) + 1} {
		got, err := p.get(ctx, "read", driver.GetOptions{Suffix: int64(last)})
		if err == nil && got == whole[max(0, len(whole)-last):] {
			continue
		}
		p.found.SuffixRange = false
		if driver.Is(err, driver.Corrupt) || driver.Is(err, driver.Internal) || driver.Is(err, driver.Unsupported) || driver.Is(err, driver.InvalidRange) {
			err = nil
		}
		return err
	}
	return nil
}

func (p *prober) putConditions(ctx context.Context) error {
	if _, err := p.put(ctx, "put", "first", driver.PutOptions{}); err != nil {
		return err
	}
	_, err := p.put(ctx, "put", "overwritten", driver.PutOptions{IfNoneMatch: true})
	absent, err := refused(err)
	if err != nil {
		return err
	}
	_, err = p.put(ctx, "new", "new", driver.PutOptions{IfNoneMatch: true})
	creates, err := works(err)
	if err != nil {
		return err
	}
	p.found.CreateIfAbsent = absent && creates
	first, err := p.put(ctx, "put", "second", driver.PutOptions{})
	if err != nil {
		return err
	}
	if _, err = p.put(ctx, "put", "third", driver.PutOptions{}); err != nil {
		return err
	}
	_, err = p.put(ctx, "put", "overwritten", driver.PutOptions{IfMatch: first.ETag})
	stale, err := refused(err)
	if err != nil {
		return err
	}
	_, err = p.put(ctx, "missing", "made", driver.PutOptions{IfMatch: first.ETag})
	missing, err := refused(err)
	if err != nil {
		return err
	}
	present, err := p.b.stat(ctx, p.op, p.dir+"put", p.name("put"))
	if err != nil {
		return err
	}
	_, err = p.put(ctx, "put", "fourth", driver.PutOptions{IfMatch: present.ETag})
	replaces, err := works(err)
	p.found.ReplaceIfMatch = stale && missing && replaces
	return err
}

// putRaces lets racers write one key under one condition and wants exactly one winner each time, whose bytes are then there.
func (p *prober) putRaces(ctx context.Context) error {
	var err error
	for round := 0; round < p.rounds && p.found.CreateIfAbsent && err == nil; round++ {
		p.found.CreateIfAbsent, err = p.race(ctx, fmt.Sprintf("race/create-%d", round), driver.PutOptions{IfNoneMatch: true})
	}
	for round := 0; round < p.rounds && p.found.ReplaceIfMatch && err == nil; round++ {
		key := fmt.Sprintf("race/replace-%d", round)
		var old *driver.Info
		if old, err = p.put(ctx, key, "old", driver.PutOptions{}); err == nil {
			p.found.ReplaceIfMatch, err = p.race(ctx, key, driver.PutOptions{IfMatch: old.ETag})
		}
	}
	return err
}

func (p *prober) race(ctx context.Context, key string, opts driver.PutOptions) (bool, error) {
	errs := make([]error, p.racers)
	var racers sync.WaitGroup
	for i := range errs {
		racers.Go(func() {
			_, err := p.put(ctx, key, fmt.Sprintf("bytes of racer %d", i), opts)
			errs[i] = err
		})
	}
	racers.Wait()
	winner, winners := 0, 0
	for i, err := range errs {
		if err == nil {
			winner, winners = i, winners+1
			continue
		}
		if kept, failure := refused(err); failure != nil {
			return false, failure
		} else if !kept {
			return false, nil
		}
	}
	if winners != 1 {
		return false, nil
	}
	got, err := p.get(ctx, key, driver.GetOptions{})
	return got == fmt.Sprintf("bytes of racer %d", winner), err
}

// begun begins an upload of one part for key.
func (p *prober) begun(ctx context.Context, key, text string) (driver.Upload, driver.Part, error) {
	id, err := p.b.createUpload(ctx, p.op, p.dir+key, p.name(key))
	if err != nil {
		return driver.Upload{}, driver.Part{}, err
	}
	up := driver.Upload{ID: id, Key: p.dir + key}
	p.uploads = append(p.uploads, up)
	part, err := p.b.putPart(ctx, p.op, up, p.name(key), 1, bytes.NewReader([]byte(text)), int64(len(text)))
	if err != nil {
		return up, driver.Part{}, err
	}
	return up, *part, nil
}

// completeConditions tries each condition when it fails and, with the same upload, when it holds.
func (p *prober) completeConditions(ctx context.Context) error {
	present, err := p.put(ctx, "complete", "present", driver.PutOptions{})
	if err != nil {
		return err
	}
	try := func(key string, opts driver.PutOptions, settle func() (driver.PutOptions, error)) (bool, error) {
		up, part, err := p.begun(ctx, key, "completed "+key)
		if err != nil {
			return false, err
		}
		complete := func(opts driver.PutOptions) error {
			_, err := p.b.complete(ctx, p.op, up, p.name(key), []driver.Part{part}, &opts)
			return err
		}
		if kept, err := refused(complete(opts)); !kept || err != nil {
			return false, err
		}
		if opts, err = settle(); err != nil {
			return false, err
		}
		return works(complete(opts))
	}
	p.found.CompleteIfMatch, err = try("complete", driver.PutOptions{IfMatch: "0123456789abcdef0123456789abcdef"}, func() (driver.PutOptions, error) {
		return driver.PutOptions{IfMatch: present.ETag}, nil
	})
	if err != nil {
		return err
	}
	if _, err := p.put(ctx, "complete-new", "present", driver.PutOptions{}); err != nil {
		return err
	}
	p.found.CompleteIfAbsent, err = try("complete-new", driver.PutOptions{IfNoneMatch: true}, func() (driver.PutOptions, error) {
		return driver.PutOptions{IfNoneMatch: true}, p.b.remove(ctx, p.op, p.dir+"complete-new", p.name("complete-new"), "")
	})
	return err
}

func (p *prober) deleteCondition(ctx context.Context) error {
	info, err := p.put(ctx, "delete", "present", driver.PutOptions{})
	if err != nil {
		return err
	}
	name := p.name("delete")
	kept, err := refused(p.b.remove(ctx, p.op, p.dir+"delete", name, "0123456789abcdef0123456789abcdef"))
	if err != nil || !kept {
		return err
	}
	if _, err := p.b.stat(ctx, p.op, p.dir+"delete", name); err != nil {
		if driver.Is(err, driver.NotFound) {
			return nil
		}
		return err
	}
	p.found.ConditionalDelete, err = works(p.b.remove(ctx, p.op, p.dir+"delete", name, info.ETag))
	return err
}

// folders looks whether an object hides what lies below its name.
func (p *prober) folders(ctx context.Context) error {
	if _, err := p.put(ctx, "folder/a", "x", driver.PutOptions{}); err != nil {
		return err
	}
	_, err := p.put(ctx, "folder/a/b", "x", driver.PutOptions{})
	if err != nil && !refusesName(err) {
		return err
	}
	seen, listErr := p.list(ctx, "folder/")
	p.found.FolderClash = err != nil || len(seen) != 2
	return listErr
}

// refusesName reports whether a failure can be a service's way to say that it does not hold such a name.
func refusesName(err error) bool {
	return slices.Contains([]driver.Kind{driver.InvalidKey, driver.Internal, driver.Denied, driver.Conflict, driver.NotFound}, driver.KindOf(err))
}

// likeNames looks whether names that a file system would take for one another are those of different objects.
func (p *prober) likeNames(ctx context.Context) error {
	kept := func(key, text string) (bool, error) {
		_, err := p.put(ctx, key, text, driver.PutOptions{})
		if err == nil {
			var got string
			if got, err = p.get(ctx, key, driver.GetOptions{}); err == nil {
				return got == text, nil
			}
		}
		if refusesName(err) {
			return false, nil
		}
		return false, err
	}
	if _, err := p.put(ctx, "names/a/b", "one slash", driver.PutOptions{}); err != nil {
		return err
	}
	doubled, err := kept("names/a//b", "two slashes")
	if err != nil {
		return err
	}
	single, err := p.get(ctx, "names/a/b", driver.GetOptions{})
	if err != nil && !driver.Is(err, driver.NotFound) {
		return err
	}
	p.found.MixesNames = !doubled || single != "one slash"
	// SeaweedFS holds up to 1 KiB under such a name, and misplaces more.
	atEnd, err := kept("names/end/", strings.Repeat("slash at the end", 256))
	p.found.NoSlashAtEnd = !atEnd
	return err
}

// clean removes whatever the probe may have written, also what a list would hide.
func (p *prober) clean(ctx context.Context) error {
	var first error // the others say the same
	note := func(err error) { first = cmp.Or(first, err) }
	for _, up := range p.uploads {
		if err := p.b.abortUpload(ctx, p.op, up, p.b.names.prefix+up.Key); !driver.Is(err, driver.NoSuchUpload) {
			note(err)
		}
	}
	if p.found.Versioned {
		err := p.cleanVersions(ctx)
		if err == nil {
			err = p.cleanVersions(ctx) // what one object hid, the second list shows
		}
		if !driver.Is(err, driver.Denied) {
			note(err)
			return first
		}
		p.b.log.Warn("s3: what the probe wrote stays in the bucket as noncurrent versions, because the credentials may not delete versions; nothing else needs that")
	}
	note(p.b.remove(ctx, p.op, p.dir, p.name("folder/a"), ""))
	note(p.b.remove(ctx, p.op, p.dir, p.name("folder/a/b"), ""))
	for _, key := range []string{"names/a//b", "names/end/"} {
		if err := p.b.remove(ctx, p.op, p.dir, p.name(key), ""); err != nil && !refusesName(err) {
			note(err)
		}
	}
	names, err := p.list(ctx, "")
	note(err)
	for _, name := range names {
		note(p.b.remove(ctx, p.op, name, p.b.names.prefix+name, ""))
	}
	return first
}

// cleanVersions removes every version and delete marker that a list shows.
func (p *prober) cleanVersions(ctx context.Context) error {
	ctx, x := record(ctx, nil)
	listed := p.b.core.ListObjectsIter(ctx, p.b.bucket, minio.ListObjectsOptions{Prefix: p.b.names.prefix + p.dir, Recursive: true, WithVersions: true})
	for object := range listed {
		if object.Err != nil {
			return p.b.classify(ctx, &call{op: p.op, x: x, notKey: true}, object.Err)
		}
		if err := p.b.removeVersion(ctx, p.op, object.Key, object.VersionID); err != nil {
			return err
		}
	}
	return nil
}
