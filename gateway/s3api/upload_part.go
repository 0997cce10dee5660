package s3api

import (
	"context"
	"net/http"

	"sallyport/gateway/objects"
)

// uploadPart stores one part of an upload.
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_UploadPart.html
func (c *call) uploadPart(ctx context.Context) error {
	key, err := c.customerKey()
	if err != nil {
		return err
	}
	number, err := c.query.partNumber()
	if err != nil {
		return err
	}
	body, err := c.openData()
	if err != nil {
		return err
	}
	defer func() { _ = body.reader.Close() }()
	part, err := c.h.objects.PutPart(ctx, &objects.PutPartInput{
		UploadRef: c.upload(), Number: number, Size: body.size, Body: body.reader, Algorithm: body.promise.Algorithm, CustomerKey: key.value(),
	})
	if err != nil {
		return err
	}
	h := c.w.Header()
	h.Set("Etag", quoteETag(part.ETag))
	if part.Checksum != nil {
		h.Set(part.Checksum.Algorithm.Header(), part.Checksum.Value)
	}
	c.echoEncryption(key)
	h.Set("Content-Length", "0")
	c.w.WriteHeader(http.StatusOK)
	return nil
}
