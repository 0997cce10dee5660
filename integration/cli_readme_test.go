package integration

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"sallyport/integration/internal/toolchain"
)

// firstScreen returns the commands of the README's first block, and what it shows of their output.
func firstScreen(t *testing.T) (commands, shown []string) {
	t.Helper()
	root, err := toolchain.Root()
	if err != nil {
		t.Fatal(err)
	}
	_, rest, found := strings.Cut(string(readFile(t, filepath.Join(root, "README.md"))), "\n```\n")
	block, _, closed := strings.Cut(rest, "\n```\n")
	if !found || !closed {
		t.Fatal("README.md has no first block")
	}
	for line := range strings.Lines(block) {
		if command, ok := strings.CutPrefix(line, "$ "); ok {
			commands = append(commands, strings.TrimSpace(command))
		} else {
			shown = append(shown, strings.TrimSpace(line))
		}
	}
	return commands, shown
}

// TestReadmesFirstScreen types the README's lines into a shell at a terminal, as a stranger would who has cloned the repository. `go run .` is
// this build, and the port is any, because the usual one may be taken; everything else is as it stands there.
func TestReadmesFirstScreen(t *testing.T) {
	needsPrograms(t)
	commands, shown := firstScreen(t)
	if len(commands) != 4 || len(shown) != 2 {
		t.Fatalf("the first screen is not the four commands and two lines of output that this test knows: %q, %q", commands, shown)
	}
	clone := t.TempDir()
	report := noise(3, 123_456)
	writeFile(t, filepath.Join(clone, "report.pdf"), report)
	path := filepath.Join(clone, "bin")
	writeFile(t, filepath.Join(path, "go"), []byte(fmt.Sprintf(`#!/bin/sh
[ "$1 $2" = "run ." ] || exit 99
shift 2
case $1 in quickstart) set -- "$@" --listen 127.0.0.1:0 ;; esac
exec '%s' "$@"
`, sallyport(t, false))))
	if err := os.Chmod(filepath.Join(path, "go"), 0o700); err != nil {
		t.Fatal(err)
	}
	env := append(toolchain.Environ(), "HOME="+t.TempDir(), "PATH="+path+string(os.PathListSeparator)+pathWithTools(t))
	shell := func(line string) *exec.Cmd {
		cmd := exec.Command("/bin/sh", "-e", "-u", "-c", line)
		cmd.Dir, cmd.Env = clone, env
		return cmd
	}
	// What the block shows stands on the screen up to where it names something that is different each time.
	shows := func(at *terminal, line string) string {
		t.Helper()
		fixed, _, _ := strings.Cut(line, "…")
		return at.expect(strings.TrimSpace(fixed))
	}

	first := atTerminal(t, shell("exec "+commands[0]))
	shows(first, shown[0])
	key := shownKey(t, first.expect("Type the key back"))
	first.enter(key)
	first.expect("restic init") // the end of the ready lines

	// The README's line has words where quickstart prints values, and is that line otherwise.
	pattern := regexp.QuoteMeta(strings.TrimSpace(strings.SplitN(commands[1], "   ", 2)[0]))
	pattern = strings.NewReplacer("ACCESSKEY", "[A-Z0-9]+", "SECRETKEY", "[A-Z0-9]+", "9710", "[0-9]+").Replace(pattern)
	export := regexp.MustCompile(pattern).FindString(first.stderr.String())
	if export == "" {
		t.Fatalf("quickstart prints nothing like %s:\n%s", commands[1], first.stderr.String())
	}
	second := shell(export + "\n" + commands[2])
	if said, err := second.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", commands[2], err, said)
	}

	command, _, _ := strings.Cut(commands[3], "#")
	third := atTerminal(t, shell("exec "+command))
	shows(third, shown[1])
	third.enter(key)
	if code := third.wait(patience); code != 0 {
		t.Errorf("%s: exit %d\n%s", command, code, third.stderr.String())
	}
	if got := readFile(t, filepath.Join(clone, "restored", "backup", "report.pdf")); !bytes.Equal(got, report) {
		t.Errorf("what was restored has %d bytes and is not what was backed up", len(got))
	}
}
