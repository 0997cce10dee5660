package s3api

import (
	"context"
	"net/http"

	"sallyport/gateway/checksum"
	"sallyport/gateway/objects"
)

// putObject stores one object.
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObject.html
func (c *call) putObject(ctx context.Context) error {
	key, err := c.customerKey()
	if err != nil {
		return err
	}
	content, err := parseContent(c.headers)
	if err != nil {
		return err
	}
	conditions, err := writeConditions(c.headers)
	if err != nil {
		return err
	}
	chosen, err := chosenAlgorithm(c.headers)
	if err != nil {
		return err
	}
	if err := checkFullObject(c.headers); err != nil {
		return err
	}
	body, err := c.openData()
	if err != nil {
		return err
	}
	defer func() { _ = body.reader.Close() }()
	switch sent := body.promise.Algorithm; {
	case chosen == checksum.None:
		chosen = sent // minio-go names an algorithm also where it sends no value
	case sent != checksum.None && sent != chosen:
		return refusef("InvalidRequest", "x-amz-checksum-algorithm says %s, and the request brings a %s.", chosen, sent)
	}
	out, err := c.h.objects.Put(ctx, &objects.PutInput{
		Bucket: c.target.bucket, Key: c.target.key, Content: content, Size: body.size, Body: body.reader, Algorithm: chosen,
		CustomerKey: key.value(), Conditions: conditions, Room: c.reserve,
	})
	if err != nil {
		return err
	}
	h := c.w.Header()
	h.Set("Etag", quoteETag(out.ETag))
	writeChecksum(h, out.Checksum)
	c.echoEncryption(key)
	h.Set("Content-Length", "0")
	c.w.WriteHeader(http.StatusOK)
	return nil
}
