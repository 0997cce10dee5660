//go:build !windows

package cli

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"
	"golang.org/x/term"

	"sallyport/crypto/vault"
	"sallyport/gateway/jobs"
	"sallyport/providers/local"
)

// seat is a command's surroundings with somebody before the screen.
type seat struct {
	t             *testing.T
	master, slave *os.File
	screen        chan string // what appears, in pieces
	seen          string
}

func newSeat(t *testing.T) *seat {
	t.Helper()
	master, slave, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	s := &seat{t: t, master: master, slave: slave, screen: make(chan string, 64)}
	t.Cleanup(func() { _, _ = master.Close(), slave.Close() })
	go func() {
		buffer := make([]byte, 4096)
		for {
			n, err := master.Read(buffer)
			if err != nil {
				return
			}
			select {
			case s.screen <- string(buffer[:n]):
			case <-t.Context().Done():
				return
			}
		}
	}()
	return s
}

func (s *seat) expect(text string) {
	s.t.Helper()
	patience := time.After(time.Minute)
	for !strings.Contains(s.seen, text) {
		select {
		case more := <-s.screen:
			s.seen += more
		case <-patience:
			s.t.Fatalf("the screen does not show %q but\n%s", text, s.seen)
		}
	}
}

// start runs a command; the channel gets its exit code.
func (s *seat) start(ctx context.Context, args ...string) <-chan int {
	done := make(chan int, 1)
	go func() { done <- Run(ctx, args, &Stdio{In: s.slave, Out: s.slave, Err: s.slave}) }()
	return done
}

func (s *seat) state() term.State {
	s.t.Helper()
	state, err := term.GetState(int(s.slave.Fd()))
	if err != nil {
		s.t.Fatal(err)
	}
	return *state
}

func ended(t *testing.T, done <-chan int) int {
	t.Helper()
	select {
	case code := <-done:
		return code
	case <-time.After(time.Minute):
		t.Fatal("the command does not end")
		return 0
	}
}

// TestInterruptedQuestionEndsAtOnce: the echo is back, the folder is free, nothing was made, and the shell sees an interrupted command.
func TestInterruptedQuestionEndsAtOnce(t *testing.T) {
	used := filepath.Join(t.TempDir(), "used")
	key := keyFile(t)
	_, stop := newConsole(t).quickstart("--dir", used, "--key-file", key)
	stop()
	fresh := filepath.Join(t.TempDir(), "fresh")
	interruptions := []error{nil, Interruption{os.Interrupt}, Interruption{syscall.SIGTERM}}
	for i, c := range []struct {
		question, dir string
		silent        bool
		args          []string
	}{
		{"64-digit key or password", used, true, []string{"quickstart", "--dir", used, "--listen", "127.0.0.1:0"}},
		{"64-digit key or password", used, true, []string{"vault", "passwd", "--dir", used}},
		{"64-digit key or password", used, true, []string{"recover", "--from", filepath.Join(used, "data"), "--to", t.TempDir()}},
		{"New password", used, true, []string{"vault", "passwd", "--dir", used, "--key-file", key}},
		{"Type the key back", fresh, false, []string{"quickstart", "--dir", fresh, "--listen", "127.0.0.1:0"}},
		{"Type the key back", fresh, false, []string{"vault", "create", "--dir", fresh}},
	} {
		s := newSeat(t)
		before := s.state()
		ctx, cancel := context.WithCancelCause(t.Context())
		done := s.start(ctx, c.args...)
		s.expect(c.question)
		if (s.state() != before) != c.silent {
			t.Errorf("%v: while it asks, echo off should be %v", c.args, c.silent)
		}
		cause, want := interruptions[i%len(interruptions)], []int{130, 130, 143}[i%len(interruptions)]
		cancel(cause)
		if code := ended(t, done); code != want {
			t.Errorf("%v: exit %d after %v, want %d\n%s", c.args, code, cause, want, s.seen)
		}
		s.expect("sallyport: interrupted")
		if s.state() != before {
			t.Errorf("%v: the terminal is not as it was", c.args)
		}
		folder, err := local.Open(t.Context(), &local.Config{Path: filepath.Join(c.dir, "data")}, &local.Options{})
		if err != nil {
			t.Errorf("%v: the folder is not free: %v", c.args, err)
			continue
		}
		if err := folder.Close(); err != nil {
			t.Error(err)
		}
	}
	if found, _ := filepath.Glob(filepath.Join(fresh, "data", ".sallyport", "vault", "*")); len(found) > 0 {
		t.Errorf("a vault was made: %v", found)
	}
}

