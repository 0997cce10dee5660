package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"sallyport/crypto/vault"
	"sallyport/gateway/vaults"
	"sallyport/gateway/vaults/vaultstest"
	"sallyport/providers"
	"sallyport/providers/driver"
	"sallyport/providers/faulty"
	"sallyport/providers/mem"
)

// console is a command's surroundings without a terminal.
type console struct {
	t   *testing.T
	out bytes.Buffer
	in  *os.File
	err *os.File
}

func newConsole(t *testing.T) *console {
	t.Helper()
	in, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	stderr, err := os.CreateTemp(t.TempDir(), "stderr")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = in.Close(), stderr.Close() })
	return &console{t: t, in: in, err: stderr}
}

// run carries out a command and returns its exit code and what it wrote.
func (c *console) run(ctx context.Context, args ...string) (code int, stdout, stderr string) {
	c.t.Helper()
	c.out.Reset()
	if err := c.err.Truncate(0); err != nil {
		c.t.Fatal(err)
	}
	if _, err := c.err.Seek(0, io.SeekStart); err != nil {
		c.t.Fatal(err)
	}
	code = Run(ctx, args, &Stdio{In: c.in, Out: &c.out, Err: c.err})
	text, err := os.ReadFile(c.err.Name())
	if err != nil {
		c.t.Fatal(err)
	}
	return code, c.out.String(), string(text)
}

func (c *console) want(code int, contains string, args ...string) string {
	c.t.Helper()
	got, stdout, stderr := c.run(c.t.Context(), args...)
	if got != code || !strings.Contains(stdout+stderr, contains) {
		c.t.Errorf("sallyport %s: exit %d, want %d with %q:\n%s%s", strings.Join(args, " "), got, code, contains, stdout, stderr)
	}
	return stdout
}

func TestUsage(t *testing.T) {
	c := newConsole(t)
	c.want(0, "quickstart", "--help")
	c.want(0, "quickstart")
	c.want(0, "sallyport", "version")
	c.want(2, "Try: sallyport --help", "nonsense")
	c.want(2, "--to", "recover", "--from", t.TempDir())
	c.want(2, "say which vault", "vault", "status")
	c.want(2, "there is no folder", "vault", "status", "--dir", filepath.Join(t.TempDir(), "absent"))
	c.want(2, "--tls", "quickstart", "--dir", t.TempDir(), "--listen", "0.0.0.0:0")
	c.want(2, "host:port", "quickstart", "--dir", t.TempDir(), "--listen", "nowhere")
	// As of a shell's variable that is not set. The working folder is no place for a vault, nor for plaintext.
	t.Chdir(t.TempDir())
	for _, args := range [][]string{
		{"quickstart", "--dir", "", "--listen", "127.0.0.1:0"},
		{"quickstart", "--dir=", "--listen", "127.0.0.1:0"},
		{"vault", "status", "--key-file", "x", "--dir", ""},
	} {
		c.want(2, "--dir is empty", args...)
	}
	c.want(2, "--to is empty", "recover", "--from", t.TempDir(), "--to", "")
	c.want(2, "argument 3 is empty", "object", "inspect", "")
	if made, err := os.ReadDir("."); err != nil || len(made) > 0 {
		t.Errorf("made %v, %v", made, err)
	}
}

// TestQuickstartInsideAVault: whoever names data/ itself must not get a second vault among the objects of the first.
func TestQuickstartInsideAVault(t *testing.T) {
	dir := t.TempDir()
	data := filepath.Join(dir, "data")
	putVaultFile(t, data)
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(data, link); err != nil {
		t.Fatal(err)
	}
	c := newConsole(t)
	for _, in := range []string{data, filepath.Join(data, "backup,", "more"), link, filepath.Join(link, "more")} {
		c.want(2, "lies in a vault's own folder", "quickstart", "--dir", in, "--listen", "127.0.0.1:0")
	}
	if found, err := os.ReadDir(data); err != nil || len(found) != 1 {
		t.Errorf("%v, %v", found, err)
	}
}

func TestKeyNew(t *testing.T) {
	c := newConsole(t)
	first := c.want(0, "nobody can restore", "key", "new")
	if !regexp.MustCompile(`^([0-9a-f]{4} ){15}[0-9a-f]{4}\n$`).MatchString(first) {
		t.Errorf("standard output is not one key: %q", first)
	}
	if second := c.want(0, "", "key", "new"); second == first {
		t.Error("the same key twice")
	}
}

