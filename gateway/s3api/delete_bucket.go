package s3api

import (
	"context"
	"net/http"
)

// deleteBucket removes an empty bucket.
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteBucket.html
func (c *call) deleteBucket(ctx context.Context) error {
	if err := c.h.objects.DeleteBucket(ctx, c.target.bucket); err != nil {
		return err
	}
	c.w.WriteHeader(http.StatusNoContent)
	return nil
}
