// Package toolchain builds the programs that the integration tests run as separate processes: real S3 clients, a real MinIO server,
// the linters, and Sallyport's own binary.
//
// Each foreign program has a small Go module of its own at integration/tools/<name> whose go.mod and go.sum pin it with every dependency, so
// that nothing of it (some is AGPL) can be linked into the product. It is built at most once for each state of those two files and each Go version, into a
// cache outside the repository, and found there afterwards.
//
// Promised: a path that Build returns names a complete executable built from exactly the pinned sources; processes that ask at the same time
// build it once. Not promised: that the cache shrinks. Builds of former pins stay until somebody deletes the folder.
package toolchain

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
)

// CacheVariable names the environment variable that overrides the cache folder.
const CacheVariable = "SALLYPORT_TOOLS"

// functionalTests is the one program whose source is not a package of the module it is pinned in: see buildFunctionalTests.
const functionalTests = "minio-go-functional"

// Build returns the path of the tool's executable, building it first where the cache does not hold it yet. name is one of Names.
//
// A build says so in one line on standard error, before and after. It takes from seconds (s5cmd) to eight minutes (minio) and needs the Go
// module proxy, or a module cache that holds the pinned modules. When ctx ends the compiler is stopped, the cache is as it was and
// the error wraps ctx's. Build may be called from several goroutines and processes at once; one of them builds at a time.
func Build(ctx context.Context, name string) (path string, err error) {
	c, err := open(os.Stderr)
	if err != nil {
		return "", err
	}
	return c.build(ctx, name)
}

// Names lists the tools, sorted: the folders of integration/tools that hold a go.mod.
func Names() ([]string, error) {
	c, err := open(io.Discard)
	if err != nil {
		return nil, err
	}
	return c.names()
}

// CacheDir returns the folder that holds all that this package builds. It need not exist yet.
func CacheDir() (string, error) {
	if dir := os.Getenv(CacheVariable); dir != "" {
		return filepath.Abs(dir)
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("find cache folder (set %s): %w", CacheVariable, err)
	}
	return filepath.Join(dir, "sallyport-tools"), nil
}

// Root returns the folder of Sallyport's own module: the nearest one above the working directory whose go.mod says "module sallyport".
func Root() (string, error) {
	start, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("find module root: %w", err)
	}
	for dir := start; ; dir = filepath.Dir(dir) {
		text, err := os.ReadFile(filepath.Join(dir, "go.mod"))
		if err == nil && moduleName(text) == "sallyport" {
			return dir, nil
		}
		if dir == filepath.Dir(dir) {
			return "", fmt.Errorf("find module root: no go.mod of module sallyport in or above %s", start)
		}
	}
}

// moduleName returns what the module line of a go.mod says, or "".
func moduleName(gomod []byte) string {
	for line := range strings.Lines(string(gomod)) {
		if fields := strings.Fields(line); len(fields) >= 2 && fields[0] == "module" {
			return strings.Trim(fields[1], `"`)
		}
	}
	return ""
}

// toolchain is one repository with one cache.
type toolchain struct {
	root     string    // folder of module sallyport
	cache    string    // folder for everything built
	progress io.Writer // one line before and after each build
}

func open(progress io.Writer) (*toolchain, error) {
	root, err := Root()
	if err != nil {
		return nil, err
	}
	cache, err := CacheDir()
	if err != nil {
		return nil, err
	}
	return &toolchain{root: root, cache: cache, progress: progress}, nil
}

func (c *toolchain) moduleDir(name string) string {
	return filepath.Join(c.root, "integration", "tools", name)
}

func (c *toolchain) names() ([]string, error) {
	found, err := filepath.Glob(filepath.Join(c.moduleDir("*"), "go.mod"))
	if err != nil {
		panic("toolchain: internal error: " + err.Error())
	}
	names := make([]string, 0, len(found))
	for _, file := range found {
		names = append(names, filepath.Base(filepath.Dir(file)))
	}
	if len(names) == 0 {
		return nil, fmt.Errorf("list tools: no module in %s", c.moduleDir(""))
	}
	slices.Sort(names)
	return names, nil
}

