package cli

import (
	"errors"
	"time"

	"github.com/schollz/progressbar/v3"

	"sallyport/gateway/jobs"
)

// progressInterval is how often a log without a terminal gets a line.
const progressInterval = 10 * time.Second

// showProgress draws a bar with rate and time left at a terminal; elsewhere it writes a line at the start and then now and then.
func showProgress(stdio *Stdio, now func() time.Time) (update func(jobs.Progress), finish func()) {
	if !stdio.interactive() {
		var last time.Time
		return func(p jobs.Progress) {
			if at := now(); last.IsZero() || at.Sub(last) >= progressInterval {
				last = at
				stdio.notef("%d of %d files, %d of %d bytes\n", p.Files, p.TotalFiles, p.Bytes, p.TotalBytes)
			}
		}, func() {}
	}
	var bar *progressbar.ProgressBar
	return func(p jobs.Progress) {
			if p.TotalBytes == 0 {
				return
			}
			if bar == nil {
				bar = progressbar.NewOptions64(p.TotalBytes, progressbar.OptionSetWriter(stdio.Err), progressbar.OptionShowBytes(true),
					progressbar.OptionSetPredictTime(true), progressbar.OptionThrottle(100*time.Millisecond), progressbar.OptionClearOnFinish(),
					progressbar.OptionSetRenderBlankState(true))
			}
			_ = bar.Set64(p.Bytes) // a bar that cannot be drawn is no reason to stop
		}, func() {
			if bar != nil {
				_ = errors.Join(bar.Finish(), bar.Close())
			}
		}
}
