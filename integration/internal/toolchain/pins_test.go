package toolchain

import (
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// Every client that the tests promise to run has its module, and every module its reader here.
func TestToolsAreTheOnesTheTestsNeed(t *testing.T) {
	want := []string{
		"compose-go", "golangci-lint", "govulncheck", "kopia", "litestream", "mc", "minio", functionalTests, "rclone", "restic", "s5cmd",
	}
	got, err := Names()
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(got, want) {
		t.Errorf("tools are %q, want %q", got, want)
	}
}

func TestEveryToolIsPinned(t *testing.T) {
	c, err := open(io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	names, err := c.names()
	if err != nil {
		t.Fatal(err)
	}
	tool := regexp.MustCompile(`(?m)^tool \S+$`)
	for _, name := range names {
		text, err := os.ReadFile(filepath.Join(c.moduleDir(name), "go.mod"))
		if err != nil {
			t.Fatal(err)
		}
		if sums, err := os.ReadFile(filepath.Join(c.moduleDir(name), "go.sum")); err != nil || len(sums) == 0 {
			t.Errorf("%s: no go.sum: %v", name, err)
		}
		if got, want := moduleName(text), "sallyport/integration/tools/"+name; got != want {
			t.Errorf("%s: module %s, want %s", name, got, want)
		}
		if strings.Contains(string(text), "replace ") || strings.Contains(string(text), "=>") {
			t.Errorf("%s: a replacement hides what is built", name)
		}
		directives := tool.FindAllString(string(text), -1)
		if name == functionalTests {
			continue
		}
		if len(directives) != 1 {
			t.Errorf("%s: %d tool directives, want 1: they are what is built", name, len(directives))
		}
		if pinned(c.moduleDir(name)) == "" {
			t.Errorf("%s: the version that its tool directive means is not required", name)
		}
	}
}

// The functional tests must be those of the library the product links.
func TestFunctionalTestsMatchTheLinkedLibrary(t *testing.T) {
	c, err := open(io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	version := regexp.MustCompile(`(?m)^\s*github\.com/minio/minio-go/v7 (\S+)`)
	versions := make([]string, 0, 2)
	for _, dir := range []string{c.root, c.moduleDir(functionalTests)} {
		text, err := os.ReadFile(filepath.Join(dir, "go.mod"))
		if err != nil {
			t.Fatal(err)
		}
		match := version.FindSubmatch(text)
		if match == nil {
			t.Fatalf("%s requires no minio-go", dir)
		}
		versions = append(versions, string(match[1]))
	}
	if versions[0] != versions[1] {
		t.Errorf("the product links minio-go %s, its functional tests are pinned at %s", versions[0], versions[1])
	}
}

func TestPinnedReadsTheLongestModule(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "go.mod"), `module x

tool example.test/a/b/cmd/b

require (
	example.test/a v1.0.0 // indirect
	example.test/a/b v2.0.0 // indirect
	example.test/a/bc v3.0.0 // indirect
)
require example.test/other v4.0.0
`)
	if got := pinned(dir); got != "example.test/a/b@v2.0.0" {
		t.Errorf("pinned says %q", got)
	}
	if got := pinned(t.TempDir()); got != "" {
		t.Errorf("pinned without a go.mod says %q", got)
	}
}
