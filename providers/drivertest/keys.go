package drivertest

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"sallyport/providers/driver"
)

// weirdKeys are keys that file systems, URLs, XML, shells and escaping schemes have been confused by. All of them live in one root at
// the same time.
func weirdKeys(maxKey int) []string {
	keys := []string{
		"hello? sausage/êé/grüße, 世界/\"quoted\" 'single' <tag> & a+b=c @ 100%/#1.txt",
		"a", "a/b", "a/b/c", "a/", "a//", "a//b", "A", "A/b", "/", "//", "/a", "//a", "///",
		".", "..", "./a", "../a", "../../../a", "a/.", "a/..", "a/./b", "a/../b", "...", "a/...", ".a", "a.", "a./b", "a..", ".a/.b",
		" ", "a ", " a", "a /b", "a b", "\t", "a\tb", "a\nb", "a\r\nb", "\x01", "\x1f", "\x7f", "\u0080", "\u2028",
		"CON", "con", "con.txt", "PRN", "aux/a", "nul", "NUL.tar.gz", "com1", "COM9.log", "lpt1", "lpt\u00b9", "CONIN$", "a/con/b",
		"a:b", "C:", "C:\\a", "a\\b", "..\\a", "\\\\host\\share", "a*b", "a?b", "a|b", "a<b>", "a\"b", "a::$DATA",
		"%", "%%", "%/", "a%", "%00", "%2f", "%2F", "%2e%2e", "a%2fb", "a%b", "%61", "+", "a+", "a+b", "a+/b", ",", "a,", "a,/b", "a/,", "a/b,",
		"~", "~a", "a~", "a~1", "-", "--help", "-rf", "#", "a#b", "?", "a?versionId=1", "&", "a;b", "=", "@", "$(a)", "`a`", "'", "!",
		"\u00e9", "e\u0301", "\u212b", "\u00c5", "A\u030a", "\u0130", "\u0131", "\u212a", "k", "K", "\u00df", "ss", "\ufb01", "\ufeff", "\ufffd",
		"\u202e", "\u200b", "\U0001f980", "\U0010ffff", "世界/世界", "мир", "عالم",
		".sallyport", ".sallyport/held/x", ".sallyport/vault/0000000001.json", ".sallyport2/a", ".sallyportx", "a/.sallyport/uploads/x",
		".git", ".DS_Store", "desktop.ini", "lost+found", "index.html", "null", "undefined", "0", "00", "a0", "a-", "a-b", "a.b",
		strings.Repeat("d/", 60) + "deep",
	}
	for _, n := range []int{100, 127, 128, 199, 200, 201, 251, 252, 255, 256, 400, 401, 1023, 1024} {
		keys = append(keys, strings.Repeat("x", n), strings.Repeat("%", n), strings.Repeat("y", n-2)+"/z")
	}
	keys = append(keys, strings.Repeat("é", 512), strings.Repeat("/", 512), strings.Repeat("a/", 512), strings.Repeat(".", 1024), strings.Repeat("世", 341)+"x")
	keys = slices.DeleteFunc(keys, func(k string) bool { return len(k) > maxKey })
	keys = append(keys, strings.Repeat("m", maxKey))
	slices.Sort(keys)
	return slices.Compact(keys)
}

