package integration

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// filled serves a new folder, puts a tree of files into two buckets and stops again: from here on there is no gateway.
func filled(t *testing.T) (g *gateway, source string) {
	t.Helper()
	g = newGateway(t)
	source = filepath.Join(t.TempDir(), "source")
	for _, bucket := range []string{"first", "second"} {
		sourceTree(t, filepath.Join(source, bucket), 60)
	}
	writeNoise(t, filepath.Join(source, "first", "parts.bin"), 5, 23<<20) // mc sends it in parts
	c := mc(t, g)
	for _, bucket := range []string{"first", "second"} {
		c.run(t, "mb", "s/"+bucket)
		c.run(t, "mirror", "--quiet", filepath.Join(source, bucket), "s/"+bucket)
	}
	if code := g.stop(); code != 0 {
		t.Fatalf("stop: exit %d", code)
	}
	return g, source
}

// recovered takes the list of objects away, one for each run, and compares the rest.
func recovered(t *testing.T, source, to string, runs int) {
	t.Helper()
	lists, err := filepath.Glob(filepath.Join(to, "sallyport-recovered*.jsonl"))
	if err != nil || len(lists) != runs {
		t.Fatalf("want a list of objects for each of %d runs, got %q, %v", runs, lists, err)
	}
	rows := make([]int, len(lists))
	for i, list := range lists {
		for line := range strings.Lines(string(readFile(t, list))) {
			var row struct{ File, Bucket, Key string }
			if err := json.Unmarshal([]byte(line), &row); err != nil || row.Bucket+"/"+row.Key != row.File {
				t.Errorf("list: %v: %s", err, line)
			}
			rows[i]++
		}
		removeFile(t, list)
	}
	for i, n := range rows {
		if files := digests(t, to); n != len(files) {
			t.Errorf("%s has %d rows for %d files", lists[i], n, len(files))
		}
	}
	sameTree(t, source, to)
}

