package s3

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"sallyport/providers/driver"
)

// errFolderClash is the cause when a key cannot be written because another object is its folder, or lies below it.
var errFolderClash = errors.New("the service would hide one of them from lists")

const (
	knownFor     = 10 * time.Second // how long a folder is taken to hold an object, and so to be none itself
	maxKnown     = 4096             // folders
	clashLookups = 8                // questions at once for one key
)

// clashes finds out whether an object can be written without hiding another one or being hidden.
type clashes struct {
	bucket *Bucket
	check  bool
	mu     sync.Mutex
	known  map[string]time.Time // folders without their slash in which something was written, and when
}

// concerns reports whether names can clash at all.
func (c *clashes) concerns(key string) bool { return c.check && !strings.HasPrefix(key, systemDir) }

// look fails with InvalidKey when an ancestor or a descendant of key is an object.
func (c *clashes) look(ctx context.Context, op, key string) error {
	if !c.concerns(key) {
		return nil
	}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(clashLookups)
	if !strings.HasSuffix(key, "/") { // "a/" is an object that hides nothing
		group.Go(func() error { return c.lookBelow(ctx, op, key) })
	}
	for i := range key {
		if key[i] != '/' || i == len(key)-1 {
			continue
		}
		ancestor := key[:i]
		if c.isKnown(ancestor) {
			continue
		}
		group.Go(func() error {
			_, err := c.bucket.stat(ctx, op, key, c.bucket.names.prefix+ancestor)
			if err == nil {
				return fail(driver.InvalidKey, op, key, fmt.Errorf("it lies below an object: %w", errFolderClash))
			}
			if driver.Is(err, driver.NotFound) {
				return nil
			}
			return err
		})
	}
	return group.Wait()
}

// lookBelow fails when anything but "key/" lies below key.
func (c *clashes) lookBelow(ctx context.Context, op, key string) error {
	page := listAnswer{}
	below := c.bucket.names.prefix + key + "/"
	if err := c.bucket.listOnce(ctx, op, url.Values{"prefix": {below}, "max-keys": {"2"}}, &page); err != nil {
		return err
	}
	for _, found := range page.Contents {
		if found.Key != below {
			return fail(driver.InvalidKey, op, key, fmt.Errorf("an object lies below it: %w", errFolderClash))
		}
	}
	return nil
}

// begin starts to look and returns a function that waits for the answer.
func (c *clashes) begin(ctx context.Context, op, key string) func() error {
	if !c.concerns(key) {
		return func() error { return nil }
	}
	answer := make(chan error, 1)
	go func() { answer <- c.look(ctx, op, key) }()
	return sync.OnceValue(func() error { return <-answer })
}

func (c *clashes) isKnown(folder string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	at, ok := c.known[folder]
	return ok && c.bucket.now().Sub(at) < knownFor
}

// wrote remembers that the folders above key hold an object, and that key is one.
func (c *clashes) wrote(key string) {
	if !c.concerns(key) {
		return
	}
	now := c.bucket.now()
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.known, key)
	for i := range key {
		if key[i] != '/' || i == len(key)-1 { // "a/" can stand beside "a"
			continue
		}
		if len(c.known) >= maxKnown {
			clear(c.known)
		}
		c.known[key[:i]] = now
	}
}
