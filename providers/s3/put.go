package s3

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/minio/minio-go/v7"

	"sallyport/providers/driver"
)

// Put implements driver.Driver.
func (b *Bucket) Put(ctx context.Context, key string, body io.Reader, size int64, opts *driver.PutOptions) (*driver.Info, error) {
	const op = "Put"
	name, err := b.enterChange(ctx, op, key)
	if err != nil {
		return nil, err
	}
	if opts.IfNoneMatch && !b.caps.PutIfNoneMatch || opts.IfMatch != "" && !b.caps.PutIfMatch {
		return nil, fail(driver.Unsupported, op, key, nil)
	}
	if opts.IfMatch != "" && !validETag(opts.IfMatch) {
		return nil, b.refuseCondition(ctx, op, key, name)
	}
	if size > maxPart { // what one request may hold; Store splits long before
		return nil, fail(driver.TooLarge, op, key, nil)
	}
	conditional := opts.IfNoneMatch || opts.IfMatch != ""
	if conditional && b.keepsFiles && size > bufferUpTo {
		// MinIO locks a key from the head of a conditional PUT until its last byte: nobody else may wait for a slow client.
		return b.putAsUpload(ctx, key, body, size, opts)
	}
	info, err := b.putObject(ctx, op, key, name, body, size, opts, b.clashes.begin)
	if err == nil {
		b.clashes.wrote(key)
	}
	return info, err
}

// refuseCondition answers a condition that no ETag can fulfil, which is not even sent.
func (b *Bucket) refuseCondition(ctx context.Context, op, key, name string) error {
	if _, err := b.stat(ctx, op, key, name); err != nil {
		return err
	}
	return fail(driver.PreconditionFailed, op, key, nil)
}

// outgoing is one body on its way, as a whole object or as a part.
type outgoing struct {
	body     *sentBody         // nil until it is ready
	inMemory bool              // the whole body is, so that its checksum is known before it is sent
	buffer   *[]byte           // what was lent for a body in memory; nil = nothing
	header   map[string]string // checksum of a body in memory
	trailer  http.Header       // checksum of a streamed body
	sha256   string            // of a body in memory, where bodies are signed
	sum      func() string     // the checksum of what was handed over, in base64
}

// prepare makes a body ready to be sent: a short one is read into memory, if it does not lie there already, a longer one will be streamed. With declare
// the service is told the body's checksum. Before the last byte is sent wait is called, and its error fails the body. The caller must shut what is returned.
func (b *Bucket) prepare(ctx context.Context, op, key string, source io.Reader, size int64, declare bool, wait func() error) (*outgoing, error) {
	o := &outgoing{inMemory: true}
	data := driver.Held(source, size)
	if data == nil {
		exact := driver.ExactBody(source, size)
		if size > bufferUpTo {
			return b.stream(exact, size, declare, wait), nil
		}
		o.buffer = b.buffers.Get(size)
		data = (*o.buffer)[:size]
		if err := fill(ctx, op, key, data, exact); err != nil {
			b.buffers.Put(o.buffer)
			return nil, err
		}
	}
	if err := wait(); err != nil {
		b.shut(o)
		return nil, err
	}
	if b.checksum.IsSet() {
		sum := b.checksum.ChecksumBytes(data).Encoded()
		o.sum = func() string { return sum }
		if declare {
			o.header = map[string]string{b.checksum.Key(): sum}
		}
	}
	if b.settings.signBodies {
		sum := sha256.Sum256(data)
		o.sha256 = hex.EncodeToString(sum[:])
	}
	o.body = newSentBody(bytes.NewReader(data), size, nil)
	return o, nil
}

// stream is prepare for a long body.
func (b *Bucket) stream(exact io.Reader, size int64, declare bool, wait func() error) *outgoing {
	o := &outgoing{body: newSentBody(exact, size, wait)}
	if !b.checksum.IsSet() {
		return o
	}
	hasher := b.checksum.Hasher()
	o.body.digest = hasher
	o.sum = func() string { return base64.StdEncoding.EncodeToString(hasher.Sum(nil)) }
	if declare {
		set := func() { o.trailer.Set(b.checksum.Key(), o.sum()) }
		o.trailer = http.Header{}
		set() // of the right length, which the request's head tells
		o.body.atEnd = set
	}
	return o
}

// shut ends all reading of the body and gives its memory back.
func (b *Bucket) shut(o *outgoing) {
	if o.body != nil {
		o.body.shut()
	}
	if o.buffer != nil {
		b.buffers.Put(o.buffer)
	}
}

// putObject sends one PUT. If look is not nil, it starts a question that must have been answered well before the last byte is sent.
func (b *Bucket) putObject(ctx context.Context, op, key, name string, body io.Reader, size int64, opts *driver.PutOptions, look func(ctx context.Context, op, key string) func() error) (*driver.Info, error) {
	outer := ctx
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	wait := func() error { return nil }
	if look != nil {
		wait = look(ctx, op, key)
	}
	o, err := b.prepare(ctx, op, key, body, size, true, wait)
	if err != nil {
		return nil, err
	}
	put := minio.PutObjectOptions{UserMetadata: o.header, DisableContentSha256: o.inMemory || !b.settings.signBodies}
	if o.trailer != nil {
		put.Checksum = b.checksum // minio-go fills the trailer of a whole object by itself
	}
	switch {
	case opts.IfNoneMatch:
		put.SetMatchETagExcept("*")
	case opts.IfMatch != "":
		put.SetMatchETag(opts.IfMatch)
	}
	sendCtx, x := record(ctx, o.body)
	sent, err := b.core.PutObject(sendCtx, b.bucket, name, o.body, size, "", o.sha256, put)
	cancel() // a look for clashes that is still under way must not hold up shut
	b.shut(o)
	c := &call{op: op, key: key, x: x, changes: true}
	if err != nil {
		return nil, b.classify(outer, c, err)
	}
	if err := b.verifySent(c, o, sent.ETag); err != nil {
		return nil, err
	}
	return &driver.Info{Key: key, Size: size, ETag: sent.ETag, ModTime: b.dateOf(x), VersionID: versionOf(sent.VersionID)}, nil
}

// verifySent holds the answer to a body against what was sent.
func (b *Bucket) verifySent(c *call, o *outgoing, etag string) error {
	if !c.x.complete() {
		return fail(driver.UnknownOutcome, c.op, c.key, fmt.Errorf("%w: success was told before the body had been sent", errContradiction))
	}
	if etag == "" {
		return fail(driver.UnknownOutcome, c.op, c.key, fmt.Errorf("%w: %w", errContradiction, errNoETag))
	}
	if !b.checksum.IsSet() {
		return nil
	}
	if told := c.x.header.Get(b.checksum.Key()); told != "" && told != o.sum() {
		return fail(driver.UnknownOutcome, c.op, c.key, fmt.Errorf("%w: it tells another checksum than that of the bytes sent", errContradiction))
	}
	return nil
}

// dateOf is the time of an answer, for which the service told none of the object.
func (b *Bucket) dateOf(x *exchange) time.Time {
	if date, err := http.ParseTime(x.header.Get("Date")); err == nil {
		return date
	}
	return b.now()
}

// versionOf leaves out what a bucket without versions says.
func versionOf(id string) string {
	if id == "null" {
		return ""
	}
	return id
}
