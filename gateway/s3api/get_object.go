package s3api

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"strconv"

	"sallyport/gateway/objects"
)

// getObject sends an object, or a range or part of it. When the first byte goes out the first chunk is verified already; when a later one is not, the
// connection is cut.
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html
func (c *call) getObject(ctx context.Context) error {
	in, key, err := c.getInput()
	if err != nil {
		return err
	}
	out, err := c.h.objects.Get(ctx, in)
	if err != nil {
		return c.readFailure(err, in)
	}
	defer func() { _ = out.Body.Close() }()
	if err := c.writeObjectHeaders(out, in, key); err != nil {
		return err
	}
	buffer := c.h.transfers.get()
	defer c.h.transfers.put(buffer)
	n, err := io.CopyBuffer(c.w, onlyReader{out.Body}, buffer[:])
	if err != nil {
		return fmt.Errorf("send object: %w", err)
	}
	if n != out.Length {
		return fmt.Errorf("send object: have %d of %d bytes", n, out.Length)
	}
	return nil
}

// onlyReader hides WriteTo, so that every write passes the progress deadline.
type onlyReader struct{ io.Reader }

// getInput is what GetObject and HeadObject ask of package objects.
func (c *call) getInput() (*objects.GetInput, *customerKey, error) {
	key, err := c.customerKey()
	if err != nil {
		return nil, nil, err
	}
	conditions, err := readConditions(c.headers)
	if err != nil {
		return nil, nil, err
	}
	in := &objects.GetInput{Bucket: c.target.bucket, Key: c.target.key, Conditions: conditions, CustomerKey: key.value(), Room: c.reserve}
	if header := c.headers.Get("Range"); header != "" {
		if in.Range = parseRange(header); in.Range != nil {
			in.Range.If = rangeCondition(c.headers.Values("If-Range"))
		}
	}
	if c.query.has("partNumber") {
		if in.PartNumber, err = c.query.partNumber(); err != nil {
			return nil, nil, err
		}
		if c.headers.Get("Range") != "" {
			return nil, nil, refuse("InvalidRequest", "Cannot specify both Range header and partNumber query parameter")
		}
	}
	return in, key, nil
}

// readFailure adds what S3 says about ranges and parts.
func (c *call) readFailure(err error, in *objects.GetInput) error {
	if !isKind(err, objects.InvalidRange) {
		return err
	}
	if in.PartNumber > 0 {
		return refuse("InvalidPartNumber", "The requested partnumber is not satisfiable").with("PartNumberRequested", itoa(in.PartNumber)).because(err)
	}
	return describe(err).with("RangeRequested", c.headers.Get("Range"))
}

// writeObjectHeaders sends the head of a GET or HEAD answer. Until it sends the status, an error can still be answered.
func (c *call) writeObjectHeaders(out *objects.GetOutput, in *objects.GetInput, key *customerKey) error {
	wanted, err := wantsChecksums(c.headers)
	if err != nil {
		return err
	}
	overrides, err := responseOverrides(c.query)
	if err != nil {
		return err
	}
	h := c.w.Header()
	writeContent(h, &out.Content)
	maps.Copy(h, overrides)
	h.Set("Etag", quoteETag(out.ETag))
	h.Set("Last-Modified", httpTime(out.ModTime))
	h.Set("Accept-Ranges", "bytes")
	h.Set("Content-Length", strconv.FormatInt(out.Length, 10))
	key.echo(h)
	if in.PartNumber > 0 && out.Parts > 0 {
		h.Set("X-Amz-Mp-Parts-Count", itoa(out.Parts))
	}
	switch {
	case !wanted:
	case in.PartNumber > 0 && out.Parts > 0:
		writeChecksum(h, out.PartChecksum)
	case !out.Partial || in.PartNumber > 0:
		writeChecksum(h, out.Checksum)
	}
	status := http.StatusOK
	if out.Partial {
		status = http.StatusPartialContent
		h.Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", out.Offset, out.Offset+out.Length-1, out.Size))
	}
	c.w.WriteHeader(status)
	return nil
}
