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
	"strings"
	"time"

	"sallyport/gateway/auth"
	"sallyport/gateway/objects"
	"sallyport/gateway/sigv4"
	"sallyport/gateway/telemetry"
)

// call is one request on its way through the steps. It belongs to one goroutine.
type call struct {
	h     *handler
	w     *progressWriter
	r     *http.Request
	event *telemetry.Event

	body     *progressReader
	signed   *sigv4.Signed
	verifier *sigv4.ChunkVerifier
	who      *auth.Principal
	query    parameters
	target   target
	headers  http.Header // the request's, and what a presigned URL says in its place
	op       *operation
}

func newCall(h *handler, w http.ResponseWriter, r *http.Request, event *telemetry.Event) *call {
	control := http.NewResponseController(w)
	c := &call{h: h, r: r, event: event, headers: r.Header}
	c.w = &progressWriter{ResponseWriter: w, control: control, interval: h.limits.ProgressTime, step: h.limits.ProgressStep}
	c.body = &progressReader{body: r.Body, control: control, interval: h.limits.ProgressTime, step: h.limits.ProgressStep}
	if r.Body == nil || r.Body == http.NoBody {
		c.body.body, c.body.ended = http.NoBody, true
	}
	return c
}

func (c *call) checkCounts() error {
	n := 0
	for _, values := range c.r.Header {
		n += len(values)
	}
	if n > c.h.limits.HeaderCount {
		return refusef("RequestHeaderSectionTooLarge", "The request has more than %d headers.", c.h.limits.HeaderCount)
	}
	if strings.Count(c.r.URL.RawQuery, "&") >= c.h.limits.QueryCount {
		return refusef("InvalidRequest", "The query has more than %d parameters.", c.h.limits.QueryCount)
	}
	return nil
}

// authenticate leaves who signed the request in c.who. An unknown access key is verified like any other before it is refused.
func (c *call) authenticate() error {
	signed, err := sigv4.Parse(c.r)
	if err != nil {
		if errors.Is(err, sigv4.ErrAnonymous) && isPostForm(c.r) {
			return refuse("NotImplemented", "POST Object (browser-based upload) is not implemented.")
		}
		return err
	}
	c.event.SetAccessKey(signed.AccessKey)
	secretKey, who := c.h.credentials.Lookup(signed.AccessKey)
	verifier, err := signed.Verify(c.r, sigv4.NewSecret(secretKey.Reveal()), c.h.region, c.h.now())
	if who == nil {
		if mismatch, ok := errors.AsType[*sigv4.Error](err); err == nil || ok && mismatch.Reason == sigv4.SignatureMismatch {
			return refuse("InvalidAccessKeyId", "The AWS Access Key Id you provided does not exist in our records.").because(err)
		}
	}
	if err != nil {
		return err
	}
	c.signed, c.verifier, c.who = signed, verifier, who
	return nil
}

// isPostForm recognises S3's form upload, which carries its credentials in the body.
func isPostForm(r *http.Request) bool {
	return r.Method == http.MethodPost && strings.HasPrefix(strings.ToLower(r.Header.Get("Content-Type")), "multipart/form-data")
}

// route finds address and row.
func (c *call) route() error {
	var err error
	if c.target, err = parseTarget(c.r, c.h.domains); err != nil {
		return err
	}
	c.event.SetBucket(c.target.bucket)
	if c.query, err = parseQuery(c.r.URL.RawQuery, c.h.limits.QueryCount); err != nil {
		return err
	}
	if c.headers, err = hoistedHeaders(c.r.Header, c.query); err != nil {
		return err
	}
	_, copies := c.headers["X-Amz-Copy-Source"]
	if c.op, err = c.h.router.find(c.r.Method, c.target.scope(), c.query, copies); err != nil {
		return err
	}
	c.event.SetOperation(c.op.name)
	return nil
}

// authorise asks whether the principal may run the row. Two rows answer for themselves: ListBuckets shows only what may be seen, and
// DeleteObjects asks for each key of its body.
func (c *call) authorise() error {
	switch {
	case c.who == nil:
		panic("s3api: internal error: authorise before authenticate")
	case c.op.action == perKey, c.op.scope == serviceScope && c.op.action == auth.None:
		return nil
	}
	key := c.target.key
	if c.op.action == auth.List {
		key = c.query["prefix"]
	}
	if !c.who.Allow(c.op.action, c.target.bucket, key) {
		return accessDenied()
	}
	return nil
}