// TestPasswdChecksTheOldOneFirst: a new password is asked for only when there is something to change it with.
func TestPasswdChecksTheOldOneFirst(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "vault")
	key := keyFile(t)
	typedKey := readText(t, key)
	_, stop := newConsole(t).quickstart("--dir", dir, "--key-file", key)
	stop()
	for name, c := range map[string]struct {
		args  []string
		typed string
		right bool
	}{
		"wrong key":            {[]string{"--key-file", keyFile(t)}, "", false},
		"wrong three times":    {nil, "not the password\nnor this one\n" + vault.NewRecoveryKey().Reveal() + "\n", false},
		"right the third time": {nil, "not the password\nnor this one\n" + typedKey + "\n", true},
		"right key":            {[]string{"--key-file", key}, "", true},
	} {
		s := newSeat(t)
		ctx, interrupt := context.WithCancel(t.Context())
		done := s.start(ctx, append([]string{"vault", "passwd", "--dir", dir}, c.args...)...)
		if c.typed != "" {
			s.expect("64-digit key or password")
			// The answers are typed ahead; each prompt takes one.
			if _, err := s.master.WriteString(c.typed); err != nil {
				t.Fatal(err)
			}
		}
		if c.right {
			s.expect("New password")
			interrupt()
			ended(t, done)
			continue
		}
		code := ended(t, done)
		s.expect("opens none of the vault's key slots")
		if c.typed != "" && (strings.Count(s.seen, "64-digit key or password of") != unlockTries || strings.Count(s.seen, "this vault has no password") != 2) {
			t.Errorf("%s: it does not ask three times:\n%s", name, s.seen)
		}
		if code != exitFailed || strings.Contains(s.seen, "New password") {
			t.Errorf("%s: exit %d\n%s", name, code, s.seen)
		}
		interrupt()
	}
}

// TestWeakPasswordIsRefusedAtOnce: before it is typed a second time, and with the offer to have one made.
func TestWeakPasswordIsRefusedAtOnce(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "vault")
	key := keyFile(t)
	_, stop := newConsole(t).quickstart("--dir", dir, "--key-file", key)
	stop()
	for name, c := range map[string]struct {
		typed string
		code  int
	}{
		"then a good one": {"short\nunlikely Walrus teapot 41\nunlikely Walrus teapot 41\n", exitOK},
		"three times":     {"short\npassword\nqwertyuiopasdf\n", exitFailed},
	} {
		s := newSeat(t)
		done := s.start(t.Context(), "vault", "passwd", "--dir", dir, "--key-file", key)
		s.expect("press Enter to have one suggested")
		if _, err := s.master.WriteString(c.typed); err != nil {
			t.Fatal(err)
		}
		if code := ended(t, done); code != c.code {
			t.Errorf("%s: exit %d\n%s", name, code, s.seen)
		}
		s.expect("it has 5 characters, at least 12 are needed")
		if c.code == exitOK {
			s.expect("is added")
		} else {
			s.expect("well-known words")
		}
		if again := strings.Count(s.seen, "New password again"); (again == 1) != (c.code == exitOK) || strings.Count(s.seen, "too easy to guess") != strings.Count(c.typed, "\n")-2*again {
			t.Errorf("%s: it asks %d times for a weak one again\n%s", name, again, s.seen)
		}
	}
}

func readText(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(text))
}

// TestAnswersTypedAhead: each question takes its own line, and a silent one shows nothing.
func TestAnswersTypedAhead(t *testing.T) {
	s := newSeat(t)
	stdio := &Stdio{In: s.slave, Out: s.slave, Err: s.slave}
	if _, err := s.master.WriteString("first\nsecond \r"); err != nil {
		t.Fatal(err)
	}
	line, err := stdio.askLine(t.Context(), "one? ")
	if err != nil || line != "first" {
		t.Errorf("%q, %v", line, err)
	}
	answer, err := stdio.askSecret(t.Context(), "two? ")
	if err != nil || answer.Reveal() != "second " {
		t.Errorf("%q, %v", answer.Reveal(), err)
	}
	s.expect("two? ")
	done := make(chan string, 1)
	go func() {
		answer, err := stdio.askSecret(t.Context(), "three? ")
		if err != nil {
			t.Error(err)
		}
		done <- answer.Reveal()
	}()
	s.expect("three? ")
	if _, err := s.master.WriteString("hidden\n"); err != nil {
		t.Fatal(err)
	}
	if got := <-done; got != "hidden" {
		t.Errorf("%q", got)
	}
	stdio.notef("the end")
	s.expect("the end")
	if strings.Contains(s.seen, "hidden") {
		t.Errorf("a silent answer is on the screen: %q", s.seen)
	}
}

// TestDescriptorThatSaysNothingIsInterrupted: nobody writes to the pipe.
func TestDescriptorThatSaysNothingIsInterrupted(t *testing.T) {
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = read.Close(), write.Close() })
	own, err := syscall.Dup(int(read.Fd())) // the command closes what it reads
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	fd := uint(own)
	flags := unlockFlags{KeyFD: &fd}
	if _, err := flags.read(ctx, &Stdio{Out: io.Discard}, "the vault"); !errors.Is(err, errInterrupted) {
		t.Errorf("%v", err)
	}
}

// TestProgressBarFromTheStart: a bar is there before the first byte, and none when there is nothing to do.
func TestProgressBarFromTheStart(t *testing.T) {
	s := newSeat(t)
	stdio := &Stdio{In: s.slave, Out: s.slave, Err: s.slave}
	update, finish := showProgress(stdio, time.Now)
	update(jobs.Progress{TotalFiles: 1, TotalBytes: 1 << 40})
	s.expect("0%")
	finish()
	update, finish = showProgress(stdio, time.Now)
	update(jobs.Progress{})
	finish()
}
