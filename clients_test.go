package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// pinnedAt are the modules whose versions docs/clients.md shows, and the go.mod that pins each.
func pinnedAt() map[string]struct{ file, module string } {
	tool := func(name string) string { return filepath.Join("integration", "tools", name, "go.mod") }
	return map[string]struct{ file, module string }{
		"restic":             {tool("restic"), "github.com/restic/restic"},
		"rclone":             {tool("rclone"), "github.com/rclone/rclone"},
		"kopia":              {tool("kopia"), "github.com/kopia/kopia"},
		"mc":                 {tool("mc"), "github.com/minio/mc"},
		"s5cmd":              {tool("s5cmd"), "github.com/peak/s5cmd/v2"},
		"minio-go":           {tool("minio-go-functional"), "github.com/minio/minio-go/v7"},
		"aws-sdk-go-v2 (s3)": {"go.mod", "github.com/aws/aws-sdk-go-v2/service/s3"},
		"litestream":         {tool("litestream"), "github.com/benbjohnson/litestream"},
	}
}

// TestClientsAreThoseThatAreTried: every row of docs/clients.md names tests that exist, and the versions that are pinned are the ones it shows.
func TestClientsAreThoseThatAreTried(t *testing.T) {
	files, err := filepath.Glob("integration/*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	var tests strings.Builder
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		tests.Write(text)
	}
	text := readText(t, "docs/clients.md")
	pins := pinnedAt()
	rows := 0
	for line := range strings.Lines(string(text)) {
		cells := strings.Split(strings.TrimSpace(line), " | ")
		if len(cells) != 6 || strings.HasPrefix(line, "| client ") {
			continue
		}
		rows++
		client, shown := strings.TrimPrefix(cells[0], "| "), cells[1]
		version, isPinned := strings.CutSuffix(shown, " pinned")
		pin, known := pins[client]
		if known != isPinned {
			t.Errorf("%s: pinned %v, and the table says %q", client, known, shown)
		}
		if known {
			mod := readText(t, pin.file)
			found := regexp.MustCompile(`(?m)^(?:require)?\s*` + regexp.QuoteMeta(pin.module) + ` (\S+)`).FindSubmatch(mod)
			if found == nil || string(found[1]) != version {
				t.Errorf("%s is pinned at %s, and the table says %s", client, found, version)
			}
			delete(pins, client)
		}
		names := regexp.MustCompile("`(Test\\w+)`").FindAllStringSubmatch(cells[5], -1)
		if len(names) == 0 {
			t.Errorf("%s: no test", client)
		}
		for _, name := range names {
			if !strings.Contains(tests.String(), "\nfunc "+name[1]+"(t *testing.T)") {
				t.Errorf("%s: there is no %s", client, name[1])
			}
		}
	}
	if rows != 13 || len(pins) > 0 {
		t.Errorf("%d rows; not in the table: %v", rows, pins)
	}
}
