package minioserver

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// inMemory reports whether the folder's file system keeps its files in memory.
func inMemory(dir string) (bool, error) {
	var info unix.Statfs_t
	if err := unix.Statfs(dir, &info); err != nil {
		return false, fmt.Errorf("ask file system: %w", err)
	}
	return info.Type == unix.TMPFS_MAGIC || info.Type == unix.RAMFS_MAGIC, nil
}
