package local_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sallyport/providers/driver"
	"sallyport/providers/drivertest"
	"sallyport/providers/local"
)

func TestDriver(t *testing.T) {
	eachLayout(t, func(t *testing.T, layout string) {
		paths := map[driver.Driver]string{}
		current := ""
		openAt := func(t *testing.T, path string) driver.Driver {
			current = path
			d := open(t, path, layout)
			paths[d] = path
			return d
		}
		drivertest.Run(t, drivertest.Harness{
			NewDriver: func(t *testing.T) driver.Driver { return openAt(t, t.TempDir()) },
			Reopen: func(t *testing.T, d driver.Driver) driver.Driver {
				if err := d.Close(); err != nil {
					t.Fatal(err)
				}
				return openAt(t, paths[d])
			},
			Impossible: func(key string) bool { return layout == local.LayoutVerbatim && !isCleanPath(current, key) },
		})
	})
}

// isCleanPath reports whether the folder at root holds key as a path beside what it holds already.
func isCleanPath(root, key string) bool {
	if !local.IsVerbatimPath(key) {
		return false
	}
	if info, err := os.Lstat(filepath.Join(root, key)); err == nil && info.IsDir() {
		return false
	}
	for i := range key {
		if key[i] != '/' {
			continue
		}
		if info, err := os.Lstat(filepath.Join(root, strings.TrimRight(key[:i], "/"))); err == nil && !info.IsDir() {
			return false
		}
	}
	return true
}
