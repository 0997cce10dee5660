package integration

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/minio/minio-go/v7"
	"go.yaml.in/yaml/v3"

	"sallyport/integration/history"
)

// suiteWatch looks for canaries wherever any gateway of any test keeps something: in its folders and its temporary folder when its test is over and
// before they are removed, in all that it said, and in its metrics. All content that noise and history make carries a mark, and every key,
// password and secret that a test hands out is sought besides.
type suiteWatch struct {
	mark string // in content

	mu       sync.Mutex
	content  canaries // marks of plaintext, which may be nowhere
	secrets  canaries // which a gateway shows when it makes them, and nowhere else
	watched  map[string]bool
	searched struct{ folders, files, logs, metrics int }
}

// theSuite is one for all tests, because a secret of one must not turn up in another's log either.
var theSuite = sync.OnceValue(func() *suiteWatch {
	w := &suiteWatch{content: canaries{}, secrets: canaries{}, watched: map[string]bool{}}
	w.mark = w.content.text("plaintext of the suite")
	w.content.add("plaintext of a history", []byte(history.Mark))
	return w
})

const (
	markEvery   = 4096 // bytes of content between the beginnings of two marks
	markAt      = 32   // contents of one length must differ though they are shorter than this and a mark
	leastSecret = 12   // bytes; shorter ones are wrong on purpose, and turn up anywhere
)

// marked writes the mark into content of which b begins at off.
func (w *suiteWatch) marked(b []byte, off int64) []byte {
	for i := range b {
		if at := (off+int64(i))%markEvery - markAt; at >= 0 && at < int64(len(w.mark)) {
			b[i] = w.mark[at]
		}
	}
	return b
}

// markedReader is marked for a stream.
type markedReader struct {
	io.Reader
	off int64
}

// Read implements io.Reader.
func (r *markedReader) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p)
	theSuite().marked(p[:n], r.off)
	r.off += int64(n)
	return n, err
}

