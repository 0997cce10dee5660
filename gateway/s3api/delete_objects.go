package s3api

import (
	"context"
	"net/http"
	"sync"

	"sallyport/gateway/auth"
	"sallyport/gateway/objects"
)

const (
	maxDeletes      = 1000
	parallelDeletes = 8 // a backend's sync per object, one after the other, would take minutes for a full request
)

// deletion is one entry of a DeleteObjects request and what became of it.
type deletion struct {
	key        string
	version    string
	hasVersion bool
	ifMatch    string
	outcome    error
}

// deleteObjects removes up to 1000 objects and answers for each. Each key is authorised by itself.
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObjects.html
func (c *call) deleteObjects(ctx context.Context) error {
	body, err := c.openBody(c.headers)
	if err != nil {
		return err
	}
	if body.promise.ContentMD5 == nil && body.promise.Value.IsZero() && body.promise.Trailer == 0 {
		return refuse("InvalidRequest", "Missing required header for this request: Content-MD5 OR x-amz-checksum-*")
	}
	data, err := c.readBounded(ctx, body, maxLargeDocument)
	if err != nil {
		return err
	}
	deletions, quiet, err := parseDelete(data)
	if err != nil {
		return err
	}
	allowed := false
	for i := range deletions {
		if c.who.Allow(auth.Delete, c.target.bucket, deletions[i].key) {
			allowed = true
		} else {
			deletions[i].outcome = accessDenied()
		}
	}
	// Who may delete nothing of this is not told whether the bucket is there.
	if allowed {
		if _, err := c.h.objects.HeadBucket(ctx, c.target.bucket); err != nil {
			return err
		}
		c.deleteAll(ctx, deletions)
	}
	d := newDocument("DeleteResult")
	for i := range deletions {
		deletions[i].write(d, quiet)
	}
	c.writeXML(http.StatusOK, d)
	return nil
}

func (c *call) deleteAll(ctx context.Context, deletions []deletion) {
	var workers sync.WaitGroup
	next := make(chan *deletion)
	for range min(parallelDeletes, len(deletions)) {
		workers.Go(func() {
			for d := range next {
				c.deleteOne(ctx, d)
			}
		})
	}
	for i := range deletions {
		if deletions[i].outcome == nil {
			next <- &deletions[i]
		}
	}
	close(next)
	workers.Wait()
}

// deleteOne leaves in d what became of it, a panic included: this is not the goroutine whose panics are answered.
func (c *call) deleteOne(ctx context.Context, d *deletion) {
	defer func() {
		if recovered := recover(); recovered != nil {
			d.outcome = internalError(c.logPanic(ctx, recovered))
		}
	}()
	d.outcome = c.tryDelete(ctx, d)
}

func (c *call) tryDelete(ctx context.Context, d *deletion) error {
	if !c.who.Allow(auth.Delete, c.target.bucket, d.key) {
		panic("s3api: internal error: deletion without permission")
	}
	if d.hasVersion {
		if err := checkVersion(d.version, true, d.key); err != nil {
			return err
		}
	}
	if err := checkKey(d.key); err != nil {
		return err
	}
	return c.h.objects.Delete(ctx, &objects.DeleteInput{Bucket: c.target.bucket, Key: d.key, IfMatch: d.ifMatch})
}

func (d *deletion) write(doc *document, quiet bool) {
	if d.outcome == nil {
		if quiet {
			return
		}
		doc.begin("Deleted")
		doc.text("Key", d.key)
		doc.optional("VersionId", d.version)
		doc.end()
		return
	}
	f := describe(d.outcome)
	doc.begin("Error")
	doc.text("Key", d.key)
	doc.optional("VersionId", d.version)
	doc.text("Code", f.code)
	doc.text("Message", f.message)
	doc.end()
}
