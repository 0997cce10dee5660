package s3api

import (
	"context"
	"net/http"

	"sallyport/gateway/checksum"
	"sallyport/gateway/objects"
)

// listParts shows the parts of an upload.
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListParts.html
func (c *call) listParts(ctx context.Context) error {
	key, err := c.customerKey()
	if err != nil {
		return err
	}
	limit, err := c.query.count("max-parts", maxListedParts)
	if err != nil {
		return err
	}
	after, err := c.query.count("part-number-marker", maxParts)
	if err != nil {
		return err
	}
	if c.query["part-number-marker"] == "" {
		after = 0
	}
	encode, err := c.keyEncoding()
	if err != nil {
		return err
	}
	out, err := c.h.objects.ListParts(ctx, &objects.ListPartsInput{UploadRef: c.upload(), After: after, Limit: limit, CustomerKey: key.value()})
	if err != nil {
		return err
	}
	d := newDocument("ListPartsResult")
	d.text("Bucket", c.target.bucket)
	d.text("Key", encode(c.target.key))
	d.text("UploadId", c.query["uploadId"])
	d.begin("Initiator")
	d.text("ID", ownerID)
	d.text("DisplayName", out.Initiator)
	d.end()
	writeOwner(d)
	d.text("StorageClass", storageClass)
	d.number("PartNumberMarker", int64(after))
	next := after
	if n := len(out.Parts); n > 0 {
		next = out.Parts[n-1].Number
	}
	d.number("NextPartNumberMarker", int64(next))
	d.number("MaxParts", int64(limit))
	d.optional("EncodingType", c.query["encoding-type"])
	d.boolean("IsTruncated", out.More)
	for i := range out.Parts {
		part := &out.Parts[i]
		d.begin("Part")
		d.number("PartNumber", int64(part.Number))
		d.time("LastModified", part.ModTime)
		d.etag(part.ETag)
		d.number("Size", part.Size)
		d.xmlChecksum(part.Checksum, false)
		d.end()
	}
	if out.Algorithm != checksum.None {
		d.text("ChecksumAlgorithm", out.Algorithm.String())
		d.text("ChecksumType", checksumType(out.Composite))
	}
	c.writeXML(http.StatusOK, d)
	return nil
}
