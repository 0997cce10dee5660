package local

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"sync"
)

// directories makes and removes the directories between the root and the objects.
//
// An object is durable only if every directory above it is. Whether one that exists is, nobody can tell afterwards: another call, or a
// process that was killed, may have made it and not synced its parent yet. So the parent of every directory is synced once before this
// process first relies on it, and directories in use are pinned, so that none that is relied on is removed and made anew.
type directories struct {
	files   FileSystem
	syncDir func(path string) error
	made    func(dir string) // called when dir has a new directory
	removed func(dir string) // called when dir has one fewer

	mu      sync.Mutex
	pins    map[string]int
	durable map[string]struct{}
}

// maxDurable bounds what is remembered; forgetting costs a sync.
const maxDurable = 1 << 16

// pin keeps dir and everything above it from being removed by prune until unpin.
func (d *directories) pin(dir string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for ; dir != "."; dir = path.Dir(dir) {
		d.pins[dir]++
	}
}

func (d *directories) unpin(dir string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for ; dir != "."; dir = path.Dir(dir) {
		if d.pins[dir]--; d.pins[dir] == 0 {
			delete(d.pins, dir)
		}
	}
}

// ensure makes dir, which the caller has pinned, and everything above it, durably.
func (d *directories) ensure(dir string) error {
	if dir == "." || d.isDurable(dir) {
		return nil
	}
	parent := path.Dir(dir)
	if err := d.ensure(parent); err != nil {
		return err
	}
	err := d.files.Mkdir(dir)
	made := err == nil
	if errors.Is(err, fs.ErrExist) {
		s, statErr := d.files.Stat(dir)
		if statErr == nil && !isDir(s.Mode) {
			statErr = fmt.Errorf("make directory: %w", ErrNotPlain)
		}
		err = statErr
	}
	if err != nil {
		return err
	}
	// Also when another write, or another program, made it a moment ago: ours must not be acknowledged before listings know of the directory.
	d.made(parent)
	if err := d.syncDir(parent); err != nil {
		if made {
			// A later sync of the parent may succeed without having written this entry.
			err = errors.Join(err, d.files.RemoveDir(dir))
			d.removed(parent)
		}
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.durable) >= maxDurable {
		clear(d.durable)
	}
	d.durable[dir] = struct{}{}
	return nil
}

func (d *directories) isDurable(dir string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	_, ok := d.durable[dir]
	return ok
}

// forget takes back what is known about dir and everything above it, because it proved wrong.
func (d *directories) forget(dir string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for ; dir != "."; dir = path.Dir(dir) {
		delete(d.durable, dir)
	}
}

// prune removes dir if it is empty and not in use, then its parents likewise. It is not synced: an empty
// directory that comes back after a crash is no object.
func (d *directories) prune(dir string) {
	for dir != "." && d.removeEmpty(dir) {
		dir = path.Dir(dir)
		d.removed(dir)
	}
}

func (d *directories) removeEmpty(dir string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.pins[dir] > 0 {
		return false
	}
	delete(d.durable, dir)
	return d.files.RemoveDir(dir) == nil
}

// dirSyncs lets callers that want the same directory synced share one sync, if it begins after all of them asked.
// At no time do two syncs of one directory run: what one that failed has lost, the next one's caller must learn.
type dirSyncs struct {
	sync func(path string) error

	mu   sync.Mutex
	dirs map[string]*dirSync
}

type dirSync struct {
	running chan struct{} // full while a sync runs
	waiting *syncBatch    // not begun yet
	users   int
}

type syncBatch struct {
	done chan struct{}
	err  error
}

// do syncs the directory at path, with every change made to it before the call.
func (s *dirSyncs) do(path string) error {
	s.mu.Lock()
	d := s.dirs[path]
	if d == nil {
		d = &dirSync{running: make(chan struct{}, 1)}
		s.dirs[path] = d
	}
	if batch := d.waiting; batch != nil {
		s.mu.Unlock()
		<-batch.done
		return batch.err
	}
	batch := &syncBatch{done: make(chan struct{})}
	d.waiting = batch
	d.users++
	s.mu.Unlock()

	d.running <- struct{}{}
	s.mu.Lock()
	d.waiting = nil
	s.mu.Unlock()
	batch.err = s.sync(path)
	<-d.running
	close(batch.done)

	s.mu.Lock()
	defer s.mu.Unlock()
	if d.users--; d.users == 0 {
		delete(s.dirs, path)
	}
	return batch.err
}
