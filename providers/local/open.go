package local

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"sallyport/providers/driver"
	"sallyport/providers/keylock"
)

// The driver's own files below the root.
const (
	markerFile = systemDir + "/local.json"
	lockPath   = systemDir + "/lock"
	tempDir    = systemDir + "/tmp"
	uploadsDir = systemDir + "/uploads"
)

// marker is the content of local.json.
type marker struct {
	Layout string `json:"layout"`
}

// Folder is a driver.Driver over one folder. Beside the driver's methods, whose contract is in package driver, it has Probe, Health
// and Sweep for the program that runs it.
type Folder struct {
	files      FileSystem
	log        *slog.Logger
	now        func() time.Time
	names      names
	readOnly   bool
	noSync     bool
	reserve    uint64
	probe      Probe
	clock      revisionClock
	lock       io.Closer
	dirs       *directories
	syncs      *dirSyncs
	listing    *listingCache
	keys       keylock.Locks // serialises the last step of changes to one path
	ends       keylock.Locks // serialises Complete and Abort of one upload
	temps      nameSet       // being written: a sweep leaves them alone
	publishing unended
	buffers    sync.Pool
	health     health
	closed     atomic.Bool
	commits    sync.RWMutex // held for reading by what changes names, so that nothing changes after Close gave the lock back
	// noDirSync is set when the file system cannot sync directories.
	noDirSync atomic.Bool
	foreign   atomic.Int64
}

var _ driver.Driver = (*Folder)(nil)

// Open opens the folder of config, which must exist; an empty one becomes a root. Unless opts.ReadOnly it takes the folder's lock, and
// fails with Conflict, naming the holder, if another process has it. ctx bounds the opening only.
func Open(ctx context.Context, config *Config, opts *Options) (*Folder, error) {
	if opts == nil {
		opts = &Options{}
	}
	if err := config.Validate(); err != nil {
		return nil, failAs(driver.Internal, "Open", "", err)
	}
	if err := ctx.Err(); err != nil {
		return nil, fail("Open", "", err)
	}
	files := opts.FileSystem
	if files == nil {
		root, err := openRootFS(config.Path)
		if err != nil {
			return nil, failAs(kindOfOpen(err), "Open", "", fmt.Errorf("open folder %s: %w", config.Path, err))
		}
		files = root
	}
	f := newFolder(files, config, opts)
	if err := f.start(ctx, config); err != nil {
		if f.lock != nil {
			err = errors.Join(err, f.lock.Close())
		}
		return nil, failAs(kindOfOpen(err), "Open", "", errors.Join(err, files.Close()))
	}
	return f, nil
}

// kindOfOpen classifies a failure to open, where an absent folder is the operator's mistake and a lock held is a conflict.
func kindOfOpen(err error) driver.Kind {
	if _, ok := errors.AsType[*LockedError](err); ok {
		return driver.Conflict
	}
	if errors.Is(err, fs.ErrNotExist) {
		return driver.NotFound
	}
	return kindOf(err)
}

func newFolder(files FileSystem, config *Config, opts *Options) *Folder {
	f := &Folder{files: files, log: opts.Logger, now: opts.Now, readOnly: opts.ReadOnly, noSync: config.Durability == DurabilityOff}
	if f.log == nil {
		f.log = slog.New(slog.DiscardHandler)
	}
	if f.now == nil {
		f.now = time.Now
	}
	f.listing = newListingCache(f)
	f.syncs = &dirSyncs{sync: f.syncShared, dirs: map[string]*dirSync{}}
	f.dirs = &directories{
		files: files, syncDir: f.syncs.do, made: f.listing.changed, removed: f.listing.removed, pins: map[string]int{}, durable: map[string]struct{}{},
	}
	f.temps.live, f.publishing.objects = map[string]struct{}{}, map[string]string{}
	f.health.owed = map[string]struct{}{}
	f.buffers.New = func() any { return new([copyBuffer]byte) }
	return f
}