// checkRequest refuses what the row cannot honour.
func (c *call) checkRequest() error {
	if c.op.handle == nil {
		return nil
	}
	read := c.op.method == http.MethodGet || c.op.method == http.MethodHead
	if err := checkParameters(c.query, c.h.router.subresources, read); err != nil {
		return err
	}
	if version, ok := c.query["versionId"]; ok {
		if !c.op.versioned {
			return invalidArgument("versionId", version, "This operation does not accept a version-id.")
		}
		if err := checkVersion(version, c.op.method == http.MethodDelete, c.target.key); err != nil {
			return err
		}
	}
	return checkHeaders(c.headers, c.op)
}

// checkVersion accepts the version "null", which is the object. There are no others.
func checkVersion(version string, deleting bool, key string) error {
	switch {
	case version == "null":
		return nil
	case version == "":
		return invalidArgument("versionId", version, "Version id cannot be the empty string")
	case deleting:
		return invalidArgument("versionId", version, "Invalid version id specified")
	}
	return refuse("NoSuchVersion", "The specified version does not exist.").with("Key", key).with("VersionId", version)
}

// fail answers with the error, or cuts the connection if an answer has begun.
func (c *call) fail(err error) {
	f := describe(err)
	if c.r.Context().Err() != nil && (isKind(err, objects.Canceled) || errors.Is(err, context.Canceled)) {
		// The client's doing, so it must not look like ours in log and metrics. It is a code on which clients try again, should one still listen.
		f = refuse("RequestTimeout", "The client closed the connection before the request was finished.").because(err)
	}
	c.event.SetError(f.code, err)
	if c.w.status != 0 {
		panic(http.ErrAbortHandler)
	}
	h := c.w.Header()
	maps.Copy(h, f.header)
	closing := !c.body.ended
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
	cause := fmt.Errorf("panic: %v", recovered)
	c.event.SetError("InternalError", cause)
	c.h.log.ErrorContext(ctx, "request panicked", telemetry.RequestID(c.event.RequestID()), telemetry.Operation(c.operationName()),
		telemetry.Error(fmt.Errorf("%w\n%s", cause, debug.Stack())))
	if c.w.status != 0 {
		return true
	}
	c.w.Header().Set("Connection", "close")
	c.writeXML(http.StatusInternalServerError, c.errorDocument(internalError(cause)))
	return false
}

func (c *call) operationName() string {
	if c.op == nil {
		return ""
	}
	return c.op.name
}

func (c *call) finish(ctx context.Context) {
	c.event.SetStatus(c.w.status)
	c.event.AddBytesIn(c.body.total)
	c.event.AddBytesOut(c.w.written)
	c.event.Finish(ctx, c.h.log, c.h.metrics, c.h.now())
}

// hoistedHeaders adds to the request's headers the x-amz-* query parameters that are no part of the signature: a presigned URL may carry headers there,
// and S3 honours them. Keys may not come that way, because URLs are logged and shown.
func hoistedHeaders(h http.Header, q parameters) (http.Header, error) {
	merged, copied := h, false
	for name, value := range q {
		lower := strings.ToLower(name)
		if !strings.HasPrefix(lower, "x-amz-") || isSigningParameter(lower) {
			continue
		}
		canonical := http.CanonicalHeaderKey(name)
		if strings.HasSuffix(canonical, "Customer-Key") {
			return nil, refuse("InvalidRequest", "A customer key must be sent as a header, not in the URL.").with("ArgumentName", lower)
		}
		if _, both := merged[canonical]; both {
			return nil, refuse("InvalidArgument", "The same value is given as header and as query parameter.").with("ArgumentName", lower)
		}
		if !copied {
			merged, copied = h.Clone(), true
		}
		merged[canonical] = []string{value}
	}
	return merged, nil
}

// isSigningParameter reports the query parameters that are the signature itself.
func isSigningParameter(lower string) bool {
	switch lower {
	case "x-amz-algorithm", "x-amz-credential", "x-amz-date", "x-amz-expires", "x-amz-signedheaders", "x-amz-signature", "x-amz-content-sha256":
		return true
	}
	return false
}

func itoa(n int) string { return strconv.Itoa(n) }

func itoa64(n int64) string { return strconv.FormatInt(n, 10) }

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
		return refuse("SlowDown", "Please reduce your request rate.").setHeader("Retry-After", "1")
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
