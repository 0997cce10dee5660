package local

// IsVerbatimPath reports whether a verbatim root on a POSIX file system takes key.
func IsVerbatimPath(key string) bool {
	n := names{verbatim: true}
	_, ok := n.path(key)
	return ok
}

// UploadDir is where an upload's files are.
func UploadDir(id string) string { return uploadDir(id) }
