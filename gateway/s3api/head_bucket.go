package s3api

import (
	"context"
	"net/http"
)

// headBucket says that a bucket is there, and where.
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadBucket.html
func (c *call) headBucket(ctx context.Context) error {
	if _, err := c.h.objects.HeadBucket(ctx, c.target.bucket); err != nil {
		return err
	}
	c.w.Header().Set("X-Amz-Bucket-Region", c.h.region)
	c.w.Header().Set("Content-Type", "application/xml")
	c.w.WriteHeader(http.StatusOK)
	return nil
}
