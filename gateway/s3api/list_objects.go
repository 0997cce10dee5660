package s3api

import (
	"context"
	"net/http"
)

// listObjects is the first form of the list, paged by marker.
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjects.html
func (c *call) listObjects(ctx context.Context) error {
	p, err := c.list(ctx, c.query["marker"], "")
	if err != nil {
		return err
	}
	d := newDocument("ListBucketResult")
	d.text("Name", c.target.bucket)
	d.text("Prefix", p.encode(p.in.Prefix))
	d.text("Marker", p.encode(p.in.After))
	// S3 names the next marker only with a delimiter; without one it is the last key.
	if p.out.More && p.in.Delimiter != "" {
		d.text("NextMarker", p.encode(p.out.Last))
	}
	d.number("MaxKeys", int64(p.in.Limit))
	d.optional("Delimiter", p.encode(p.in.Delimiter))
	d.optional("EncodingType", c.query["encoding-type"])
	d.boolean("IsTruncated", p.out.More)
	p.writeContents(d, true)
	c.writeXML(http.StatusOK, d)
	return nil
}
