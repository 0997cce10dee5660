// Check runs everything that tells whether this tree is good: it builds the pinned tools, cross-compiles, lints, runs every test with the
// race detector, runs each fuzz target for a moment, and looks for known vulnerabilities. It ends with a summary in which what could not be
// checked says NOT RUN with the reason, and with one line of counts. It exits 1 if anything failed.
//
//	go run ./integration/check            everything
//	go run ./integration/check -short     without real servers, real clients and long sweeps
package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	"sallyport/integration/internal/toolchain"
)

// outcome is what one stage came to. A stage that is neither failed nor notRun passed.
type outcome struct {
	name           string
	detail         string
	passed, failed int
	notRun         string
	took           time.Duration
}

type checker struct {
	ctx      context.Context
	short    bool
	fuzzTime time.Duration
	only     string
	outcomes []outcome
}

func main() {
	short := flag.Bool("short", false, "leave out what needs real servers and clients")
	fuzzTime := flag.Duration("fuzztime", 5*time.Second, "how long to run each fuzz target; 0 = not at all")
	only := flag.String("only", "", "run only this stage: tools, build, lint, test, fuzz, vulnerabilities")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	c := &checker{ctx: ctx, short: *short, fuzzTime: *fuzzTime, only: *only}
	c.stage("tools", c.tools)
	c.stage("build", c.build)
	c.stage("lint", c.lint)
	c.stage("test", c.test)
	c.stage("fuzz", c.fuzz)
	c.stage("vulnerabilities", c.vulnerabilities)
	if !c.summary(os.Stdout) {
		stop()
		os.Exit(1)
	}
}

func (c *checker) stage(name string, run func() outcome) {
	if c.only != "" && c.only != name {
		return
	}
	fmt.Fprintf(os.Stderr, "== %s\n", name)
	began := time.Now()
	o := run()
	o.name, o.took = name, time.Since(began)
	c.outcomes = append(c.outcomes, o)
}

func (c *checker) command(name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(c.ctx, name, args...)
	cmd.Stderr = os.Stderr
	cmd.Env = os.Environ()
	return cmd
}

func (c *checker) tools() outcome {
	if c.short {
		return outcome{notRun: "-short"}
	}
	names, err := toolchain.Names()
	if err != nil {
		return outcome{failed: 1, detail: err.Error()}
	}
	var o outcome
	for _, name := range names {
		began := time.Now()
		if _, err := toolchain.Build(c.ctx, name); err != nil {
			o.failed++
			fmt.Fprintf(os.Stderr, "FAIL build of %s: %v\n", name, err)
			continue
		}
		o.passed++
		fmt.Fprintf(os.Stderr, "   %s ready after %s\n", name, time.Since(began).Round(time.Second))
	}
	return o
}

// build compiles the product for every system it is promised for.
func (c *checker) build() outcome {
	var o outcome
	for _, system := range []string{"linux", "darwin", "windows", "freebsd"} {
		for _, arch := range []string{"amd64", "arm64"} {
			cmd := c.command("go", "build", "-o", os.DevNull, ".")
			cmd.Env = append(cmd.Env, "GOOS="+system, "GOARCH="+arch, "CGO_ENABLED=0")
			if err := cmd.Run(); err != nil {
				o.failed++
				fmt.Fprintf(os.Stderr, "FAIL build for %s/%s: %v\n", system, arch, err)
				continue
			}
			o.passed++
		}
	}
	return o
}

func (c *checker) lint() outcome {
	var o outcome
	steps := [][]string{{"go", "vet", "./..."}, {"go", "mod", "verify"}, {"go", "mod", "tidy", "-diff"}}
	if !c.short {
		lint, err := toolchain.Build(c.ctx, "golangci-lint")
		if err != nil {
			return outcome{failed: 1, detail: err.Error()}
		}
		steps = append(steps, []string{lint, "run", "./..."})
	}
	for _, s := range steps {
		cmd := c.command(s[0], s[1:]...)
		cmd.Stdout = os.Stderr
		if err := cmd.Run(); err != nil {
			o.failed++
			fmt.Fprintf(os.Stderr, "FAIL %s: %v\n", strings.Join(s, " "), err)
			continue
		}
		o.passed++
	}
	out, err := c.command("gofmt", "-l", ".").Output()
	if err != nil || len(out) > 0 {
		o.failed++
		fmt.Fprintf(os.Stderr, "FAIL gofmt would change:\n%s", out)
	} else {
		o.passed++
	}
	return o
}

