package s3

import "time"

// WithTimeouts shortens the driver's waiting for tests.
func WithTimeouts(opts *Options, header, stall time.Duration) *Options {
	opts.timeouts = timeouts{header: header, stall: stall}
	return opts
}