// TestKeyLines: a key is shown in groups of four, all of it.
func TestKeyLines(t *testing.T) {
	key := vault.NewRecoveryKey()
	lines := keyLines(key)
	if strings.Join(strings.Fields(lines), " ") != key.Reveal() || strings.Count(lines, "\n") != 4 {
		t.Errorf("%q for %q", lines, key.Reveal())
	}
}

const fiveMistakes = `
regoin: us-east-1
listen: {address: "0.0.0.0:9710"}
state_dir: /var/lib/sallyport
providers:
  nas: {type: locall, path: /srv}
vaults:
  - {name: home, provider: nass, buckets: ["["]}
credentials:
  - {access_key: ab, secret_key: short, allow: [{buckets: ["*"], ops: [fly]}]}
`

func TestConfigCheckReportsEverything(t *testing.T) {
	c := newConsole(t)
	file := filepath.Join(t.TempDir(), "sallyport.yaml")
	if err := os.WriteFile(file, []byte(fiveMistakes), 0o600); err != nil {
		t.Fatal(err)
	}
	_, _, stderr := c.run(t.Context(), "config", "check", "--config", file)
	for _, want := range []string{"line 2: regoin", "line 3: listen.address", "providers.nas.type", "nass", "vaults[0].buckets[0]", "ops[0]", "secret_key: is too short"} {
		if !strings.Contains(stderr, want) {
			t.Errorf("nothing is said of %q:\n%s", want, stderr)
		}
	}
	if strings.Contains(stderr, "short\"") {
		t.Error("the report repeats a secret")
	}
	c.want(2, "problem", "config", "check", "--config", file)
	c.want(2, "no such file", "config", "check", "--config", file+"x")
}

