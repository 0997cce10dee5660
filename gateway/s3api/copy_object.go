package s3api

import (
	"context"
	"net/http"

	"sallyport/gateway/auth"
	"sallyport/gateway/objects"
)

// copyObject stores an object's bytes under another name, or the same with other headers or key.
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html
func (c *call) copyObject(ctx context.Context) error {
	key, err := c.customerKey()
	if err != nil {
		return err
	}
	source, err := c.copySource()
	if err != nil {
		return err
	}
	in := &objects.CopyInput{Source: *source, Bucket: c.target.bucket, Key: c.target.key, CustomerKey: key.value(), Room: c.reserve}
	if in.Conditions, err = writeConditions(c.headers); err != nil {
		return err
	}
	if in.Algorithm, err = chosenAlgorithm(c.headers); err != nil {
		return err
	}
	if err := checkFullObject(c.headers); err != nil {
		return err
	}
	if in.Replace, err = directive(c.headers, "X-Amz-Metadata-Directive"); err != nil {
		return err
	}
	// No object has tags, so copying them and replacing them by none, which checkTagging has made sure of, come to the same.
	if _, err := directive(c.headers, "X-Amz-Tagging-Directive"); err != nil {
		return err
	}
	if in.Replace {
		if in.Content, err = parseContent(c.headers); err != nil {
			return err
		}
	}
	var out *objects.PutOutput
	err = c.showingLife(func() { c.echoEncryption(key) }, func() (err error) {
		out, err = c.h.objects.Copy(ctx, in)
		return err
	})
	if err != nil {
		return copyFailure(err)
	}
	c.echoEncryption(key)
	d := newDocument("CopyObjectResult")
	d.time("LastModified", out.ModTime)
	d.etag(out.ETag)
	d.xmlChecksum(out.Checksum, true)
	c.finishXML(d)
	return nil
}

// directive reads a COPY or REPLACE header; absent is COPY.
func directive(h http.Header, name string) (replace bool, err error) {
	switch value := h.Get(name); value {
	case "", "COPY":
		return false, nil
	case "REPLACE":
		return true, nil
	default:
		return false, invalidArgument(name, value, "Unknown directive: it must be COPY or REPLACE.")
	}
}

// copySource reads what a copy reads from, and asks whether the principal may read it.
func (c *call) copySource() (*objects.CopySource, error) {
	source, err := parseCopySource(c.headers.Get("X-Amz-Copy-Source"))
	if err != nil {
		return nil, err
	}
	if !c.who.Allow(auth.Read, source.bucket, source.key) {
		return nil, accessDenied()
	}
	if source.hasVersion {
		if err := checkVersion(source.version, false, source.key); err != nil {
			return nil, err
		}
	}
	conditions, err := sourceConditions(c.headers)
	if err != nil {
		return nil, err
	}
	key, err := parseCustomerKey(c.headers, sourceCustomerPrefix, secureTransport(c.r, c.h.proxies))
	if err != nil {
		return nil, err
	}
	return &objects.CopySource{Bucket: source.bucket, Key: source.key, Conditions: conditions, CustomerKey: key.value()}, nil
}

// copyFailure turns an unchanged source into 412: a copy has no 304.
func copyFailure(err error) error {
	if isKind(err, objects.NotModified) {
		return refuse("PreconditionFailed", "At least one of the pre-conditions you specified did not hold").because(err)
	}
	return err
}
