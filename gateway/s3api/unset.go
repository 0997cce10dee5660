package s3api

import (
	"context"
	"net/http"

	"sallyport/gateway/objects"
)

// getBucketVersioning says that versioning was never enabled, which S3 says with an empty answer.
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketVersioning.html
func (c *call) getBucketVersioning(ctx context.Context) error {
	return emptyBucketAnswer("VersioningConfiguration")(c, ctx)
}

// emptyBucketAnswer is S3's answer for a configuration that was never set and has no error code of its own.
func emptyBucketAnswer(element string) func(*call, context.Context) error {
	return func(c *call, ctx context.Context) error {
		if _, err := c.h.objects.HeadBucket(ctx, c.target.bucket); err != nil {
			return err
		}
		c.writeXML(http.StatusOK, newDocument(element))
		return nil
	}
}

// unsetInBucket is S3's answer for a configuration that was never set and has an error code for that.
func unsetInBucket(code, message string) func(*call, context.Context) error {
	return func(c *call, ctx context.Context) error {
		if _, err := c.h.objects.HeadBucket(ctx, c.target.bucket); err != nil {
			return err
		}
		return refuse(code, message).with("BucketName", c.target.bucket)
	}
}

// getBucketRequestPayment says that the owner pays.
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketRequestPayment.html
func (c *call) getBucketRequestPayment(ctx context.Context) error {
	if _, err := c.h.objects.HeadBucket(ctx, c.target.bucket); err != nil {
		return err
	}
	d := newDocument("RequestPaymentConfiguration")
	d.text("Payer", "BucketOwner")
	c.writeXML(http.StatusOK, d)
	return nil
}

// getObjectTagging says that an object has no tags.
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObjectTagging.html
func (c *call) getObjectTagging(ctx context.Context) error {
	if err := c.objectExists(ctx); err != nil {
		return err
	}
	d := newDocument("Tagging")
	d.begin("TagSet")
	d.end()
	c.writeXML(http.StatusOK, d)
	return nil
}

// noObjectLock answers reads of retention and legal hold as S3 does in a bucket without object lock.
func (c *call) noObjectLock(ctx context.Context) error {
	if err := c.objectExists(ctx); err != nil {
		return err
	}
	return refuse("InvalidRequest", "Bucket is missing Object Lock Configuration")
}

// objectExists returns nil if the object is there. What is asked about it needs no key, so that an object under a customer key counts too.
func (c *call) objectExists(ctx context.Context) error {
	key, err := c.customerKey()
	if err != nil {
		return err
	}
	_, err = c.h.objects.Head(ctx, &objects.GetInput{Bucket: c.target.bucket, Key: c.target.key, CustomerKey: key.value()})
	if isKind(err, objects.CustomerKeyRequired) {
		return nil
	}
	return err
}
