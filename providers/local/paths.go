package local

import (
	"fmt"
	"io/fs"
	"strings"
)

// KeyPath returns the slash-separated path of a key's file below a root of this layout; false when no file of such a root is that key's. What the
// file system of one root cannot hold exactly is not considered: such a file is in no root.
func KeyPath(layout, key string) (string, bool) {
	n := names{verbatim: layout == LayoutVerbatim}
	return n.path(key)
}

// PathKey is the inverse of KeyPath. For the path of a folder in which objects lie the key ends in a slash and isDir is true; of a verbatim root,
// where names do not tell, isDir is false always. False in the last result for every path that no key has.
func PathKey(layout, name string) (key string, isDir, ok bool) {
	if layout == LayoutVerbatim {
		own, ok := KeyPath(layout, name)
		return name, false, ok && own == name
	}
	var b strings.Builder
	for parts := strings.Split(name, "/"); len(parts) > 0; {
		n := 1
		for n < len(parts) && strings.HasSuffix(parts[n-1], moreSuffix) {
			n++
		}
		segment, dir, ok := segmentOf(parts[:n], b.Len() == 0)
		if !ok || !dir && n < len(parts) {
			return "", false, false
		}
		b.WriteString(segment)
		if isDir = dir; isDir {
			b.WriteByte('/')
		}
		parts = parts[n:]
	}
	key = b.String()
	own, ok := KeyPath(layout, key)
	if isDir {
		own = escapedDir(key)
		ok = !strings.HasPrefix(key, systemPrefix)
	}
	return key, isDir, ok && own == name
}

// LayoutOf tells the layout of a root, or of a copy of one that may have lost its marker: folders named as those of buckets are in an escaped root
// are in no verbatim one. It believes the marker where it reads one, and fails only when the top of the root cannot be listed.
func LayoutOf(root fs.FS) (string, error) {
	if _, err := fs.Stat(root, markerFile); err == nil {
		return LayoutEscaped, nil
	}
	entries, err := fs.ReadDir(root, ".")
	if err != nil {
		return "", fmt.Errorf("learn the layout: %w", err)
	}
	for _, e := range entries {
		if _, isDir, ok := PathKey(LayoutEscaped, e.Name()); ok && isDir && e.IsDir() {
			return LayoutEscaped, nil
		}
	}
	return LayoutVerbatim, nil
}
