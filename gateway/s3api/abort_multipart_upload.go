package s3api

import (
	"context"
	"net/http"
)

// abortMultipartUpload drops an upload and its parts.
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_AbortMultipartUpload.html
func (c *call) abortMultipartUpload(ctx context.Context) error {
	ref := c.upload()
	if err := c.h.objects.AbortUpload(ctx, &ref); err != nil {
		return err
	}
	c.w.WriteHeader(http.StatusNoContent)
	return nil
}
