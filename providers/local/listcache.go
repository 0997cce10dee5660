package local

import (
	"hash/maphash"
	"slices"
	"sort"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// windowNames bounds how many names of one directory are held sorted; of a larger directory it is the next so many.
const windowNames = 1 << 17

// cachedBytes bounds the memory of all windows kept, by an estimate.
const cachedBytes = 64 << 20

// windowAge is how long a window is used. Changes by this driver are seen at once, those by other programs by the directory's time of
// last change, and those that time does not show (within its step, or in the pieces of long names) after this long.
const windowAge = 15 * time.Second

// window holds the names of one directory of keys that are ≥ from and, unless complete, ≤ the last one held, in byte order. Names of
// directories end in a slash. It is not changed after it was made.
type window struct {
	dir      string
	from     string
	names    []string
	complete bool // nothing comes after the last name

	made  time.Time
	count uint64 // of changes when reading began
	stat  Stat   // of the directory when reading began
	bytes int
	used  uint64
}

// covers reports whether the window answers for names ≥ from.
func (w *window) covers(from string) bool {
	return from >= w.from && (w.complete || len(w.names) > 0 && from <= w.names[len(w.names)-1])
}

// tail returns the names ≥ from.
func (w *window) tail(from string) []string {
	return w.names[sort.SearchStrings(w.names, from):]
}

// listingCache keeps windows for the pages that follow.
type listingCache struct {
	folder  *Folder
	limit   int // windowNames
	seed    maphash.Seed
	changes [1024]atomic.Uint64 // by hash of the directory

	mu      sync.Mutex
	windows map[string]*window
	bytes   int
	clock   uint64
}

func newListingCache(f *Folder) *listingCache {
	return &listingCache{folder: f, limit: windowNames, seed: maphash.MakeSeed(), windows: map[string]*window{}}
}

func (c *listingCache) counter(dir string) *atomic.Uint64 {
	return &c.changes[maphash.String(c.seed, dir)%uint64(len(c.changes))]
}

// changed says that the entries of dir changed. It is called after the change and before it is acknowledged.
func (c *listingCache) changed(dir string) {
	c.counter(dir).Add(1)
	for strings.HasSuffix(dir, moreSuffix) { // the names in it count as its parent's
		dir = parentOf(dir)
		c.counter(dir).Add(1)
	}
}

func parentOf(dir string) string {
	if i := strings.LastIndexByte(dir, '/'); i >= 0 {
		return dir[:i]
	}
	return "."
}

// get returns a window of the directory at dir, which holds the keys that begin with prefix, for names ≥ from.
func (c *listingCache) get(prefix, dir, from string) (*window, error) {
	count := c.counter(dir).Load()
	stat, err := c.folder.files.Stat(dir)
	if err != nil {
		return nil, err
	}
	now := c.folder.now()
	c.mu.Lock()
	w := c.windows[dir]
	if w != nil && (w.count != count || w.stat != stat || now.Sub(w.made).Abs() > windowAge) {
		c.drop(w)
		w = nil
	}
	if w != nil && w.covers(from) {
		c.clock++
		w.used = c.clock
		c.mu.Unlock()
		return w, nil
	}
	c.mu.Unlock()

	w = &window{dir: dir, from: from, made: now, count: count, stat: stat}
	if err := c.folder.readWindow(w, prefix); err != nil {
		return nil, err
	}
	c.keep(w)
	return w, nil
}

// keep remembers w and forgets the windows used longest ago beyond the bound.
func (c *listingCache) keep(w *window) {
	const smallest = 64 // reading so few again costs no more than asking whether they changed
	if w.complete && len(w.names) < smallest {
		return
	}
	for _, name := range w.names {
		w.bytes += len(name) + 32
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if old := c.windows[w.dir]; old != nil {
		c.drop(old)
	}
	c.clock++
	w.used = c.clock
	c.windows[w.dir] = w
	c.bytes += w.bytes
	for c.bytes > cachedBytes {
		oldest := w
		for _, other := range c.windows {
			if other.used < oldest.used {
				oldest = other
			}
		}
		c.drop(oldest)
	}
}

func (c *listingCache) drop(w *window) {
	delete(c.windows, w.dir)
	c.bytes -= w.bytes
}

// readWindow reads the directory of w and keeps the windowNames smallest names ≥ w.from.
func (f *Folder) readWindow(w *window, prefix string) error {
	limit := f.listing.limit
	w.complete = true
	err := f.eachName(prefix, w.dir, func(name string) bool {
		if name < w.from {
			return true
		}
		w.names = append(w.names, name)
		if len(w.names) >= 2*limit {
			slices.Sort(w.names)
			clear(w.names[limit:])
			w.names = w.names[:limit]
			w.complete = false
		}
		return true
	})
	if err != nil {
		return err
	}
	slices.Sort(w.names)
	if len(w.names) > limit {
		w.names = w.names[:limit]
		w.complete = false
	}
	return nil
}
