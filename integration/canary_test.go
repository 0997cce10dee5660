package integration

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// canaries are texts that may be found nowhere, each with what it stands for.
type canaries map[string]string

// text makes a canary of its own kind.
func (c canaries) text(what string) string {
	text := "canary-" + strings.ToLower(rand.Text())
	c.add(what, []byte(text))
	return text
}

// add takes every spelling in which these bytes could turn up.
func (c canaries) add(what string, secret []byte) {
	c[string(secret)] = what
	c[hex.EncodeToString(secret)] = what + " in hex"
	c[strings.ToUpper(hex.EncodeToString(secret))] = what + " in HEX"
	for skip := range 3 { // base64 of a longer text that holds it, at any place
		padded := base64.StdEncoding.EncodeToString(append(make([]byte, skip), secret...))
		c[padded[(skip*8+5)/6:(skip+len(secret))*8/6]] = what + " in base64"
	}
}

// addKey takes a 64-digit key: its digits in any grouping, its bytes and their spellings.
func (c canaries) addKey(what, key string) {
	raw, err := hex.DecodeString(bareKey(key))
	if err != nil || len(raw) != 32 {
		panic("integration: internal error: not a 64-digit key")
	}
	c.add(what, raw)
	for _, separator := range []string{" ", "-", "\n", "  ", "_", ":"} {
		for _, group := range []int{2, 4, 8} {
			c[grouped(bareKey(key)[:32], group, separator)] = fmt.Sprintf("first half of %s in groups of %d", what, group)
		}
	}
}

func grouped(text string, n int, separator string) string {
	var groups []string
	for len(text) > n {
		groups, text = append(groups, text[:n]), text[n:]
	}
	return strings.Join(append(groups, text), separator)
}

// searcher looks for all canaries in one pass.
type searcher struct {
	known  canaries
	begins []uint64            // a bit for every three bytes, set where a canary begins with them
	groups map[string][]string // by the same three bytes
}

const canaryPrefix = 3

func (c canaries) searcher() *searcher {
	s := &searcher{c, make([]uint64, 1<<(8*canaryPrefix)/64), map[string][]string{}}
	for canary := range c {
		window := int(canary[0])<<16 | int(canary[1])<<8 | int(canary[2])
		s.begins[window/64] |= 1 << (window % 64)
		s.groups[canary[:canaryPrefix]] = append(s.groups[canary[:canaryPrefix]], canary)
	}
	return s
}

// search reports every canary in a text. Nothing in it is shared, and with the race detector looking it is ten times slower.
//
//go:norace
func (s *searcher) search(text []byte) (found []string) {
	seen := map[string]bool{}
	window := 0
	for i, b := range text {
		window = (window<<8 | int(b)) & (1<<(8*canaryPrefix) - 1)
		if s.begins[window/64]>>(window%64)&1 == 0 || i < canaryPrefix-1 {
			continue
		}
		rest := text[i-canaryPrefix+1:]
		for _, canary := range s.groups[string(rest[:canaryPrefix])] {
			if what := s.known[canary]; !seen[what] && bytes.HasPrefix(rest, []byte(canary)) {
				seen[what] = true
				found = append(found, what)
			}
		}
	}
	return found
}

func (c canaries) search(text []byte) []string { return c.searcher().search(text) }

// none fails the test if a file below dir, or its name, holds a canary.
func (c canaries) none(t testing.TB, dir string) (files int) {
	t.Helper()
	s := c.searcher()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		for _, what := range s.search([]byte(d.Name())) {
			t.Errorf("%s is in the name of %s", what, path)
		}
		if !d.Type().IsRegular() {
			return nil
		}
		text, err := os.ReadFile(path)
		for _, what := range s.search(text) {
			t.Errorf("%s is in %s", what, path)
		}
		files++
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func (c canaries) notIn(t testing.TB, where, text string) {
	t.Helper()
	for _, what := range c.search([]byte(text)) {
		t.Errorf("%s is in %s", what, where)
	}
}

func TestCanarySearchFindsEverySpelling(t *testing.T) {
	c := canaries{}
	text := c.text("plaintext")
	key := strings.Repeat("0a1b2c3d4e5f6789", 4)
	c.addKey("key", key)
	raw, err := hex.DecodeString(key)
	if err != nil {
		t.Fatal(err)
	}
	hides := []string{
		"x" + text + "y", hex.EncodeToString([]byte(text)), "error: " + key, strings.ToUpper(key), string(raw), base64.StdEncoding.EncodeToString(raw),
		grouped(key, 4, " "), grouped(key, 4, "\n"), grouped(key, 8, "-"),
	}
	for skip := range 7 {
		hides = append(hides, base64.StdEncoding.EncodeToString([]byte(strings.Repeat("-", skip)+text+"tail")))
	}
	for _, h := range hides {
		if len(c.search([]byte(h))) == 0 {
			t.Errorf("nothing found in %q", h)
		}
	}
	if found := c.search([]byte("canary-of-another-run " + text[:20])); len(found) > 0 {
		t.Errorf("found %q where there is nothing", found)
	}
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, "a", "b"), []byte("--"+text+"--"))
	record := &recorder{TB: t}
	if c.none(record, dir); record.errors != 1 {
		t.Errorf("a planted canary gave %d errors", record.errors)
	}
}

