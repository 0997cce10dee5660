package minioserver

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"time"
)

// process is a started program. It is waited for from its first moment, so that an early exit is noticed.
type process struct {
	pid    *os.Process
	exited chan struct{} // closed when the program has ended
	result error         // how it ended; to be read after exited is closed
}

// launch starts the command with its output appended to logFile.
func launch(command *exec.Cmd, logFile string) (*process, error) {
	log, err := os.OpenFile(logFile, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open log: %w", err)
	}
	command.Stdout, command.Stderr = log, log
	dieWithParent(command)

	p := &process{exited: make(chan struct{})}
	started := make(chan error)
	go func() {
		// The death signal of dieWithParent is sent when the thread that started the child ends, not the process: this goroutine keeps its thread
		// as long as the child lives.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		defer log.Close()
		err := command.Start()
		p.pid = command.Process
		started <- err
		if err != nil {
			return
		}
		p.result = command.Wait()
		if p.result == nil {
			p.result = errors.New("exit status 0")
		}
		close(p.exited)
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start program: %w", err)
	}
	return p, nil
}

// end asks the program to stop, kills it when it has not within the given time (at once for 0), and returns when it is gone. A program that had
// ended before by itself is an error: a test that believed it running saw nothing.
func (p *process) end(within time.Duration) error {
	select {
	case <-p.exited:
		return fmt.Errorf("the server had ended by itself: %w", p.result)
	default:
	}
	if within > 0 && runtime.GOOS != "windows" {
		if err := p.pid.Signal(os.Interrupt); err != nil && !errors.Is(err, os.ErrProcessDone) {
			return fmt.Errorf("interrupt program: %w", err)
		}
		patience := time.NewTimer(within)
		defer patience.Stop()
		select {
		case <-p.exited:
			return nil
		case <-patience.C:
		}
	}
	if err := p.pid.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("kill program: %w", err)
	}
	<-p.exited
	return nil
}
