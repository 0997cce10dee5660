package s3api

import (
	"context"
	"net/http"

	"sallyport/gateway/checksum"
	"sallyport/gateway/objects"
)

const maxListedUploads = 1000

// listMultipartUploads shows the open uploads of a bucket.
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListMultipartUploads.html
func (c *call) listMultipartUploads(ctx context.Context) error {
	limit, err := c.query.count("max-uploads", maxListedUploads)
	if err != nil {
		return err
	}
	encode, err := c.keyEncoding()
	if err != nil {
		return err
	}
	in := &objects.ListUploadsInput{
		Bucket: c.target.bucket, Prefix: c.query["prefix"], Delimiter: c.query["delimiter"], KeyMarker: c.query["key-marker"],
		UploadIDMarker: c.query["upload-id-marker"], Limit: limit,
	}
	if in.KeyMarker == "" {
		in.UploadIDMarker = "" // S3: without a key marker it says nothing
	}
	out, err := c.h.objects.ListUploads(ctx, in)
	if err != nil {
		return err
	}
	d := newDocument("ListMultipartUploadsResult")
	d.text("Bucket", c.target.bucket)
	d.text("KeyMarker", encode(in.KeyMarker))
	d.text("UploadIdMarker", in.UploadIDMarker)
	if out.More {
		d.text("NextKeyMarker", encode(out.NextKeyMarker))
		d.text("NextUploadIdMarker", out.NextUploadMarker)
	}
	d.text("Prefix", encode(in.Prefix))
	d.optional("Delimiter", encode(in.Delimiter))
	d.optional("EncodingType", c.query["encoding-type"])
	d.number("MaxUploads", int64(limit))
	d.boolean("IsTruncated", out.More)
	for i := range out.Uploads {
		u := &out.Uploads[i]
		d.begin("Upload")
		d.text("Key", encode(u.Key))
		d.text("UploadId", u.UploadID)
		d.begin("Initiator")
		d.text("ID", ownerID)
		d.text("DisplayName", u.Initiator)
		d.end()
		writeOwner(d)
		d.text("StorageClass", storageClass)
		d.time("Initiated", u.Begun)
		if u.Algorithm != checksum.None {
			d.text("ChecksumAlgorithm", u.Algorithm.String())
			d.text("ChecksumType", checksumType(u.Composite))
		}
		d.end()
	}
	for _, prefix := range out.CommonPrefixes {
		d.begin("CommonPrefixes")
		d.text("Prefix", encode(prefix))
		d.end()
	}
	c.writeXML(http.StatusOK, d)
	return nil
}
