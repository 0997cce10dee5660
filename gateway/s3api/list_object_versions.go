package s3api

import (
	"context"
	"net/http"
)

// nullVersion is the version id of every object: versioning was never enabled.
const nullVersion = "null"

// listObjectVersions shows every object as its one version.
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectVersions.html
func (c *call) listObjectVersions(ctx context.Context) error {
	marker, version := c.query["key-marker"], c.query["version-id-marker"]
	switch {
	case version != "" && marker == "":
		return invalidArgument("version-id-marker", version, "A version-id marker cannot be specified without a key marker.")
	case version != "" && version != nullVersion:
		return invalidArgument("version-id-marker", version, "Invalid version id specified")
	}
	p, err := c.list(ctx, marker, "")
	if err != nil {
		return err
	}
	d := newDocument("ListVersionsResult")
	d.text("Name", c.target.bucket)
	d.text("Prefix", p.encode(p.in.Prefix))
	d.text("KeyMarker", p.encode(marker))
	d.text("VersionIdMarker", version)
	if p.out.More {
		d.text("NextKeyMarker", p.encode(p.out.Last))
		if n := len(p.out.Objects); n > 0 && p.out.Objects[n-1].Key == p.out.Last {
			d.text("NextVersionIdMarker", nullVersion)
		}
	}
	d.number("MaxKeys", int64(p.in.Limit))
	d.optional("Delimiter", p.encode(p.in.Delimiter))
	d.optional("EncodingType", c.query["encoding-type"])
	d.boolean("IsTruncated", p.out.More)
	for i := range p.out.Objects {
		o := &p.out.Objects[i]
		d.begin("Version")
		d.text("Key", p.encode(o.Key))
		d.text("VersionId", nullVersion)
		d.boolean("IsLatest", true)
		d.time("LastModified", o.ModTime)
		d.etag(o.ETag)
		d.number("Size", o.Size)
		writeOwner(d)
		d.text("StorageClass", storageClass)
		d.end()
	}
	p.writePrefixes(d)
	c.writeXML(http.StatusOK, d)
	return nil
}
