package s3api

import (
	"context"

	"sallyport/gateway/objects"
)

// uploadPartCopy stores an object's bytes, or a range of them, as a part.
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_UploadPartCopy.html
func (c *call) uploadPartCopy(ctx context.Context) error {
	key, err := c.customerKey()
	if err != nil {
		return err
	}
	number, err := c.query.partNumber()
	if err != nil {
		return err
	}
	source, err := c.copySource()
	if err != nil {
		return err
	}
	in := &objects.CopyPartInput{UploadRef: c.upload(), Number: number, Source: *source, CustomerKey: key.value()}
	if values, said := c.headers["X-Amz-Copy-Source-Range"]; said {
		if in.Range, err = parseCopyRange(values[0]); err != nil {
			return err
		}
	}
	var part *objects.PartInfo
	err = c.showingLife(func() { c.echoEncryption(key) }, func() (err error) {
		part, err = c.h.objects.CopyPart(ctx, in)
		return err
	})
	if err != nil {
		return copyFailure(err)
	}
	c.echoEncryption(key)
	d := newDocument("CopyPartResult")
	d.time("LastModified", part.ModTime)
	d.etag(part.ETag)
	d.xmlChecksum(part.Checksum, false)
	c.finishXML(d)
	return nil
}