// keyFile writes a fresh key to a file.
func keyFile(t *testing.T) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(file, []byte(vault.NewRecoveryKey().Reveal()+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// quickstart runs quickstart until it has said where it serves.
func (c *console) quickstart(args ...string) (said quickstartResult, stop func() (int, string)) {
	c.t.Helper()
	reader, writer, err := os.Pipe()
	if err != nil {
		c.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(c.t.Context())
	ended := make(chan int, 1)
	go func() {
		ended <- Run(ctx, append([]string{"quickstart", "--json", "--listen", "127.0.0.1:0"}, args...), &Stdio{In: c.in, Out: writer, Err: c.err})
		_ = writer.Close()
	}()
	line := json.NewDecoder(reader)
	if err := line.Decode(&said); err != nil {
		cancel()
		text, _ := os.ReadFile(c.err.Name())
		c.t.Fatalf("quickstart says nothing: %v, exit %d\n%s", err, <-ended, text)
	}
	return said, func() (int, string) {
		cancel()
		select {
		case code := <-ended:
			text, _ := os.ReadFile(c.err.Name())
			return code, string(text)
		case <-time.After(30 * time.Second):
			c.t.Fatal("quickstart does not stop")
			return 0, ""
		}
	}
}

func TestQuickstartTwice(t *testing.T) {
	c := newConsole(t)
	dir := filepath.Join(t.TempDir(), "vault")
	first, stop := c.quickstart("--dir", dir)
	if first.RecoveryKey == "" || first.AccessKey == "" || first.SecretKey == "" || !strings.HasPrefix(first.Endpoint, "http://127.0.0.1:") {
		t.Fatalf("said %+v", first)
	}
	if code, stderr := stop(); code != 0 {
		t.Fatalf("stop: exit %d\n%s", code, stderr)
	}
	c.want(2, "no terminal", "quickstart", "--dir", dir, "--listen", "127.0.0.1:0")
	c.want(1, "opens none", "quickstart", "--dir", dir, "--listen", "127.0.0.1:0", "--key-file", keyFile(t))
	right := filepath.Join(t.TempDir(), "right")
	if err := os.WriteFile(right, []byte(strings.ToUpper(strings.ReplaceAll(first.RecoveryKey, " ", "-"))), 0o600); err != nil {
		t.Fatal(err)
	}
	again, stop := c.quickstart("--dir", dir, "--key-file", right, "--tls")
	if again.RecoveryKey != "" || again.AccessKey != first.AccessKey || again.SecretKey != first.SecretKey {
		t.Errorf("started again: %+v", again)
	}
	if !strings.HasPrefix(again.Endpoint, "https://") || again.CACert == "" {
		t.Errorf("with --tls: %+v", again)
	}
	c.want(1, "", "vault", "passwd", "--dir", dir, "--key-file", right) // the folder is in use
	if code, stderr := stop(); code != 0 {
		t.Fatalf("stop: exit %d\n%s", code, stderr)
	}
	c.want(0, "verified    yes", "vault", "status", "--dir", dir, "--key-file", right)
	c.want(0, "verified    no", "vault", "status", "--dir", dir)
	c.want(2, "only one of", "vault", "status", "--dir", dir, "--key-file", right, "--password-file", right)
	c.want(2, "is not a root", "recover", "--from", dir, "--to", t.TempDir(), "--key-file", right)
	c.want(2, "lies inside", "recover", "--from", filepath.Join(dir, "data"), "--to", filepath.Join(dir, "data", "out"), "--key-file", right)
	c.want(2, "lies inside", "recover", "--from", filepath.Join(dir, "data"), "--to", dir, "--key-file", right)
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(filepath.Join(dir, "data"), link); err != nil {
		t.Fatal(err)
	}
	c.want(2, "lies inside", "recover", "--from", filepath.Join(dir, "data"), "--to", filepath.Join(link, "out"), "--key-file", right)
	c.want(0, "0 objects restored", "recover", "--from", filepath.Join(dir, "data"), "--to", t.TempDir(), "--key-file", right)
}

// TestKeyOfAVaultMadeAmidAFailure: the vault file is stored and then cannot be read back. Whoever reads the output must have the key.
func TestKeyOfAVaultMadeAmidAFailure(t *testing.T) {
	c := newConsole(t)
	backend := faulty.New(mem.New(&mem.Options{MaxKey: 2048}), func(call faulty.Call) *faulty.Fault {
		if call.Op == "Get" {
			return &faulty.Fault{Kind: driver.Denied}
		}
		return nil
	})
	store := providers.Open("lossy", backend, nil)
	v := quickstartVault(t.TempDir(), store, vaultstest.Hasher(t), nil)
	command := &quickstartCommand{JSON: true}
	if _, err := command.open(t.Context(), &Stdio{In: c.in, Out: &c.out, Err: c.err}, v); err == nil {
		t.Fatal("a vault file that cannot be read back is no error")
	}
	backend.SetPlan(nil)
	shown := regexp.MustCompile(`([0-9a-f]{4}\s+){15}[0-9a-f]{4}`).FindString(c.out.String())
	key, err := vault.ParseRecoveryKey(shown)
	if err != nil {
		t.Fatalf("no key is shown: %q", c.out.String())
	}
	if err := v.Open(t.Context(), vaults.Unlock{Key: key}); err != nil {
		t.Errorf("the key shown: %v", err)
	}
}

// TestNoKeyIsShownForAVaultThatIsRefused: whatever can refuse does so first, or somebody keeps the key of nothing and believes it is that of
// the vault.
func TestNoKeyIsShownForAVaultThatIsRefused(t *testing.T) {
	write := func(t *testing.T, path, text string) string {
		t.Helper()
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte(text), 0o600)); err != nil {
			t.Fatal(err)
		}
		return path
	}
	used := func(t *testing.T, dir string) {
		t.Helper()
		c := newConsole(t)
		_, stop := c.quickstart("--dir", dir)
		stop()
	}
	remove := func(t *testing.T, path string) {
		t.Helper()
		if err := os.RemoveAll(path); err != nil {
			t.Fatal(err)
		}
	}
	for name, test := range map[string]struct {
		prepare func(t *testing.T, dir string) (args []string)
		says    string
	}{
		"data is gone": {func(t *testing.T, dir string) []string {
			used(t, dir)
			remove(t, filepath.Join(dir, "data"))
			return nil
		}, "remembers"},
		"the vault file is gone": {func(t *testing.T, dir string) []string {
			used(t, dir)
			remove(t, filepath.Join(dir, "data", ".sallyport", "vault"))
			return nil
		}, "put back"},
		"the root is not empty": {func(t *testing.T, dir string) []string {
			write(t, filepath.Join(dir, "data", "holiday.jpg"), "x")
			return nil
		}, "holiday.jpg"},
		"a weak password": {func(t *testing.T, dir string) []string {
			return []string{"--password-file", write(t, filepath.Join(dir, "p"), "password")}
		}, "easy to guess"},
		"state cannot be written": {func(t *testing.T, dir string) []string {
			write(t, filepath.Join(dir, "state"), "a file where a folder must be")
			return nil
		}, "state"},
	} {
		for _, as := range []string{"quickstart", "quickstart --json", "vault create"} {
			t.Run(name+", "+as, func(t *testing.T) {
				c := newConsole(t)
				dir := filepath.Join(t.TempDir(), "vault")
				args := test.prepare(t, dir)
				if as == "vault create" {
					_ = os.MkdirAll(filepath.Join(dir, "data"), 0o700)
				} else {
					args = append(args, "--listen", "127.0.0.1:0")
				}
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute) // a quickstart that refuses nothing would serve for ever
				defer cancel()
				code, stdout, stderr := c.run(ctx, slices.Concat(strings.Fields(as), []string{"--dir", dir}, args)...)
				if code == 0 || stdout != "" {
					t.Errorf("exit %d, and it says:\n%s", code, stdout)
				}
				if !strings.Contains(stderr, test.says) && (name != "data is gone" || as != "vault create") {
					t.Errorf("the reason does not say %q: %s", test.says, stderr)
				}
				if found, _ := filepath.Glob(filepath.Join(dir, "data", ".sallyport", "vault", "*")); len(found) > 0 {
					t.Errorf("a vault was made: %v", found)
				}
			})
		}
	}
}

