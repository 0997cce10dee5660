package driver

import (
	"strings"
	"unicode/utf8"
)

// Reserved reports whether key lies where drivers keep their own files: uploads with their notes, temporaries, the marks of a local
// root. Every driver refuses such a key with InvalidKey and lists none.
func Reserved(key string) bool {
	rest, ok := strings.CutPrefix(key, ".sallyport/")
	if !ok {
		return false
	}
	switch rest {
	case "uploads", "tmp", "local.json", "lock", "doubt":
		return true
	}
	return strings.HasPrefix(rest, "uploads/") || strings.HasPrefix(rest, "tmp/")
}

// ValidKey reports whether key keeps the rules that hold for every backend: UTF-8 without NUL, 1…maxKey bytes, not Reserved.
func ValidKey(key string, maxKey int) bool {
	return key != "" && len(key) <= maxKey && !strings.ContainsRune(key, 0) && utf8.ValidString(key) && !Reserved(key)
}
