package s3api

import (
	"context"
	"net/http"

	"sallyport/gateway/auth"
	"sallyport/gateway/objects"
)

// abortMultipartUpload drops an upload and its parts: one's own, and for who may delete the key anybody's. An upload does not end by itself, and
// whose access key is no more cannot end it.
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_AbortMultipartUpload.html
func (c *call) abortMultipartUpload(ctx context.Context) error {
	in := &objects.AbortInput{UploadRef: c.upload(), Anyones: c.who.Allow(auth.Delete, c.target.bucket, c.target.key)}
	if err := c.h.objects.AbortUpload(ctx, in); err != nil {
		return err
	}
	c.w.WriteHeader(http.StatusNoContent)
	return nil
}