func testKeys(t *testing.T, h *Harness) {
	t.Run("Weird", func(t *testing.T) {
		d := h.NewDriver(t)
		content := func(key string, round int) []byte { return fmt.Appendf(nil, "%d %s", round, key) }
		var held []string
		for _, key := range weirdKeys(d.Capabilities().MaxKey) {
			if h.possible(key) {
				put(t, d, key, content(key, 1))
				held = append(held, key)
				continue
			}
			_, err := d.Put(t.Context(), key, bytes.NewReader(nil), 0, &driver.PutOptions{})
			wantKind(t, fmt.Sprintf("Put of %q, which cannot be held", key), err, driver.InvalidKey)
		}
		for _, key := range held {
			wantObject(t, d, key, content(key, 1))
		}
		wantNames(t, "all weird keys", names(t, d, driver.ListOptions{Limit: 7}), held)
		for i, key := range held {
			if i%2 == 0 {
				wantNil(t, fmt.Sprintf("Delete %q", key), d.Delete(t.Context(), key, &driver.DeleteOptions{}))
			} else {
				put(t, d, key, content(key, 2))
			}
		}
		var left []string
		for i, key := range held {
			if i%2 == 0 {
				wantAbsent(t, d, key)
				continue
			}
			wantObject(t, d, key, content(key, 2))
			left = append(left, key)
		}
		wantNames(t, "what is left", names(t, d, driver.ListOptions{}), left)
		for _, key := range left {
			opts := driver.ListOptions{Prefix: key, Delimiter: key}
			wantNames(t, fmt.Sprintf("by its own name %q", key), names(t, d, opts), expected(left, opts))
		}
		d = h.Reopen(t, d)
		wantNames(t, "what is left when reopened", names(t, d, driver.ListOptions{}), left)
		for _, key := range left {
			wantObject(t, d, key, content(key, 2))
		}
		for _, key := range left {
			wantNil(t, fmt.Sprintf("Delete %q", key), d.Delete(t.Context(), key, &driver.DeleteOptions{}))
		}
		wantNames(t, "everything deleted", names(t, d, driver.ListOptions{Delimiter: "/"}), nil)
	})
	t.Run("Uploads", func(t *testing.T) {
		d := h.NewDriver(t)
		for i, key := range weirdKeys(d.Capabilities().MaxKey) {
			if i%5 != 0 {
				continue
			}
			id, err := d.Uploads().Create(t.Context(), key, func(string) ([]byte, error) { return []byte("n"), nil })
			if !h.possible(key) {
				wantKind(t, fmt.Sprintf("Create for %q, which cannot be held", key), err, driver.InvalidKey)
				continue
			}
			wantNil(t, fmt.Sprintf("Create for %q", key), err)
			up := driver.Upload{ID: id, Key: key}
			part := putPart(t, d, up, 1, []byte(key))
			wantNames(t, "an open upload is no object", names(t, d, driver.ListOptions{Prefix: key, Limit: 1}), nil)
			_, err = d.Uploads().Complete(t.Context(), up, []driver.Part{*part}, &driver.PutOptions{})
			wantNil(t, fmt.Sprintf("Complete for %q", key), err)
			wantObject(t, d, key, []byte(key))
			wantNil(t, "Delete", d.Delete(t.Context(), key, &driver.DeleteOptions{}))
		}
	})
	t.Run("Invalid", func(t *testing.T) {
		d := h.NewDriver(t)
		src := put(t, d, "k", []byte("x"))
		invalid := []string{
			"", "\x00", "a\x00b", "a/\x00", "\xff", "a\xc3", "\xc3\xa9\x80", "\xed\xa0\x80", strings.Repeat("x", d.Capabilities().MaxKey+1), strings.Repeat("x/", 5000),
			".sallyport/uploads", ".sallyport/uploads/", ".sallyport/uploads/x", ".sallyport/tmp/x", ".sallyport/tmp", ".sallyport/local.json", ".sallyport/lock", ".sallyport/doubt",
		}
		for _, key := range invalid {
			body := &watchedBody{r: strings.NewReader("y")}
			_, err := d.Put(t.Context(), key, body, 1, &driver.PutOptions{})
			wantKind(t, fmt.Sprintf("Put %q", key), err, driver.InvalidKey)
			_, err = d.Head(t.Context(), key)
			wantKind(t, fmt.Sprintf("Head %q", key), err, driver.InvalidKey)
			_, _, err = d.Get(t.Context(), key, &driver.GetOptions{})
			wantKind(t, fmt.Sprintf("Get %q", key), err, driver.InvalidKey)
			wantKind(t, fmt.Sprintf("Delete %q", key), d.Delete(t.Context(), key, &driver.DeleteOptions{}), driver.InvalidKey)
			_, err = d.Uploads().Create(t.Context(), key, nil)
			wantKind(t, fmt.Sprintf("Create %q", key), err, driver.InvalidKey)
		}
		stale, err := d.Uploads().Stale(t.Context(), inAnHour())
		wantNil(t, "Stale", err)
		if len(stale) != 0 {
			t.Fatalf("refused keys left uploads %+v", stale)
		}
		wantNames(t, "refused keys change nothing", names(t, d, driver.ListOptions{}), []string{"k"})
		h.wantSameInfo(t, "the object beside them", wantObject(t, d, "k", []byte("x")), src)
	})
}
