package integration

import (
	"path/filepath"
	"strings"
	"testing"

	"sallyport/integration/internal/toolchain"
)

// pasted is what docs/clients.md shows for a client: the block below its bold name, or, if there is none, the command in the name's paragraph
// that begins with start. Each of the replacements, given as old and new in turn, must be found in it; address and keys are the server's. So what a
// reader pastes is what is tried.
func (s *server) pasted(t testing.TB, client, start string, replacements ...string) string {
	t.Helper()
	root, err := toolchain.Root()
	if err != nil {
		t.Fatal(err)
	}
	_, rest, found := strings.Cut(string(readFile(t, filepath.Join(root, "docs", "clients.md"))), "\n**"+client+"**")
	if !found {
		t.Fatalf("docs/clients.md has no settings for %s", client)
	}
	rest, _, _ = strings.Cut(rest, "\n**")
	var text string
	if start == "" {
		_, block, open := strings.Cut(rest, "\n```\n")
		text, _, found = strings.Cut(block, "\n```")
		found = found && open
	} else {
		_, line, open := strings.Cut(rest, "`"+start)
		line, _, found = strings.Cut(line, "`")
		text, found = start+line, found && open
	}
	if !found {
		t.Fatalf("docs/clients.md: there is nothing to paste for %s", client)
	}
	for i := 0; i < len(replacements); i += 2 {
		if !strings.Contains(text, replacements[i]) {
			t.Fatalf("docs/clients.md: the settings for %s lack %q:\n%s", client, replacements[i], text)
		}
		text = strings.ReplaceAll(text, replacements[i], replacements[i+1])
	}
	return strings.NewReplacer("http://127.0.0.1:9710", s.Endpoint, "127.0.0.1:9710", s.host(), "ACCESSKEY", s.AccessKey, "SECRETKEY", s.SecretKey).Replace(text) + "\n"
}

// pastedWords are the words of a command of docs/clients.md after the program's name.
func (s *server) pastedWords(t testing.TB, client, start string, replacements ...string) []string {
	t.Helper()
	return strings.Fields(s.pasted(t, client, start, replacements...))[1:]
}
