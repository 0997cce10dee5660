package s3api

import (
	"context"
	"net/http"
	"strconv"
	"strings"

	"sallyport/gateway/objects"
)

const maxListedParts = 1000

// getObjectAttributes shows the attributes asked for.
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObjectAttributes.html
func (c *call) getObjectAttributes(ctx context.Context) error {
	key, err := c.customerKey()
	if err != nil {
		return err
	}
	wanted, err := wantedAttributes(c.headers.Values("X-Amz-Object-Attributes"))
	if err != nil {
		return err
	}
	in := &objects.PartsInput{GetInput: objects.GetInput{Bucket: c.target.bucket, Key: c.target.key, CustomerKey: key.value()}}
	if in.Limit, err = attributeNumber(c.headers, "X-Amz-Max-Parts", maxListedParts); err != nil {
		return err
	}
	in.Limit = min(in.Limit, maxListedParts)
	if in.After, err = attributeNumber(c.headers, "X-Amz-Part-Number-Marker", 0); err != nil {
		return err
	}
	out, err := c.h.objects.Parts(ctx, in)
	if err != nil {
		return err
	}
	h := c.w.Header()
	h.Set("Last-Modified", httpTime(out.ModTime))
	key.echo(h)
	d := newDocument("GetObjectAttributesResponse")
	if wanted["ETag"] {
		d.text("ETag", out.ETag) // without quotes here, and only here, as S3 has it
	}
	if wanted["Checksum"] && out.Checksum != nil {
		d.begin("Checksum")
		d.xmlChecksum(out.Checksum, true)
		d.end()
	}
	if wanted["ObjectParts"] && out.Parts > 0 {
		writeObjectParts(d, in, out)
	}
	if wanted["StorageClass"] {
		d.text("StorageClass", storageClass)
	}
	if wanted["ObjectSize"] {
		d.number("ObjectSize", out.Size)
	}
	c.writeXML(http.StatusOK, d)
	return nil
}

// storageClass is the one there is.
const storageClass = "STANDARD"

func writeObjectParts(d *document, in *objects.PartsInput, out *objects.PartsOutput) {
	d.begin("ObjectParts")
	d.number("PartsCount", int64(out.Parts))
	d.number("PartNumberMarker", int64(in.After))
	next := in.After
	if n := len(out.PartList); n > 0 {
		next = out.PartList[n-1].Number
	}
	d.number("NextPartNumberMarker", int64(next))
	d.number("MaxParts", int64(in.Limit))
	d.boolean("IsTruncated", out.More)
	for i := range out.PartList {
		part := &out.PartList[i]
		d.begin("Part")
		d.number("PartNumber", int64(part.Number))
		d.number("Size", part.Size)
		d.xmlChecksum(part.Checksum, false)
		d.end()
	}
	d.end()
}

func wantedAttributes(values []string) (map[string]bool, error) {
	wanted := map[string]bool{}
	for name := range strings.SplitSeq(strings.Join(values, ","), ",") {
		switch name = strings.TrimSpace(name); name {
		case "ETag", "Checksum", "ObjectParts", "StorageClass", "ObjectSize":
			wanted[name] = true
		case "":
		default:
			return nil, invalidArgument("x-amz-object-attributes", name, "Invalid attribute name specified.")
		}
	}
	if len(wanted) == 0 {
		return nil, invalidArgument("x-amz-object-attributes", "", "The x-amz-object-attributes header specifying the attributes to be retrieved is either missing or empty")
	}
	return wanted, nil
}

func attributeNumber(h http.Header, name string, absent int) (int, error) {
	value := h.Get(name)
	if value == "" {
		return absent, nil
	}
	n, err := strconv.ParseInt(value, 10, 32)
	if err != nil || n < 0 {
		return 0, invalidArgument(strings.ToLower(name), value, "The value must be an integer between 0 and 2147483647")
	}
	return int(n), nil
}
