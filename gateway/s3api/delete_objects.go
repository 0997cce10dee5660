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
	data, err := readBounded(body, maxLargeDocument)
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
				d.outcome = c.deleteOne(ctx, d)
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

func (c *call) deleteOne(ctx context.Context, d *deletion) error {
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

// parseDelete reads a Delete document.
func parseDelete(data []byte) (deletions []deletion, quiet bool, err error) {
	root, err := parseXML(data, xmlLimits{depth: 3, elements: 8 * maxDeletes})
	if err == nil {
		err = root.only("Delete")
	}
	if err != nil {
		return nil, false, malformedXML(err)
	}
	for _, child := range root.children {
		switch child.name {
		case "Quiet":
			text, err := child.leaf()
			if err != nil || text != "true" && text != "false" {
				return nil, false, malformedXML(err)
			}
			quiet = text == "true"
		case "Object":
			d, err := parseDeletion(child)
			if err != nil {
				return nil, false, err
			}
			deletions = append(deletions, d)
		default:
			return nil, false, malformedXML(errXMLShape)
		}
	}
	if len(deletions) == 0 || len(deletions) > maxDeletes {
		return nil, false, malformedXML(errXMLShape)
	}
	return deletions, quiet, nil
}

func parseDeletion(n *node) (deletion, error) {
	fields, err := n.leaves("Key", "VersionId", "ETag", "LastModifiedTime", "Size")
	if err != nil || fields["Key"] == "" {
		return deletion{}, malformedXML(err)
	}
	for _, name := range []string{"LastModifiedTime", "Size"} {
		if _, there := fields[name]; there {
			return deletion{}, refuse("NotImplemented", "A deletion on condition of "+name+" is not implemented.")
		}
	}
	d := deletion{key: fields["Key"]}
	d.version, d.hasVersion = fields["VersionId"]
	if etag, there := fields["ETag"]; there {
		etags := parseETags([]string{etag})
		if len(etags) != 1 {
			return deletion{}, malformedXML(errXMLShape)
		}
		d.ifMatch = etags[0]
	}
	return d, nil
}