// testEvent is a line of go test -json.
type testEvent struct {
	Action, Package, Test, Output string
	Elapsed                       float64
}

// test runs every test and prints the output of those that fail only.
func (c *checker) test() outcome {
	args := []string{"test", "-race", "-json", "-shuffle=on", "-timeout=45m"}
	if c.short {
		args = append(args, "-short")
	}
	cmd := c.command("go", append(args, "./...")...)
	out, err := cmd.StdoutPipe()
	if err != nil {
		return outcome{failed: 1, detail: err.Error()}
	}
	if err := cmd.Start(); err != nil {
		return outcome{failed: 1, detail: err.Error()}
	}
	o, skipped := readTestEvents(out, os.Stderr)
	if err := cmd.Wait(); err != nil && o.failed == 0 {
		o.failed, o.detail = 1, err.Error()
	}
	if len(skipped) > 0 && c.short {
		o.detail = fmt.Sprintf("%d left out by -short", len(skipped))
	} else if len(skipped) > 0 {
		o.failed += len(skipped)
		o.detail = "skipped, which counts as failed: " + strings.Join(skipped, ", ")
	}
	return o
}

func readTestEvents(r io.Reader, w io.Writer) (o outcome, skipped []string) {
	outputs := map[string]*bytes.Buffer{}
	sc := bufio.NewScanner(r)
	sc.Buffer(nil, 16<<20)
	for sc.Scan() {
		var e testEvent
		if json.Unmarshal(sc.Bytes(), &e) != nil {
			fmt.Fprintln(w, sc.Text())
			continue
		}
		id := e.Package + " " + e.Test
		switch e.Action {
		case "output", "build-output":
			if outputs[id] == nil {
				outputs[id] = &bytes.Buffer{}
			}
			outputs[id].WriteString(e.Output)
		case "pass":
			if e.Test != "" {
				o.passed++
			} else {
				fmt.Fprintf(w, "ok   %s %.1fs\n", e.Package, e.Elapsed)
			}
			delete(outputs, id)
		case "skip":
			if e.Test != "" {
				skipped = append(skipped, id)
			}
			delete(outputs, id)
		case "fail", "build-fail":
			o.failed++
			fmt.Fprintf(w, "FAIL %s\n", id)
			if b := outputs[id]; b != nil {
				_, _ = b.WriteTo(w)
			}
			delete(outputs, id)
		}
	}
	if err := sc.Err(); err != nil {
		o.failed++
		fmt.Fprintf(w, "FAIL reading test output: %v\n", err)
	}
	return o, skipped
}

// fuzz runs every fuzz target for fuzzTime; the seed corpora already ran as tests.
func (c *checker) fuzz() outcome {
	if c.short || c.fuzzTime == 0 {
		return outcome{notRun: "-short or -fuzztime=0"}
	}
	targets, err := c.fuzzTargets()
	if err != nil {
		return outcome{failed: 1, detail: err.Error()}
	}
	var o outcome
	for _, t := range targets {
		out, err := c.fuzzTarget(t)
		for again := 0; err != nil && endedLate(out) && again < 3; again++ {
			fmt.Fprintf(os.Stderr, "   fuzz %s %s: stopped late without a finding (go.dev/issue/75804), run again\n", t.pkg, t.name)
			out, err = c.fuzzTarget(t)
		}
		switch {
		case err != nil:
			o.failed++
			fmt.Fprintf(os.Stderr, "FAIL fuzz %s %s: %v\n%s", t.pkg, t.name, err, out)
		case !fuzzed(out):
			o.failed++
			fmt.Fprintf(os.Stderr, "FAIL fuzz %s %s: go test ran no such target on this system\n%s", t.pkg, t.name, out)
		default:
			o.passed++
		}
	}
	o.detail = fmt.Sprintf("%d targets for %s each", len(targets), c.fuzzTime)
	return o
}

func (c *checker) fuzzTarget(t fuzzTarget) ([]byte, error) {
	return c.command("go", "test", "-run=^$", "-fuzz=^"+t.name+"$", "-fuzztime="+c.fuzzTime.String(), t.pkg).Output()
}

