package integration

import (
	"bytes"
	"encoding/json"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"sallyport/integration/internal/toolchain"
)

// shownKey finds the key as quickstart shows it: sixteen groups of four.
func shownKey(t testing.TB, text string) string {
	t.Helper()
	found := regexp.MustCompile(`(?:[0-9a-f]{4}[ \r\n]+){15}[0-9a-f]{4}\b`).FindAllString(text, -1)
	if len(found) != 1 {
		t.Fatalf("want one key in sixteen groups of four, found %d:\n%s", len(found), text)
	}
	return strings.Join(strings.Fields(found[0]), " ")
}

// bareKey is a key without its groups.
func bareKey(key string) string { return strings.Join(strings.Fields(key), "") }

func TestQuickstartShowsTheKeyOnceWithWhatLosingItMeans(t *testing.T) {
	needsPrograms(t)
	q := quickstart{dir: filepath.Join(t.TempDir(), "d"), args: []string{"--yes"}}
	p := spawn(t, q.command(t))
	eventually(t, patience, "the ready lines", func() bool { return strings.Contains(p.stdout.String(), "restic init") || p.ended() })
	text := p.stdout.String()
	key := shownKey(t, text)
	for _, sentence := range []string{"not shown again", "nobody can restore your data", "Serving http://127.0.0.1:"} {
		if !strings.Contains(text, sentence) {
			t.Errorf("the output does not say %q:\n%s", sentence, text)
		}
	}
	for _, folder := range []string{"data/.sallyport/vault", "state"} {
		if _, err := os.Stat(filepath.Join(q.dir, folder)); err != nil {
			t.Error(err)
		}
	}
	if code := p.stop(); code != 0 {
		t.Errorf("stopped by SIGTERM it exits %d\n%s", code, p.stderr.String())
	}
	before := settled(t, q.dir)

	// Started again the key serves the same vault and is not shown, in no grouping.
	again := quickstart{dir: q.dir, args: []string{"--key-file", secretFile(t, key)}}
	p = spawn(t, again.command(t))
	eventually(t, patience, "the ready lines", func() bool { return strings.Contains(p.stdout.String(), "restic init") || p.ended() })
	if s := p.stdout.String() + p.stderr.String(); strings.Contains(s, key[:9]) || strings.Contains(s, bareKey(key)[:8]) {
		t.Errorf("the key is shown again:\n%s", s)
	}
	p.stop()
	if after := settled(t, q.dir); !maps.Equal(before, after) {
		t.Errorf("a second start changed the vault's files: %v, then %v", before, after)
	}
}

func TestQuickstartDefaultsToAFolderHereThatGitIgnores(t *testing.T) {
	needsPrograms(t)
	root, err := toolchain.Root()
	if err != nil {
		t.Fatal(err)
	}
	for _, made := range []string{"sallyport-data", "restored"} { // by the README's lines, the second of plaintext
		if !regexp.MustCompile(`(?m)^/?` + made + `/?$`).Match(readFile(t, filepath.Join(root, ".gitignore"))) {
			t.Errorf(".gitignore does not name %s", made)
		}
	}
	cmd := exec.Command(sallyport(t, false), "quickstart", "--json", "--listen", "127.0.0.1:0")
	cmd.Dir, cmd.Env = t.TempDir(), toolchain.Environ()
	p := spawn(t, cmd)
	eventually(t, patience, "the line of JSON", func() bool { return strings.Contains(p.stdout.String(), "\n") || p.ended() })
	for _, folder := range []string{"data", "state"} {
		if _, err := os.Stat(filepath.Join(cmd.Dir, "sallyport-data", folder)); err != nil {
			t.Error(err)
		}
	}
}

// settled are the files of a quickstart folder but for the lock, in which each process writes who it is.
func settled(t testing.TB, dir string) map[string]string {
	t.Helper()
	files := digests(t, dir)
	delete(files, "data/.sallyport/lock")
	return files
}

// startSame serves the folder with these arguments and expects the same vault: the object put at first is there.
func startSame(t *testing.T, dir string, want []byte, args ...string) {
	t.Helper()
	g := quickstart{dir: dir, args: args}.start(t)
	if g.RecoveryKey != "" {
		t.Errorf("with %v the JSON shows a recovery key though none was made", args)
	}
	sameBytes(t, "object after a start with "+args[0], want, getObject(t, g, "kept", "object"))
	g.stop()
}