// recorder counts failures instead of failing.
type recorder struct {
	testing.TB
	errors int
}

// Errorf implements testing.TB.
func (r *recorder) Errorf(string, ...any) { r.errors++ }

func TestCanary(t *testing.T) {
	needsPrograms(t)
	for name, withTLS := range map[string]bool{"plain": false, "tls": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newServerIn(t, t.TempDir(), withTLS)
			c := canaries{}
			c.addKey("the vault's key", s.RecoveryKey)
			c.add("the S3 secret", []byte(s.SecretKey))
			w := &canaryWriter{t: t, s: s, c: c, raw: sdk(t, &s.gateway)}
			w.writeEverything()
			cut := w.cutUpload()

			// At its worst moment: killed with an upload half way, nothing tidied.
			s.kill()
			_ = cut.Close()
			w.look()
			if w.content == 0 || len(objectFiles(t, s.root)) < 10 {
				t.Fatalf("%d bytes of canaries in %d object files: this test wrote too little", w.content, len(objectFiles(t, s.root)))
			}
			s.serve(t)
			w.readEverything()
			metrics := s.metrics(t)
			if !strings.Contains(metrics, "sallyport_") {
				t.Errorf("these are not the gateway's metrics:\n%s", metrics)
			}
			c.notIn(t, "the metrics", metrics)
			s.stop()
			w.look()
			if left := digests(t, filepath.Join(s.Dir, "tmp")); len(left) > 0 {
				t.Errorf("files are left in the temporary folder: %v", left)
			}
		})
	}
}

func TestCanaryOnTheCommandLine(t *testing.T) {
	needsPrograms(t)
	g := newGateway(t)
	makeBucket(t, g, "kept")
	c := canaries{}
	content := c.text("plaintext")
	putObject(t, g, "kept", "object", []byte(strings.Repeat(content, 100)))
	c.addKey("the vault's key", g.RecoveryKey)
	c.add("the S3 secret", []byte(g.SecretKey))
	c.notIn(t, "standard error", g.stderr.String())
	g.stop()
	password := c.text("a password")
	wrong := strings.Repeat("5e", 32)
	c.addKey("a wrong key", wrong)
	malformed := "zz" + c.text("a malformed key")
	cli := command(t)
	file := filepath.Join(g.data(), "kept,", "object")
	config := writeFile(t, filepath.Join(t.TempDir(), "config.yaml"),
		[]byte("credentials: [{access_key: a, secret_key: {"+c.text("a secret")+": 1}, secret: "+c.text("a secret")+"}]\nlog: {level: loud}\n"))
	for _, args := range [][]string{
		{"vault", "passwd", "--dir", g.Dir, "--key-file", g.keyFile(t), "--new-password-file", secretFile(t, password)},
		{"vault", "status", "--dir", g.Dir, "--password-file", secretFile(t, password)},
		{"vault", "status", "--dir", g.Dir, "--password-file", secretFile(t, c.text("a wrong password"))},
		{"vault", "status", "--dir", g.Dir, "--key-file", secretFile(t, wrong)},
		{"vault", "status", "--dir", g.Dir, "--key-file", secretFile(t, malformed)},
		{"quickstart", "--dir", g.Dir, "--listen", "127.0.0.1:0", "--key-file", secretFile(t, malformed)},
		{"recover", "--from", g.data(), "--to", filepath.Join(t.TempDir(), "o"), "--key-file", secretFile(t, wrong)},
		{"object", "inspect", file, "--key-file", g.keyFile(t)},
		{"object", "decrypt", file, "--key-file", g.keyFile(t), "--to", filepath.Join(t.TempDir(), "o")},
		{"object", "decrypt", file, "--customer-key-file", secretFile(t, malformed), "--to", filepath.Join(t.TempDir(), "o")},
		{"config", "check", "--config", config},
	} {
		r := cli.try(t, args...)
		c.notIn(t, strings.Join(args[:2], " "), r.both())
	}
	c.none(t, g.Dir)
}
