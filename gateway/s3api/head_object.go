package s3api

import "context"

// headObject is getObject without the body.
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadObject.html
func (c *call) headObject(ctx context.Context) error {
	in, key, err := c.getInput()
	if err != nil {
		return err
	}
	out, err := c.h.objects.Head(ctx, in)
	if err != nil {
		return c.readFailure(err, in)
	}
	return c.writeObjectHeaders(out, in, key)
}
