package integration

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// vaultFiles returns the vault files of a quickstart folder's root, oldest first.
func vaultFiles(t testing.TB, g *gateway) []string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(g.data(), ".sallyport", "vault", "*.json"))
	if err != nil || len(found) == 0 {
		t.Fatalf("no vault file: %v", err)
	}
	return found
}

func TestMissingOrOlderVaultFileIsRefused(t *testing.T) {
	needsPrograms(t)
	g := newGateway(t)
	makeBucket(t, g, "kept")
	putObject(t, g, "kept", "object", []byte("kept"))
	g.stop()
	cli := command(t)
	start := func(args ...string) result {
		return cli.try(t, append([]string{"quickstart", "--dir", g.Dir, "--listen", "127.0.0.1:0", "--key-file", g.keyFile(t)}, args...)...)
	}
	first := vaultFiles(t, g)[0]
	original := readFile(t, first)
	cli.run(t, "vault", "passwd", "--dir", g.Dir, "--key-file", g.keyFile(t), "--new-password-file", secretFile(t, "some password 345"))
	files := vaultFiles(t, g)
	newest := files[len(files)-1]
	later := readFile(t, newest)

	// Only the older one left: somebody put back a file with a slot that was closed since.
	for _, f := range files {
		removeFile(t, f)
	}
	writeFile(t, first, original)
	if r := start(); r.code != 1 || !strings.Contains(r.stderr, "not the newest") {
		t.Errorf("an older vault file: exit %d\n%s", r.code, r.stderr)
	}
	// None at all: never a second vault.
	removeFile(t, first)
	before := settled(t, g.Dir)
	for _, args := range [][]string{nil, {"--yes"}, {"--json", "--yes"}} {
		if r := start(args...); r.code == 0 || !strings.Contains(r.stderr, "put back") {
			t.Errorf("no vault file, %v: exit %d\n%s", args, r.code, r.stderr)
		}
	}
	if len(settled(t, g.Dir)) != len(before) {
		t.Errorf("files were added: %v, then %v", before, settled(t, g.Dir))
	}
	// Altered in the middle.
	altered := bytes.Clone(later)
	altered[len(altered)/2] ^= 1
	writeFile(t, newest, altered)
	if r := start(); r.code != 1 || !strings.Contains(r.stderr, "vault file") {
		t.Errorf("an altered vault file: exit %d\n%s", r.code, r.stderr)
	}
	// The copy of the state directory brings it back.
	copyFile(t, filepath.Join(g.Dir, "state", "vaults", "quickstart", filepath.Base(newest)), newest)
	again := quickstart{dir: g.Dir, args: []string{"--key-file", g.keyFile(t)}}.start(t)
	sameBytes(t, "object after the vault file was put back", []byte("kept"), getObject(t, again, "kept", "object"))
}

func TestForeignTruncatedAndAlteredFiles(t *testing.T) {
	needsPrograms(t)
	s := newServer(t)
	g := &s.gateway
	makeBucket(t, g, "kept")
	content := noise(1, 200_000)
	for _, key := range []string{"good", "first-byte", "middle", "tail", "cut", "empty", "longer", "swapped-a", "swapped-b"} {
		putObject(t, g, "kept", key, append([]byte(key), content...))
	}
	file := func(key string) string { return filepath.Join(s.root, "kept,", key) }
	change := func(key string, how func([]byte) []byte) { writeFile(t, file(key), how(readFile(t, file(key)))) }
	change("first-byte", func(b []byte) []byte { b[0] ^= 1; return b })
	change("middle", func(b []byte) []byte { b[100_000] ^= 1; return b })
	change("tail", func(b []byte) []byte { b[len(b)-200] ^= 1; return b })
	change("cut", func(b []byte) []byte { return b[:100_000] })
	change("empty", func([]byte) []byte { return nil })
	change("longer", func(b []byte) []byte { return append(b, 0) })
	a := readFile(t, file("swapped-a"))
	copyFile(t, file("swapped-b"), file("swapped-a"))
	writeFile(t, file("swapped-b"), a)
	writeFile(t, file("foreign"), []byte("a note that somebody left in the folder"))
	before := digests(t, s.root)

	client := sdk(t, g, withoutRetries)
	for _, key := range []string{"first-byte", "middle", "tail", "cut", "empty", "longer", "swapped-a", "swapped-b", "foreign"} {
		got, err := client.GetObject(t.Context(), &s3.GetObjectInput{Bucket: aws.String("kept"), Key: &key})
		var read []byte
		if err == nil {
			read, err = io.ReadAll(got.Body) // "middle" breaks off where it stops verifying
			_ = got.Body.Close()
		}
		if err == nil {
			t.Errorf("%s was given out whole: %d bytes", key, len(read))
		}
		if want := append([]byte(key), content...); !bytes.HasPrefix(want, read) {
			t.Errorf("%s: unverified bytes were given out", key)
		}
		if c := code(err); c != "" && c != "ObjectDamaged" && c != "ObjectForeign" {
			t.Errorf("%s: error code %s", key, c)
		}
	}
	list, err := client.ListObjectsV2(t.Context(), &s3.ListObjectsV2Input{Bucket: aws.String("kept")})
	if err != nil || len(list.Contents) < 8 {
		t.Errorf("the list breaks on damaged files: %v", err)
	}
	sameBytes(t, "good", append([]byte("good"), content...), getObject(t, g, "kept", "good"))
	after := digests(t, s.root)
	for name, sum := range before {
		if after[name] != sum {
			t.Errorf("%s was changed by reading", name)
		}
	}
}

