package local

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"

	"sallyport/providers/driver"
)

// errReserve says that an upload was refused to keep room for deletes and the gateway's own records.
var errReserve = errors.New("free space is down to the reserve")

// health remembers failures after which acknowledgements cannot be trusted, some until a fresh file shows the folder to be well, others for good.
type health struct {
	mu    sync.Mutex
	cause error
	owed  map[string]struct{} // directories whose sync did not begin; what was changed in them may not be durable yet
	doubt error               // a directory's sync failed, see doubt.go; stays
	noted bool                // on disk
}

// degrade records that making something durable failed.
func (f *Folder) degrade(what string, err error) {
	f.health.mu.Lock()
	defer f.health.mu.Unlock()
	f.health.cause = fmt.Errorf("%s: %w", what, err)
	f.log.Error("local folder: degraded", "reason", what, "error", err)
}

// owe is degrade for a directory whose sync did not begin.
func (f *Folder) owe(dir string, err error) {
	f.health.mu.Lock()
	f.health.owed[dir] = struct{}{}
	f.health.mu.Unlock()
	f.degrade("open directory to sync it", err)
}

// settle takes back owe, because a later sync covered what the earlier was to cover.
func (f *Folder) settle(dir string) {
	f.health.mu.Lock()
	defer f.health.mu.Unlock()
	delete(f.health.owed, dir)
}

// Health returns nil, or why the folder is degraded. Where making something durable failed, and no fresh file has been written and synced
// since, the next change tries that first. Where a directory's sync failed, no change is accepted any more: see doubt.go.
func (f *Folder) Health() error {
	f.health.mu.Lock()
	defer f.health.mu.Unlock()
	if f.health.doubt != nil {
		return f.health.doubt
	}
	return f.health.cause
}

// recoverHealth lets a change begin if the folder is well, or proves to be by syncing what is owed and a fresh file.
func (f *Folder) recoverHealth(op, key string) error {
	if err := f.inDoubt(); err != nil {
		f.noteDoubt()
		return failAs(driver.ReadOnly, op, key, err)
	}
	before := f.Health()
	if before == nil {
		return nil
	}
	err := f.syncOwed()
	if err == nil {
		err = f.writeProbeFile()
	}
	if err != nil {
		kind := kindOf(err)
		if kind == driver.Internal || kind == driver.InvalidKey {
			kind = driver.Unavailable
		}
		return failAs(kind, op, key, fmt.Errorf("degraded by an earlier failure and still not able to write durably: %w", err))
	}
	f.health.mu.Lock()
	defer f.health.mu.Unlock()
	if f.health.cause == before && len(f.health.owed) == 0 { //nolint:errorlint // identity: a newer failure must stay
		f.health.cause = nil
		f.log.Info("local folder: a fresh file was written durably again")
	}
	return nil
}

// syncOwed syncs the directories whose sync did not begin. What was changed there is seen, and other answers build on it.
func (f *Folder) syncOwed() error {
	f.health.mu.Lock()
	dirs := slices.Sorted(maps.Keys(f.health.owed))
	f.health.mu.Unlock()
	for _, dir := range dirs {
		if err := f.syncs.do(dir); err != nil && !isGone(err) {
			return err
		}
	}
	return nil
}

// writeProbeFile writes, syncs and removes a fresh file. It lies in a directory of its own: if it lay in tmp/, a failed sync of tmp/ could take back
// the renames of other calls' temporaries.
func (f *Folder) writeProbeFile() (err error) {
	name := randomName()
	f.temps.add(name)
	defer f.temps.drop(name)
	dir := tempDir + "/" + name
	if err := f.files.Mkdir(dir); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.removeTree(dir)) }()
	if err := f.writeFile(dir+"/probe", []byte("probe\n")); err != nil {
		return err
	}
	return f.syncDirNow(dir)
}

// reserveFor returns the bytes that uploads leave free.
func reserveFor(configured int64, v Volume) uint64 {
	const most = 64 << 20
	switch {
	case configured < 0:
		return 0
	case configured > 0:
		return uint64(configured)
	}
	return min(v.Total/50, most)
}

// checkSpace refuses size further bytes if they would use up the reserve. Uploads at the same time do not see each other; the file
// system has the last word.
func (f *Folder) checkSpace(size int64) error {
	if f.reserve == 0 {
		return nil
	}
	v, err := f.files.Volume()
	if err != nil {
		return fmt.Errorf("ask for free space: %w", err)
	}
	if v.KnowsSpace && v.Free < f.reserve+uint64(size) {
		return &driver.Error{Kind: driver.NoSpace, Op: "Put", Err: fmt.Errorf("%w: %d bytes free", errReserve, v.Free)}
	}
	return nil
}
