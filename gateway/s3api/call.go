package s3api

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"

	"sallyport/gateway/auth"
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
	pass     *pass // into a lane; nil before admit

	continued bool // "100 Continue" was sent for an empty body
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
	secretKey, who := c.h.credentials.Lookup(signed.AccessKey)
	if who == nil {
		c.event.SetAccessKeyUnknown()
	} else {
		c.event.SetAccessKey(who.Name())
	}
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
// DeleteObjects asks for each key of its body, which is not read for those who may delete nothing in the bucket.
func (c *call) authorise() error {
	switch {
	case c.who == nil:
		panic("s3api: internal error: authorise before authenticate")
	case c.op.scope == serviceScope && c.op.action == auth.None:
		return nil
	case c.op.action == perKey:
		if !c.who.AllowSome(auth.Delete, c.target.bucket) {
			return accessDenied()
		}
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
		if !isToken(name) {
			return nil, refuse("InvalidArgument", "A header in the URL must have a name that a header can have.").with("ArgumentName", lower)
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

// isToken reports whether a name can be that of a header (RFC 9110 section 5.6.2); net/http has seen to it for those that came as headers.
func isToken(name string) bool {
	for i := range len(name) {
		c := name[i]
		letterOrDigit := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
		if !letterOrDigit && !strings.ContainsRune("!#$%&'*+-.^_`|~", rune(c)) {
			return false
		}
	}
	return name != ""
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
