package local

import (
	"strings"

	"sallyport/providers/driver"
)

// maxKey is the longest key in bytes: that of a bucket, a slash, and S3's longest key of an object.
const maxKey = 63 + 1 + 1024

// pieceLen is the length in bytes at which an escaped segment is cut, before suffix and piece-wise escapes (at most 5 more bytes).
const pieceLen = 200

// systemDir holds what is the gateway's own; systemPrefix begins the keys in it.
const (
	systemDir    = ".sallyport"
	systemPrefix = systemDir + "/"
)

// Suffixes of directories in the escaped layout. Neither byte occurs in an escaped segment.
const (
	dirSuffix  = ","
	moreSuffix = "+"
)

// escapedSystemDir is the file of the key ".sallyport", which would otherwise be the directory.
const escapedSystemDir = "%2esallyport"

const hexDigits = "0123456789abcdef"

// names maps keys to paths of one root and back. The zero value is the escaped layout.
//
// Escaped: bytes a-z 0-9 . _ - stay, every other becomes %xx. Then each segment is cut into pieces of at most 200 bytes, never within an
// escape; all pieces but the last are directories ending in "+", the last is a directory ending in "," or the file itself. In each
// piece the first byte of a Windows device name, a trailing dot and both dots of ".." are escaped too. An empty segment is "%". A file
// ".sallyport" at the top has its dot escaped. The image is lower-case ASCII, so folding and normalising file systems cannot merge two keys.
//
// Verbatim: the key is the path. Keys that are no clean relative path, or that this file system would change or merge, are refused.
type names struct {
	verbatim bool
	strict   verbatimRules
}

// verbatimRules say what the file system below cannot hold exactly. The zero value is a POSIX file system.
type verbatimRules struct {
	foldsCase  bool // Foo and foo are one file
	normalises bool // NFC and NFD of one text are one file, or come back as the other
	windows    bool // Windows' reserved names and characters
}

// path returns the slash-separated path of key below the root; false when this root cannot hold exactly this key.
func (n *names) path(key string) (string, bool) {
	if !driver.ValidKey(key, maxKey) {
		return "", false
	}
	if rest, ok := strings.CutPrefix(key, systemPrefix); ok {
		return key, n.verbatimPath(rest)
	}
	if n.verbatim {
		return key, key != systemDir && !isRootInTheMaking(key) && n.verbatimPath(key)
	}
	return escapedPath(key), true
}

// dir returns the path of the directory that holds the keys beginning with prefix, which is "" or ends in a slash. The directory of
// "" is ".". False when no key of this root can begin so.
func (n *names) dir(prefix string) (string, bool) {
	switch {
	case prefix == "":
		return ".", true
	case strings.HasPrefix(prefix, systemPrefix):
		if prefix == systemPrefix {
			return systemDir, true
		}
		dir := strings.TrimSuffix(prefix, "/")
		return dir, !driver.Reserved(dir) && n.verbatimPath(dir[len(systemPrefix):])
	case n.verbatim:
		dir := strings.TrimSuffix(prefix, "/")
		return dir, !isRootInTheMaking(prefix) && n.verbatimPath(dir)
	}
	return escapedDir(prefix), true
}

// isVerbatimBelow reports whether the names in the directory of prefix are key segments as they are.
func (n *names) isVerbatimBelow(prefix string) bool {
	return n.verbatim || strings.HasPrefix(prefix, systemPrefix)
}

// escapedDir returns the path of the directory for prefix, which ends in a slash.
func escapedDir(prefix string) string {
	var b strings.Builder
	for segment := range strings.SplitSeq(prefix[:len(prefix)-1], "/") {
		if b.Len() > 0 {
			b.WriteByte('/')
		}
		appendSegment(&b, segment)
		b.WriteString(dirSuffix)
	}
	return b.String()
}