func TestClockOffByAnHour(t *testing.T) {
	needsPrograms(t)
	g := newGateway(t)
	makeBucket(t, g, "kept")
	for _, off := range []time.Duration{-time.Hour, time.Hour, -16 * time.Minute, 16 * time.Minute} {
		status, body := answer(t, g, signed(t, g, time.Now().Add(off), http.MethodPut, "/kept/object", []byte("x")))
		if status != http.StatusForbidden || !strings.Contains(body, "<Code>RequestTimeTooSkewed</Code>") {
			t.Errorf("a clock %s off: %d %s", off, status, body)
		}
	}
	for _, off := range []time.Duration{-14 * time.Minute, 14 * time.Minute} {
		if status, body := answer(t, g, signed(t, g, time.Now().Add(off), http.MethodPut, "/kept/object", []byte("x"))); status != http.StatusOK {
			t.Errorf("a clock %s off: %d %s", off, status, body)
		}
	}
	if n := len(objectFiles(t, g.data())); n != 1 {
		t.Errorf("%d objects, want the one that was accepted", n)
	}
}

// TestReadOnlyFolder needs a read-only mount; see mounted.
func TestReadOnlyFolder(t *testing.T) {
	needsPrograms(t)
	if ranAsOwnRoot(t) {
		return
	}
	dir := mounted(t, "size=64m")
	g := quickstart{dir: dir}.start(t)
	makeBucket(t, g, "kept")
	content := noise(1, 300_000)
	putObject(t, g, "kept", "object", content)
	g.stop() // a file system with a file open for writing cannot be made read-only under it
	makeReadOnly(t, dir)
	cli := command(t)
	if r := cli.try(t, "quickstart", "--dir", dir, "--listen", "127.0.0.1:0", "--key-file", g.keyFile(t)); r.code == 0 || !strings.Contains(r.stderr, "read-only") {
		t.Errorf("quickstart in a read-only folder: exit %d\n%s", r.code, r.stderr)
	}
	// What only reads works.
	to := filepath.Join(t.TempDir(), "out")
	cli.run(t, "recover", "--from", filepath.Join(dir, "data"), "--to", to, "--key-file", g.keyFile(t))
	sameBytes(t, "recovered", content, readFile(t, filepath.Join(to, "kept", "object")))
	cli.run(t, "vault", "status", "--dir", dir)
}

// TestFullDisk fills a small file system: uploads are refused, what is there stays, and deletes make room again.
func TestFullDisk(t *testing.T) {
	needsPrograms(t)
	if ranAsOwnRoot(t) {
		return
	}
	dir := mounted(t, "size=24m")
	g := quickstart{dir: dir}.start(t)
	makeBucket(t, g, "kept")
	client := sdk(t, g, withoutRetries)
	stored := map[string][]byte{}
	put := func(key string, content []byte) error {
		_, err := client.PutObject(t.Context(), &s3.PutObjectInput{Bucket: aws.String("kept"), Key: &key, Body: bytes.NewReader(content)})
		return err
	}
	var full error
	for i := range 100 {
		key, content := "object-"+string(rune('a'+i%26))+strings.Repeat("x", i/26), noise(uint64(i), 1<<20)
		if full = put(key, content); full != nil {
			break
		}
		stored[key] = content
	}
	if full == nil {
		t.Fatal("the disk did not fill up")
	}
	if s := status(full); s != http.StatusInsufficientStorage && s != http.StatusServiceUnavailable {
		t.Errorf("a full disk: %v", full)
	}
	if err := put("object-a", noise(500, 8<<20)); err == nil {
		t.Error("an overwrite larger than what is left went through")
	}
	for key, content := range stored {
		sameBytes(t, key+" on a full disk", content, getObject(t, g, "kept", key))
	}
	for _, key := range []string{"object-a", "object-b", "object-c"} {
		if _, err := client.DeleteObject(t.Context(), &s3.DeleteObjectInput{Bucket: aws.String("kept"), Key: &key}); err != nil {
			t.Errorf("a DELETE on a full disk: %v", err)
		}
		delete(stored, key)
	}
	if err := put("after", noise(600, 1<<20)); err != nil {
		t.Errorf("after deletes there is room, and yet: %v", err)
	}
	stored["after"] = noise(600, 1<<20)
	again := g.restart(t)
	for key, content := range stored {
		sameBytes(t, key+" after a restart", content, getObject(t, again, "kept", key))
	}
	if left, err := os.ReadDir(filepath.Join(g.data(), ".sallyport", "tmp")); err != nil || len(left) > 0 {
		t.Errorf("%d temporary files are left, %v", len(left), err)
	}
}

// status returns the HTTP status of an error, 0 if it has none.
func status(err error) int {
	var response interface{ HTTPStatusCode() int }
	if errors.As(err, &response) {
		return response.HTTPStatusCode()
	}
	return 0
}
