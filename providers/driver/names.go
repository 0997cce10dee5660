package driver

import (
	"strings"
	"unicode/utf8"
)

// MaxNote is the largest note in bytes.
const MaxNote = 16 << 10

// Reserved reports whether key lies where drivers keep their own files: uploads with their notes, temporaries, the marks of a local
// root. Every driver refuses such a key with InvalidKey and lists none.
func Reserved(key string) bool {
	rest, ok := strings.CutPrefix(key, ".sallyport/")
	if !ok {
		return false
	}
	switch rest {
	case "uploads", "tmp", "local.json", "lock":
		return true
	}
	return strings.HasPrefix(rest, "uploads/") || strings.HasPrefix(rest, "tmp/")
}

// ValidKey reports whether key keeps the rules that hold for every backend: UTF-8 without NUL, 1…maxKey bytes, not Reserved.
func ValidKey(key string, maxKey int) bool {
	return key != "" && len(key) <= maxKey && !strings.ContainsRune(key, 0) && utf8.ValidString(key) && !Reserved(key)
}

// ValidNoteName reports whether name may name a note: 1…64 bytes of [0-9a-z-].
func ValidNoteName(name string) bool {
	if name == "" || len(name) > 64 {
		return false
	}
	for i := range len(name) {
		c := name[i]
		if c != '-' && (c < '0' || c > '9') && (c < 'a' || c > 'z') {
			return false
		}
	}
	return true
}
