package local

// IsVerbatimPath reports whether a verbatim root on a POSIX file system takes key.
func IsVerbatimPath(key string) bool {
	n := names{verbatim: true}
	_, ok := n.path(key)
	return ok
}

// UploadDir is where an upload's files are.
func UploadDir(id string) string { return uploadDir(id) }

// LiveTemps returns how many temporaries count as being written.
func LiveTemps(f *Folder) int {
	f.temps.mu.Lock()
	defer f.temps.mu.Unlock()
	return len(f.temps.live)
}

// Pins returns how many directories are in use, beside those kept for good.
func Pins(f *Folder) int {
	f.dirs.mu.Lock()
	defer f.dirs.mu.Unlock()
	return len(f.dirs.pins) - 3
}

// SetWindow bounds how many names of a directory are held.
func SetWindow(f *Folder, names int) { f.listing.limit = names }

// ClosePending reports whether a Close waits for changes that are being committed.
func ClosePending(f *Folder) bool {
	if f.commits.TryRLock() {
		f.commits.RUnlock()
		return false
	}
	return true
}
