// Package cache is the gateway's rebuildable local cache, sealed: it remembers the ETags of tails already opened, so that LIST under
// the policy "md5" needs no read per object. Losing it costs time, never data, and what is damaged or foreign in it is passed over.
//
// It promises bounded memory (about 100 bytes per row, so about 20 MiB when full at the default of 200,000 rows), bounded files, and
// that nothing readable reaches the disk: rows name objects by keyed hashes and are sealed under the vault's cache key. It does not promise to
// remember anything, and knows nothing of freshness: a row says which client ETag a revision of a stored file has, which never changes.
//
// Specification: docs/FORMAT.md sections 5 and 7.
package cache

import (
	"crypto/hmac"
	"errors"
	"log/slog"
	"sync"
	"time"

	"sallyport/crypto/keys"
)

// DefaultMaxRows bounds a cache whose Options do not.
const DefaultMaxRows = 200_000

// Options are what a Cache is made of. The zero value is a cache in memory only.
type Options struct {
	Dir     string           // where the sealed rows are kept, made if absent; "" = nowhere
	MaxRows int              // of all vaults together; 0 = DefaultMaxRows
	Now     func() time.Time // nil = time.Now
	Log     *slog.Logger     // nil = discard
}

// Cache maps (vault, backend key, backend ETag) to what a tail said. When full it forgets what was not asked for longest. It is bounded and
// safe for concurrent use.
type Cache struct {
	dir  string
	now  func() time.Time
	log  *slog.Logger
	mu   sync.Mutex
	rows *rows
	open map[[16]byte]*View
}

// New returns a cache. It does no I/O: a vault's rows are loaded when its view is first asked for.
func New(opts *Options) *Cache {
	c := &Cache{dir: opts.Dir, now: opts.Now, log: opts.Log, open: map[[16]byte]*View{}}
	limit := opts.MaxRows
	if limit <= 0 {
		limit = DefaultMaxRows
	}
	c.rows = newRows(limit)
	if c.now == nil {
		c.now = time.Now
	}
	if c.log == nil {
		c.log = slog.New(slog.DiscardHandler)
	}
	return c
}

// View is one vault's part of a cache. It is safe for concurrent use.
type View struct {
	cache *Cache
	vault [16]byte
	seal  *[keys.Size]byte // our own copies: the vault clears its keys when it is locked, and zeros must never seal a row
	names *namers
	file  *file // nil = in memory only
}

// View returns the part of the cache that belongs to a vault, and loads what earlier runs left of it. Another cache key than before, after a
// change of epoch, begins anew. The key is copied, and kept until Forget.
func (c *Cache) View(vault [16]byte, key keys.CacheKey) *View {
	c.mu.Lock()
	v := c.open[vault]
	fresh := v == nil || !hmac.Equal(v.seal[:], key.Reveal()[:])
	if fresh {
		v = c.newView(vault, key)
		c.open[vault] = v
	}
	c.mu.Unlock()
	if fresh && v.file != nil {
		v.file.load(v)
	}
	return v
}

func (c *Cache) newView(vault [16]byte, key keys.CacheKey) *View {
	seal := *key.Reveal()
	names := &namers{key: keys.Expand(seal[:], keys.Label("cache-name"), keys.Size)}
	v := &View{cache: c, vault: vault, seal: &seal, names: names}
	if c.dir != "" && seal != [keys.Size]byte{} { // a vault that is being locked has cleared its key: nothing is sealed under zeros
		v.file = newFile(c.dir, vault)
	}
	return v
}

// Forget writes what is pending of a vault and drops its view with the keys in it, as when the vault is locked. Views handed out
// before stay usable and remember nothing from then on.
func (c *Cache) Forget(vault [16]byte) error {
	c.mu.Lock()
	v := c.open[vault]
	delete(c.open, vault)
	c.mu.Unlock()
	if v == nil || v.file == nil {
		return nil
	}
	err := v.file.flush(v)
	v.file.close()
	return err
}

// Flush writes what is pending of all vaults. An error means that the rows will have to be found out again, no more.
func (c *Cache) Flush() error {
	c.mu.Lock()
	views := make([]*View, 0, len(c.open))
	for _, v := range c.open {
		views = append(views, v)
	}
	c.mu.Unlock()
	var errs []error
	for _, v := range views {
		if v.file != nil {
			errs = append(errs, v.file.flush(v))
		}
	}
	return errors.Join(errs...)
}

// Len returns how many rows are in memory, for tests.
func (c *Cache) Len() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.rows.len()
}

// Get returns what is remembered of the revision backendETag of backendKey.
func (v *View) Get(backendKey, backendETag string) (ETag, bool) {
	id := v.names.id(backendKey, backendETag)
	v.cache.mu.Lock()
	defer v.cache.mu.Unlock()
	return v.cache.rows.get(id)
}

// Put remembers what the tail of a revision said. It may write a batch of rows to disk; failing to is logged and has no other effect.
func (v *View) Put(backendKey, backendETag string, etag ETag) {
	if backendETag == "" || !etag.valid() {
		return
	}
	r := row{id: v.names.id(backendKey, backendETag), etag: etag}
	v.cache.mu.Lock()
	fresh := v.cache.rows.put(r)
	v.cache.mu.Unlock()
	if !fresh || v.file == nil {
		return
	}
	if err := v.file.add(v, r); err != nil {
		v.cache.log.Warn("etag cache not written", "error", err)
	}
}
