package s3api

import (
	"context"
	"io"
	"net/http"
	"strings"
	"sync"

	"sallyport/gateway/awschunked"
	"sallyport/gateway/checksum"
	"sallyport/gateway/sigv4"
)

// Bounds of documents that clients send. The large one holds a DeleteObjects of 1000 keys of 1024 bytes, all of them escaped, and a
// CompleteMultipartUpload of 10000 parts with checksums.
const (
	maxSmallDocument = 64 << 10
	maxLargeDocument = 8 << 20
	maxIgnoredBody   = 64 << 10
)

// decoded is a request's body without its framing, not read yet.
type decoded struct {
	source  io.Reader
	size    int64 // of the bytes without framing
	trailer func(name string) (string, bool)
	names   []string // of the trailers announced
}

// decode finds the body's size and takes off aws-chunked framing. It is the one way to a body, for every operation and every way of signing.
func (c *call) decode() (*decoded, error) {
	mode := c.signed.Payload.Mode
	names, err := awschunked.ParseTrailerNames(c.headers)
	if err != nil {
		return nil, err
	}
	if !mode.Streaming() {
		if len(names) > 0 {
			return nil, refuse("InvalidRequest", "x-amz-trailer needs a STREAMING-*-TRAILER payload.")
		}
		if _, framed := awschunked.StripContentEncoding(strings.Join(c.r.Header.Values("Content-Encoding"), ",")); framed {
			return nil, refuse("InvalidRequest", "An aws-chunked body needs a STREAMING-* value in x-amz-content-sha256.")
		}
		if c.r.ContentLength < 0 {
			return nil, missingLength()
		}
		if err := checkUnframed(c.headers, c.r.ContentLength); err != nil {
			return nil, err
		}
		return &decoded{source: c.body, size: c.r.ContentLength}, nil
	}
	size, err := awschunked.ParseDecodedLength(c.headers)
	if err != nil {
		return nil, err
	}
	opts := &awschunked.Options{DecodedLength: size, TrailerNames: names}
	switch mode {
	case sigv4.PayloadStreamingSigned:
		opts.Mode, opts.Verifier = awschunked.Signed, c.verifier
	case sigv4.PayloadStreamingSignedTrailer:
		opts.Mode, opts.Verifier = awschunked.SignedTrailer, c.verifier
	case sigv4.PayloadStreamingUnsignedTrailer:
		opts.Mode = awschunked.UnsignedTrailer
	default:
		panic("s3api: internal error: streaming mode without decoder")
	}
	reader, err := awschunked.NewReader(c.body, opts)
	if err != nil {
		return nil, err
	}
	return &decoded{source: reader, size: size, names: names, trailer: reader.Trailer}, nil
}

func missingLength() *failure {
	return refuse("MissingContentLength", "You must provide the Content-Length HTTP header.")
}

// checkUnframed refuses a body that is said to have another length without its framing: nothing would take the framing off, and it would be stored as
// the object.
func checkUnframed(h http.Header, length int64) error {
	if _, said := h["X-Amz-Decoded-Content-Length"]; !said {
		return nil
	}
	size, err := awschunked.ParseDecodedLength(h)
	if err != nil {
		return err
	}
	if size != length {
		return refuse("InvalidRequest", "A body with another x-amz-decoded-content-length than its Content-Length needs a STREAMING-* value in x-amz-content-sha256.")
	}
	return nil
}

// promised is a body that is held to what the request says about it, and what it says.
type promised struct {
	reader  *checksum.Reader
	promise *checksum.Promise
	size    int64
}

// openBody returns the body, verified as it is read. headers are where the promises are read from: not all operations mean the body by them.
func (c *call) openBody(headers http.Header) (*promised, error) {
	body, err := c.decode()
	if err != nil {
		return nil, err
	}
	promise, err := checksum.ParseHeaders(headers, body.names)
	if err != nil {
		return nil, err
	}
	opts := &checksum.Options{Size: body.size, ContentMD5: promise.ContentMD5, Value: promise.Value, Trailer: promise.Trailer, Buffers: &c.h.buffers}
	if promise.Trailer != checksum.None {
		name := promise.Trailer.Header()
		opts.TrailerValue = func() (string, bool) { return body.trailer(name) }
	}
	if c.signed.Payload.Mode == sigv4.PayloadHashed {
		opts.PayloadSHA256 = &c.signed.Payload.SHA256
	}
	return &promised{reader: checksum.NewReader(body.source, opts), promise: promise, size: body.size}, nil
}

// openData is openBody for an object's or part's bytes, whose length must be said: HTTP reads a request that says nothing as one without a body, so that a
// sender which leaves it out would be told that its object is stored when an empty one is.
func (c *call) openData() (*promised, error) {
	if _, said := c.r.Header["Content-Length"]; !said && c.r.ContentLength == 0 {
		// What follows may be the body all the same, and must not be read as the next request.
		return nil, missingLength().setHeader("Connection", "close")
	}
	body, err := c.openBody(c.headers)
	if err != nil {
		return nil, err
	}
	if limit := c.h.limits.MaxObjectUpload; body.size > limit {
		return nil, refuse("EntityTooLarge", "Your proposed upload exceeds the maximum allowed size").
			with("ProposedSize", itoa64(body.size)).with("MaxSizeAllowed", itoa64(limit))
	}
	return body, nil
}

// readDocument returns an XML body, verified, at most limit bytes of it. An absent body is nil.
func (c *call) readDocument(ctx context.Context, limit int64) ([]byte, error) {
	return c.readDocumentHeldTo(ctx, c.headers, limit)
}

func (c *call) readDocumentHeldTo(ctx context.Context, headers http.Header, limit int64) ([]byte, error) {
	body, err := c.openBody(headers)
	if err != nil {
		return nil, err
	}
	return c.readBounded(ctx, body, limit)
}

// readBounded reads a body whose size is announced and at most limit, once there is room for it.
func (c *call) readBounded(ctx context.Context, body *promised, limit int64) ([]byte, error) {
	defer func() { _ = body.reader.Close() }()
	if body.size > limit {
		return nil, refuse("MaxMessageLengthExceeded", "Your request was too big.").with("MaxMessageLengthBytes", itoa64(limit))
	}
	if err := c.reserve(ctx, documentMemory(body.size)); err != nil {
		return nil, err
	}
	return io.ReadAll(body.reader)
}

// discardBody verifies a body that the operation has no use for, so that what was signed is what was sent. No client sends much there.
func (c *call) discardBody(ctx context.Context) error {
	if c.body.ended && !c.signed.Payload.Mode.Streaming() {
		return nil
	}
	if c.r.ContentLength == 0 {
		return nil
	}
	_, err := c.readDocumentHeldTo(ctx, c.bodyDigestOnly(), maxIgnoredBody)
	return err
}

// bodyDigestOnly returns the headers that speak of the body where x-amz-checksum-* speaks of something else.
func (c *call) bodyDigestOnly() http.Header {
	only := http.Header{}
	if values, ok := c.headers["Content-Md5"]; ok {
		only["Content-Md5"] = values
	}
	return only
}

// transferBuffers recycles what answers are copied through.
type transferBuffers struct{ pool sync.Pool }

const transferSize = 64 << 10

func (t *transferBuffers) get() *[transferSize]byte {
	if b, ok := t.pool.Get().(*[transferSize]byte); ok {
		return b
	}
	return new([transferSize]byte)
}

// put takes a buffer back; it held plaintext.
func (t *transferBuffers) put(b *[transferSize]byte) {
	clear(b[:])
	t.pool.Put(b)
}
