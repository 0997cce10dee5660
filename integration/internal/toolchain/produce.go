package toolchain

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/lockedfile"
)

// product is one file of the cache and how to make it.
type product struct {
	path    string
	label   string
	compile func(ctx context.Context, out string) error
}

// produce makes p.path unless it is there. The file appears whole or not at all.
func (c *toolchain) produce(ctx context.Context, p product) error {
	if present(p.path) {
		return nil
	}
	unlock, err := c.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	if present(p.path) { // another process built it while this one waited
		return nil
	}

	dir := filepath.Dir(p.path)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("make cache folder: %w", err)
	}
	temporary, err := buildFolder(dir)
	if err != nil {
		return err
	}
	defer os.RemoveAll(temporary)

	started := time.Now()
	fmt.Fprintf(c.progress, "toolchain: building %s into %s\n", p.label, dir)
	out := filepath.Join(temporary, filepath.Base(p.path))
	if err := p.compile(ctx, out); err != nil {
		return err
	}
	if err := os.Rename(out, p.path); err != nil {
		return fmt.Errorf("publish: %w", err)
	}
	fmt.Fprintf(c.progress, "toolchain: built %s in %s, %d MiB\n", p.label, time.Since(started).Round(time.Second), sizeOf(p.path))
	return nil
}

// buildFolder makes an empty folder inside dir. The caller holds the lock, so what lies there from before was left by a build that was killed.
func buildFolder(dir string) (string, error) {
	left, err := filepath.Glob(filepath.Join(dir, "building-*"))
	if err != nil {
		return "", fmt.Errorf("find old build folders: %w", err)
	}
	for _, old := range left {
		if err := os.RemoveAll(old); err != nil {
			return "", fmt.Errorf("remove old build folder: %w", err)
		}
	}
	temporary, err := os.MkdirTemp(dir, "building-")
	if err != nil {
		return "", fmt.Errorf("make build folder: %w", err)
	}
	return temporary, nil
}

// lock admits one build at a time over all processes that share the cache: two large links at once exhaust a small machine.
func (c *toolchain) lock(ctx context.Context) (unlock func(), err error) {
	if err := os.MkdirAll(c.cache, 0o755); err != nil {
		return nil, fmt.Errorf("make cache folder: %w", err)
	}
	type result struct {
		unlock func()
		err    error
	}
	locked := make(chan result)
	go func() {
		unlock, err := lockedfile.MutexAt(filepath.Join(c.cache, "build.lock")).Lock()
		select {
		case locked <- result{unlock, err}:
		case <-ctx.Done(): // the lock cannot be waited for with a ctx: whoever gave up must not keep it
			if err == nil {
				unlock()
			}
		}
	}()
	select {
	case r := <-locked:
		if r.err != nil {
			return nil, fmt.Errorf("lock cache: %w", r.err)
		}
		return r.unlock, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("wait for another build: %w", context.Cause(ctx))
	}
}

// goBuild compiles what (a package, or "tool") of the module in dir to the file out.
func goBuild(ctx context.Context, dir string, race bool, out, what string) error {
	args := []string{"build", "-mod=readonly", "-trimpath", "-buildvcs=false", "-o", out}
	if race {
		args = append(args, "-race")
	} else {
		args = append(args, "-ldflags=-s -w")
	}
	_, err := goCommand(ctx, dir, race, append(args, what)...)
	return err
}

// goCommand runs the go command of PATH in dir and returns its standard output. cgo is for the race detector only, which needs it.
func goCommand(ctx context.Context, dir string, cgo bool, args ...string) (string, error) {
	command := exec.CommandContext(ctx, "go", args...)
	command.Dir = dir
	// The go command forwards an interrupt to its compilers; a kill would leave them running.
	if runtime.GOOS != "windows" {
		command.Cancel = func() error { return command.Process.Signal(os.Interrupt) }
	}
	command.WaitDelay = 10 * time.Second
	command.Env = withoutVariables(os.Environ(), func(name string) bool {
		return name == "GOOS" || name == "GOARCH" || name == "GOFLAGS" || name == "PWD"
	})
	command.Env = append(command.Env, "GOWORK=off", "CGO_ENABLED="+map[bool]string{false: "0", true: "1"}[cgo])
	var stdout, stderr bytes.Buffer
	command.Stdout, command.Stderr = &stdout, &stderr
	err := command.Run()
	switch {
	case err == nil:
		return stdout.String(), nil
	case ctx.Err() != nil:
		return "", fmt.Errorf("go %s: %w", args[0], context.Cause(ctx))
	case errors.Is(err, exec.ErrNotFound):
		return "", fmt.Errorf("go %s: the go command must be in PATH: %w", args[0], err)
	default:
		return "", fmt.Errorf("go %s in %s: %w\n%s", strings.Join(args, " "), dir, err, lastLines(stderr.String(), 40))
	}
}

func lastLines(text string, n int) string {
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}
