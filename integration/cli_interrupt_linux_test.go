package integration

import (
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

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
		eventually(t, patience, "the word interrupted on the screen", func() bool { return strings.Contains(at.stderr.String(), "interrupted") })
	}
	if found := digests(t, filepath.Join(fresh, "data", ".sallyport")); hasVaultFile(found) {
		t.Errorf("a vault was made: %v", found)
	}
	if again := (quickstart{dir: g.Dir, args: []string{"--key-file", g.keyFile(t)}}).start(t); again.stop() != 0 {
		t.Error("the folder does not serve afterwards")
	}
}
