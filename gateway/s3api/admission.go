package s3api

import (
	"context"
	"time"
)

// lane lets so many requests through at once. One that finds it full waits a moment and is then told to come later: queues hide overload.
type lane struct {
	places chan struct{}
	wait   time.Duration
}

func newLane(places int, wait time.Duration) *lane {
	return &lane{places: make(chan struct{}, places), wait: wait}
}

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
		return slowDown()
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
	if err := l.enter(ctx); err != nil {
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
		return slowDown()
	}
	c.reserved += size
	return nil
}

func slowDown() *failure {
	return refuse("SlowDown", "Please reduce your request rate.").setHeader("Retry-After", "1")
}
