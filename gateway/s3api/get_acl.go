package s3api

import (
	"context"
	"net/http"
)

// getBucketACL says that the owner has full control and nobody else any, which is so for every bucket.
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketAcl.html
func (c *call) getBucketACL(ctx context.Context) error {
	if _, err := c.h.objects.HeadBucket(ctx, c.target.bucket); err != nil {
		return err
	}
	c.writeXML(http.StatusOK, ownerFullControl())
	return nil
}

// getObjectACL is getBucketACL for an object.
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObjectAcl.html
func (c *call) getObjectACL(ctx context.Context) error {
	if err := c.objectExists(ctx); err != nil {
		return err
	}
	c.writeXML(http.StatusOK, ownerFullControl())
	return nil
}

func ownerFullControl() *document {
	d := newDocument("AccessControlPolicy")
	writeOwner(d)
	d.begin("AccessControlList")
	d.begin("Grant")
	d.beginTyped("Grantee", "CanonicalUser")
	d.text("ID", ownerID)
	d.text("DisplayName", ownerName)
	d.end()
	d.text("Permission", "FULL_CONTROL")
	d.end()
	d.end()
	return d
}