func TestRecover(t *testing.T) {
	needsPrograms(t)
	t.Parallel()
	g, source := filled(t)
	cli := command(t)
	const password = "the password of a careful person 88"
	cli.run(t, "vault", "passwd", "--dir", g.Dir, "--key-file", g.keyFile(t), "--new-password-file", secretFile(t, password))

	t.Run("with the key", func(t *testing.T) {
		to := filepath.Join(t.TempDir(), "out")
		cli.run(t, "recover", "--from", g.data(), "--to", to, "--key-file", g.keyFile(t))
		recovered(t, source, to, 1)
	})
	t.Run("with the password", func(t *testing.T) {
		to := filepath.Join(t.TempDir(), "out")
		cli.run(t, "recover", "--from", g.data(), "--to", to, "--password-file", secretFile(t, password))
		recovered(t, source, to, 1)
	})
	t.Run("asking", func(t *testing.T) {
		to := filepath.Join(t.TempDir(), "out")
		term := atTerminal(t, quickstart{}.commandFor(t, "recover", "--from", g.data(), "--to", to))
		term.expect("64-digit key or password")
		term.enter(g.RecoveryKey)
		term.expect("objects restored")
		if code := term.wait(patience); code != 0 {
			t.Errorf("exit %d", code)
		}
		recovered(t, source, to, 1)
	})
	t.Run("from a copy, with the vault file elsewhere", func(t *testing.T) {
		away, to := filepath.Join(t.TempDir(), "copy"), filepath.Join(t.TempDir(), "out")
		for i, file := range objectFiles(t, g.data()) {
			copyFile(t, file, filepath.Join(away, fmt.Sprintf("renamed by a sync tool %d", i)))
		}
		cli.run(t, "recover", "--from", away, "--to", to, "--key-file", g.keyFile(t), "--vault-file", filepath.Join(g.Dir, "state", "vaults", "quickstart"))
		recovered(t, source, to, 1)
	})
	t.Run("run again it goes on where it stopped", func(t *testing.T) {
		to := filepath.Join(t.TempDir(), "out")
		args := []string{"recover", "--from", g.data(), "--to", to, "--key-file", g.keyFile(t)}
		cli.run(t, args...)
		if err := os.RemoveAll(filepath.Join(to, "second")); err != nil {
			t.Fatal(err)
		}
		want := len(digests(t, filepath.Join(source, "second")))
		already := len(digests(t, filepath.Join(source, "first")))
		out := cli.run(t, args...)
		if !strings.Contains(out, fmt.Sprintf("%d objects restored", want)) || !strings.Contains(out, fmt.Sprintf("%d were there already", already)) {
			t.Errorf("want %d restored and %d there already: %s", want, already, out)
		}
		recovered(t, source, to, 2)
	})
	t.Run("refusals", func(t *testing.T) {
		for name, c := range map[string]struct {
			args []string
			code int
			says string
		}{
			"no key, no terminal":   {[]string{"--from", g.data()}, 2, "--key-file"},
			"the folder above data": {[]string{"--from", g.Dir, "--key-file", g.keyFile(t)}, 2, g.data()},
			"wrong key":             {[]string{"--from", g.data(), "--key-file", secretFile(t, strings.Repeat("12ab", 16))}, 1, "key"},
			"wrong password":        {[]string{"--from", g.data(), "--password-file", secretFile(t, "nope")}, 1, "password"},
			"no vault file":         {[]string{"--from", source, "--key-file", g.keyFile(t)}, 1, "vault"},
		} {
			to := filepath.Join(t.TempDir(), "out")
			r := cli.try(t, append([]string{"recover", "--to", to}, c.args...)...)
			if r.code != c.code || !strings.Contains(r.stderr, c.says) {
				t.Errorf("%s: exit %d, want %d and %q in: %s", name, r.code, c.code, c.says, r.stderr)
			}
			if files, err := os.ReadDir(to); err == nil && len(files) > 0 {
				t.Errorf("%s: something was written: %v", name, files)
			}
		}
		if r := cli.try(t, "recover", "--from", g.data(), "--to", filepath.Join(g.data(), "out"), "--key-file", g.keyFile(t)); r.code != 2 {
			t.Errorf("plaintext among the ciphertext: exit %d\n%s", r.code, r.stderr)
		}
	})
	t.Run("damage is named and the rest restored", func(t *testing.T) {
		damaged := filepath.Join(t.TempDir(), "copy")
		if err := os.CopyFS(damaged, os.DirFS(g.data())); err != nil {
			t.Fatal(err)
		}
		hurt := map[string]func([]byte) []byte{
			"first,/edges,/size-16385.bin": func(b []byte) []byte { b[200] ^= 1; return b },        // content
			"first,/edges,/size-49159.bin": func(b []byte) []byte { b[len(b)-100] ^= 1; return b }, // tail
			"first,/edges,/size-16384.bin": func(b []byte) []byte { return b[:len(b)-1] },          // cut
			"second,/edges,/size-1.bin":    func(b []byte) []byte { return append(b, 0) },          // extended
			"second,/edges,/size-0.bin":    func([]byte) []byte { return []byte("not an object") }, // foreign
		}
		to := filepath.Join(t.TempDir(), "out")
		for name, change := range hurt {
			path := filepath.Join(damaged, name)
			if err := os.WriteFile(path, change(readFile(t, path)), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		r := cli.try(t, "recover", "--from", damaged, "--to", to, "--key-file", g.keyFile(t))
		if r.code != 1 {
			t.Errorf("exit %d, want 1", r.code)
		}
		for name := range hurt {
			if !strings.Contains(r.stdout, name) {
				t.Errorf("%s is not named in\n%s", name, r.stdout)
			}
			bare := strings.ReplaceAll(name, ",", "")
			if _, err := os.Stat(filepath.Join(to, bare)); err == nil {
				t.Errorf("%s was written all the same", bare)
			}
			if err := os.Remove(filepath.Join(source, bare)); err != nil {
				t.Fatal(err)
			}
		}
		recovered(t, source, to, 1)
	})
}

// TestRecoveredResticRepositoryOpens ends where it matters: the gateway is gone, and a backup made through it is restored.
func TestRecoveredResticRepositoryOpens(t *testing.T) {
	needsPrograms(t)
	t.Parallel()
	g := newGateway(t)
	source := filepath.Join(t.TempDir(), "source")
	sourceTree(t, source, 50)
	through := restic(t, g, "s3:"+g.Endpoint+"/backup/repo")
	through.run(t, "init")
	through.run(t, "backup", "-q", source)
	g.stop()

	to := t.TempDir()
	command(t).run(t, "recover", "--from", g.data(), "--to", to, "--key-file", g.keyFile(t))
	local := restic(t, g, filepath.Join(to, "backup", "repo"))
	if out := local.run(t, "check", "--read-data"); !strings.Contains(out, "no errors were found") {
		t.Error(out)
	}
	target := t.TempDir()
	local.run(t, "restore", "-q", "latest", "--target", target)
	sameTree(t, source, filepath.Join(target, source))
}
