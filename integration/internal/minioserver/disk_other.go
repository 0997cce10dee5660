//go:build !linux

package minioserver

// inMemory is only answered on Linux, where temporary folders commonly are in memory.
func inMemory(string) (bool, error) { return false, nil }