// broken is an output that nothing can be written to.
type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }

func TestNoVaultWhoseKeyCannotBeShown(t *testing.T) {
	c := newConsole(t)
	dir := filepath.Join(t.TempDir(), "vault")
	if code := Run(t.Context(), []string{"quickstart", "--dir", dir, "--listen", "127.0.0.1:0"}, &Stdio{In: c.in, Out: broken{}, Err: c.err}); code != 1 {
		t.Errorf("exit %d", code)
	}
	c.want(1, "no vault file", "vault", "status", "--dir", dir)
	// JSON holds the key, and comes when the vault is made: then it is said how to begin again.
	if code := Run(t.Context(), []string{"quickstart", "--json", "--dir", dir, "--listen", "127.0.0.1:0"}, &Stdio{In: c.in, Out: broken{}, Err: c.err}); code != 1 {
		t.Errorf("exit %d", code)
	}
	text, err := os.ReadFile(c.err.Name())
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{filepath.Join(dir, "data", ".sallyport"), filepath.Join(dir, "state", "vaults")} {
		if !strings.Contains(string(text), name) {
			t.Errorf("%s is not named:\n%s", name, text)
		}
		if err := os.RemoveAll(name); err != nil {
			t.Error(err)
		}
	}
	_, stop := c.quickstart("--dir", dir)
	if code, said := stop(); code != 0 || !strings.Contains(said, "Stopping. Requests under way") {
		t.Errorf("exit %d:\n%s", code, said)
	}
	if code := Run(t.Context(), []string{"key", "new"}, &Stdio{In: c.in, Out: broken{}, Err: c.err}); code != 1 {
		t.Errorf("key new: exit %d", code)
	}
}

