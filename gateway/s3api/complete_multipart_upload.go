package s3api

import (
	"context"
	"net/http"
	"net/url"
	"strconv"

	"sallyport/gateway/checksum"
	"sallyport/gateway/objects"
)

// completeMultipartUpload makes the listed parts the object.
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_CompleteMultipartUpload.html
func (c *call) completeMultipartUpload(ctx context.Context) error {
	key, err := c.customerKey()
	if err != nil {
		return err
	}
	in := &objects.CompleteInput{UploadRef: c.upload(), Size: -1, CustomerKey: key.value()}
	if in.Conditions, err = writeConditions(c.headers); err != nil {
		return err
	}
	if values, said := c.headers["X-Amz-Mp-Object-Size"]; said {
		if in.Size, err = strconv.ParseInt(values[0], 10, 64); err != nil || in.Size < 0 {
			return invalidArgument("x-amz-mp-object-size", values[0], "Value for x-amz-mp-object-size header is invalid.")
		}
	}
	if err := c.checkUploadType(ctx, in.UploadRef); err != nil {
		return err
	}
	data, err := c.readDocumentHeldTo(ctx, c.bodyDigestOnly(), maxLargeDocument)
	if err != nil {
		return err
	}
	if in.Parts, err = parseComplete(data); err != nil {
		return err
	}
	// x-amz-checksum-* speak of the object here and not of this request's body.
	if in.Checksum, err = objectChecksum(c.headers, len(in.Parts)); err != nil {
		return err
	}
	var out *objects.PutOutput
	err = c.showingLife(func() { c.echoEncryption(key) }, func() (err error) {
		out, err = c.h.objects.CompleteUpload(ctx, in)
		return err
	})
	if err != nil {
		return err
	}
	c.echoEncryption(key)
	d := newDocument("CompleteMultipartUploadResult")
	d.text("Location", c.location())
	d.text("Bucket", c.target.bucket)
	d.text("Key", c.target.key)
	d.etag(out.ETag)
	d.xmlChecksum(out.Checksum, true)
	c.finishXML(d)
	return nil
}

// location is the object's address as this client wrote it.
func (c *call) location() string {
	u := url.URL{Scheme: "http", Host: c.r.Host, Path: c.r.URL.Path}
	if c.r.TLS != nil {
		u.Scheme = "https"
	}
	return u.String()
}

// objectChecksum reads what the client says the whole object's checksum is. Some clients (minio-go) say that it is a composite one by the type alone and
// leave out the number of parts, which is added.
func objectChecksum(h http.Header, parts int) (*objects.Checksum, error) {
	var found *objects.Checksum
	for _, a := range checksum.Algorithms() {
		values, said := h[http.CanonicalHeaderKey(a.Header())]
		if !said {
			continue
		}
		if found != nil {
			return nil, refuse("InvalidRequest", "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.")
		}
		value, err := checksum.ParseValue(a, values[0])
		if err != nil {
			return nil, err
		}
		if !value.Composite() && h.Get("X-Amz-Checksum-Type") == checksum.TypeComposite {
			if value, err = checksum.NewValue(a, value.Sum(), parts); err != nil {
				return nil, err
			}
		}
		found = &objects.Checksum{Algorithm: a, Composite: value.Composite(), Value: value.String()}
	}
	return found, nil
}

// checkUploadType holds x-amz-checksum-type, if sent, to what the upload was begun with.
func (c *call) checkUploadType(ctx context.Context, ref objects.UploadRef) error {
	value := c.headers.Get("X-Amz-Checksum-Type")
	if value == "" {
		return nil
	}
	listed, err := c.h.objects.ListParts(ctx, &objects.ListPartsInput{UploadRef: ref, Limit: 1})
	if isKind(err, objects.NoSuchUpload) {
		return nil // completed before, perhaps: CompleteUpload knows
	}
	if err != nil {
		return err
	}
	// Without an algorithm chosen at the beginning the object's checksum is a full-object one, as S3's default is.
	if value != checksumType(listed.Composite && listed.Algorithm != checksum.None) {
		return refuse("InvalidRequest", "The upload was created using the "+checksumType(listed.Composite)+
			" checksum mode. The complete request must use the same checksum mode.")
	}
	return nil
}
