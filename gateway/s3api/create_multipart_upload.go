package s3api

import (
	"context"
	"net/http"

	"sallyport/gateway/checksum"
	"sallyport/gateway/objects"
)

// createMultipartUpload begins an upload in parts.
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_CreateMultipartUpload.html
func (c *call) createMultipartUpload(ctx context.Context) error {
	key, err := c.customerKey()
	if err != nil {
		return err
	}
	in := &objects.CreateUploadInput{Bucket: c.target.bucket, Key: c.target.key, Principal: c.who.Name(), CustomerKey: key.value()}
	if in.Content, err = parseContent(c.headers); err != nil {
		return err
	}
	if in.Algorithm, err = chosenAlgorithm(c.headers); err != nil {
		return err
	}
	wantedType := c.headers.Get("X-Amz-Checksum-Type")
	if in.Algorithm != checksum.None || wantedType != "" {
		if in.Composite, err = checksum.ParseType(in.Algorithm, wantedType); err != nil {
			return err
		}
	}
	id, err := c.h.objects.CreateUpload(ctx, in)
	if err != nil {
		return err
	}
	if in.Algorithm != checksum.None {
		c.w.Header().Set("X-Amz-Checksum-Algorithm", in.Algorithm.String())
		c.w.Header().Set("X-Amz-Checksum-Type", checksumType(in.Composite))
	}
	c.echoEncryption(key)
	d := newDocument("InitiateMultipartUploadResult")
	d.text("Bucket", c.target.bucket)
	d.text("Key", c.target.key)
	d.text("UploadId", id)
	c.writeXML(http.StatusOK, d)
	return nil
}

// upload names the upload of the request. It is bound to who began it.
func (c *call) upload() objects.UploadRef {
	return objects.UploadRef{Bucket: c.target.bucket, Key: c.target.key, UploadID: c.query["uploadId"], Principal: c.who.Name(), Room: c.reserve}
}
