package minioserver

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"sallyport/integration/internal/toolchain"
)

// dataDir makes an empty folder on a disk. In memory-backed file systems MinIO refuses direct I/O, and durability means nothing. The caller removes it.
func dataDir() (string, error) {
	cache, err := toolchain.CacheDir()
	if err != nil {
		return "", err
	}
	var refused []error
	for _, parent := range []string{os.TempDir(), filepath.Join(cache, "servers")} {
		if err := os.MkdirAll(parent, 0o755); err != nil {
			refused = append(refused, fmt.Errorf("make folder for data: %w", err))
			continue
		}
		volatile, err := inMemory(parent)
		if err == nil && volatile {
			err = errors.New("lies in memory")
		}
		if err != nil {
			refused = append(refused, fmt.Errorf("%s: %w", parent, err))
			continue
		}
		return os.MkdirTemp(parent, "minio-")
	}
	return "", fmt.Errorf("find a disk for data (set TMPDIR): %w", errors.Join(refused...))
}
