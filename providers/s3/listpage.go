package s3

import (
	"bytes"
	"encoding/xml"
	"strconv"
)

// decode reads an answer into document.
func decode(answer []byte, document any) error {
	if page, ok := document.(*listAnswer); ok && page.parseUsual(answer) {
		return nil
	}
	return xml.Unmarshal(answer, document)
}

// parseUsual reads a page that is written as S3 services usually write it, many times faster than encoding/xml, which would read just the same. It returns
// false for whatever is unusual, sound or not, and leaves the receiver as it was: encoding/xml then decides.
func (a *listAnswer) parseUsual(document []byte) bool {
	x := &usualXML{rest: bytes.TrimPrefix(document, []byte(`<?xml version="1.0" encoding="UTF-8"?>`))}
	const root = "ListBucketResult"
	namespace, ok := x.root(root)
	if !ok {
		return false
	}
	page := &listAnswer{XMLName: xml.Name{Space: namespace, Local: root}}
	if !x.children([]byte(root), page) {
		return false
	}
	*a = *page
	return true
}

func (a *listAnswer) child(x *usualXML, name []byte) bool {
	switch string(name) {
	case "EncodingType":
		return x.string(name, &a.EncodingType)
	case "NextContinuationToken":
		return x.string(name, &a.NextContinuationToken)
	case "IsTruncated":
		text, ok := x.text(name)
		a.IsTruncated = string(text) == "true"
		return ok && (a.IsTruncated || string(text) == "false")
	case "Contents":
		a.Contents = append(a.Contents, listedContent{})
		return x.children(name, &a.Contents[len(a.Contents)-1])
	case "CommonPrefixes":
		a.CommonPrefixes = append(a.CommonPrefixes, listedPrefix{})
		return x.children(name, &a.CommonPrefixes[len(a.CommonPrefixes)-1])
	}
	return x.skip(name)
}

func (c *listedContent) child(x *usualXML, name []byte) bool {
	switch string(name) {
	case "Key":
		return x.string(name, &c.Key)
	case "ETag":
		return x.string(name, &c.ETag)
	case "LastModified":
		text, ok := x.text(name)
		return ok && c.LastModified.UnmarshalText(text) == nil
	case "Size":
		text, ok := x.text(name)
		if !ok {
			return false
		}
		var err error
		c.Size, err = strconv.ParseInt(string(text), 10, 64)
		return err == nil
	}
	return x.skip(name)
}

func (p *listedPrefix) child(x *usualXML, name []byte) bool {
	if string(name) == "Prefix" {
		return x.string(name, &p.Prefix)
	}
	return x.skip(name)
}