func (c *toolchain) build(ctx context.Context, name string) (string, error) {
	names, err := c.names()
	if err != nil {
		return "", err
	}
	if !slices.Contains(names, name) {
		return "", fmt.Errorf("build tool %q: unknown; there are: %s", name, strings.Join(names, ", "))
	}
	key, err := c.key(ctx, name)
	if err != nil {
		return "", fmt.Errorf("build tool %s: %w", name, err)
	}
	path := filepath.Join(c.cache, name+"-"+key, executable(name))
	err = c.produce(ctx, product{
		path:  path,
		label: strings.TrimSpace(name + " " + pinned(c.moduleDir(name))),
		compile: func(ctx context.Context, out string) error {
			if name == functionalTests {
				return c.buildFunctionalTests(ctx, out)
			}
			// "tool" is the package of the tool directive in that go.mod.
			return goBuild(ctx, c.moduleDir(name), false, out, "tool")
		},
	})
	if err != nil {
		return "", fmt.Errorf("build tool %s: %w", name, err)
	}
	return path, nil
}

// buildFunctionalTests compiles minio-go's functional_tests.go where it lies in the module cache. It is a program of one file inside a library
// package, kept apart by a build tag; naming the file instead of the tag is the only way that compiles both.
func (c *toolchain) buildFunctionalTests(ctx context.Context, out string) error {
	const module = "github.com/minio/minio-go/v7"
	dir := c.moduleDir(functionalTests)
	if _, err := goCommand(ctx, dir, false, "mod", "download", module); err != nil {
		return err
	}
	source, err := goCommand(ctx, dir, false, "list", "-mod=readonly", "-m", "-f", "{{.Dir}}", module)
	if err != nil {
		return err
	}
	return goBuild(ctx, dir, false, out, filepath.Join(strings.TrimSpace(source), "functional_tests.go"))
}

// key changes with everything that decides what a build of the tool contains.
func (c *toolchain) key(ctx context.Context, name string) (string, error) {
	version, err := goCommand(ctx, c.moduleDir(name), false, "env", "GOVERSION")
	if err != nil {
		return "", err
	}
	sum := sha256.New()
	fmt.Fprintf(sum, "recipe 1\n%s\n%s/%s\n", strings.TrimSpace(version), runtime.GOOS, runtime.GOARCH)
	for _, file := range []string{"go.mod", "go.sum"} {
		text, err := os.ReadFile(filepath.Join(c.moduleDir(name), file))
		if err != nil {
			return "", fmt.Errorf("read pins: %w", err)
		}
		// A checkout on Windows may have turned the line ends.
		text = []byte(strings.ReplaceAll(string(text), "\r\n", "\n"))
		fmt.Fprintf(sum, "%s %d\n%s", file, len(text), text)
	}
	return hex.EncodeToString(sum.Sum(nil))[:16], nil
}

// pinned returns "module@version" of the tool in dir, for people to read, or "" where go.mod does not tell.
func pinned(dir string) string {
	text, err := os.ReadFile(filepath.Join(dir, "go.mod"))
	if err != nil {
		return ""
	}
	var tool, best, version string
	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(strings.TrimPrefix(strings.TrimSpace(line), "require "))
		switch {
		case len(fields) >= 2 && fields[0] == "tool":
			tool = fields[1]
		case len(fields) >= 2 && strings.HasPrefix(fields[1], "v"):
			module := fields[0]
			if (tool == module || strings.HasPrefix(tool, module+"/")) && len(module) > len(best) {
				best, version = module, fields[1]
			}
		}
	}
	if best == "" {
		return ""
	}
	return best + "@" + version
}

func executable(name string) string {
	if runtime.GOOS == "windows" {
		return name + ".exe"
	}
	return name
}

func present(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular() && info.Size() > 0
}

// sizeOf returns the size of a file in MiB, rounded up, or 0 where there is none.
func sizeOf(path string) int64 {
	info, err := os.Stat(path)
	if err != nil {
		return 0
	}
	return (info.Size() + 1<<20 - 1) >> 20
}