// endedLate recognises a run that found nothing and failed all the same, because Go up to 1.26 may take the end of -fuzztime for an
// error of the target (go.dev/issue/75804). A finding names the file that it was written to.
func endedLate(output []byte) bool {
	_, said, failed := bytes.Cut(output, []byte("\n--- FAIL: "))
	if !failed {
		return false
	}
	lines := bytes.Split(said, []byte("\n"))
	return len(lines) > 2 && string(lines[1]) == "    context deadline exceeded" && string(lines[2]) == "FAIL"
}

// fuzzed tells a run from go test's exit 0 for a target that a build constraint leaves out.
func fuzzed(output []byte) bool {
	return bytes.Contains(output, []byte("\nfuzz: elapsed: ")) || bytes.HasPrefix(output, []byte("fuzz: elapsed: "))
}

type fuzzTarget struct{ pkg, name string }

func (c *checker) fuzzTargets() ([]fuzzTarget, error) {
	out, err := c.command("go", "list", "-f", "{{.ImportPath}}\t{{.Dir}}", "./...").Output()
	if err != nil {
		return nil, fmt.Errorf("list packages: %w", err)
	}
	var targets []fuzzTarget
	for line := range strings.Lines(string(out)) {
		pkg, dir, _ := strings.Cut(strings.TrimSpace(line), "\t")
		files, err := filepath.Glob(filepath.Join(dir, "*_test.go"))
		if err != nil {
			return nil, fmt.Errorf("list tests of %s: %w", pkg, err)
		}
		for _, f := range files {
			src, err := os.ReadFile(f)
			if err != nil {
				return nil, fmt.Errorf("read tests of %s: %w", pkg, err)
			}
			for l := range strings.Lines(string(src)) {
				if rest, ok := strings.CutPrefix(l, "func Fuzz"); ok {
					name, _, _ := strings.Cut(rest, "(")
					targets = append(targets, fuzzTarget{pkg, "Fuzz" + name})
				}
			}
		}
	}
	slices.SortFunc(targets, func(a, b fuzzTarget) int { return strings.Compare(a.pkg+a.name, b.pkg+b.name) })
	return targets, nil
}

// vulnerabilities asks govulncheck, and says NOT RUN where its database is out of reach.
func (c *checker) vulnerabilities() outcome {
	if c.short {
		return outcome{notRun: "-short"}
	}
	tool, err := toolchain.Build(c.ctx, "govulncheck")
	if err != nil {
		return outcome{failed: 1, detail: err.Error()}
	}
	var out bytes.Buffer
	cmd := c.command(tool, "./...")
	cmd.Stdout, cmd.Stderr = &out, &out
	err = cmd.Run()
	if err == nil {
		return outcome{passed: 1}
	}
	// govulncheck exits 3 when it found something that is called, and 1 when it could not do its work.
	if exit, ok := errors.AsType[*exec.ExitError](err); ok && exit.ExitCode() == 3 {
		fmt.Fprintf(os.Stderr, "FAIL govulncheck:\n%s", out.Bytes())
		return outcome{failed: 1}
	}
	fmt.Fprintf(os.Stderr, "NOT RUN govulncheck: %v\n%s", err, out.Bytes())
	return outcome{notRun: fmt.Sprintf("govulncheck could not do its work (%v, its words are above); usually its database is out of reach", err)}
}

// summary prints a row per stage and the line of counts, and reports whether nothing failed.
func (c *checker) summary(w io.Writer) bool {
	passed, failed := 0, 0
	fmt.Fprintf(w, "\nSummary on %s/%s, %s\n", runtime.GOOS, runtime.GOARCH, runtime.Version())
	for _, o := range c.outcomes {
		state := "ok"
		switch {
		case o.failed > 0:
			state = "FAILED"
		case o.notRun != "":
			state = "NOT RUN: " + o.notRun
		}
		fmt.Fprintf(w, "  %-16s %6d passed %4d failed  %8s  %s %s\n", o.name, o.passed, o.failed, o.took.Round(time.Second), state, o.detail)
		passed += o.passed
		failed += o.failed
	}
	fmt.Fprintf(w, "%d passed, %d failed\n", passed, failed)
	return failed == 0 && passed > 0
}
