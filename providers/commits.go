package providers

import (
	"context"
	"io"
	"sync"
	"time"

	"sallyport/providers/driver"
)

// CommitGrace is how long a change goes on that was being committed when its ctx was cancelled. A server that stops and cuts its clients waits as
// long for what they asked for.
const CommitGrace = 20 * time.Second

// CompleteGrace is CommitGrace for Uploads.Complete. A backend that copies the parts, as a folder on most file systems does, works on it for as long as the
// object is large, and many clients wait a minute for an answer. If they made it stop when they leave, and begin anew when they ask again, a large
// upload could never be completed.
const CompleteGrace = 6 * time.Hour

// Commits returns d with commits that a caller who leaves does not cut: Delete and Uploads.Complete from their beginning, Put from the moment when
// its body has been read to its end and verified. Before that moment ctx ends Put as ever, and the old object stays. What is being committed has CommitGrace from
// the cancellation on, Complete CompleteGrace, but no longer than a deadline of ctx. Values of ctx reach the driver in any case.
//
// A backend that looks whether its client is still there can be left with half a commit (decision 15), and a cut call leaves open what happened.
func Commits(d driver.Driver) driver.Driver { return &commits{Driver: d} }

type commits struct{ driver.Driver }

func (c *commits) Put(ctx context.Context, key string, body io.Reader, size int64, opts *PutOptions) (*Info, error) {
	kept, release := newCommitContext(ctx, CommitGrace)
	defer release()
	return c.Driver.Put(kept, key, &committingBody{source: body, kept: kept}, size, opts) //nolint:contextcheck // it is made of ctx.
}

func (c *commits) Delete(ctx context.Context, key string, opts *DeleteOptions) error {
	kept, release := newCommitContext(ctx, CommitGrace)
	defer release()
	_ = kept.commit()                       // if it has ended the driver says so
	return c.Driver.Delete(kept, key, opts) //nolint:contextcheck // it is made of ctx.
}

func (c *commits) Uploads() driver.Uploads { return commitUploads{c.Driver.Uploads()} }

type commitUploads struct{ driver.Uploads }

func (u commitUploads) Complete(ctx context.Context, up Upload, parts []Part, opts *PutOptions) (*Info, error) {
	kept, release := newCommitContext(ctx, CompleteGrace)
	defer release()
	_ = kept.commit()
	return u.Uploads.Complete(kept, up, parts, opts) //nolint:contextcheck // it is made of ctx.
}

// commitContext ends with its parent until commit is called, and grace after it from then on.
type commitContext struct {
	context.Context //nolint:containedctx // it is one.
	parent          context.Context
	cancel          context.CancelCauseFunc
	grace           time.Duration

	mu         sync.Mutex
	committing bool
}

// newCommitContext returns a context that must be released when the call is over.
func newCommitContext(parent context.Context, grace time.Duration) (c *commitContext, release func()) {
	ctx, cancel := context.WithCancelCause(context.WithoutCancel(parent))
	c = &commitContext{Context: ctx, parent: parent, cancel: cancel, grace: grace}
	_ = c.ended() // drivers look at it first of all
	stop := context.AfterFunc(parent, c.parentEnded)
	return c, func() {
		stop()
		cancel(nil)
	}
}

// commit keeps the context from ending with its parent, or returns why it has ended.
func (c *commitContext) commit() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.endedLocked(); err != nil {
		return err
	}
	c.committing = true
	return nil
}

// ended returns why the context has ended with its parent, if it has. It has then ended for everybody, without waiting for parentEnded.
func (c *commitContext) ended() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.endedLocked()
}

func (c *commitContext) endedLocked() error {
	if c.committing || c.parent.Err() == nil {
		return nil
	}
	cause := context.Cause(c.parent)
	c.cancel(cause)
	return cause
}

func (c *commitContext) isCommitting() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.committing
}

func (c *commitContext) parentEnded() {
	if c.isCommitting() {
		wait := c.grace
		if deadline, ok := c.parent.Deadline(); ok {
			wait = min(wait, time.Until(deadline))
		}
		timer := time.NewTimer(wait)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-c.Done(): // released
		}
	}
	c.cancel(context.Cause(c.parent))
}

// committingBody begins the commit when the body has ended as it should. Drivers hand over the last bytes after that and not before.
type committingBody struct {
	source io.Reader
	kept   *commitContext
}

// Read implements io.Reader.
func (b *committingBody) Read(p []byte) (int, error) {
	n, err := b.source.Read(p)
	if err != io.EOF {
		_ = b.kept.ended() // whatever the driver says of the body, it looks first whether ctx has ended
		return n, err
	}
	if ended := b.kept.commit(); ended != nil {
		return 0, ended
	}
	return n, err
}