// escapedPath returns the path of the file for key.
func escapedPath(key string) string {
	slash := strings.LastIndexByte(key, '/')
	var b strings.Builder
	if slash >= 0 {
		b.WriteString(escapedDir(key[:slash+1]))
		b.WriteByte('/')
	}
	if key == systemDir {
		return escapedSystemDir
	}
	appendSegment(&b, key[slash+1:])
	return b.String()
}

// appendSegment appends the escaped form of one segment without its last suffix.
func appendSegment(b *strings.Builder, segment string) {
	if segment == "" {
		b.WriteByte('%')
		return
	}
	piece := make([]byte, 0, pieceLen)
	for i := 0; i < len(segment); i++ {
		width := 1
		if !isPlain(segment[i]) {
			width = 3
		}
		if len(piece)+width > pieceLen {
			appendPiece(b, piece)
			b.WriteString(moreSuffix)
			b.WriteByte('/')
			piece = piece[:0]
		}
		if width == 1 {
			piece = append(piece, segment[i])
		} else {
			piece = append(piece, '%', hexDigits[segment[i]>>4], hexDigits[segment[i]&15])
		}
	}
	appendPiece(b, piece)
}

// appendPiece appends one piece with the escapes that depend on the whole of it.
func appendPiece(b *strings.Builder, piece []byte) {
	if string(piece) == ".." {
		b.WriteString("%2e%2e")
		return
	}
	last := len(piece) - 1
	for i, c := range piece {
		if i == 0 && isDeviceName(string(piece)) || i == last && c == '.' {
			b.Write([]byte{'%', hexDigits[c>>4], hexDigits[c&15]})
			continue
		}
		b.WriteByte(c)
	}
}

func isPlain(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '.' || c == '_' || c == '-'
}

// isDeviceName reports whether Windows takes name, up to its first dot, for a device. Lower case only.
func isDeviceName(name string) bool {
	stem, _, _ := strings.Cut(name, ".")
	switch stem {
	case "con", "prn", "aux", "nul":
		return true
	}
	return len(stem) == 4 && (strings.HasPrefix(stem, "com") || strings.HasPrefix(stem, "lpt")) && stem[3] >= '0' && stem[3] <= '9'
}

// unescape undoes the escapes of one piece (without suffix). It accepts more than appendPiece writes: who calls it compares with the
// escaped form of the result.
func unescape(piece string) (string, bool) {
	var b strings.Builder
	for i := 0; i < len(piece); i++ {
		c := piece[i]
		switch {
		case isPlain(c):
			b.WriteByte(c)
		case c == '%' && i+2 < len(piece):
			hi, lo := strings.IndexByte(hexDigits, piece[i+1]), strings.IndexByte(hexDigits, piece[i+2])
			if hi < 0 || lo < 0 {
				return "", false
			}
			b.WriteByte(byte(hi<<4 | lo))
			i += 2
		default:
			return "", false
		}
	}
	return b.String(), true
}

// segmentOf decodes the chain of names that one segment has on disk, all but the last ending in "+". It returns the segment and
// whether it is a directory; false in the last result for every chain that escapedPath does not write. top says that the chain begins
// in the root.
func segmentOf(chain []string, top bool) (segment string, isDir, ok bool) {
	last := chain[len(chain)-1]
	leaf := strings.TrimSuffix(last, dirSuffix)
	isDir = leaf != last
	if len(chain) == 1 && leaf == "%" {
		return "", isDir, true
	}
	var b strings.Builder
	for i, name := range chain {
		piece := leaf
		if i < len(chain)-1 {
			piece = strings.TrimSuffix(name, moreSuffix)
		}
		part, ok := unescape(piece)
		if !ok {
			return "", false, false
		}
		b.WriteString(part)
	}
	segment = b.String()
	if segment == "" || strings.IndexByte(segment, '/') >= 0 {
		return "", false, false
	}
	if top && segment == systemDir {
		return segment, isDir, !isDir && last == escapedSystemDir
	}
	var again strings.Builder
	appendSegment(&again, segment)
	if isDir {
		again.WriteString(dirSuffix)
	}
	return segment, isDir, again.String() == strings.Join(chain, "/")
}
