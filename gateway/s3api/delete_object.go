package s3api

import (
	"context"
	"net/http"

	"sallyport/gateway/objects"
)

// deleteObject removes an object; one that is not there is removed already.
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObject.html
func (c *call) deleteObject(ctx context.Context) error {
	in := &objects.DeleteInput{Bucket: c.target.bucket, Key: c.target.key}
	for _, name := range []string{"If-None-Match", "If-Modified-Since", "If-Unmodified-Since"} {
		if c.headers.Get(name) != "" {
			return notImplementedHeader(name)
		}
	}
	if values := c.headers.Values("If-Match"); len(values) > 0 {
		etag, err := matchETag(values)
		if err != nil {
			return err
		}
		in.IfMatch = etag
	}
	if err := c.h.objects.Delete(ctx, in); err != nil {
		return err
	}
	if version, ok := c.query["versionId"]; ok {
		c.w.Header().Set("X-Amz-Version-Id", version)
	}
	c.w.WriteHeader(http.StatusNoContent)
	return nil
}
