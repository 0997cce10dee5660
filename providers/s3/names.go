package s3

import (
	"strings"

	"sallyport/providers/driver"
)

// maxName is the longest object name of S3 in bytes.
const maxName = 1024

// names maps keys to object names: the prefix and the key, nothing else.
type names struct {
	prefix string
	// strict says that the service keeps objects as files, so that some names are taken for others or refused.
	strict bool
	// noSlashAtEnd says that the service holds no object whose name ends in a slash.
	noSlashAtEnd bool
	maxKey       int
}

// maxSegment is the longest segment, in bytes, that such a service holds.
const maxSegment = 255

// of returns the object name of a key, and false where it cannot be held exactly.
func (n *names) of(key string) (string, bool) {
	if !driver.ValidKey(key, n.maxKey) || n.noSlashAtEnd && strings.HasSuffix(key, "/") {
		return "", false
	}
	return n.prefix + key, !n.strict || isPlain(key)
}

// isPlain reports whether a service that keeps objects as files holds just this key.
func isPlain(key string) bool {
	if key+"/" == systemDir { // would hide the gateway's own objects
		return false
	}
	return arePlainFolders(strings.TrimSuffix(key, "/") + "/") // one slash at the end is a name of its own
}

// arePlainFolders is isPlain for a string of whole segments, each with its slash.
func arePlainFolders(folders string) bool {
	for folders != "" {
		var segment string
		segment, folders, _ = strings.Cut(folders, "/")
		if segment == "" || !isPlainSegment(segment) {
			return false
		}
	}
	return true
}

// isPlainSegment refuses what MinIO refuses or takes for something else. It looks for "." and ".." also between backslashes and with blanks around,
// has a name of its own for folders that are objects, and one for the file that an object's data is in.
func isPlainSegment(segment string) bool {
	if len(segment) > maxSegment || strings.HasSuffix(segment, "__XLDIR__") || segment == "xl.meta" || segment == "xl.json" {
		return false
	}
	for piece := range strings.SplitSeq(segment, `\`) {
		switch strings.TrimFunc(piece, func(r rune) bool { return r <= ' ' }) {
		case ".", "..":
			return false
		}
	}
	return true
}

// splitLast cuts name behind its last slash.
func splitLast(name string) (folders, last string) {
	i := strings.LastIndexByte(name, '/') + 1
	return name[:i], name[i:]
}

// listable returns the part of a prefix that the service can be asked for, and false where nothing can begin with the prefix. What is cut off must be looked
// for in the answer.
func (n *names) listable(prefix string) (string, bool) {
	if !n.strict || prefix == "" {
		return prefix, true
	}
	folders, last := splitLast(prefix)
	if !arePlainFolders(folders) {
		return "", false
	}
	if !isPlainSegment(last) {
		return folders, true
	}
	return prefix, true
}

// startable returns the greatest string up to after that the service accepts as the place to begin behind.
func (n *names) startable(after string) string {
	if !n.strict {
		return after
	}
	for start := 0; start < len(after); {
		end := strings.IndexByte(after[start:], '/')
		segment := after[start:]
		if end >= 0 {
			segment = after[start : start+end]
		}
		if segment == "" || !isPlainSegment(segment) {
			return after[:start]
		}
		if end < 0 {
			break
		}
		start += end + 1
	}
	return after
}
