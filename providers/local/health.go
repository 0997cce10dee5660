package local

import (
	"errors"
	"fmt"
	"sync"

	"sallyport/providers/driver"
)

// errReserve says that an upload was refused to keep room for deletes and the gateway's own records.
var errReserve = errors.New("free space is down to the reserve")

// health remembers a failure after which acknowledgements cannot be trusted until a fresh file proves otherwise.
type health struct {
	mu    sync.Mutex
	cause error
}

// degrade records that making something durable failed.
func (f *Folder) degrade(what string, err error) {
	f.health.mu.Lock()
	defer f.health.mu.Unlock()
	f.health.cause = fmt.Errorf("%s: %w", what, err)
	f.log.Error("local folder: degraded", "reason", what, "error", err)
}

// Health returns nil, or why the folder is degraded: making something durable failed, and no fresh file has been written and synced
// since. The next change tries that first.
func (f *Folder) Health() error {
	f.health.mu.Lock()
	defer f.health.mu.Unlock()
	return f.health.cause
}

// recoverHealth lets a change begin if the folder is well, or proves to be by a fresh file.
func (f *Folder) recoverHealth(op, key string) error {
	before := f.Health()
	if before == nil {
		return nil
	}
	if err := f.writeProbeFile(); err != nil {
		kind := kindOf(err)
		if kind == driver.Internal || kind == driver.InvalidKey {
			kind = driver.Unavailable
		}
		return failAs(kind, op, key, fmt.Errorf("degraded by an earlier failure and still not able to write durably: %w", err))
	}
	f.health.mu.Lock()
	defer f.health.mu.Unlock()
	if f.health.cause == before { //nolint:errorlint // identity: a newer failure must stay
		f.health.cause = nil
		f.log.Info("local folder: a fresh file was written durably again")
	}
	return nil
}

// writeProbeFile writes, syncs and removes a fresh file.
func (f *Folder) writeProbeFile() error {
	name := randomName()
	f.temps.add(name)
	defer f.temps.drop(name)
	p := tempDir + "/" + name
	if err := f.writeFile(p, []byte("probe\n")); err != nil {
		return errors.Join(err, f.files.Remove(p))
	}
	if err := f.syncDirNow(tempDir); err != nil {
		return errors.Join(err, f.files.Remove(p))
	}
	return f.files.Remove(p)
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
