package s3api

import (
	"context"
	"errors"
	"time"
)

// lane lets so many requests through at once. One that finds it full waits a moment and is then told to come later: queues hide overload.
type lane struct {
	name   string
	places chan struct{}
	wait   time.Duration
}

func newLane(name string, places int, wait time.Duration) *lane {
	return &lane{name: name, places: make(chan struct{}, places), wait: wait}
}

var errFull = errors.New("no room for another request")

func (l *lane) enter(ctx context.Context) error {
	select {
	case l.places <- struct{}{}:
		return nil
	default:
	}
	patience := time.NewTimer(l.wait)
	defer patience.Stop()
	select {
	case l.places <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-patience.C:
		return errFull
	}
}

func (l *lane) leave() { <-l.places }

// admit takes a place in the lane of the operation: those that move an object's bytes, or the others.
func (c *call) admit(ctx context.Context) (release func(), err error) {
	l := c.h.requests
	switch c.op.name {
	case "PutObject", "GetObject", "CopyObject", "UploadPart", "UploadPartCopy":
		l = c.h.streams
	}
	switch err := l.enter(ctx); {
	case errors.Is(err, errFull):
		return nil, c.slowDown(l.name)
	case err != nil:
		return nil, err
	}
	return l.leave, nil
}

// reserve takes room for a document in memory, until the request ends. All documents together are bounded.
func (c *call) reserve(ctx context.Context, size int64) error {
	patience, cancel := context.WithTimeout(ctx, c.h.limits.AdmissionWait)
	defer cancel()
	if c.h.documents.Acquire(patience, size) != nil {
		if err := ctx.Err(); err != nil {
			return err
		}
		return c.slowDown("documents")
	}
	c.reserved += size
	return nil
}

func (c *call) slowDown(lane string) *failure {
	c.h.metrics.RequestShed(lane)
	return refuse("SlowDown", "Please reduce your request rate.").setHeader("Retry-After", "1")
}
