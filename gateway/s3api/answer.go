package s3api

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"runtime/debug"
	"strconv"
	"time"

	"sallyport/gateway/objects"
	"sallyport/gateway/telemetry"
)

// fail answers with the error, or cuts the connection if an answer has begun.
func (c *call) fail(err error) {
	f := describe(err)
	if c.r.Context().Err() != nil && (isKind(err, objects.Canceled) || errors.Is(err, context.Canceled) && !isKind(err, objects.Unavailable)) {
		// The client's doing, so it must not look like ours in log and metrics; that nobody knows what became of a change is ours (Unavailable). It is a
		// code on which clients try again, should one still listen.
		f = refuse("RequestTimeout", "The client closed the connection before the request was finished.").because(err)
	}
	c.event.SetError(f.code, err)
	if c.w.status != 0 {
		panic(http.ErrAbortHandler)
	}
	h := c.w.Header()
	maps.Copy(h, f.header)
	closing := !c.body.ended || c.asksInVain()
	if closing {
		h.Set("Connection", "close")
		// Without this the server reads on, for as long as the client likes, before it sends the answer; with it, draining is ours, and the deadline
		// holds for what the server reads when it closes.
		_ = c.w.control.EnableFullDuplex()
		_ = c.w.control.SetReadDeadline(time.Now().Add(c.h.limits.DrainTime))
	}
	status := statusOf(f.code)
	if c.r.Method == http.MethodHead || status == http.StatusNotModified {
		if status != http.StatusNotModified {
			h.Set("Content-Type", "application/xml")
		}
		c.w.WriteHeader(status)
	} else {
		c.writeXML(status, c.errorDocument(f))
	}
	if closing {
		c.drain()
	}
}

func (c *call) errorDocument(f *failure) *document {
	d := newErrorDocument()
	d.text("Code", f.code)
	d.text("Message", f.message)
	for _, extra := range f.extra {
		d.text(extra.name, extra.value)
	}
	d.text("Resource", c.r.URL.Path)
	d.text("RequestId", c.event.RequestID())
	d.text("HostId", c.h.hostID)
	return d
}

func (c *call) writeXML(status int, d *document) {
	body := d.bytes()
	h := c.w.Header()
	h.Set("Content-Type", "application/xml")
	h.Set("Content-Length", strconv.Itoa(len(body)))
	c.w.WriteHeader(status)
	// An answer that cannot be written has nobody to be told; the server cuts the connection for the missing bytes.
	_, _ = c.w.Write(body)
}

// drain reads a little of a refused body after the answer, so that a client which sends first and reads later gets to read it. A client that waits for
// 100 Continue has sent nothing, and reading would ask it to.
func (c *call) drain() {
	if c.r.Header.Get("Expect") != "" || c.body.failed {
		return
	}
	_ = c.w.control.Flush()
	_, _ = io.CopyN(io.Discard, c.body.body, c.h.limits.DrainBytes)
}

// afterPanic answers a panic of a handler and reports whether the connection must be cut.
func (c *call) afterPanic(ctx context.Context, recovered any) (abort bool) {
	if err, ok := recovered.(error); ok && errors.Is(err, http.ErrAbortHandler) {
		return true
	}
	cause := c.logPanic(ctx, recovered)
	c.event.SetError("InternalError", cause)
	if c.w.status != 0 {
		return true
	}
	c.w.Header().Set("Connection", "close")
	c.writeXML(http.StatusInternalServerError, c.errorDocument(internalError(cause)))
	return false
}

// logPanic writes what happened, with the stack, and returns it without.
func (c *call) logPanic(ctx context.Context, recovered any) error {
	cause := fmt.Errorf("panic: %v", recovered)
	c.h.log.ErrorContext(ctx, "request panicked", telemetry.RequestID(c.event.RequestID()), telemetry.Operation(c.operationName()),
		telemetry.Error(fmt.Errorf("%w\n%s", cause, debug.Stack())))
	return cause
}
