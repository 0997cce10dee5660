package s3api

import (
	"context"
	"slices"
	"strings"
	"unicode/utf8"

	"sallyport/gateway/objects"
)

// maxKeys is the longest page of a list.
const maxKeys = 1000

// page is what the three object lists have in common.
type page struct {
	in     objects.ListInput
	out    *objects.ListOutput
	encode func(string) string
}

// keyEncoding returns how names are written: as they are, or percent-encoded if the client asks.
func (c *call) keyEncoding() (func(string) string, error) {
	switch encoding, ok := c.query["encoding-type"]; {
	case encoding == "url":
		return urlEncode, nil
	case ok && encoding != "":
		return nil, invalidArgument("encoding-type", encoding, "Invalid Encoding Method specified in Request")
	}
	return func(s string) string { return s }, nil
}

// list reads the common parameters, and the page. after and token are where it begins.
func (c *call) list(ctx context.Context, after, token string) (*page, error) {
	p := &page{in: objects.ListInput{
		Bucket: c.target.bucket, Prefix: c.query["prefix"], Delimiter: c.query["delimiter"], After: after, Token: token,
	}}
	for name, value := range map[string]string{"prefix": p.in.Prefix, "delimiter": p.in.Delimiter, "marker": after} {
		if !utf8.ValidString(value) || strings.IndexByte(value, 0) >= 0 {
			return nil, refuse("InvalidArgument", "A name must be UTF-8 without NUL.").with("ArgumentName", name)
		}
	}
	var err error
	if p.in.Limit, err = c.query.count("max-keys", maxKeys); err != nil {
		return nil, err
	}
	if p.encode, err = c.keyEncoding(); err != nil {
		return nil, err
	}
	if p.out, err = c.h.objects.List(ctx, &p.in); err != nil {
		return nil, err
	}
	return p, c.reserveListed(ctx, p.out)
}

// usualContents is how many bytes Contents with a name of usual length has.
const usualContents = 256

func (p *page) writeContents(d *document, owner bool) {
	d.b = slices.Grow(d.b, usualContents*len(p.out.Objects))
	for i := range p.out.Objects {
		o := &p.out.Objects[i]
		d.begin("Contents")
		d.text("Key", p.encode(o.Key))
		d.time("LastModified", o.ModTime)
		d.etag(o.ETag)
		d.number("Size", o.Size)
		if owner {
			writeOwner(d)
		}
		d.text("StorageClass", storageClass)
		d.end()
	}
	p.writePrefixes(d)
}

func (p *page) writePrefixes(d *document) {
	for _, prefix := range p.out.Prefixes {
		d.begin("CommonPrefixes")
		d.text("Prefix", p.encode(prefix))
		d.end()
	}
}

// reserveListed takes memory for the document of a page whose names are long; those of usual length are in listMemory.
func (c *call) reserveListed(ctx context.Context, out *objects.ListOutput) error {
	names := int64(0)
	for i := range out.Objects {
		names += int64(len(out.Objects[i].Key))
	}
	for _, prefix := range out.Prefixes {
		names += int64(len(prefix))
	}
	if more := listedMemory*names - listMemory; more > 0 {
		return c.reserve(ctx, more)
	}
	return nil
}
