package s3api

import (
	"net/url"
	"strings"
)

// copySource is what x-amz-copy-source names.
type copySource struct {
	bucket, key string
	version     string
	hasVersion  bool
}

// parseCopySource reads x-amz-copy-source: an optional slash, bucket, slash, key, percent-encoded once, and perhaps ?versionId=. The one decoded
// result is what is authorised and what is read. A plus sign is a plus sign.
func parseCopySource(header string) (*copySource, error) {
	bad := func(message string) error { return invalidArgument("x-amz-copy-source", header, message) }
	raw, query, hasQuery := strings.Cut(header, "?")
	var s copySource
	if hasQuery {
		version, ok := strings.CutPrefix(query, "versionId=")
		if !ok || strings.ContainsAny(version, "&?") {
			return nil, bad("Unsupported copy source parameter.")
		}
		decoded, err := url.PathUnescape(version)
		if err != nil {
			return nil, bad("Copy Source must be URL-encoded")
		}
		s.version, s.hasVersion = decoded, true
	}
	decoded, err := url.PathUnescape(raw)
	if err != nil {
		return nil, bad("Copy Source must be URL-encoded")
	}
	bucket, key, ok := strings.Cut(strings.TrimPrefix(decoded, "/"), "/")
	if !ok || bucket == "" || key == "" {
		return nil, bad("Copy Source must mention the source bucket and key: sourcebucket/sourcekey")
	}
	if err := checkBucketName(bucket); err != nil {
		return nil, err
	}
	if err := checkKey(key); err != nil {
		return nil, err
	}
	s.bucket, s.key = bucket, key
	return &s, nil
}
