package local

import (
	"slices"
	"sort"
	"strings"
	"sync"
	"time"
)

// windowNames bounds how many names of one directory are held sorted; of a larger directory it is the next so many.
const windowNames = 1 << 17

// cachedBytes bounds the memory of all windows kept, by an estimate.
const cachedBytes = 64 << 20

// windowAge is how long a window is used. Changes by this driver are seen at once. Changes by other programs are seen by the directory's time of last
// change; where that does not tell (two changes within the step of that time, directories of the pieces of long names, a change after one of ours)
// they are seen after this long.
const windowAge = 15 * time.Second

// extraNames bounds how many new names are noted beside a window before it is read again.
const extraNames = 4096

// window holds the names of one directory of keys that are ≥ from and, unless complete, ≤ the last one held, in byte order. Names of directories end
// in a slash. A name in it may be gone: the listing notices that when it looks at the file. A name that came after the window was read is in extra.
type window struct {
	dir      string
	from     string
	names    []string
	complete bool // nothing comes after the last name

	made  time.Time
	stat  Stat // of the directory when reading began
	bytes int

	// Under the cache's lock.
	extra   []string // new names, sorted
	own     bool     // we changed the directory since, so stat says nothing any more
	spoiled bool     // changed in a way that extra does not tell
	used    uint64
}

// view is what one reader uses of a window.
type view struct {
	names    []string
	extra    []string
	complete bool
}

// covers reports whether the window answers for names ≥ from.
func (w *window) covers(from string) bool {
	return from >= w.from && (w.complete || len(w.names) > 0 && from <= w.names[len(w.names)-1])
}

// view returns the names ≥ from.
func (w *window) view(from string) view {
	v := view{names: w.names[sort.SearchStrings(w.names, from):], complete: w.complete}
	extra := w.extra[sort.SearchStrings(w.extra, from):]
	if !w.complete {
		// What comes later than the window is read from the disk with the next one.
		end, found := slices.BinarySearch(extra, w.names[len(w.names)-1])
		if found {
			end++
		}
		extra = extra[:end]
	}
	v.extra = slices.Clone(extra)
	return v
}

// each calls visit with the names of both lists in order, each once.
func (v view) each(visit func(name string) error) error {
	names, extra := v.names, v.extra
	for len(names) > 0 || len(extra) > 0 {
		var name string
		switch {
		case len(extra) == 0 || len(names) > 0 && names[0] < extra[0]:
			name, names = names[0], names[1:]
		case len(names) == 0 || extra[0] < names[0]:
			name, extra = extra[0], extra[1:]
		default:
			name, names, extra = names[0], names[1:], extra[1:]
		}
		if err := visit(name); err != nil {
			return err
		}
	}
	return nil
}

// listingCache keeps windows for the pages that follow.
type listingCache struct {
	folder *Folder
	limit  int // windowNames

	mu       sync.Mutex
	windows  map[string]*window
	building map[*window]struct{}
	bytes    int
	clock    uint64
}

func newListingCache(f *Folder) *listingCache {
	return &listingCache{folder: f, limit: windowNames, windows: map[string]*window{}, building: map[*window]struct{}{}}
}

// concerned returns the windows on dir, kept or being read.
func (c *listingCache) concerned(dir string) []*window {
	var all []*window
	if w := c.windows[dir]; w != nil {
		all = append(all, w)
	}
	for w := range c.building {
		if w.dir == dir {
			all = append(all, w)
		}
	}
	return all
}

// added says that key has a file now. Like all of these it is called after the change and before it is acknowledged.
func (c *listingCache) added(key string) {
	prefix, name := splitKey(key)
	dir, ok := c.folder.names.dir(prefix)
	if !ok {
		panic("local: internal error: an object in no directory")
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, w := range c.concerned(dir) {
		w.own = true
		at, found := slices.BinarySearch(w.extra, name)
		if found {
			continue
		}
		if len(w.extra) == extraNames {
			c.spoil(w)
			continue
		}
		w.extra = slices.Insert(w.extra, at, name)
	}
}

// splitKey parts a key behind its last slash.
func splitKey(key string) (prefix, name string) {
	i := strings.LastIndexByte(key, '/') + 1
	return key[:i], key[i:]
}

// removed says that something in dir, or in a directory of pieces in it, is gone.
func (c *listingCache) removed(dir string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, w := range c.concerned(dir) {
		w.own = true
	}
}

// changed says that the entries of dir changed in an unknown way.
func (c *listingCache) changed(dir string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for {
		for _, w := range c.concerned(dir) {
			c.spoil(w)
		}
		if !strings.HasSuffix(dir, moreSuffix) {
			return
		}
		dir = parentOf(dir) // the names in a directory of pieces count as its parent's
	}
}

func parentOf(dir string) string {
	if i := strings.LastIndexByte(dir, '/'); i >= 0 {
		return dir[:i]
	}
	return "."
}

// spoil makes w useless for later pages.
func (c *listingCache) spoil(w *window) {
	w.spoiled = true
	if c.windows[w.dir] == w {
		c.drop(w)
	}
}

// get returns the names ≥ from in the directory at dir, which holds the keys that begin with prefix.
func (c *listingCache) get(prefix, dir, from string) (view, error) {
	stat, err := c.folder.files.Stat(dir)
	if err != nil {
		return view{}, err
	}
	now := c.folder.now()
	c.mu.Lock()
	w := c.windows[dir]
	if w != nil && (!w.own && w.stat != stat || now.Sub(w.made).Abs() > windowAge) {
		c.drop(w)
		w = nil
	}
	if w != nil && w.covers(from) {
		c.clock++
		w.used = c.clock
		v := w.view(from)
		c.mu.Unlock()
		return v, nil
	}
	w = &window{dir: dir, from: from, made: now, stat: stat}
	c.building[w] = struct{}{}
	c.mu.Unlock()

	err = c.folder.readWindow(w, prefix)

	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.building, w)
	if err != nil {
		return view{}, err
	}
	v := w.view(from)
	if !w.spoiled {
		c.keep(w)
	}
	return v, nil
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

// readWindow reads the directory of w and keeps the smallest names ≥ w.from.
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
