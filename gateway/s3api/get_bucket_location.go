package s3api

import (
	"context"
	"net/http"
)

// getBucketLocation names the region; us-east-1 is the empty name, as S3 has it for historical reasons.
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketLocation.html
func (c *call) getBucketLocation(ctx context.Context) error {
	if _, err := c.h.objects.HeadBucket(ctx, c.target.bucket); err != nil {
		return err
	}
	d := newDocument("LocationConstraint")
	if c.h.region != classicRegion {
		d.escape(c.h.region)
	}
	c.writeXML(http.StatusOK, d)
	return nil
}
