package local

import (
	"strings"
)

// maxVerbatimName is the longest file name in bytes that common file systems hold.
const maxVerbatimName = 255

// rootInTheMaking begins the name of the directory that becomes .sallyport; see createSystemDir.
const rootInTheMaking = systemDir + "-new-"

// isRootInTheMaking reports whether path is at or below a directory that was to become .sallyport.
func isRootInTheMaking(path string) bool { return strings.HasPrefix(path, rootInTheMaking) }

// verbatimPath reports whether path can be used as it is: clean segments that this file system neither changes nor merges.
func (n *names) verbatimPath(path string) bool {
	for segment := range strings.SplitSeq(path, "/") {
		if !n.verbatimSegment(segment) {
			return false
		}
	}
	return true
}

func (n *names) verbatimSegment(segment string) bool {
	if segment == "" || segment == "." || segment == ".." || len(segment) > maxVerbatimName {
		return false
	}
	for i := range len(segment) {
		c := segment[i]
		if n.strict.foldsCase && (c >= 'A' && c <= 'Z' || c >= 0x80) || n.strict.normalises && c >= 0x80 {
			return false
		}
	}
	return !n.strict.windows || windowsHolds(segment)
}

// windowsHolds reports whether Windows keeps segment as it is and opens nothing else by it, such as a device, a stream or the short
// name of another file.
func windowsHolds(segment string) bool {
	for i := range len(segment) {
		if segment[i] < 0x20 || strings.IndexByte(`<>:"/\|?*`, segment[i]) >= 0 {
			return false
		}
		if segment[i] == '~' && i+1 < len(segment) && segment[i+1] >= '0' && segment[i+1] <= '9' {
			return false
		}
	}
	if last := segment[len(segment)-1]; last == '.' || last == ' ' {
		return false
	}
	stem, _, _ := strings.Cut(strings.ToLower(segment), ".")
	stem = strings.TrimRight(stem, " ")
	switch stem {
	case "conin$", "conout$", "com\u00b9", "com\u00b2", "com\u00b3", "lpt\u00b9", "lpt\u00b2", "lpt\u00b3":
		return false
	}
	return !isDeviceName(stem)
}