// start finds or makes the layout, takes the lock and looks what the file system can do.
func (f *Folder) start(ctx context.Context, config *Config) error {
	volume, err := f.files.Volume()
	if err != nil {
		return fmt.Errorf("describe file system: %w", err)
	}
	f.probe.volume = volume
	f.reserve = reserveFor(config.ReserveBytes, volume)
	f.clock = revisionClock{now: f.now, step: time.Nanosecond}
	if f.readOnly {
		if err := f.readMarker(config.Layout); err != nil {
			return err
		}
		f.probe = Probe{Class: ClassUnproved, FileSystem: volume.Type, Free: volume.Free, Total: volume.Total, volume: volume}
		// A read-only folder lets nothing be made to try this out; but .sallyport is there, and its name can be folded.
		if _, err := f.files.Stat(strings.ToUpper(systemDir)); err == nil {
			f.probe.FoldsCase = true
		}
		f.names.strict = verbatimRules{foldsCase: f.probe.FoldsCase, windows: volume.Windows}
		return nil
	}
	if err := f.createSystemDir(config.Layout); err != nil {
		return err
	}
	if f.lock, err = f.files.Lock(lockPath, ownerRecord(f.now())); err != nil {
		return describeLock(err)
	}
	if err := f.readMarker(config.Layout); err != nil {
		return err
	}
	doubt, err := f.readDoubt()
	if err != nil {
		return err
	}
	for _, dir := range []string{systemDir, tempDir, uploadsDir} {
		f.dirs.pin(dir) // for good: prune leaves them alone
		if err := f.dirs.ensure(dir); err != nil {
			return fmt.Errorf("make %s: %w", dir, err)
		}
	}
	if err := f.sweepAll(); err != nil {
		return fmt.Errorf("remove what a killed gateway left: %w", err)
	}
	if err := f.runProbe(); err != nil {
		return fmt.Errorf("probe the file system: %w", err)
	}
	f.names.strict = verbatimRules{foldsCase: f.probe.FoldsCase, normalises: f.probe.Normalises, windows: volume.Windows}
	f.clock.step = f.probe.TimeStep
	if doubt == nil { // in doubt, an object that is seen proves nothing: the parts of its upload may be all that the disk has
		if err := f.endAllPublished(ctx); err != nil {
			return fmt.Errorf("end uploads that were completed: %w", err)
		}
	}
	for _, warning := range f.probe.Warnings {
		f.log.Warn("local folder", "reason", warning)
	}
	if doubt != nil { // reads are served all the same: they are wanted most when a disk fails
		f.log.Error("local folder: only reads are served", "error", doubt)
		f.health.doubt, f.health.noted = doubt, true
	}
	return nil
}

// createSystemDir makes .sallyport if it is absent. An escaped root's appears together with its marker, by one rename: a crash
// between the two must not leave a root that passes for verbatim.
func (f *Folder) createSystemDir(layout string) error {
	s, err := f.files.Stat(systemDir)
	if err == nil {
		if !isDir(s.Mode) {
			return fmt.Errorf("%s: %w", systemDir, ErrNotPlain)
		}
		return nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("look for %s: %w", systemDir, err)
	}
	if layout == LayoutVerbatim {
		if err := f.files.Mkdir(systemDir); err != nil && !errors.Is(err, fs.ErrExist) {
			return fmt.Errorf("make %s: %w", systemDir, err)
		}
		return f.syncDirNow(".")
	}
	making := rootInTheMaking + randomName()
	if err := f.files.Mkdir(making); err != nil {
		return fmt.Errorf("make %s: %w", systemDir, err)
	}
	record, err := json.Marshal(marker{Layout: LayoutEscaped})
	if err != nil {
		panic("local: internal error: " + err.Error())
	}
	if err := f.writeFile(path.Join(making, path.Base(markerFile)), append(record, '\n')); err != nil {
		return fmt.Errorf("write %s: %w", markerFile, err)
	}
	if err := f.syncDirNow(making); err != nil {
		return err
	}
	if err := f.files.Rename(making, systemDir); err != nil {
		if s, statErr := f.files.Stat(systemDir); statErr != nil || !isDir(s.Mode) {
			return fmt.Errorf("make %s: %w", systemDir, err)
		}
		// Another gateway was first; its lock decides.
	}
	return f.syncDirNow(".")
}