// keep takes a key, password or secret that a test hands out.
func (w *suiteWatch) keep(what, secret string) {
	secret = strings.TrimSpace(secret)
	if len(secret) < leastSecret {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if key := bareKey(secret); len(key) == 64 && strings.Trim(key, "0123456789abcdef") == "" {
		w.secrets.addKey(what, key)
	}
	w.secrets.add(what, []byte(secret))
}

// sought returns what has been handed out up to now.
func (w *suiteWatch) sought(withSecrets bool) canaries {
	w.mu.Lock()
	defer w.mu.Unlock()
	all := maps.Clone(w.content)
	if withSecrets {
		maps.Copy(all, w.secrets)
	}
	return all
}

// atEnd searches a folder when the test is over, once, however many gateways it starts there. It must be called before those are started, so
// that they are gone by then.
func (w *suiteWatch) atEnd(t testing.TB, folder string) {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	if id := t.Name() + "\x00" + folder; !w.watched[id] {
		w.watched[id] = true
		t.Cleanup(func() { w.search(t, folder) })
	}
}

func (w *suiteWatch) search(t testing.TB, folder string) {
	t.Helper()
	if _, err := os.Stat(folder); errors.Is(err, fs.ErrNotExist) {
		return
	}
	files := w.sought(true).none(t, folder)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.searched.folders++
	w.searched.files += files
}

// gateway watches what cmd will run, if that is a gateway. It may change cmd, and returns what is to be called once it runs; nil for other programs.
func (w *suiteWatch) gateway(t testing.TB, cmd *exec.Cmd) func(*process) {
	t.Helper()
	if len(cmd.Args) < 2 || !strings.HasPrefix(filepath.Base(cmd.Path), "sallyport") || cmd.Args[1] != "quickstart" && cmd.Args[1] != "serve" {
		return nil
	}
	var temporary string
	for _, entry := range cmd.Env {
		if dir, ok := strings.CutPrefix(entry, "TMPDIR="); ok && dir != os.Getenv("TMPDIR") {
			temporary = dir
		}
	}
	if temporary == "" {
		temporary = t.TempDir()
		cmd.Env = append(cmd.Env, "TMPDIR="+temporary)
	}
	w.atEnd(t, temporary)
	dir := "sallyport-data"
	for i, arg := range cmd.Args[:len(cmd.Args)-1] {
		switch value := cmd.Args[i+1]; arg {
		case "--dir":
			dir = value
		case "--config":
			dir = ""
			w.configured(t, value)
		}
	}
	if dir != "" {
		if !filepath.IsAbs(dir) {
			dir = filepath.Join(cmd.Dir, dir)
		}
		w.atEnd(t, dir)
	}
	ownOutput := cmd.Stdout == nil && cmd.Stderr == nil // else it is a terminal's screen
	showsSecrets := cmd.Args[1] == "quickstart"
	var running *process
	t.Cleanup(func() { // runs after the process was stopped
		if running == nil || !ownOutput {
			return
		}
		w.sought(true).notIn(t, "standard error", running.stderr.String())
		w.sought(!showsSecrets).notIn(t, "standard output", running.stdout.String())
		w.mu.Lock()
		defer w.mu.Unlock()
		w.searched.logs++
	})
	return func(p *process) {
		running = p
		t.Cleanup(func() { w.metrics(t, p) }) // runs before it is stopped
	}
}

// configured watches the folders that a configuration names, and takes the secrets in it and in the files that it names.
func (w *suiteWatch) configured(t testing.TB, config string) {
	t.Helper()
	var read struct {
		StateDir  string `yaml:"state_dir"`
		Providers map[string]struct{ Path string }
		Rest      map[string]any `yaml:",inline"`
	}
	if err := yaml.Unmarshal(readFile(t, config), &read); err != nil {
		t.Fatalf("%s: %v", config, err)
	}
	if read.StateDir != "" {
		w.atEnd(t, read.StateDir)
	}
	for _, p := range read.Providers {
		if p.Path != "" {
			w.atEnd(t, p.Path)
		}
	}
	w.secretsIn(t, read.Rest)
}

func (w *suiteWatch) secretsIn(t testing.TB, node any) {
	t.Helper()
	switch node := node.(type) {
	case map[string]any:
		for name, value := range node {
			switch text, _ := value.(string); {
			case text == "":
				w.secretsIn(t, value)
			case name == "secret_key":
				w.keep("a secret of the configuration", text)
			case name == "key_file" || name == "password_file" || name == "secret_key_file":
				if content, err := os.ReadFile(text); err == nil { // else the gateway says so
					w.keep("a secret file of the configuration", string(content))
				}
			}
		}
	case []any:
		for _, value := range node {
			w.secretsIn(t, value)
		}
	}
}

// metrics searches what the second listener shows, of a gateway that has one and still runs.
func (w *suiteWatch) metrics(t testing.TB, p *process) {
	t.Helper()
	_, after, _ := strings.Cut(p.stdout.String(), "health and metrics at ")
	address, _, whole := strings.Cut(after, "\n")
	if !whole || p.ended() {
		return
	}
	client := &http.Client{Timeout: patience}
	defer client.CloseIdleConnections()
	resp, err := client.Get(address + "/metrics") //nolint:noctx // a test on loopback
	if err != nil {
		return // it is being stopped
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Errorf("metrics at the end: %s, %v", resp.Status, err)
	}
	w.sought(true).notIn(t, "the metrics", string(text))
	w.mu.Lock()
	defer w.mu.Unlock()
	w.searched.metrics++
}

// storage searches, when the test is over, what a bucket on another server holds. It must be called before gateways are started.
func (w *suiteWatch) storage(t testing.TB, client *minio.Client, bucket string) {
	t.Helper()
	t.Cleanup(func() {
		ctx := context.WithoutCancel(t.Context()) // which ends before this runs
		searcher := w.sought(true).searcher()
		files := 0
		for entry := range client.ListObjectsIter(ctx, bucket, minio.ListObjectsOptions{Recursive: true}) {
			object, err := client.GetObject(ctx, bucket, entry.Key, minio.GetObjectOptions{})
			if err = errors.Join(entry.Err, err); err != nil {
				t.Errorf("read the storage: %v", err)
				return
			}
			content, err := io.ReadAll(object)
			_ = object.Close()
			if err != nil {
				t.Errorf("read %s of the storage: %v", entry.Key, err)
			}
			for _, what := range searcher.search(content) {
				t.Errorf("%s is in %s of the storage", what, entry.Key)
			}
			files++
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		w.searched.folders++
		w.searched.files += files
	})
}

// sum says how much was searched. A whole run that looked almost nowhere has failed: it would say nothing was found.
func (w *suiteWatch) sum(whole bool) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := w.searched
	fmt.Printf("canaries: %d spellings sought in %d folders with %d files, %d logs and %d answers of metrics\n",
		len(w.content)+len(w.secrets), n.folders, n.files, n.logs, n.metrics)
	if whole && (n.folders < 100 || n.files < 2000 || n.logs < 100 || n.metrics < 10) {
		return errors.New("canaries: the suite was hardly searched")
	}
	return nil
}

// TestSuiteWatchFindsWhatIsPlanted breaks the promise once in every place that is watched.
func TestSuiteWatchFindsWhatIsPlanted(t *testing.T) {
	w := &suiteWatch{content: canaries{}, secrets: canaries{}, watched: map[string]bool{}}
	w.mark = w.content.text("plaintext")
	secret, password := "a secret "+rand.Text(), "a password "+rand.Text()
	dir := t.TempDir()
	place := func(parts ...string) string { return filepath.Join(append([]string{dir}, parts...)...) }
	key := writeFile(t, place("key"), []byte(password+"\n"))
	config := writeFile(t, place("config.yaml"), fmt.Appendf(nil, `
state_dir: %q
providers: {one: {type: local, path: %q}, two: {type: minio, bucket: b}}
vaults: [{name: main, provider: one, unlock: {password_file: %q}}]
credentials: [{access_key: a, secret_key: %q}]
`, place("state"), place("root"), key, secret))
	for name, planted := range map[string]struct {
		path, content, says string
		args                []string
		errors              int
	}{
		"nothing":              {place("root", "a"), "ciphertext", "", []string{"serve", "--config", config}, 0},
		"content in a root":    {place("root", "a", "b"), "x" + w.mark, "", []string{"serve", "--config", config}, 1},
		"content in the state": {place("state", "a"), w.mark, "", []string{"serve", "--config", config}, 1},
		"a secret in a root":   {place("root", "a"), secret, "", []string{"serve", "--config", config}, 1},
		"a password in a name": {place("state", password), "", "", []string{"serve", "--config", config}, 1},
		"temporaries":          {place("tmp", "a"), w.mark, "", []string{"serve", "--config", config}, 1},
		"a log":                {place("root", "a"), "", "standard error has " + secret, []string{"serve", "--config", config}, 2}, // both outputs
		"quickstart's data":    {place("quick", "data", "a"), w.mark, "", []string{"quickstart", "--dir", place("quick")}, 1},
		"quickstart's secret":  {place("quick", "state", "a"), secret, "", []string{"quickstart", "--json", "--dir", place("quick")}, 1},
		"quickstart's default": {place("sallyport-data", "data", "a"), w.mark, "", []string{"quickstart"}, 1},
	} {
		record := &recorder{TB: t}
		t.Run(name, func(t *testing.T) {
			record.TB = t
			cmd := exec.Command("sallyport", planted.args...)
			cmd.Dir = dir
			cmd.Env = []string{"TMPDIR=" + place("tmp")}
			ready := w.gateway(record, cmd)
			if ready == nil {
				t.Fatal("this is not taken for a gateway")
			}
			w.keep("the secret", secret)
			p := &process{exited: make(chan struct{})}
			_, _ = p.stderr.Write([]byte(planted.says))
			_, _ = p.stdout.Write([]byte(planted.says))
			close(p.exited)
			ready(p)
			writeFile(t, planted.path, []byte(planted.content))
		})
		if record.errors != planted.errors {
			t.Errorf("%s: %d errors, want %d", name, record.errors, planted.errors)
		}
		for _, folder := range []string{"root", "state", "tmp", "quick", "sallyport-data"} {
			if err := os.RemoveAll(place(folder)); err != nil {
				t.Fatal(err)
			}
		}
	}
	if w.gateway(t, exec.Command("sallyport", "vault", "status")) != nil || w.gateway(t, exec.Command("rclone", "serve", "s3")) != nil {
		t.Error("other programs are taken for gateways")
	}
	if err := w.sum(true); err == nil {
		t.Error("a suite that is hardly searched passes")
	}
}

// TestContentIsMarked: what the suite sends can be recognised, in files of every size that matters.
func TestContentIsMarked(t *testing.T) {
	w := theSuite()
	for _, n := range []int{100, 4096, 70_000} {
		if len(w.sought(false).search(noise(1, n))) != 1 {
			t.Errorf("%d bytes of noise carry no mark", n)
		}
	}
	path := writeNoise(t, filepath.Join(t.TempDir(), "f"), 1, 100_000)
	for _, part := range [][]byte{readFile(t, path)[:5000], readFile(t, path)[60_000:]} {
		if len(w.sought(false).search(part)) != 1 {
			t.Error("a part of a written file carries no mark")
		}
	}
	if len(w.sought(false).search(history.Body("c1.2/300"))) != 1 {
		t.Error("a history's body carries no mark")
	}
	if string(noise(1, 40)) == string(noise(2, 40)) {
		t.Error("two contents of one size are the same")
	}
}
