package integration

import (
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/creack/pty"
)

// terminal is a process that believes somebody sits before it. What appears on its screen, standard output included, is its stderr.
type terminal struct {
	*process
	keyboard *os.File
	seen     int // how much of the screen earlier waits have used up
}

func atTerminal(t testing.TB, cmd *exec.Cmd) *terminal {
	t.Helper()
	master, screen, err := pty.Open()
	if err != nil {
		t.Fatalf("open a terminal: %v", err)
	}
	t.Cleanup(func() { _ = master.Close() })
	cmd.Stdin, cmd.Stdout, cmd.Stderr = screen, screen, screen
	term := &terminal{process: spawn(t, cmd), keyboard: master}
	_ = screen.Close()                                   // the child has its own
	go func() { _, _ = io.Copy(&term.stderr, master) }() // ends with an error when the child does
	return term
}

// expect waits until text appears behind what was expected before, and returns what stood between.
func (t *terminal) expect(text string) string {
	t.t.Helper()
	var between string
	eventually(t.t, patience, "the terminal shows "+text+"; it shows:\n"+t.stderr.String(), func() bool {
		screen := t.stderr.String()[t.seen:]
		before, _, found := strings.Cut(screen, text)
		if found {
			between = before
			t.seen += len(before) + len(text)
		}
		return found || t.ended() && !strings.Contains(t.stderr.String()[t.seen:], text)
	})
	if !strings.Contains(t.stderr.String(), text) {
		t.t.Fatalf("the program ended without showing %q:\n%s", text, t.stderr.String())
	}
	return between
}

// enter types a line.
func (t *terminal) enter(line string) {
	t.t.Helper()
	if _, err := t.keyboard.WriteString(line + "\n"); err != nil {
		t.t.Fatalf("type: %v", err)
	}
}