// readMarker learns the layout and compares it with what is configured.
func (f *Folder) readMarker(configured string) error {
	layout := LayoutVerbatim
	file, err := f.files.Open(markerFile)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return fmt.Errorf("read %s: %w", markerFile, err)
	default:
		content, err := io.ReadAll(io.LimitReader(file, 4096))
		if err := errors.Join(err, file.Close()); err != nil {
			return fmt.Errorf("read %s: %w", markerFile, err)
		}
		var m marker
		if err := json.Unmarshal(content, &m); err != nil {
			return fmt.Errorf("read %s: %w", markerFile, err)
		}
		if m.Layout != LayoutEscaped {
			return fmt.Errorf("read %s: layout %q is not known to this version", markerFile, m.Layout)
		}
		layout = m.Layout
	}
	if configured != "" && configured != layout {
		return fmt.Errorf("the folder has layout %q, not %q as configured; a root keeps the layout it was made with", layout, configured)
	}
	f.names.verbatim = layout == LayoutVerbatim
	return nil
}

// Layout returns the layout of the root.
func (f *Folder) Layout() string {
	if f.names.verbatim {
		return LayoutVerbatim
	}
	return LayoutEscaped
}

// owner is what a gateway writes into the lock file for the one that is refused.
type owner struct {
	PID   int       `json:"pid"`
	Host  string    `json:"host"`
	Since time.Time `json:"since"`
}

func ownerRecord(now time.Time) []byte {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	record, err := json.Marshal(owner{PID: os.Getpid(), Host: host, Since: now.UTC().Truncate(time.Second)})
	if err != nil {
		panic("local: internal error: " + err.Error())
	}
	return record
}

// describeLock turns a refused lock into a sentence.
func describeLock(err error) error {
	locked, ok := errors.AsType[*LockedError](err)
	if !ok {
		return fmt.Errorf("lock the folder: %w", err)
	}
	var o owner
	if json.Unmarshal(locked.Owner, &o) != nil || o.PID == 0 {
		return fmt.Errorf("the folder is in use by another gateway: %w", err)
	}
	return fmt.Errorf("the folder is in use by process %d on %s since %s: %w", o.PID, o.Host, o.Since.Format(time.RFC3339), err)
}

// Capabilities returns what this root can do.
func (f *Folder) Capabilities() driver.Capabilities {
	return driver.Capabilities{
		PutIfNoneMatch: true, PutIfMatch: true, CompleteIfNoneMatch: true, CompleteIfMatch: true, ConditionalDelete: true,
		StrongList: true, CopyPart: true, MaxPart: maxObject, MaxObject: maxObject, MaxKey: maxKey,
	}
}

// maxObject is far above what file systems hold; theirs is found when it is met.
const maxObject = 1 << 50

// Close gives the lock back, once every change that is just being made durable is. Uploads still under way fail. Readers that are open
// stay usable.
func (f *Folder) Close() error {
	f.commits.Lock()
	defer f.commits.Unlock()
	if f.closed.Swap(true) {
		return nil
	}
	var err error
	if f.lock != nil {
		err = f.lock.Close()
	}
	if err := errors.Join(err, f.files.Close()); err != nil {
		return fail("Close", "", err)
	}
	return nil
}

// commit begins a step that changes names; the caller ends it.
func (f *Folder) commit() (end func(), err error) {
	f.commits.RLock()
	err = f.inDoubt()
	if f.closed.Load() {
		err = errClosed
	}
	if err != nil {
		f.commits.RUnlock()
		return nil, err
	}
	return f.commits.RUnlock, nil
}

// begin refuses what cannot begin: on a closed folder or with an ended ctx.
func (f *Folder) begin(ctx context.Context, op, key string) error {
	if f.closed.Load() {
		return fail(op, key, errClosed)
	}
	if err := ctx.Err(); err != nil {
		return fail(op, key, err)
	}
	return nil
}

// beginChange is begin for what writes.
func (f *Folder) beginChange(ctx context.Context, op, key string) error {
	if err := f.begin(ctx, op, key); err != nil {
		return err
	}
	if f.readOnly {
		return failAs(driver.ReadOnly, op, key, errors.New("the folder is open for reading only"))
	}
	return f.recoverHealth(op, key)
}

// isRootLeft reports whether name is what createSystemDir leaves when it is interrupted.
func isRootLeft(name string) bool {
	random, ok := strings.CutPrefix(name, rootInTheMaking)
	return ok && isRandomName(random)
}
