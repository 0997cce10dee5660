package toolchain

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// repository makes a module "sallyport" that prints "product", with one tool, hello, that prints "hello" and needs no network.
func repository(t *testing.T) *toolchain {
	t.Helper()
	root := t.TempDir()
	write(t, filepath.Join(root, "go.mod"), "module sallyport\n\ngo 1.26.0\n")
	write(t, filepath.Join(root, "main.go"), "package main\n\nfunc main() { println(\"product\") }\n")
	hello := filepath.Join(root, "integration", "tools", "hello")
	write(t, filepath.Join(hello, "go.mod"), "module example.test/hello\n\ngo 1.26.0\n\ntool example.test/hello/cmd\n")
	write(t, filepath.Join(hello, "go.sum"), "")
	write(t, filepath.Join(hello, "cmd", "main.go"), "package main\n\nfunc main() { println(\"hello\") }\n")
	write(t, filepath.Join(root, "integration", "tools", "build", "main.go"), "package main\n\nfunc main() {}\n")
	return &toolchain{root: root, cache: t.TempDir(), progress: &bytes.Buffer{}}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func output(t *testing.T, path string) string {
	t.Helper()
	text, err := exec.Command(path).CombinedOutput()
	if err != nil {
		t.Fatalf("run %s: %v", path, err)
	}
	return strings.TrimSpace(string(text))
}

// listing returns the names below dir that a caller or a later build would stumble over.
func listing(t *testing.T, dir string) (names []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, entry os.DirEntry, err error) error {
		leftover := err == nil && strings.HasPrefix(entry.Name(), "building-")
		if leftover || err == nil && !entry.IsDir() && entry.Name() != "build.lock" {
			names = append(names, entry.Name())
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

func TestBuildOnceThenReuse(t *testing.T) {
	c := repository(t)
	progress := &bytes.Buffer{}
	c.progress = progress
	first, err := c.build(t.Context(), "hello")
	if err != nil {
		t.Fatal(err)
	}
	if got := output(t, first); got != "hello" {
		t.Fatalf("the tool says %q", got)
	}
	if text := progress.String(); !strings.Contains(text, "building hello") || !strings.Contains(text, "built hello") {
		t.Errorf("progress: %q", text)
	}
	if names := listing(t, c.cache); !slices.Equal(names, []string{filepath.Base(first)}) {
		t.Errorf("the cache holds %q", names)
	}

	progress.Reset()
	before, err := os.Stat(first)
	if err != nil {
		t.Fatal(err)
	}
	again, err := c.build(t.Context(), "hello")
	if err != nil {
		t.Fatal(err)
	}
	after, err := os.Stat(again)
	if err != nil {
		t.Fatal(err)
	}
	if again != first || !os.SameFile(before, after) || progress.Len() != 0 {
		t.Errorf("second call built again: %s then %s, %q", first, again, progress)
	}
}

func TestPinsDecideThePath(t *testing.T) {
	c := repository(t)
	first, err := c.build(t.Context(), "hello")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{"go.mod", "go.sum"} {
		path := filepath.Join(c.moduleDir("hello"), file)
		old, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		write(t, path, string(old)+"\n")
		changed, err := c.build(t.Context(), "hello")
		if err != nil {
			t.Fatal(err)
		}
		if changed == first {
			t.Errorf("a change of %s keeps the path %s", file, first)
		}
		write(t, path, strings.ReplaceAll(string(old), "\n", "\r\n"))
		if turned, err := c.key(t.Context(), "hello"); err != nil || !strings.Contains(first, turned) {
			t.Errorf("line ends of %s change the key to %s, %v", file, turned, err)
		}
		write(t, path, string(old))
	}
}

func TestConcurrentCallersBuildOnce(t *testing.T) {
	c := repository(t)
	progress := &bytes.Buffer{} // written under the build lock only
	c.progress = progress
	paths := make([]string, 8)
	var group sync.WaitGroup
	for i := range paths {
		group.Go(func() {
			path, err := c.build(t.Context(), "hello")
			if err != nil {
				t.Error(err)
			}
			paths[i] = path
		})
	}
	group.Wait()
	if n := strings.Count(progress.String(), "building "); n != 1 {
		t.Errorf("%d builds for %d callers", n, len(paths))
	}
	if len(slices.Compact(slices.Clone(paths))) != 1 {
		t.Errorf("paths differ: %q", paths)
	}
}

func TestFailedBuildLeavesNothing(t *testing.T) {
	c := repository(t)
	source := filepath.Join(c.moduleDir("hello"), "cmd", "main.go")
	write(t, source, "package main\n\nfunc main() { nonsense() }\n")
	_, err := c.build(t.Context(), "hello")
	if err == nil || !strings.Contains(err.Error(), "build tool hello") || !strings.Contains(err.Error(), "undefined: nonsense") {
		t.Fatalf("error of a build that cannot work: %v", err)
	}
	if names := listing(t, c.cache); len(names) != 0 {
		t.Errorf("the cache holds %q after a failure", names)
	}
	write(t, source, "package main\n\nfunc main() { println(\"hello\") }\n")
	path, err := c.build(t.Context(), "hello")
	if err != nil {
		t.Fatalf("build after a failure: %v", err)
	}
	if got := output(t, path); got != "hello" {
		t.Errorf("the tool says %q", got)
	}
}

func TestLeftoversOfAKilledBuildGo(t *testing.T) {
	c := repository(t)
	path, err := c.build(t.Context(), "hello")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(filepath.Dir(path), "building-1", "hello"), "half of it")
	write(t, filepath.Join(c.cache, "sallyport", "building-2", "sallyport"), "half of it")
	if _, err := c.build(t.Context(), "hello"); err != nil {
		t.Fatal(err)
	}
	if _, err := c.sallyport(t.Context(), false); err != nil {
		t.Fatal(err)
	}
	if names := listing(t, c.cache); !slices.Equal(names, []string{"hello", "sallyport"}) {
		t.Errorf("the cache holds %q", names)
	}
}

func TestUnpinnedModuleIsRefused(t *testing.T) {
	c := repository(t)
	source := filepath.Join(c.moduleDir("hello"), "cmd", "main.go")
	write(t, source, "package main\n\nimport _ \"example.test/absent\"\n\nfunc main() {}\n")
	before, err := os.ReadFile(filepath.Join(c.moduleDir("hello"), "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.build(t.Context(), "hello"); err == nil {
		t.Fatal("built with a module that go.mod does not pin")
	}
	after, err := os.ReadFile(filepath.Join(c.moduleDir("hello"), "go.mod"))
	if err != nil || !bytes.Equal(before, after) {
		t.Errorf("a build rewrote go.mod: %v", err)
	}
}

func TestUnknownToolNamesTheKnown(t *testing.T) {
	c := repository(t)
	for _, name := range []string{"absent", "", "build", "../tools/hello"} {
		if _, err := c.build(t.Context(), name); err == nil || !strings.Contains(err.Error(), "there are: hello") {
			t.Errorf("%q: %v", name, err)
		}
	}
}

func TestWaitingForAnotherBuildEndsWithContext(t *testing.T) {
	c := repository(t)
	unlock, err := c.lock(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	enough := errors.New("enough")
	ctx, cancel := context.WithTimeoutCause(t.Context(), 300*time.Millisecond, enough)
	defer cancel()
	if _, err := c.build(ctx, "hello"); !errors.Is(err, enough) && !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a build behind a lock ended with %v", err)
	}
	unlock()
	// The waiter that gave up must not hold the lock now.
	if _, err := c.build(t.Context(), "hello"); err != nil {
		t.Errorf("build after the lock was released: %v", err)
	}
}

func TestCancelledBuildSaysSo(t *testing.T) {
	c := repository(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.build(ctx, "hello"); !errors.Is(err, context.Canceled) {
		t.Errorf("build with an ended context: %v", err)
	}
	if names := listing(t, c.cache); len(names) != 0 {
		t.Errorf("the cache holds %q", names)
	}
}

func TestHostsBuildSettingsDoNotLeakIn(t *testing.T) {
	t.Setenv("GOOS", "plan9")
	t.Setenv("GOARCH", "386")
	t.Setenv("GOFLAGS", "-mod=mod -tags=surprise")
	t.Setenv("CGO_ENABLED", "1")
	c := repository(t)
	path, err := c.build(t.Context(), "hello")
	if err != nil {
		t.Fatal(err)
	}
	if got := output(t, path); got != "hello" {
		t.Errorf("the tool says %q", got)
	}
}

func TestSallyportFollowsTheSources(t *testing.T) {
	for name, race := range map[string]bool{"plain": false, "race": true} {
		t.Run(name, func(t *testing.T) {
			c := repository(t)
			first, err := c.sallyport(t.Context(), race)
			if err != nil {
				t.Fatal(err)
			}
			if got := output(t, first); got != "product" {
				t.Fatalf("it says %q", got)
			}
			same, err := c.sallyport(t.Context(), race)
			if err != nil || same != first {
				t.Errorf("unchanged sources give %s then %s, %v", first, same, err)
			}
			write(t, filepath.Join(c.root, "main.go"), "package main\n\nfunc main() { println(\"changed\") }\n")
			second, err := c.sallyport(t.Context(), race)
			if err != nil {
				t.Fatal(err)
			}
			if got := output(t, second); got != "changed" {
				t.Errorf("the new binary says %q", got)
			}
			if got := output(t, first); got != "product" {
				t.Errorf("the binary of a running test turned into %q", got)
			}
			for _, path := range []string{first, second} {
				settings, err := goCommand(t.Context(), c.root, false, "version", "-m", path)
				if err != nil {
					t.Fatal(err)
				}
				if strings.Contains(settings, "-race=true") != race || strings.Contains(settings, "CGO_ENABLED=1") != race {
					t.Errorf("%s binary was built with:\n%s", name, settings)
				}
			}
		})
	}
}

func TestOldBinariesGo(t *testing.T) {
	c := repository(t)
	binaries := filepath.Join(c.cache, "sallyport")
	write(t, filepath.Join(binaries, "old", "sallyport"), "x")
	write(t, filepath.Join(binaries, "young", "sallyport"), "x")
	long := time.Now().Add(-keepBinaries - time.Minute)
	if err := os.Chtimes(filepath.Join(binaries, "old"), long, long); err != nil {
		t.Fatal(err)
	}
	used, err := c.sallyport(t.Context(), false)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(filepath.Dir(used), long.Add(2*time.Minute), long.Add(2*time.Minute)); err != nil {
		t.Fatal(err)
	}
	if _, err := c.sallyport(t.Context(), false); err != nil { // asking for it keeps it
		t.Fatal(err)
	}
	for dir, kept := range map[string]bool{filepath.Join(binaries, "old"): false, filepath.Join(binaries, "young"): true, filepath.Dir(used): true} {
		if _, err := os.Stat(dir); (err == nil) != kept {
			t.Errorf("%s: %v, want kept %v", dir, err, kept)
		}
	}
	info, err := os.Stat(filepath.Dir(used))
	if err != nil || time.Since(info.ModTime()) > time.Hour {
		t.Errorf("a reused binary still counts as old: %v", err)
	}
}

func TestEnvironDropsWhatSteersClients(t *testing.T) {
	t.Setenv("AWS_CA_BUNDLE", "/x")
	t.Setenv("AWS_ACCESS_KEY_ID", "x")
	t.Setenv("RESTIC_REPOSITORY", "x")
	t.Setenv("MC_HOST_x", "x")
	t.Setenv("TOOLCHAIN_TEST", "a=b")
	environ := Environ()
	for _, entry := range environ {
		if strings.HasPrefix(entry, "AWS_") || strings.HasPrefix(entry, "RESTIC_") || strings.HasPrefix(entry, "MC_") {
			t.Errorf("kept %s", entry)
		}
	}
	if !slices.Contains(environ, "TOOLCHAIN_TEST=a=b") {
		t.Error("an unrelated variable was dropped")
	}
}

func TestCacheDirOverride(t *testing.T) {
	dir := t.TempDir()
	t.Setenv(CacheVariable, dir)
	if got, err := CacheDir(); err != nil || got != dir {
		t.Errorf("cache folder %s, %v; want %s", got, err, dir)
	}
	t.Setenv(CacheVariable, "")
	if got, err := CacheDir(); err != nil || filepath.Base(got) != "sallyport-tools" {
		t.Errorf("cache folder %s, %v", got, err)
	}
}
