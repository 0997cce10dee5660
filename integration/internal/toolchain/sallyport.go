package toolchain

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"
)

// keepBinaries is how long a Sallyport binary that nobody asked for again stays in the cache.
const keepBinaries = 24 * time.Hour

// Sallyport builds the working tree's own binary, as releases are built (no cgo), and returns its path.
//
// It compiles at every call, because the sources may have changed; Go's build cache leaves the link, some seconds. Call it once in TestMain. The
// file is named by its content and never replaced, so a later edit of the sources cannot change the program under a running test.
func Sallyport(ctx context.Context) (path string, err error) {
	return sallyport(ctx, false)
}

// SallyportRace is Sallyport with the race detector in the binary. It needs cgo and a C compiler.
func SallyportRace(ctx context.Context) (path string, err error) {
	return sallyport(ctx, true)
}

func sallyport(ctx context.Context, race bool) (string, error) {
	c, err := open(os.Stderr)
	if err != nil {
		return "", err
	}
	path, err := c.sallyport(ctx, race)
	if err != nil {
		return "", fmt.Errorf("build sallyport: %w", err)
	}
	return path, nil
}

func (c *toolchain) sallyport(ctx context.Context, race bool) (string, error) {
	unlock, err := c.lock(ctx)
	if err != nil {
		return "", err
	}
	defer unlock()
	binaries := filepath.Join(c.cache, "sallyport")
	if err := removeStale(binaries, time.Now().Add(-keepBinaries)); err != nil {
		return "", err
	}
	if err := os.MkdirAll(binaries, 0o755); err != nil {
		return "", fmt.Errorf("make cache folder: %w", err)
	}
	temporary, err := buildFolder(binaries)
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(temporary)

	out := filepath.Join(temporary, executable("sallyport"))
	if err := goBuild(ctx, c.root, race, out, "."); err != nil {
		return "", err
	}
	sum, err := contentName(out)
	if err != nil {
		return "", err
	}
	path := filepath.Join(binaries, sum, executable("sallyport"))
	if present(path) {
		now := time.Now()
		return path, os.Chtimes(filepath.Dir(path), now, now)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return "", fmt.Errorf("make cache folder: %w", err)
	}
	if err := os.Rename(out, path); err != nil {
		return "", fmt.Errorf("publish: %w", err)
	}
	return path, nil
}

func contentName(file string) (string, error) {
	f, err := os.Open(file)
	if err != nil {
		return "", fmt.Errorf("read binary: %w", err)
	}
	defer f.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, f); err != nil {
		return "", fmt.Errorf("read binary: %w", err)
	}
	return hex.EncodeToString(sum.Sum(nil))[:16], nil
}

// removeStale deletes the folders inside dir that were last used before the given time.
func removeStale(dir string, before time.Time) error {
	entries, err := os.ReadDir(dir)
	if os.IsNotExist(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("tidy cache: %w", err)
	}
	for _, entry := range entries {
		info, err := entry.Info()
		if err != nil || !info.ModTime().Before(before) {
			continue // unreadable means gone meanwhile
		}
		if err := os.RemoveAll(filepath.Join(dir, entry.Name())); err != nil {
			return fmt.Errorf("tidy cache: %w", err)
		}
	}
	return nil
}