func TestQuickstartTakesTheKeyFromFilesAndDescriptors(t *testing.T) {
	needsPrograms(t)
	g := newGateway(t)
	makeBucket(t, g, "kept")
	content := noise(1, 100_000)
	putObject(t, g, "kept", "object", content)
	const password = "correct horse battery staple 7194"
	g.stop()
	cli := command(t)
	cli.run(t, "vault", "passwd", "--dir", g.Dir, "--key-file", g.keyFile(t), "--new-password-file", secretFile(t, password))

	startSame(t, g.Dir, content, "--key-file", g.keyFile(t))
	startSame(t, g.Dir, content, "--key-file", secretFile(t, bareKey(g.RecoveryKey)))
	startSame(t, g.Dir, content, "--password-file", secretFile(t, password))
	for flag, text := range map[string]string{"--key-fd": g.RecoveryKey, "--password-fd": password} {
		q := quickstart{dir: g.Dir, args: []string{"--json", flag, "3"}}
		read, write, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		cmd := q.command(t)
		cmd.ExtraFiles = []*os.File{read}
		p := spawn(t, cmd)
		_ = read.Close()
		if _, err := write.WriteString(text + "\n"); err != nil {
			t.Fatal(err)
		}
		_ = write.Close()
		eventually(t, patience, "a start with "+flag, func() bool { return strings.Contains(p.stdout.String(), "\n") || p.ended() })
		started := &gateway{process: p}
		if err := json.Unmarshal([]byte(p.stdout.String()), started); err != nil {
			t.Fatalf("with %s: %v\n%s", flag, err, p.stderr.String())
		}
		sameBytes(t, "object after a start with "+flag, content, getObject(t, started, "kept", "object"))
		p.stop()
	}
}

func TestQuickstartWithoutKeyAndTerminalExits2AndMakesNoSecondVault(t *testing.T) {
	needsPrograms(t)
	g := newGateway(t)
	g.stop()
	before := settled(t, g.Dir)
	cli := command(t)
	wrongKey := "0123 4567 89ab cdef " + g.RecoveryKey[20:]
	for name, c := range map[string]struct {
		args []string
		code int
		says []string
	}{
		"nothing given":        {nil, 2, []string{"--key-file", "--password-file", "terminal"}},
		"--yes is no key":      {[]string{"--yes"}, 2, []string{"--key-file", "terminal"}},
		"--json is no key":     {[]string{"--json"}, 2, []string{"--key-file", "terminal"}},
		"wrong key":            {[]string{"--key-file", secretFile(t, wrongKey)}, 1, []string{"key"}},
		"wrong password":       {[]string{"--password-file", secretFile(t, "not the password")}, 1, []string{"password"}},
		"not a key":            {[]string{"--key-file", secretFile(t, "1234")}, 2, []string{"64"}},
		"no such file":         {[]string{"--key-file", filepath.Join(g.Dir, "nowhere")}, 2, []string{"nowhere"}},
		"empty file":           {[]string{"--key-file", secretFile(t, "")}, 2, []string{"empty"}},
		"two sources":          {[]string{"--key-file", g.keyFile(t), "--password-file", g.keyFile(t)}, 2, []string{"only one"}},
		"descriptor is closed": {[]string{"--key-fd", "9"}, 2, []string{"descriptor 9"}},
	} {
		r := cli.try(t, append([]string{"quickstart", "--dir", g.Dir, "--listen", "127.0.0.1:0"}, c.args...)...)
		if r.code != c.code {
			t.Errorf("%s: exit %d, want %d\n%s", name, r.code, c.code, r.stderr)
		}
		for _, word := range c.says {
			if !strings.Contains(r.stderr, word) {
				t.Errorf("%s: the reason does not mention %q:\n%s", name, word, r.stderr)
			}
		}
		if strings.Contains(r.stdout, "64-digit") {
			t.Errorf("%s: a key is shown:\n%s", name, r.stdout)
		}
	}
	if after := settled(t, g.Dir); !maps.Equal(before, after) {
		t.Errorf("refused starts changed the folder: %v, then %v", before, after)
	}
}

