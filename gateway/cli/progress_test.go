package cli

import (
	"os"
	"strings"
	"testing"
	"time"

	"sallyport/gateway/jobs"
)

// TestProgressWithoutATerminal: one line at the start, then one for each interval, even while a single file is at work.
func TestProgressWithoutATerminal(t *testing.T) {
	c := newConsole(t)
	clock := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	update, finish := showProgress(&Stdio{In: c.in, Out: &c.out, Err: c.err}, func() time.Time { return clock })
	for n := range int64(31) {
		update(jobs.Progress{TotalFiles: 1, Bytes: n, TotalBytes: 31})
		clock = clock.Add(time.Second)
	}
	finish()
	text, err := os.ReadFile(c.err.Name())
	if err != nil {
		t.Fatal(err)
	}
	if lines := strings.Split(strings.TrimSpace(string(text)), "\n"); len(lines) != 4 || lines[0] != "0 of 1 files, 0 of 31 bytes" || lines[3] != "0 of 1 files, 30 of 31 bytes" {
		t.Errorf("%q", lines)
	}
}
