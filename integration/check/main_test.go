package main

import (
	"io"
	"strings"
	"testing"
)

// TestFuzzed: go test exits with 0 also when the target it was told to fuzz is not there.
func TestFuzzed(t *testing.T) {
	for output, want := range map[string]bool{
		"fuzz: elapsed: 0s, gathering baseline coverage: 0/3 completed\nPASS\n":                    true,
		"warning: starting with empty corpus\nfuzz: elapsed: 0s, execs: 0 (0/sec)\nPASS\n":         true,
		"testing: warning: no fuzz tests to fuzz\nPASS\nok  \tsallyport/gateway/listing\t0.005s\n": false,
		"": false,
	} {
		if got := fuzzed([]byte(output)); got != want {
			t.Errorf("%q: %v", output, got)
		}
	}
}

// TestEndedLate: only a run that failed with nothing but the end of its time is run again.
func TestEndedLate(t *testing.T) {
	for output, want := range map[string]bool{
		"fuzz: elapsed: 5s, execs: 9 (3/sec)\n--- FAIL: FuzzTable (5.02s)\n    context deadline exceeded\nFAIL\nexit status 1\n": true,
		"fuzz: elapsed: 5s\n--- FAIL: FuzzTable (5.02s)\n    --- FAIL: FuzzTable (0.00s)\n        table_test.go:9: context deadline exceeded\n    \n" +
			"    Failing input written to testdata/fuzz/FuzzTable/1\nFAIL\n": false,
		"fuzz: elapsed: 5s\n--- FAIL: FuzzTable (5.02s)\n    context deadline exceeded\n    Failing input written to testdata/fuzz/FuzzTable/1\nFAIL\n": false,
		"fuzz: elapsed: 5s\n--- FAIL: FuzzTable (5.02s)\n    fuzzing process hung or terminated unexpectedly\nFAIL\n":                                   false,
		"context deadline exceeded\nFAIL\n": false,
		"PASS\n":                            false,
	} {
		if got := endedLate([]byte(output)); got != want {
			t.Errorf("%q: %v", output, got)
		}
	}
}

// TestNothingGoesUnseen: failures, packages that do not build and skipped tests all show in what a run comes to.
func TestNothingGoesUnseen(t *testing.T) {
	const events = `{"Action":"run","Package":"p","Test":"TestA"}
{"Action":"pass","Package":"p","Test":"TestA"}
{"Action":"output","Package":"p","Test":"TestB","Output":"why it failed\n"}
{"Action":"fail","Package":"p","Test":"TestB"}
{"Action":"skip","Package":"p","Test":"TestC"}
{"Action":"fail","Package":"p"}
{"Action":"build-fail","ImportPath":"q"}
{"Action":"skip","Package":"without tests"}
`
	var said strings.Builder
	o, skipped := readTestEvents(strings.NewReader(events), &said)
	if o.passed != 1 || o.failed != 3 || len(skipped) != 1 || !strings.Contains(said.String(), "why it failed") {
		t.Errorf("%+v, skipped %v, said:\n%s", o, skipped, said.String())
	}
	c := &checker{outcomes: []outcome{{name: "test", passed: 1}, {name: "fuzz", notRun: "a reason"}}}
	var summary strings.Builder
	if !c.summary(&summary) || !strings.Contains(summary.String(), "NOT RUN: a reason") {
		t.Errorf("summary:\n%s", summary.String())
	}
	c.outcomes = append(c.outcomes, outcome{name: "lint", failed: 1})
	if c.summary(io.Discard) {
		t.Error("a failure is no failure")
	}
	if (&checker{}).summary(io.Discard) {
		t.Error("nothing at all counts as good")
	}
}
