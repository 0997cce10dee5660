package integration

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

const (
	patience  = 60 * time.Second      // for anything that should take a moment on a loaded machine
	pollEvery = 10 * time.Millisecond // between looks
)

// eventually looks until done says so and fails the test after the given time.
func eventually(t testing.TB, within time.Duration, what string, done func() bool) {
	t.Helper()
	look := time.NewTicker(pollEvery)
	defer look.Stop()
	deadline := time.Now().Add(within)
	for !done() {
		if time.Now().After(deadline) {
			t.Fatalf("not within %s: %s", within, what)
		}
		<-look.C
	}
}

// output collects what a process writes and may be read while it writes.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

// Write implements io.Writer.
func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// process is a program under test that was started and is waited for from its first moment.
type process struct {
	t              testing.TB
	cmd            *exec.Cmd
	stdout, stderr output
	exited         chan struct{}
	code           int // to be read after exited is closed; -1 = by a signal
}

// spawn starts cmd. At the test's end it is stopped in order, and it must not have shown a data race or a panic. What prepare changes of the
// thread that it runs in, the child inherits and nobody else sees.
func spawn(t testing.TB, cmd *exec.Cmd, prepare ...func() error) *process {
	t.Helper()
	p := &process{t: t, cmd: cmd, exited: make(chan struct{})}
	ready := theSuite().gateway(t, cmd)
	if cmd.Stdout == nil {
		cmd.Stdout = &p.stdout
	}
	if cmd.Stderr == nil {
		cmd.Stderr = &p.stderr
	}
	dieWithParent(cmd)
	started := make(chan error)
	go func() {
		// The death signal is sent when the thread that started the child ends, so this goroutine keeps its thread.
		runtime.LockOSThread()
		if len(prepare) == 0 {
			defer runtime.UnlockOSThread() // else the thread ends with this goroutine
		}
		var err error
		for _, p := range prepare {
			err = errors.Join(err, p())
		}
		if err == nil {
			err = cmd.Start()
		}
		started <- err
		if err != nil {
			return
		}
		err = cmd.Wait()
		p.code = cmd.ProcessState.ExitCode()
		if exit := new(exec.ExitError); err != nil && !errors.As(err, &exit) {
			p.code = -2
		}
		close(p.exited)
	}()
	if err := <-started; err != nil {
		t.Fatalf("start %s: %v", cmd.Path, err)
	}
	t.Cleanup(func() {
		p.stop()
		p.judge()
	})
	if ready != nil {
		ready(p)
	}
	return p
}

// judge fails the test for what no run of the product may ever show.
func (p *process) judge() {
	for _, bad := range []string{"DATA RACE", "panic:", "fatal error:", "goroutine 1 ["} {
		if strings.Contains(p.stderr.String(), bad) {
			p.t.Errorf("the gateway wrote %q on standard error:\n%s", bad, end(p.stderr.String(), 6000))
			return
		}
	}
	if p.t.Failed() {
		p.t.Logf("end of standard error of %s:\n%s", strings.Join(p.cmd.Args[1:], " "), end(p.stderr.String(), 3000))
	}
}

func end(text string, n int) string { return text[max(0, len(text)-n):] }

// ended reports whether the process is gone.
func (p *process) ended() bool {
	select {
	case <-p.exited:
		return true
	default:
		return false
	}
}

// signal sends s; a process that is gone already is none of its business.
func (p *process) signal(s os.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		p.t.Fatalf("signal %v: %v", s, err)
	}
}

// stop ends the process in order and returns its exit code.
func (p *process) stop() int {
	p.t.Helper()
	if !p.ended() {
		p.signal(syscall.SIGTERM)
	}
	return p.wait(patience)
}

// kill ends the process at once, as a power cut would, and returns when it is gone.
func (p *process) kill() {
	p.t.Helper()
	p.signal(os.Kill)
	p.wait(patience)
}

// wait returns the exit code. A process that does not end is killed, and the test failed.
func (p *process) wait(within time.Duration) int {
	p.t.Helper()
	timeout := time.NewTimer(within)
	defer timeout.Stop()
	select {
	case <-p.exited:
	case <-timeout.C:
		p.t.Errorf("%s did not end within %s; killed. Standard error:\n%s", strings.Join(p.cmd.Args, " "), within, end(p.stderr.String(), 3000))
		_ = p.cmd.Process.Kill()
		<-p.exited
	}
	return p.code
}

// result is what a program that ran to its end left behind.
type result struct {
	stdout, stderr string
	code           int
}

// both is everything it said.
func (r result) both() string { return r.stdout + r.stderr }

// program is a foreign program, or the product's own command line, with the surroundings it runs in.
type program struct {
	path  string
	env   []string
	dir   string // working directory
	stdin string
}

// try runs it to its end, whatever that is.
func (p *program) try(t testing.TB, args ...string) result {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), p.path, args...)
	cmd.Env, cmd.Dir, cmd.Stdin = p.env, p.dir, strings.NewReader(p.stdin)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	if exit := new(exec.ExitError); err != nil && !errors.As(err, &exit) {
		t.Fatalf("run %s: %v", p.path, err)
	}
	r := result{stdout.String(), stderr.String(), cmd.ProcessState.ExitCode()}
	if strings.Contains(r.stderr, "DATA RACE") || strings.Contains(r.stderr, "goroutine 1 [") {
		t.Errorf("%s %s crashed or raced:\n%s", p.path, strings.Join(args, " "), end(r.stderr, 6000))
	}
	return r
}

// run is try for what must succeed; it returns standard output.
func (p *program) run(t testing.TB, args ...string) string {
	t.Helper()
	r := p.try(t, args...)
	if r.code != 0 {
		t.Fatalf("%s %s: exit %d\n%s", p.path, strings.Join(args, " "), r.code, end(r.both(), 6000))
	}
	return r.stdout
}