func TestPasswordCommands(t *testing.T) {
	c := newConsole(t)
	dir := filepath.Join(t.TempDir(), "vault")
	key := keyFile(t)
	_, stop := c.quickstart("--dir", dir, "--key-file", key)
	stop()
	password := func(text string) string {
		file := filepath.Join(t.TempDir(), "password")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	first, second, weak := password("unlikely Walrus teapot 41"), password("marble Quokka lantern 98"), password("password")
	c.want(2, "no terminal", "vault", "passwd", "--dir", dir, "--key-file", key)
	for _, label := range []string{"", "  "} {
		c.want(2, "--label is empty", "vault", "passwd", "--dir", dir, "--key-file", key, "--new-password-file", first, "--label", label)
	}
	// Sources that cannot be read are mistakes of the call, the same for each.
	for flag, value := range map[string]string{"file": filepath.Join(dir, "nowhere"), "fd": "9999"} {
		c.want(2, value, "vault", "passwd", "--dir", dir, "--key-"+flag, value, "--new-password-file", first)
		c.want(2, value, "vault", "passwd", "--dir", dir, "--key-file", key, "--new-password-"+flag, value)
	}
	c.want(1, "", "vault", "passwd", "--dir", dir, "--key-file", key, "--new-password-file", weak)
	c.want(0, "is added", "vault", "passwd", "--dir", dir, "--key-file", key, "--new-password-file", first)
	c.want(0, "verified    yes", "vault", "status", "--dir", dir, "--password-file", first)
	c.want(0, "is changed", "vault", "passwd", "--dir", dir, "--password-file", first, "--new-password-file", second)
	c.want(1, "opens none", "vault", "status", "--dir", dir, "--password-file", first)
	c.want(0, "verified    yes", "vault", "status", "--dir", dir, "--password-file", second)
}

func TestObjectCommandsRefuseForeignFiles(t *testing.T) {
	c := newConsole(t)
	foreign := filepath.Join(t.TempDir(), "photo.jpg")
	if err := os.WriteFile(foreign, bytes.Repeat([]byte("x"), 10000), 0o600); err != nil {
		t.Fatal(err)
	}
	c.want(1, "not an object file", "object", "inspect", foreign)
	c.want(1, "--vault-file", "object", "decrypt", foreign, "--key-file", keyFile(t))
	c.want(1, "no such file", "object", "inspect", foreign+"x")
	c.want(1, "not a regular file", "object", "inspect", filepath.Dir(foreign))
}

func TestDefaultName(t *testing.T) {
	for key, want := range map[string]string{"a/b/c.txt": "c.txt", "c": "c", "a/": "", "..": "", "a/.hidden": "", `a\b`: "", "a:b": ""} {
		if got, err := defaultName(key); got != want || (err == nil) != (want != "") {
			t.Errorf("%q: %q, %v", key, got, err)
		}
	}
}

// TestErrorsNameCommandsThatExist: an operator who follows an error's advice must find the command.
func TestErrorsNameCommandsThatExist(t *testing.T) {
	command := regexp.MustCompile(`sallyport (vault|object|config|key) ([a-z]+)`)
	for _, err := range []error{vault.ErrNoSlot, &vault.WeakPasswordError{Reason: "a reason"}} {
		found := 0
		for _, words := range command.FindAllStringSubmatch(err.Error(), -1) {
			found++
			newConsole(t).want(0, "Usage: sallyport "+words[1]+" "+words[2], words[1], words[2], "--help")
		}
		if found == 0 {
			t.Errorf("names no command: %v", err)
		}
	}
}

// helpOf returns the help of a command with its line breaks taken out.
func helpOf(t *testing.T, command ...string) string {
	t.Helper()
	return strings.Join(strings.Fields(newConsole(t).want(0, "Usage:", append(command, "--help")...)), " ")
}

// TestHelpSaysWhatIsLookedAt: a valid document promises nothing of what it names, and the help says which command does.
func TestHelpSaysWhatIsLookedAt(t *testing.T) {
	if help := helpOf(t, "config", "check"); !strings.Contains(help, "the document only, not at the files, storage and vaults it names: doctor does") {
		t.Errorf("config check says:\n%s", help)
	}
	if help := helpOf(t, "doctor"); !strings.Contains(help, "files, clock, TLS, ports, storage, vaults. config check looks at the document only") {
		t.Errorf("doctor says:\n%s", help)
	}
}

// TestForeignFilesInANewRoot: the help says what becomes of them.
func TestForeignFilesInANewRoot(t *testing.T) {
	for _, command := range [][]string{{"quickstart"}, {"vault", "create"}} {
		if help := helpOf(t, command...); !strings.Contains(help, "files in it are left alone, neither encrypted nor served; if one looks like an object, no vault is made") {
			t.Errorf("%v says:\n%s", command, help)
		}
	}
	for name, code := range map[string]int{"Photo.JPG": exitOK, "photo.jpg": exitFailed} {
		dir := t.TempDir()
		photo := filepath.Join(dir, "data", name)
		if err := errors.Join(os.Mkdir(filepath.Join(dir, "data"), 0o700), os.WriteFile(photo, []byte("a photo"), 0o600)); err != nil {
			t.Fatal(err)
		}
		newConsole(t).want(code, "", "vault", "create", "--dir", dir, "--yes")
		if text, err := os.ReadFile(photo); err != nil || string(text) != "a photo" {
			t.Errorf("%s became %q, %v", name, text, err)
		}
	}
}
