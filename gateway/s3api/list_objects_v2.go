package s3api

import (
	"context"
	"net/http"
)

// listObjectsV2 is the second form of the list, paged by opaque token.
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html
func (c *call) listObjectsV2(ctx context.Context) error {
	if kind := c.query["list-type"]; kind != "2" {
		return invalidArgument("list-type", kind, "Invalid list type specified in Request")
	}
	token, continued := c.query["continuation-token"]
	if continued && token == "" {
		return invalidArgument("continuation-token", token, "The continuation token provided is incorrect")
	}
	owner := false
	switch value := c.query["fetch-owner"]; value {
	case "", "false":
	case "true":
		owner = true
	default:
		return invalidArgument("fetch-owner", value, "Argument fetch-owner must be true or false")
	}
	after := c.query["start-after"]
	if continued {
		after = "" // the token knows where it is; start-after was for the first page
	}
	p, err := c.list(ctx, after, token)
	if err != nil {
		return err
	}
	d := newDocument("ListBucketResult")
	d.text("Name", c.target.bucket)
	d.text("Prefix", p.encode(p.in.Prefix))
	if start, ok := c.query["start-after"]; ok {
		d.text("StartAfter", p.encode(start))
	}
	if continued {
		d.text("ContinuationToken", token)
	}
	if p.out.More {
		d.text("NextContinuationToken", p.out.NextToken)
	}
	d.number("KeyCount", int64(len(p.out.Objects)+len(p.out.Prefixes)))
	d.number("MaxKeys", int64(p.in.Limit))
	d.optional("Delimiter", p.encode(p.in.Delimiter))
	d.optional("EncodingType", c.query["encoding-type"])
	d.boolean("IsTruncated", p.out.More)
	p.writeContents(d, owner)
	c.writeXML(http.StatusOK, d)
	return nil
}
