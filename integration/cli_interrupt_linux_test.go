package integration

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// echoes reports whether a terminal shows what is typed.
func echoes(t testing.TB, keyboard *os.File) bool {
	t.Helper()
	raw, err := keyboard.SyscallConn() // Fd would make its reads block
	if err != nil {
		t.Fatal(err)
	}
	var state *unix.Termios
	if failed := raw.Control(func(fd uintptr) { state, err = unix.IoctlGetTermios(int(fd), unix.TCGETS) }); failed != nil || err != nil {
		t.Fatal(failed, err)
	}
	return state.Lflag&unix.ECHO != 0
}

// TestCtrlCAtAQuestion types it at a terminal that is the program's own, so that the signal comes the way it does from a keyboard.
func TestCtrlCAtAQuestion(t *testing.T) {
	needsPrograms(t)
	t.Parallel()
	fresh := filepath.Join(t.TempDir(), "fresh")
	g := newGateway(t)
	g.stop()
	for question, dir := range map[string]string{"64-digit key or password": g.Dir, "Type the key back": fresh} {
		cmd := quickstart{dir: dir}.command(t)
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
		at := atTerminal(t, cmd)
		at.expect(question)
		if _, err := at.keyboard.WriteString("half an answer\x03"); err != nil {
			t.Fatal(err)
		}
		if code := at.wait(patience); code != 130 {
			t.Errorf("at %q: exit %d\n%s", question, code, at.stderr.String())
		}
		if !echoes(t, at.keyboard) {
			t.Errorf("at %q: the terminal no longer shows what is typed", question)
		}
		eventually(t, patience, "the word interrupted on the screen", func() bool { return strings.Contains(at.stderr.String(), "interrupted") })
	}
	// SIGTERM comes from elsewhere and finds the terminal silent: it leaves it as it was, and says by its code what ended the program.
	cmd := quickstart{dir: g.Dir}.command(t)
	at := atTerminal(t, cmd)
	before := echoes(t, at.keyboard)
	at.expect("64-digit key or password")
	if echoes(t, at.keyboard) {
		t.Error("while a key is asked for, the terminal shows what is typed")
	}
	at.signal(syscall.SIGTERM)
	if code := at.wait(patience); code != 143 {
		t.Errorf("after SIGTERM: exit %d\n%s", code, at.stderr.String())
	}
	if !before || !echoes(t, at.keyboard) {
		t.Errorf("after SIGTERM the terminal echoes: %v, and before it asked: %v", echoes(t, at.keyboard), before)
	}
	if found := digests(t, filepath.Join(fresh, "data", ".sallyport")); hasVaultFile(found) {
		t.Errorf("a vault was made: %v", found)
	}
	if again := (quickstart{dir: g.Dir, args: []string{"--key-file", g.keyFile(t)}}).start(t); again.stop() != 0 {
		t.Error("the folder does not serve afterwards")
	}
}