func TestQuickstartAtATerminal(t *testing.T) {
	needsPrograms(t)
	q := quickstart{dir: filepath.Join(t.TempDir(), "d")}

	t.Run("three wrong answers make nothing", func(t *testing.T) {
		term := atTerminal(t, q.command(t))
		key := bareKey(shownKey(t, term.expect("Type the key back")))
		term.enter("no key at all")
		term.expect("Type the key back")
		term.enter(strings.Map(func(r rune) rune { return map[bool]rune{true: 'b', false: 'a'}[r == 'a'] }, key))
		term.expect("Type the key back")
		term.enter("")
		term.expect("nothing was made")
		if code := term.wait(patience); code != 1 {
			t.Errorf("exit %d, want 1", code)
		}
		if found := digests(t, filepath.Join(q.dir, "data", ".sallyport")); hasVaultFile(found) {
			t.Errorf("a vault was made all the same: %v", found)
		}
	})
	var key string
	t.Run("the second answer is right", func(t *testing.T) {
		term := atTerminal(t, q.command(t))
		key = bareKey(shownKey(t, term.expect("Type the key back")))
		term.enter("1234")
		term.expect("Type the key back")
		term.enter(strings.ToUpper(key[:32]) + " " + key[32:])
		term.expect("Serving http://")
		if code := term.stop(); code != 0 {
			t.Errorf("exit %d", code)
		}
	})
	if key == "" {
		t.Fatal("there is no vault to go on with")
	}
	t.Run("started again it asks for the key without showing it", func(t *testing.T) {
		term := atTerminal(t, q.command(t))
		term.expect("64-digit key or password")
		term.enter(key)
		term.expect("Serving http://")
		if strings.Contains(term.stderr.String(), key) {
			t.Error("the typed key is on the screen")
		}
	})
	const password = "a password that is long enough 3381"
	t.Run("vault passwd asks twice", func(t *testing.T) {
		cmd := exec.Command(sallyport(t, false), "vault", "passwd", "--dir", q.dir, "--key-file", secretFile(t, key))
		cmd.Env = toolchain.Environ()
		term := atTerminal(t, cmd)
		term.expect("New password")
		term.enter(password)
		term.expect("New password again")
		term.enter(password)
		term.expect("is added")
		if code := term.wait(patience); code != 0 || strings.Contains(term.stderr.String(), password) {
			t.Errorf("exit %d, screen:\n%s", code, term.stderr.String())
		}
	})
	t.Run("started again it takes the password too", func(t *testing.T) {
		term := atTerminal(t, q.command(t))
		term.expect("64-digit key or password")
		term.enter(password)
		term.expect("Serving http://")
	})
	t.Run("a wrong password opens nothing", func(t *testing.T) {
		term := atTerminal(t, q.command(t))
		for range 3 { // as often as one may try
			term.expect("64-digit key or password of")
			term.enter(password + "x")
			term.expect("this password or key opens none")
		}
		if code := term.wait(patience); code != 1 || !strings.Contains(term.stderr.String(), "password") {
			t.Errorf("exit %d, screen:\n%s", code, term.stderr.String())
		}
	})
}

func hasVaultFile(files map[string]string) bool {
	for name := range files {
		if strings.HasPrefix(name, "vault/") {
			return true
		}
	}
	return false
}

func TestQuickstartRefusesASecondProcessOnTheFolder(t *testing.T) {
	needsPrograms(t)
	g := newGateway(t)
	makeBucket(t, g, "kept")
	r := command(t).try(t, "quickstart", "--dir", g.Dir, "--listen", "127.0.0.1:0", "--key-file", g.keyFile(t))
	if r.code == 0 || !strings.Contains(r.stderr, "another") {
		t.Errorf("exit %d, and the reason should speak of another process:\n%s", r.code, r.stderr)
	}
	putObject(t, g, "kept", "after", []byte("the first goes on"))
}

func TestQuickstartRefusesATakenPortBeforeItMakesAVault(t *testing.T) {
	needsPrograms(t)
	g := newGateway(t)
	dir := filepath.Join(t.TempDir(), "other")
	r := command(t).try(t, "quickstart", "--dir", dir, "--listen", g.host(), "--json")
	if r.code == 0 || !strings.Contains(r.stderr, g.host()) {
		t.Errorf("exit %d, and the reason should name %s:\n%s", r.code, g.host(), r.stderr)
	}
	if found := digests(t, filepath.Join(dir, "data", ".sallyport")); hasVaultFile(found) {
		t.Errorf("a vault was made whose key nobody saw: %v", found)
	}
	for _, address := range []string{"0.0.0.0:0", ":0", "nonsense"} {
		if r := command(t).try(t, "quickstart", "--dir", dir, "--listen", address); r.code != 2 {
			t.Errorf("--listen %s: exit %d, want 2\n%s", address, r.code, r.stderr)
		}
	}
}

func TestQuickstartTLSHasAnAuthorityOfItsOwn(t *testing.T) {
	needsPrograms(t)
	g := newGateway(t, "--tls")
	if !strings.HasPrefix(g.Endpoint, "https://127.0.0.1:") {
		t.Errorf("endpoint %s", g.Endpoint)
	}
	if inState, err := filepath.Rel(filepath.Join(g.Dir, "state"), g.CACert); err != nil || !filepath.IsLocal(inState) {
		t.Errorf("ca_cert %s is not in state/", g.CACert)
	}
	authority := readFile(t, g.CACert)
	if bytes.Contains(authority, []byte("PRIVATE")) {
		t.Error("the certificate clients are told to trust holds a private key")
	}
	makeBucket(t, g, "kept")
	putObject(t, g, "kept", "object", []byte("over TLS"))
	if resp, err := http.DefaultClient.Get(g.Endpoint); err == nil { //nolint:noctx // it must fail
		_ = resp.Body.Close()
		t.Error("a client without the authority trusts it")
	}
	again := g.restart(t, "--tls")
	sameBytes(t, "certificate authority after a restart", authority, readFile(t, again.CACert))
	sameBytes(t, "object after a restart", []byte("over TLS"), getObject(t, again, "kept", "object"))
}
